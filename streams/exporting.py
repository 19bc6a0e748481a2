"""A chain in the form of a foreign standard: its journal folded, its facts written down."""

from collections.abc import Callable, Mapping, Sequence

from supplytwin.processors import dcsa_export, epcis_export
from supplytwin.processors.chain import ChainFold, ChainState
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


def folded(
    chain_id: str, entries: Sequence[bytes], common: Sequence[bytes] = ()
) -> tuple[ChainFold, ChainState]:
    """A chain as it is. Raises UsageError when its hash chain is broken: what cannot be trusted is
    not handed on. `common` = entries that every chain may need (`show.is_common`).
    """
    broken = verify(chain_id, entries)
    if broken is not None:
        raise UsageError(f"not exported: {broken}; see `supplytwin twin show {chain_id}`")
    fold = ChainFold("")
    fold.told_of_all([record_of(value) for value in common])
    state = fold.new(chain_id)
    for past in fold.replay([record_of(value) for value in entries]):
        state = fold.restore(state, past)
    return fold, state


def facts(chain_id: str, entries: Sequence[bytes], common: Sequence[bytes] = ()) -> FactSet:
    """Every fact of a chain, see `folded`."""
    _, state = folded(chain_id, entries, common)
    return state.twin.facts


def export(
    chain_id: str, form: str, entries: Sequence[bytes], common: Sequence[bytes] = ()
) -> Exported:
    """The document of a chain in a format. Raises UsageError for a format that we do not have."""
    write = FORMATS.get(form)
    if write is None:
        raise UsageError(f"--format {form}: must be one of {', '.join(sorted(FORMATS))}")
    return write(facts(chain_id, entries, common))
