"""What a fold remembers of the journal beside its states, to read and compute what comes after."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from supplytwin.processors import carbon
from supplytwin.processors.carbon_packs import InForce, rules_in
from supplytwin.processors.footprint import Computed
from supplytwin.processors.key_register import NO_KEYS, recorded
from supplytwin.schemas.flow import Record
from supplytwin.schemas.foreign import Foreign, WriterSchema
from supplytwin.schemas.ids import partition_of_control
from supplytwin.schemas.records import Control
from supplytwin.schemas.replay import Replayed, replay

if TYPE_CHECKING:
    from supplytwin.processors.chain import ChainState


class Remembers:
    """Schemas of others, and packs of factors. `register`: the keys that `told_of_all` told."""

    def __init__(self) -> None:
        self._foreign = Foreign()
        self._packs = InForce()
        self.register = NO_KEYS

    def remember(self, control: "ChainState") -> None:
        """Schemas and packs of a control chain are known, as if its journal had been read."""
        for fingerprint, text in control.schemas.items():
            found = WriterSchema(fingerprint=fingerprint, text=text)
            self._foreign.learn(partition_of_control(control.chain_id), found)
        for offset, rules in control.packs:
            self._packs.learn(partition_of_control(control.chain_id), offset, rules)

    def told_of_all(self, records: Sequence[Record]) -> None:
        """Entries of control chains that every chain may need: schemas of others, packs, keys. For
        those who fold a chain by itself.
        """
        for one in self.replay(records):
            self._packs.learn_everywhere(one.entry.taken_at, rules_in(one.entry))
            if one.item is not None and isinstance(one.item.message, Control):
                self.register = recorded(self.register, one.item.message)

    def told(self, control: "ChainState") -> object:
        """What a control chain says on which decisions about other chains rest."""
        return control.register

    def rests(self, state: "ChainState") -> bool:
        """Whether a decision about this chain may rest on that: it has signed facts."""
        return bool(state.twin.facts.signed)

    def footprint(self, state: "ChainState", consignment_id: str) -> Computed | None:
        """The footprint of a consignment of a chain that is folded by itself."""
        return carbon.of(state.twin, consignment_id, self._packs.at(0))

    def replay(self, records: Sequence[Record]) -> list[Replayed]:
        """Journal records as `restore` takes them."""
        return replay(records, self._foreign)
