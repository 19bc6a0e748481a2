"""Signed evidence under full terms: by which version it counts, and what a lost key takes back."""

import datetime as dt
import hashlib
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from settlement_full_world import CONSIGNMENT, LINE, day, electronics
from settlement_signed_world import SealedWorld, allowing, demanding, shared, sited
from settlement_world import event
from signed_fold_world import TIMELINE, record
from test_settlement_full_review import amend, is_sound, later, version
from test_upgrade import install

from supplytwin.processors import contract_check, settlement_judged
from supplytwin.processors.closing import Closed
from supplytwin.processors.evidence import Leaf
from supplytwin.processors.signed_facts_counted import CODE
from supplytwin.schemas.ids import SECOND_US
from supplytwin.schemas.records import EXCEPTIONS, SETTLEMENT_EVENTS
from supplytwin.streams import topics, upgrade
from supplytwin.streams.pressure import Pressure

EXPORT, ARRIVAL, WARRANTY = 0, 1, 2
KID = "customs-cn-1"


def sent(world: SealedWorld) -> SealedWorld:
    """Funded, exported by signed evidence, and the first payment is under way."""
    world.tick(day(0.1))
    world.answer("RESERVE", "CONFIRMED", 0.2)
    world.export()
    world.tick(day(3))
    return world


# ---- the version of the terms that a claim is under


def test_an_amendment_that_forbids_hmac_takes_nothing_away_that_was_decided() -> None:
    """What is under way and what is paid goes on being judged by the version that it is under."""
    world = sent(SealedWorld(allowing(electronics(), allowed=True), hmac=("customs-cn-1",)))
    assert world.states() == ["INSTRUCTED", "RESERVED", "RESERVED"]
    amend(world, allowing(later(world), allowed=False), 3.1)
    assert version(world) == 2
    world.tick(day(3.12))
    assert world.states()[EXPORT] == "INSTRUCTED"
    world.answer("PAY", "ACSC", 3.2)
    world.tick(day(4))
    assert world.states() == ["SETTLED", "RESERVED", "RESERVED"]
    assert 32 not in world.rows()
    assert is_sound(world)


def test_an_amendment_that_allows_hmac_does_not_make_it_count_for_older_claims() -> None:
    """A payment whose signature is lost is recalled, though its fact came with an HMAC, too, that
    the version of its terms does not take.
    """
    world = sent(SealedWorld(allowing(electronics(), allowed=False), hmac=("customs-cn-2",)))
    amend(world, allowing(later(world), allowed=True), 3.1)
    world.again(world.exported, 3.11, "customs-cn-2")
    world.tick(day(3.12))
    assert world.states()[EXPORT] == "INSTRUCTED"
    world.lost("customs-cn-1", 2)
    world.tick(day(3.13))
    assert world.states()[EXPORT] == "CANCEL_PENDING"
    assert is_sound(world)


@pytest.mark.parametrize(
    "changed",
    [
        {"sources": ("customs-other",)},
        {"org_id": "guangdong-customs"},
        {"sites": ("SHANGHAI",)},
        {"role": "INSPECTOR"},
    ],
)
def test_whose_word_counts_is_read_from_the_version_of_the_claim(changed: dict[str, Any]) -> None:
    """An amendment by which the proof would not count any more takes no payment back that is under
    way by it: neither source, organisation, site nor role are those of the newest version.
    """
    world = sent(SealedWorld())
    terms = later(world)
    named = [
        replace(one, **changed) if "customs-cn" in one.sources else one for one in terms.attesters
    ]
    amend(world, replace(terms, attesters=tuple(named)), 3.1)
    assert version(world) == 2
    world.tick(day(3.12))
    assert world.states()[EXPORT] == "INSTRUCTED"
    assert is_sound(world)


def test_a_claim_that_an_amendment_replaces_is_judged_by_the_new_version() -> None:
    """An HMAC that counted for nothing counts for what the amendment puts in its place."""
    world = sent(SealedWorld(allowing(electronics(), allowed=False), hmac=("customs-cn-1",)))
    assert world.states()[EXPORT] == "RESERVED"
    amend(world, allowing(later(world), allowed=True), 3.1)
    world.tick(day(3.12))
    assert world.states()[EXPORT] == "INSTRUCTED"
    assert is_sound(world)


# ---- a newer fold judges by the keys that the journal has


def _upgraded(world: SealedWorld) -> upgrade.Plan:
    """Every worker stopped, the newer fold's restatement applied, a worker started again."""
    meta = topics.Meta(simulated=True, timeline=TIMELINE, partitions=1)
    broker = world.driver.broker
    world.driver.worker.close()
    plan = upgrade.plan(broker, meta, lambda *_: None)
    upgrade.apply(broker, meta, lambda *_: None)
    world.restart()
    return plan


def test_a_restatement_judges_signatures_by_the_keys_of_the_journal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A payment that rests on signatures is no disagreement when the newer fold finds the same."""
    free = partial(contract_check.sense, free_conditions=True)
    monkeypatch.setattr(contract_check, "sense", free)
    world = sent(SealedWorld(demanding("SIGNED")))
    assert world.states()[EXPORT] == "INSTRUCTED"
    install(monkeypatch, "2")
    assert [one.reviews for one in _upgraded(world).chains] == []
    world.tick(day(3.1))
    assert world.states()[EXPORT] == "INSTRUCTED"


def test_a_restatement_moves_no_money_that_rests_on_signatures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The evidence that the newer fold has seen is the one that a cut sees: nothing is recalled
    over it, also by who starts from the journal under keys that were told later.
    """
    world = sent(SealedWorld())
    claim = world.state(world.chain).book.order[EXPORT]
    install(monkeypatch, "2")
    doubts = Leaf(name="amount", value="UNKNOWN", why="doubted by a newer fold")
    monkeypatch.setattr(settlement_judged, "_amount", lambda *_: [doubts])
    (told,) = _upgraded(world).chains
    assert told.reviews == (claim,)
    world.tick(day(3.1))
    assert world.states()[EXPORT] == "INSTRUCTED"
    marked = world.state(world.chain).book.claims[claim].restated
    assert marked == world.now(EXPORT).evidence_hash
    world.lost("customs-ae-1", 2)
    world.restart()
    assert world.state(world.chain).book.claims[claim].restated == marked
    world.tick(day(3.11))
    assert world.states()[EXPORT] == "INSTRUCTED"
    world.lost("customs-cn-1", 2)
    world.tick(day(3.12))
    assert world.states()[EXPORT] == "CANCEL_PENDING"


# ---- a compromise wakes every chain with evidence of the key


def _arrived(world: SealedWorld) -> SealedWorld:
    """The first payment is booked; cleared, received and accepted, so that the second matches."""
    world = sent(world)
    world.answer("PAY", "ACSC", 4)
    world.cleared()
    world.received()
    world.tick(day(64))
    assert world.states() == ["SETTLED", "MATCHED", "RESERVED"]
    return world


def _ended(world: SealedWorld) -> SealedWorld:
    """Every claim has ended, two of them paid; against the third the buyer has a claim."""
    world = _arrived(world)
    world.fact("customs.cleared", "DECLARATION:X-1", "cleared X-1", 64, "customs-cn",
               entry_id="E2", refs=(CONSIGNMENT,))  # fmt: skip
    world.tick(day(65))
    world.answer("PAY", "ACSC", 66)
    world.fact("order.held", LINE, "claimed", 80, "erp-buyer", line_id="1", hold_code="CLAIM",
               scope="PAYMENT")  # fmt: skip
    world.fact("order.unheld", LINE, "settled", 180, "erp-buyer", line_id="1", hold_code="CLAIM",
               scope="PAYMENT")  # fmt: skip
    for on in (190, 214):
        world.tick(day(on))
    world.answer("RELEASE", "RELEASED", 215)
    for on in (216, 250):
        world.tick(day(on))
    return world


def _closed(world: SealedWorld) -> SealedWorld:
    """The same, and the chain has left memory."""
    assert isinstance(_ended(world).state(world.chain), Closed)
    return world


@pytest.mark.parametrize("packed", [False, True])
def test_a_compromise_takes_back_a_match_of_a_chain_that_nothing_else_stirs(packed: bool) -> None:
    """At the next cut, also of a chain that lies packed in memory."""
    world = _arrived(SealedWorld())
    if packed:
        world.pack()
    world.lost("customs-ae-1", 60)
    world.tick(day(64) + SECOND_US)
    assert world.states()[ARRIVAL] == "RESERVED"
    world.tick(day(66))
    assert world.paid() == [72_000_000]
    world.tick(day(200))
    assert world.states()[ARRIVAL] in ("HELD", "VOIDED")
    assert is_sound(world)


@pytest.mark.parametrize("restarted", ["never", "before", "after", "snapshot"])
def test_a_compromise_opens_a_closed_chain_and_claims_back_what_was_paid(
    restarted: str, tmp_path: Path
) -> None:
    """Its payments are final: what spoke for them is claimed back, once, whoever was restarted."""
    world = _closed(SealedWorld(close_days=30, folder=tmp_path))
    if restarted in ("before", "snapshot"):
        if restarted == "snapshot":
            world.snapshot()
        world.restart()
        world.tick(day(251))
        assert isinstance(world.state(world.chain), Closed)
    world.lost("customs-ae-1", 60)
    if restarted == "after":
        world.restart()
    world.tick(day(252))
    found = [one for one in world.read(EXCEPTIONS) if one.code == "CLAIM_RECORD"]
    book = world.state(world.chain).book
    assert [one.subject_id for one in found] == [book.order[ARRIVAL]]
    assert book.freezes == {book.order[ARRIVAL]}
    for on in (253, 290, 291):
        world.tick(day(on))
    assert isinstance(world.state(world.chain), Closed)
    assert len([one for one in world.read(EXCEPTIONS) if one.code == "CLAIM_RECORD"]) == 1
    assert not world.audit().differences


def _full(world: SealedWorld) -> Pressure[Any]:
    """Memory is nearly full from now on."""
    upkeep = world.driver.worker._clients.upkeep
    made = Pressure[Any](1 << 40, upkeep._metrics.upkeep, lambda: world.driver.seconds,
                         resident=lambda: 0)  # fmt: skip
    made.share, made._looked = 0.95, float("inf")
    return made


def test_a_tick_right_behind_a_compromise_decides_about_closed_chains_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The cut that knows the key to be lost is the one that claims back, also when both are read in
    one batch.
    """
    world = _closed(SealedWorld(close_days=30))
    with monkeypatch.context() as unread:
        unread.setattr(world.driver, "settle", lambda: None)
        world.lost("customs-ae-1", 60)
    world.tick(day(252))
    told = [one for one in world.read(SETTLEMENT_EVENTS) if one.row == 32]
    assert [one.tick_time for one in told] == [day(252)]
    assert world.counted("reopened") == 1


def test_memory_closes_no_chain_that_a_change_of_keys_is_yet_to_wake() -> None:
    """Short memory ends what is decided under all keys that are known; else it packs the chain."""
    world = _ended(SealedWorld())
    world.lost("customs-ae-1", 60)
    world.driver.worker._clients.upkeep.pressure = pressure = _full(world)
    world.driver.turn()
    assert [one.kind for one in world.entries(world.chain)][-1] != "CLOSED"
    pressure.share = 0.0
    world.tick(day(252))
    assert 32 in world.rows()


def test_a_closed_chain_sleeps_on_when_what_is_told_is_not_about_its_keys() -> None:
    """Another key changes nothing; an end after all that it signed has it looked at, and closed
    again under the keys that it was looked at by.
    """
    world = _closed(SealedWorld(close_days=30))
    before = len(world.entries(world.chain))
    world.tell(record(world.key("customs-ae", 7)))
    world.tick(day(252))
    assert (world.counted("reopened"), len(world.entries(world.chain))) == (0, before)
    world.lost("customs-ae-1", 200)
    world.tick(day(253))
    assert world.counted("reopened") == 1
    assert isinstance(world.state(world.chain), Closed)
    assert world.entries(world.chain)[before:] == [world.entries(world.chain)[-1]]
    assert world.entries(world.chain)[-1].kind == "CLOSED"
    looked_at = len(world.entries(world.chain))
    world.restart()
    world.tick(day(254))
    assert isinstance(world.state(world.chain), Closed)
    assert len(world.entries(world.chain)) == looked_at
    assert not world.audit().differences


@pytest.mark.parametrize(
    ("status", "state", "row"),
    [(None, "CANCEL_PENDING", 28), ("ACSP", "CANCEL_PENDING", 28), ("ACSC", "SETTLED", 32)],
)
def test_a_compromise_after_the_instruction_recalls_or_claims_back(
    status: str | None, state: str, row: int
) -> None:
    """What is sent can only be recalled, what is paid is claimed back and freezes the others."""
    world = sent(SealedWorld())
    if status is not None:
        world.answer("PAY", status, 3.1)
    world.lost("customs-cn-1", 2)
    world.tick(day(3.12))
    assert world.states()[EXPORT] == state
    assert world.states()[ARRIVAL:] == ["HELD" if row == 32 else "RESERVED"] * 2
    told = [one for one in world.read(SETTLEMENT_EVENTS) if one.row == row]
    assert [one.evidence_ids for one in told] == [("customs-cn/declared X-1",)]
    assert world.paid() == [72_000_000]
    assert is_sound(world)


def test_what_another_key_of_the_organisation_attests_again_is_released() -> None:
    """A match that a compromise took back comes back by the same facts, newly signed."""
    world = _arrived(SealedWorld())
    facts = [world.told(name) for name in ("declared I-1", "cleared")]
    world.lost("customs-ae-1", 60)
    world.tick(day(64.1))
    assert world.states()[ARRIVAL] == "RESERVED"
    world.again(facts[0], 64.2, "customs-ae-2")
    world.tick(day(64.25))
    assert world.states()[ARRIVAL] == "RESERVED"
    world.again(facts[1], 64.26, "customs-ae-2")
    world.tick(day(64.3))
    assert world.states()[ARRIVAL] == "MATCHED"
    assert is_sound(world)


def test_who_signs_it_wrongly_too_does_not_make_a_lost_proof_false() -> None:
    """After the close a proof whose key was lost waits for people, whatever else was sent: with
    the same fact under a signature that is none the claim does not expire.
    """
    world = SealedWorld()
    world.tick(day(0.1))
    world.answer("RESERVE", "CONFIRMED", 0.2)
    world.export()
    world.lost("customs-cn-1", 1)
    world.tick(day(3))
    assert world.states()[EXPORT] == "RESERVED"
    value, ((name, header),) = world.sealed(world.exported)
    world.send(world.exported, ((name, header[:-4] + b"AAAA"),), day(3.1), value)
    assert world.exceptions()[-1] == (CODE, "BAD_SIGNATURE")
    world.tick(day(40))
    assert world.states()[EXPORT] == "HELD"
    assert is_sound(world)


# ---- what counts for nothing moves nothing, and is recorded with its reason


BAD: dict[str, dict[str, Any]] = {
    "BAD_SIGNATURE": {},
    "MALFORMED_SIGNATURE": {},
    "REPLAYED_SEQ": {},
    "UNKNOWN_KEY": {},
    "REVOKED": {},
    "COMPROMISED": {},
    "OUT_OF_VALIDITY": {"valid_to": day(1)},
    "FOREIGN_SOURCE": {"sources": ("customs-ae",)},
    "FOREIGN_KEY": {"organisation": "dubai-customs"},
    "OTHER_SITE": {"site": "SHANGHAI"},
    "HMAC_NOT_ALLOWED": {"alg": "HMAC-SHA-256", "key": hashlib.sha256(shared(KID)).hexdigest()},
}
"""Reason -> what is wrong with the key; else what is wrong with the signature says the test."""


def _badly(world: SealedWorld, reason: str) -> None:
    """The export is declared, at the site of the terms, by a record that has this wrong with it."""
    made = event("customs.declared", "DECLARATION:X-1", "declared X-1", day(2), source="customs-cn",
                 chain_id=world.chain, declaration_id="X-1", regime="EXPORT", office="o",
                 declarant="d", transport_doc="B", declaration_lines=(), facility="SHENZHEN",
                 refs=(CONSIGNMENT, LINE))  # fmt: skip
    if reason == "REPLAYED_SEQ":
        world.attest(replace(made, event_id="earlier", subject_id="X-0", declaration_id="X-0",
                             refs=()), day(1))  # fmt: skip
        world.sent -= 1
    if reason == "REVOKED":
        world.tell(record(revoked=[(KID, day(1))]))
    if reason == "COMPROMISED":
        world.lost(KID, 1)
    value, ((name, header),) = world.sealed(made)
    if reason == "BAD_SIGNATURE":
        header = header[:-4] + b"AAAA"
    if reason == "MALFORMED_SIGNATURE":
        header = header[:-4]
    if reason == "UNKNOWN_KEY":
        header = header.replace(KID.encode(), b"customs-cn-9")
    world.send(made, ((name, header),), day(2), value)


@pytest.mark.parametrize("reason", [None, *BAD])
def test_what_counts_for_nothing_pays_nothing_and_says_why(reason: str | None) -> None:
    """The fact is taken, an exception on its subject has the reason, and so has the explanation of
    the claim, which waits; an audit finds the same.
    """
    is_hmac = reason == "HMAC_NOT_ALLOWED"
    world = SealedWorld(
        sited("customs-cn", "SHENZHEN"),
        hmac=(KID,) if is_hmac else (),
        amiss={KID: BAD[reason] if reason else {}},
    )
    world.tick(day(0.1))
    world.answer("RESERVE", "CONFIRMED", 0.2)
    world.fact("order.invoiced", LINE, "invoice", 1, "erp-seller", invoice_id="INV-1",
               amount=Decimal(2_400_000), currency="CNY", due_date=dt.date(2026, 1, 1),
               refs=(CONSIGNMENT,))  # fmt: skip
    _badly(world, reason or "")
    world.tick(day(3))
    told = [one for one in world.exceptions() if one[0] == CODE]
    if reason is None:
        assert (world.states()[EXPORT], told, world.now(EXPORT).ignored) == ("INSTRUCTED", [], ())
        return
    assert world.states()[EXPORT] == "RESERVED"
    assert world.paid() == []
    assert told == [(CODE, reason)]
    assert world.counted(f"signed_{reason.lower()}") == 1
    if reason != "COMPROMISED":  # it may come back: the leaf names it
        assert world.now(EXPORT).ignored == (f"customs-cn/declared X-1: {reason}",)
    assert is_sound(world)


def test_signatures_of_one_organisation_count_once() -> None:
    """The warehouse's word under the tracker's name is not a second one; nor is its own, signed
    again by other keys of its own.
    """
    world = SealedWorld(amiss={"tracker-1": {"organisation": "gulf-logistics"}})
    world.tick(day(0.1))
    world.answer("RESERVE", "CONFIRMED", 0.2)
    world.cleared()
    world.received()
    receipt = world.told("received")
    for number in (2, 3):
        world.again(receipt, 63, f"wms-jafza-{number}")
    world.tick(day(64))
    assert world.states()[ARRIVAL] == "RESERVED"
    said = [one.why for one in world.now(ARRIVAL).leaves if "1 of 2" in one.why]
    assert len(said) == 1
    world.tell(record(world.key("tracker", 2)))
    again = replace(world.told("delivered"), event_id="delivered again")
    world.attest(again, day(64.1), "tracker-2")
    world.tick(day(64.2))
    assert world.states()[ARRIVAL] == "MATCHED"
    assert is_sound(world)


@pytest.mark.parametrize(("signed", "state"), [(32.9, "INSTRUCTED"), (33.5, "EXPIRED")])
def test_a_record_is_in_time_when_it_came_with_a_signature_that_is_right(
    signed: float, state: str
) -> None:
    """A record that counted for nothing by the close counts for nothing when its right signature
    comes after it, and counts when that comes before.
    """
    world = SealedWorld()
    world.tick(day(0.1))
    world.answer("RESERVE", "CONFIRMED", 0.2)
    world.hasty = ("customs-cn",)
    world.export()
    assert world.exceptions()[-1] == (CODE, "BAD_SIGNATURE")
    world.attest(world.exported, day(signed))
    world.tick(day(34))
    assert world.states()[EXPORT] == state
    late = ("customs-cn/declared X-1: LATE",) if state == "EXPIRED" else ()
    assert world.now(EXPORT).ignored == late
    assert is_sound(world)


def test_a_proof_that_a_new_key_attests_after_the_close_was_in_time_by_the_lost_one() -> None:
    """What waits for people because its key was lost may come back by the same record."""
    world = SealedWorld()
    world.tick(day(0.1))
    world.answer("RESERVE", "CONFIRMED", 0.2)
    world.export()
    world.lost(KID, 1)
    world.tick(day(34))
    assert world.states()[EXPORT] == "HELD"
    world.again(world.exported, 35, "customs-cn-2")
    world.tick(day(35.1))
    assert world.now(EXPORT).verdict == "TRUE"
    seen = world.now(EXPORT).evidence_hash
    world.review("RELEASE", EXPORT, 35.2, evidence_hash=seen, cleared_ids=())
    world.tick(day(35.3))
    assert world.states()[EXPORT] == "INSTRUCTED"
    assert is_sound(world)


@pytest.mark.parametrize("wrong", ["MALFORMED_SIGNATURE", "BAD_SIGNATURE", "FOREIGN_KEY"])
def test_a_wrong_signature_over_an_unsigned_record_takes_nothing_away(wrong: str) -> None:
    """What counted without a signature goes on counting so, whoever sends it again with one that is
    none: that is recorded, and recalls nothing.
    """
    amiss = {KID: {"organisation": "somebody"} if wrong == "FOREIGN_KEY" else {}}
    world = SealedWorld(amiss=amiss)
    world.unsigned = ("customs-cn",)
    sent(world)
    assert world.states()[EXPORT] == "INSTRUCTED"
    fact = world.exported
    value, ((name, signed),) = world.sealed(fact)
    header = {"MALFORMED_SIGNATURE": b"x", "BAD_SIGNATURE": signed[:-4] + b"AAAA"}.get(
        wrong, signed
    )
    world.send(fact, ((name, header),), day(3.1), value)
    assert world.exceptions()[-1] == (CODE, wrong)
    world.tick(day(3.12))
    assert world.states()[EXPORT] == "INSTRUCTED"
    assert is_sound(world)


@pytest.mark.parametrize(("signed", "state"), [(32.9, "INSTRUCTED"), (33.5, "EXPIRED")])
def test_a_proof_that_has_to_be_signed_is_in_time_when_it_was_signed_in_time(
    signed: float, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record that came unsigned by the close proves nothing where a signature is asked for; one
    that comes after the close does not change that.
    """
    free = partial(contract_check.sense, free_conditions=True)
    monkeypatch.setattr(contract_check, "sense", free)
    world = SealedWorld(demanding("SIGNED"))
    world.tick(day(0.1))
    world.answer("RESERVE", "CONFIRMED", 0.2)
    world.unsigned = ("customs-cn",)
    world.export()
    world.attest(world.exported, day(signed))
    world.tick(day(34))
    assert world.states()[EXPORT] == state
    assert is_sound(world)
