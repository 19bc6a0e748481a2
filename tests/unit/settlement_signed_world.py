"""A chain under full contract terms of which every fact is signed by the key of its source."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from msgspec.structs import replace
from settlement_full_world import FullWorld, day, electronics
from settlement_world import event
from signed_fold_world import record
from signed_world import secret_of

from supplytwin.processors.closing import ClosingFold
from supplytwin.processors.keys import Key
from supplytwin.schemas import codec, signing
from supplytwin.schemas.condition import All, Milestone
from supplytwin.schemas.contract import ContractTerms, Tranche
from supplytwin.schemas.flow import Header
from supplytwin.schemas.ids import DAY_US, SECOND_US


def shared(kid: str) -> bytes:
    """The shared secret of an HMAC key."""
    return f"shared by all who know it: {kid}".encode().ljust(32, b".")


class SealedWorld(FullWorld):
    """`hmac` = the keys that are shared ones; `hasty` = the sources whose signature is none,
    `unsigned` = those that sign nothing.

    A finished chain is closed after `close_days`. `amiss` = what is otherwise with a key.
    """

    def __init__(
        self,
        terms: ContractTerms | None = None,
        *,
        hmac: tuple[str, ...] = (),
        close_days: int = 0,
        folder: Path | None = None,
        amiss: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    ) -> None:
        self.amiss = amiss
        self.hmac, self.close_days, self.sent = hmac, close_days, 0
        self.hasty: tuple[str, ...] = ()
        self.unsigned: tuple[str, ...] = ()
        self.by: dict[str, str] = {}
        """Source -> the key that it signs with from now on."""
        super().__init__(terms, folder=folder)
        self.secrets = {kid: shared(kid) for kid in hmac}
        self.restart()
        self.tell(record(*self.made()))

    def _fold(self) -> Any:
        inner = super()._fold()._chains
        return ClosingFold(inner, self.close_days * DAY_US)

    def made(self) -> list[Key]:
        """One key for each source that the terms list."""
        return [self.key(source) for one in self.terms.attesters for source in one.sources]

    def key(self, source: str, number: int = 1, **changes: Any) -> Key:
        """A key of a source, as the terms name who it is."""
        (who,) = [one for one in self.terms.attesters if source in one.sources]
        kid = f"{source}-{number}"
        made = {
            "kid": kid, "alg": "Ed25519", "organisation": who.org_id, "role": who.role,
            "site": who.sites[0] if who.sites else "HQ",
            "key": signing.public_key(secret_of(kid)).hex(),
            "valid_from": day(-300), "valid_to": day(900), "sources": (source,),
        }  # fmt: skip
        if kid in self.hmac:
            made |= {"alg": "HMAC-SHA-256", "key": hashlib.sha256(shared(kid)).hexdigest()}
        return Key(**{**made, **self.amiss.get(kid, {}), **changes})

    def sealed(self, message: Any, kid: str | None = None) -> tuple[bytes, tuple[Header, ...]]:
        """(bytes, headers) of a fact, signed under the next seq."""
        self.sent += 1
        source, value = message.source, codec.encode(message.TOPIC, message)
        named = kid or self.by.get(source) or f"{source}-1"
        told: Any = {"kid": named, "source": source, "seq": self.sent, "value": value}
        if named in self.hmac:
            return value, (signing.sign_hmac(shared(named), **told),)
        return value, (signing.sign(secret_of(named), **told),)

    def fact(self, kind: str, subject: str, id: str, on: float, source: str, **fields: Any) -> Any:
        made = event(kind, subject, id, day(on), source=source, chain_id=self.chain, **fields)
        if source in self.unsigned:
            self.send(made, at=day(on) + SECOND_US)
        elif source in self.hasty:
            value, ((name, header),) = self.sealed(made)
            self.send(made, ((name, header[:-4] + b"AAAA"),), day(on) + SECOND_US, value)
        else:
            self.attest(made, day(on) + SECOND_US)
        return made

    @property
    def exported(self) -> Any:
        """The declaration for export, as it came."""
        return self.told("declared X-1")

    def told(self, event_id: str) -> Any:
        """A fact that is known, as it came."""
        facts = self.state(self.chain).twin.facts
        (found,) = [one for one in facts.every() if one.identity.event_id == event_id]
        return found.current.event

    def attest(self, message: Any, at: int, kid: str | None = None) -> None:
        """A fact arrives, signed; one that is known is attested again."""
        value, headers = self.sealed(message, kid)
        self.send(message, headers, at, value)

    def pack(self) -> None:
        """The chain is packed bytes in memory, as chains are that are quiet."""
        states = self.store().states
        states.load(self.chain, states.frozen(states.raw[self.chain]))

    def snapshot(self) -> None:
        """One is written of all that there is."""
        metrics = self.driver.worker.metrics
        before = metrics.value("supplytwin_snapshots_total")
        for _ in range(5_000):
            self.driver.seconds += 10.0
            self.driver.turn()
            if metrics.value("supplytwin_snapshots_total") > before:
                return
        raise AssertionError("no snapshot")

    def lost(self, kid: str, since: float) -> None:
        """A key is told to have been in other hands since a day."""
        self.tell(record(compromised=[(kid, day(since))]))

    def again(self, message: Any, on: float, kid: str) -> None:
        """A new key of a source attests a known fact again."""
        self.tell(record(self.key(message.source, int(kid.rpartition("-")[2]))))
        self.attest(message, day(on), kid)


def allowing(terms: ContractTerms, *, allowed: bool, **changes: Any) -> ContractTerms:
    """The same terms, in which HMAC counts or does not."""
    return replace(terms, evidence=replace(terms.evidence, hmac_allowed=allowed), **changes)


def sited(source: str, site: str) -> ContractTerms:
    """The same terms, in which who tells under a name does so from one site alone."""
    made = electronics()
    there = [
        replace(one, sites=(site,)) if source in one.sources else one for one in made.attesters
    ]
    return replace(made, attesters=tuple(there))


def demanding(assurance: str) -> ContractTerms:
    """The founding use case without a template: milestones have to be told as surely as that."""
    made = electronics()
    return replace(
        made,
        template=None,
        template_version=None,
        parameters={},
        tranches=tuple([_demanding(one, assurance) for one in made.tranches]),
    )


def _demanding(tranche: Tranche, assurance: str) -> Tranche:
    whole = tranche.condition
    assert isinstance(whole, All)
    parts = [
        replace(one, min_assurance=assurance) if isinstance(one, Milestone) else one
        for one in whole.of
    ]
    return replace(tranche, condition=All(of=tuple(parts)))
