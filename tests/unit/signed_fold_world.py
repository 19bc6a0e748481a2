"""Signed facts and key records in a real worker over a broker in memory."""

import signed_world
from settlement_world import received
from signed_world import secret_of

from supplytwin.processors import keys
from supplytwin.processors.chain import ChainFold
from supplytwin.processors.closing import ClosingFold, gist
from supplytwin.processors.signed_facts_counted import judgements
from supplytwin.schemas import codec, journal, signing
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.records import CONTROL, EXCEPTIONS, JOURNAL, Control
from supplytwin.streams import deployment
from supplytwin.streams.audit import Audited, Recount
from supplytwin.streams.intake import Intake
from supplytwin.streams.testing import Driver
from supplytwin.streams.upkeep import UpkeepSettings
from supplytwin.streams.worker import WorkerSettings

PAST_DAYS = 400
"""No broker takes records of the future."""
SOURCE = "wms:fra"
TIMELINE = "test"


def day(number):
    """Midnight UTC of a day, us."""
    return signed_world.day(number - PAST_DAYS)


def a_key(kid="wh-1", **changes):
    """A key of warehouse FRA, valid for 100 days."""
    return signed_world.a_key(kid, **{"valid_from": day(0), "valid_to": day(100), **changes})


class Watching(ChainFold):
    """A fold that remembers what it decided about: (chain, tick, what counts and what not)."""

    def __init__(self, timeline, secrets=None):
        super().__init__(timeline, secrets)
        self.decided = []

    def decide(self, state, tick, control=None):
        self.decided.append((state.chain_id, tick, verdicts(state, control.register)))
        return super().decide(state, tick, control)


def verdicts(state, register, **options):
    """Event id -> "" for what counts, else the reason."""
    found = judgements(state.twin, register, **options)
    return {
        version.identity.event_id: str(getattr(one, "reason", "")) for version, one in found.items()
    }


def fact(event_id="recv-1", at=None, chain_id="PO-1", **fields):
    """A receipt into the warehouse, on day 10 unless said otherwise, by the signing source."""
    made = received(day(10) if at is None else at, event_id=event_id, source=SOURCE, **fields)
    return type(made)(**{name: getattr(made, name) for name in made.__struct_fields__}
                      | {"chain_id": chain_id})  # fmt: skip


def sealed(message, kid="wh-1", seq=1):
    """(bytes, headers) of a signed fact."""
    value = codec.encode(message.TOPIC, message)
    header = signing.sign(secret_of(kid), kid=kid, source=message.source, seq=seq, value=value,
                          original=message.original)  # fmt: skip
    return value, (header,)


def record(*made, revoked=(), compromised=()):
    """A KEY record; revoked and compromised are (kid, time)."""
    return keys.KeyRecord(
        keys=made,
        revoked=tuple(keys.Revoked(kid=k, revoked_at=t, reason="left") for k, t in revoked),
        compromised=tuple(
            keys.Compromised(kid=k, compromise_at=t, reason="stolen") for k, t in compromised
        ),
        act=keys.Act(who="olga", role="OPERATOR", reason="test"),
    )


class SignedWorld:
    """A worker on some partitions, what it is told, and what came of it."""

    def __init__(self, folder=None, secrets=None, partitions=1):
        upkeep = UpkeepSettings(
            **({"snapshots": folder, "every_s": 100.0, "timeline": TIMELINE} if folder else {})
        )
        settings = WorkerSettings(simulated=True, poll_s=0.0, upkeep=upkeep)
        self.secrets = secrets
        self.driver = Driver(
            self._fold(), Intake(), topics=deployment.TOPICS, settings=settings, gist=gist,
            partitions=partitions,
        )  # fmt: skip
        self.numbers = 0

    def _fold(self):
        self.watching = Watching(TIMELINE, self.secrets)
        return ClosingFold(self.watching)

    def send(self, message, headers=(), at=None, value=None):
        """A fact arrives, at the time that it tells of unless said otherwise."""
        at = message.event_time if at is None else at
        body = codec.encode(message.TOPIC, message) if value is None else value
        self.driver.send(message.TOPIC, message.chain_id, body, headers=headers, timestamp_us=at)
        self.driver.settle()

    def signed(self, message, kid="wh-1", seq=1, at=None):
        value, headers = sealed(message, kid, seq)
        self.send(message, headers, at, value)

    def tell(self, said, body=None):
        """A KEY record on every partition."""
        self.numbers += 1
        control = Control(
            input_id=f"key-{self.numbers}", kind="KEY", tick_time=Micros(day(0)), timeline=TIMELINE,
            body=keys.body_of(said) if body is None else body,
        )  # fmt: skip
        for number in range(self.driver.partitions):
            self.driver.send(CONTROL, f"@p{number}", codec.encode(CONTROL, control),
                             partition=number)  # fmt: skip
        self.driver.settle()

    def tick(self, at):
        self.driver.tick(at)
        self.driver.settle()

    def restart(self):
        self.driver.worker.close()
        self.driver._fold = self._fold()
        self.driver.restart()
        self.driver.settle()

    def store(self, number=0):
        return self.driver.worker.stores[number]

    def state(self, chain_id="PO-1"):
        for store in self.driver.worker.stores.values():
            if chain_id in store.states:
                return store.states[chain_id]
        raise KeyError(chain_id)

    def register(self, number=0):
        found = self.store(number).states.find(f"@p{number}")
        return keys.Register() if found is None else found.register

    def verdicts(self, chain_id="PO-1", **options):
        return verdicts(self.state(chain_id), self.register(), **options)

    def read(self, topic):
        return [codec.decode(topic, r.value or b"").message for r in self.driver.read(topic)]

    def exceptions(self):
        """(code, the reason's first word) of what is told on the exceptions topic."""
        return [(one.code, one.reason.split(":")[0]) for one in self.read(EXCEPTIONS)]

    def entries(self, chain_id=None):
        found = [journal.read(r.value or b"") for r in self.driver.read(JOURNAL)]
        return [one for one in found if chain_id in (None, one.chain_id)]

    def counted(self, what):
        return self.driver.worker.metrics.value("supplytwin_folded_total", what=what)

    def audit(self):
        """What an audit of the first partition says of its journal and its exceptions."""
        found = Audited()
        count = Recount(0, TIMELINE, found)
        for one in self.driver.read(JOURNAL):
            count.take(one)
        count.close()
        count.compare(EXCEPTIONS, self.driver.read(EXCEPTIONS), 1 << 60)
        return found
