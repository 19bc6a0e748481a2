"""A signed original and the envelope around it: they agree, or the fact proves nothing."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from signed_fold_world import SignedWorld, a_key, day, record

from supplytwin.processors import customs, dcsa, epcis
from supplytwin.processors.feeds import Given
from supplytwin.processors.signed_facts_counted import CODE
from supplytwin.processors.signed_facts_original import agrees
from supplytwin.schemas.ids import Micros

DATA = Path(__file__).parents[1] / "data"


def _dcsa(given=None):
    files = sorted((DATA / "dcsa").glob("*.json"))
    return [one for file in files for one in dcsa.document(file.read_bytes(), given).events]


def _epcis():
    found = []
    for file in sorted((DATA / "epcis").glob("[DE]*s/*")):
        made = epcis.document(file.read_bytes(), Given(source="epcis:acme")).events
        found += [one for one in made if one.original]
    return found


def _customs():
    rows = (DATA / "customs" / "df_syn_test_eng.csv").read_bytes().splitlines()[:60]
    return list(customs.document(b"\n".join(rows)).events)


@pytest.mark.parametrize(("read", "least"), [(_dcsa, 10), (_epcis, 40), (_customs, 59)])
def test_an_event_agrees_with_the_document_that_it_was_read_from(read, least):
    """Every one that is read from the published examples, and none of them in another envelope."""
    found = read()
    assert len(found) >= least
    for one in found:
        assert agrees(one), one
        for changes in (
            {"subject_id": "other"}, {"chain_id": "other"}, {"event_id": "other"},
            {"revision": Micros(one.revision + 1)}, {"event_time": Micros(one.event_time + 1)},
            {"recorded_time": Micros(one.recorded_time - 1)}, {"source": f"{one.source}x"},
            {"refs": (*one.refs, "PO:1")}, {"original": b"{}"}, {"original": b"\xff"},
            {"original_media_type": "application/x"},
            {"original_media_type": "application/json; ileap=1.0"}, {"original": b""},
        ):  # fmt: skip
            if changes.get("source") and one.source.startswith(("epcis", "customs", "inferred")):
                continue  # these documents do not name it, and it is signed itself
            assert not agrees(replace(one, **changes)), changes


def test_a_chain_that_only_the_feed_was_told_agrees_with_no_envelope():
    """The document does not say it: the same document could be put into any chain."""
    found = _dcsa(Given(chain="PO-1"))
    assert found
    assert not any(map(agrees, found))


def test_in_the_fold_an_envelope_that_differs_counts_for_nothing():
    """A genuine signature over the original, another subject around it: recorded with the reason;
    the right envelope counts.
    """
    one = next(one for one in _dcsa() if one.event_type == "shipment.arrived")
    played = SignedWorld()
    valid = {"valid_from": day(-9_000), "valid_to": day(9_000)}
    played.tell(record(a_key(sources=("dcsa*",), organisation="ORG-CAR", role="CARRIER", **valid)))
    played.signed(one, at=day(0))
    assert set(played.verdicts(one.chain_id).values()) == {""}
    wrong = replace(one, event_id="another", subject_id=f"{one.subject_id}9")
    played.signed(wrong, seq=2, at=day(0))
    assert played.verdicts(one.chain_id) == {one.event_id: "", "another": "ENVELOPE_DIFFERS"}
    assert [why for code, why in played.exceptions() if code == CODE] == ["ENVELOPE_DIFFERS"]
