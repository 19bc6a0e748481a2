"""A chain in the form of a foreign standard: its journal folded, its facts written down."""

from collections.abc import Callable, Mapping, Sequence

from supplytwin.processors import dcsa_export, epcis_export
from supplytwin.processors.chain import ChainFold
from supplytwin.processors.custody import verify
from supplytwin.processors.facts import FactSet
from supplytwin.processors.feeds import Exported
from supplytwin.schemas.errors import UsageError
from supplytwin.streams.show import record_of

FORMATS: Mapping[str, Callable[[FactSet], Exported]] = {
    "dcsa": dcsa_export.exported,
    "epcis": epcis_export.exported,
}
"""Name of a format -> who writes it."""


def facts(chain_id: str, entries: Sequence[bytes], schemas: Sequence[bytes] = ()) -> FactSet:
    """Every fact of a chain. Raises UsageError when its hash chain is broken: what cannot be
    trusted is not handed on. `schemas` = entries that are schemas of others.
    """
    broken = verify(chain_id, entries)
    if broken is not None:
        raise UsageError(f"not exported: {broken}; see `supplytwin twin show {chain_id}`")
    fold = ChainFold("")
    fold.replay([record_of(value) for value in schemas])
    state = fold.new(chain_id)
    for past in fold.replay([record_of(value) for value in entries]):
        state = fold.restore(state, past)
    return state.twin.facts


def export(
    chain_id: str, form: str, entries: Sequence[bytes], schemas: Sequence[bytes] = ()
) -> Exported:
    """The document of a chain in a format. Raises UsageError for a format that we do not have."""
    write = FORMATS.get(form)
    if write is None:
        raise UsageError(f"--format {form}: must be one of {', '.join(sorted(FORMATS))}")
    return write(facts(chain_id, entries, schemas))
