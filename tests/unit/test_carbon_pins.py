"""What footprints rest on beside facts: whoever changes it changes what a replay of a log says."""

import hashlib
import importlib.metadata
import importlib.resources

import pytest

from supplytwin.schemas import places

SHA256 = {
    "factors_desnz2025.json": "34d3f97b156dd424",
    "factors_epa2025.json": "cfa8bf63585465cd",
    "factors_grids2023.json": "63bd5e8a83254b94",
    "factors_grids_china2023.json": "0e51f409a589318a",
    "places.csv": "4011a9e70b7feadd",
    "ports.csv": "6be54efafdccf49c",
}


@pytest.mark.parametrize("name", SHA256)
def test_data_of_footprints_are_as_they_were(name: str) -> None:
    """A pack of a name has its factors for ever, a place its position: another version gets another
    name, or `supplytwin upgrade` has to say it.
    """
    raw = importlib.resources.files("supplytwin.schemas").joinpath(name).read_bytes()
    assert hashlib.sha256(raw).hexdigest()[:16] == SHA256[name]


def test_the_library_of_distances_is_the_one_that_footprints_name() -> None:
    """Its version is part of their inputs."""
    assert f"geographiclib {importlib.metadata.version('geographiclib')}" in places.GEODESIC
