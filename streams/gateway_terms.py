"""The terms under which instructions were decided, as the gateway finds them in Kafka.

They are recognised by their own hash, so it does not matter who wrote a record or what it claims to
be: an instruction is paid by the bytes that the worker has decided on, or by none.
"""

from supplytwin.schemas import codec
from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.ids import partition_of
from supplytwin.schemas.records import CONTRACTS, Contract, Instruction
from supplytwin.schemas.terms import terms_hash
from supplytwin.sinks.bank_rail_terms import Parties, Paying, agreed
from supplytwin.streams.audit_run import read
from supplytwin.streams.ports import Broker, TopicPartition


class AgreedParties:
    """Parties from `settlement.contracts`; `listed` = for terms that name no accounts.

    The topic is read on when an instruction names terms that are not known yet. The worker had
    read them when it decided, so what is not found before the present end does not exist.
    """

    def __init__(self, broker: Broker, partitions: int, listed: Parties | None = None) -> None:
        self._broker, self._partitions, self._listed = broker, partitions, listed
        self._known: dict[str, Paying | None] = {}
        self._next: dict[int, int] = {}

    def of(self, order: Instruction) -> Paying | None:
        hashed = order.terms_hash
        if hashed is None:
            return None
        if hashed not in self._known:
            self._read_on(partition_of(order.chain_id.encode(), self._partitions))
        found = self._known.get(hashed)
        if found is None and self._listed is not None:
            found = self._listed.of(order)
        return found

    def _read_on(self, number: int) -> None:
        at = TopicPartition(CONTRACTS, number)
        admin = self._broker.admin()
        try:  # a stranger's open transaction is not waited for: the worker could not read it either
            end = admin.ends([at], "read_committed")[at]
        finally:
            admin.close()
        for record in read(self._broker, at, end, _unheard, start=self._next.get(number, 0)):
            self._next[number] = record.offset + 1
            try:
                contract = codec.decode(CONTRACTS, record.value or b"").message
            except RecordError:
                continue  # the worker quarantines it
            if isinstance(contract, Contract):
                self._known[terms_hash(contract.terms)] = agreed(contract.terms)


def _unheard(what: str, done: int, total: int) -> None:
    """Nobody is told how far a read is."""
