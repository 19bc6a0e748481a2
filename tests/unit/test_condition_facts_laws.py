"""What holds of the evidence of every twin, and how it compares with the thin settlement's."""

import random

import condition_facts_world as f
import fold_world
import pytest
import settlement_world as w
import test_conditions as thin_world
from msgspec.structs import replace

from supplytwin.processors import twin as twins
from supplytwin.processors.condition_eval import evaluate
from supplytwin.processors.condition_facts import built, stirred_by
from supplytwin.processors.condition_facts_asked import Attester, ClaimAsked, ClaimLine
from supplytwin.processors.condition_view import Ordered, Scope
from supplytwin.processors.conditions import evaluate as thin_evaluate
from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.ids import DAY_US, HOUR_US

RANK = ("FALSE", "UNKNOWN", "TRUE")
LISTED = (
    Attester(source="customs", organisation="c", roles=("CUSTOMS",)),
    Attester(source="wms*", organisation="w", roles=("CUSTOMS", "WAREHOUSE")),
    Attester(source="simulated:wms*", organisation="s", roles=("CUSTOMS", "WAREHOUSE")),
    Attester(source="simulated:carrier", organisation="k", roles=("CUSTOMS",)),
)
"""Whom the thin settlement believes: every source, by its topic, and its name for receipts."""


# ---- anything at all

_TYPES = (
    "CUSTOMS_RELEASED", "IMPORT_CLEARED", "FREE_TO_DELIVER", "RECEIVED_WH", "IN_BUYER_WAREHOUSE",
    "DELIVERED", "ON_BOARD", "QC_PASSED", "ACCEPTED", "GATED_OUT", "EXPORT_DECLARED",
)  # fmt: skip
_ABSENT = (
    "CUSTOMS_HOLD", "CUSTOMS_SEIZED", "SHIPMENT_EXCEPTION", "WH_RECEIPT_REVERSED", "QC_HOLD",
)  # fmt: skip
_ROLES = ("CUSTOMS", "WAREHOUSE", "CARRIER", "IOT")


def _everything():
    """A condition with leaves of every kind."""
    start, end = "2024-10-04T10:00:00+00:00", "2024-10-10T10:00:00+00:00"
    title = {"kind": "WAREHOUSE_RECEIPT", "state": "LOCKED", "controller_role": "FINANCIER"}
    measured = [
        {"quantity": {"line": line, "measure": measure, "op": ">=", "value": "5"}}
        for line in "12"
        for measure in ("SHIPPED", "RECEIVED", "ACCEPTED")
    ]
    papers = [
        {"document": {"type": type_, "state": state, "unique": True, "issuer_role": role}}
        for type_, state, role in (
            ("INVOICE", "ISSUED", "WAREHOUSE"), ("IMPORT_DECLARATION", "RELEASED", "CUSTOMS"),
            ("WAREHOUSE_RECEIPT", "ISSUED", "WAREHOUSE"),
        )
    ]  # fmt: skip
    series = {
        "metric": "X", "min": "2", "max": "8", "unit": "x", "to": end,
        "from": {"anchor": "MILESTONE:ON_BOARD"}, "max_excursion": "PT1H",
        "max_single": "PT1H", "min_coverage_bp": 1,
    }  # fmt: skip
    return f.condition(
        {
            "all": [
                *(f.milestone(type_, *_ROLES) for type_ in _TYPES),
                f.milestone("CUSTOMS_RELEASED", *_ROLES, subject="DECLARATION:1"),
                *(f.absent(type_) for type_ in _ABSENT),
                f.absent("SHIPMENT_EXCEPTION", start, {"anchor": "MILESTONE:DELIVERED"}),
                *measured, *papers, {"asset": title}, {"telemetry": series},
                {"time": {"not_before": {"anchor": "MILESTONE:RECEIVED_WH", "plus": "P1D"}}},
            ]
        }
    )  # fmt: skip


EVERYTHING = _everything()


def _wild(seed, number=60):
    """(facts of any kind about two of everything, a question about one consignment)."""
    rng = random.Random(seed)
    found = []
    identities = rng.choice((14, 40, 90))
    for one in fold_world.wild(number, seed, identities, freight=rng.random() < 0.5):
        event = one.message
        if event.TOPIC == "supply.warehouse" and rng.random() < 0.8:
            event = replace(event, facility="WH-1")
        if event.TOPIC == "supply.customs" and rng.random() < 0.5:
            event = replace(event, refs=(*event.refs, "CONSIGNMENT:1"))
        found.append(fold_world.item(event, one.record.arrival))
        if rng.random() < 0.15 and event.correction_action is None:
            undo = replace(
                event, event_id=f"undo-{len(found)}", revision=3, classifier="ACTUAL",
                correction_action=rng.choice(("RETRACT", "SUPERSEDE")),
                correction_source=event.source, correction_event_id=event.event_id,
            )  # fmt: skip
            found.append(fold_world.item(undo, one.record.arrival))
    tick = fold_world.T + rng.randrange(-48, 300) * HOUR_US
    deadline = fold_world.T + rng.randrange(0, 200) * HOUR_US
    asked = ClaimAsked(
        condition=EVERYTHING,
        scope=Scope(
            tick=tick, deadline=deadline, grace_us=rng.choice((0, DAY_US)), zone="Asia/Dubai",
            long_stop=tick + DAY_US, challenge_end=tick,
            lines=tuple(Ordered(line=one, qty=w.Decimal(10), unit="EA") for one in "12"),
        ),
        consignment_id="1" if rng.random() < 0.8 else None,
        lots=("x",) if rng.random() < 0.2 else (),
        lines=(ClaimLine(line="1", rivals=("2",)), ClaimLine(line="2")),
        attesters=(
            Attester(source="s", organisation="o1", roles=("CUSTOMS", "WAREHOUSE", "BUYER")),
            Attester(source="t", organisation="o2", roles=("CARRIER", "CUSTOMS")),
            Attester(source="terminal:*", organisation="o3", roles=("IOT", "WAREHOUSE")),
        ),
        warehouses=("WH-1",),
        controllers={"x": "FINANCIER"},
    )  # fmt: skip
    return found, asked


def _twin(items):
    twin = twins.EMPTY
    for one in items:
        try:
            twin = twins.take(twin, one).twin
        except RecordError:
            continue
    return twin


@pytest.mark.parametrize("seed", range(8))
def test_order_and_duplicates_of_facts_change_nothing(seed):
    """Any order of one set of facts, some told twice: equal evidence, and all else that is said."""
    items, asked = _wild(seed)
    first = built(_twin(items), asked)
    rng = random.Random(seed)
    for _ in range(3):
        others = rng.sample(items, len(items)) + rng.sample(items, 5)
        again = built(_twin(others), asked)
        assert again == replace(first, concerns=again.concerns)
    evaluate(asked.condition, first.evidence, asked.scope)


def test_these_worlds_have_every_kind_of_evidence():
    """The law above is not empty: facts of every kind and standing come up in it."""
    kinds, standings, reasons = set(), set(), set()
    for seed in range(40):
        items, asked = _wild(seed)
        found = built(_twin(items), asked)
        kinds |= {one.kind for fact in found.evidence.facts for one in fact.statements}
        standings |= {fact.standing for fact in found.evidence.facts}
        reasons |= {one.reason for one in found.ignored}
    assert kinds == {"MILESTONE", "QUANTITY", "DOCUMENT", "ASSET", "OTHER"}
    assert standings == {"LIVE", "RETRACTED", "SUPERSEDED", "CONFLICTED"}
    assert reasons >= {"NOT_LISTED", "UNDONE", "NOT_AT_THE_BUYERS", "OTHER_ROLE"}


def test_what_is_remembered_is_what_would_be_built_again():
    """While an answer says that it holds, building it again over more facts and at a later tick
    gives the same.
    """
    spared = 0
    for seed in range(6):
        items, asked = _wild(seed, 60)
        rng = random.Random(seed)
        twin, kept = _twin(items[:20]), None
        for one in items[20:]:
            tick = asked.scope.tick + rng.choice((0, 0, HOUR_US, DAY_US))
            asked = replace(asked, scope=replace(asked.scope, tick=tick))
            try:
                taken = twins.take(twin, one)
            except RecordError:
                continue
            twin = taken.twin
            now = built(twin, asked)
            if kept is not None and kept.holds(asked, stirred_by(taken.slots)):
                spared += 1
                assert now.evidence == kept.evidence
                assert (now.ignored, now.adverse_ids) == (kept.ignored, kept.adverse_ids)
            kept = now
    assert spared > 10


# ---- the thin settlement


def _is_clear(twin):
    """Nothing contradicts itself, and every zone is known."""
    return not any(
        slot.conflicted
        or any(one.event_tz == "unknown" for v in slot.versions for one in v.contents)
        for slot in twin.facts.slots.values()
    )


def _is_taken_from(claim, terms, twin):
    """Whether anything may be taken back of a line that other claims share: here it is taken once,
    by the template from each of them.
    """
    lines = {one.line_id for one in claim.lines}
    rivals = {one.line_id for other in terms.claims for one in other.lines
              if other.consignment_id != claim.consignment_id}  # fmt: skip
    return not lines.isdisjoint(rivals) and any(
        one.event_type == "wh.receipt_reversed"
        for slot in twin.facts.slots.values()
        for version in slot.versions
        for one in version.contents
    )


RARE = (100, 359, 1243)
"""Lives in which nobody knows whether a rejection came before the release that stands."""


def _asked_thin(claim, terms, tick, **changes):
    fields = {"terms": terms, "tick": tick, "long_stop": 2**60, "attesters": LISTED}
    return f.asked(f.thin(claim), claim, **{**fields, **changes})


def test_it_never_releases_what_the_thin_settlement_does_not(required):
    """Over random histories, the template in the language against `conditions.evaluate`: TRUE only
    where that is TRUE, and everywhere where nothing is in doubt. Before the close never FALSE;
    FALSE of the one is never TRUE of the other.
    """
    number, seen = required("thin_conditions"), {}
    for seed in (*range(number), *RARE):
        stream = thin_world.Stream(seed)
        for _ in range(25):
            stream.tell()
            stream.tick += stream.random.choice((0, 0, 0, 1, 24, 48)) * HOUR_US
            claim, twin = stream.random.choice(thin_world.CLAIMS), stream.chain.twin
            arrivals = [v.arrival for slot in twin.facts.slots.values() for v in slot.versions]
            late = stream.tick + stream.random.randrange(-48, 200) * HOUR_US
            asked = _asked_thin(claim, stream.chain.terms, max([late, *arrivals]))
            thin = thin_evaluate(stream.chain.terms, claim, twin, asked.scope.tick)
            found = evaluate(asked.condition, built(twin, asked).evidence, asked.scope)
            pair = thin.value, found.value
            seen[pair] = seen.get(pair, 0) + 1
            if _is_taken_from(claim, stream.chain.terms, twin):
                assert found.value == "TRUE" or thin.value != "TRUE" or not _is_clear(twin), seed
            elif found.value == "TRUE" or (thin.value == "TRUE" and _is_clear(twin)):
                assert pair == ("TRUE", "TRUE"), seed
            if asked.scope.tick <= asked.scope.close:
                assert found.value != "FALSE", seed
            if thin.value == "TRUE":
                assert found.value != "FALSE", seed
    number.done(number)
    same = sum(count for (thin, found), count in seen.items() if thin == found)
    assert same > 0.98 * sum(seen.values())
    assert seen["TRUE", "TRUE"] > 0 and seen["FALSE", "FALSE"] > 0


@pytest.mark.parametrize("seed", range(12))
def test_supporting_facts_never_take_back_what_is_true(seed):
    """One more release, receipt or removal of a hold that counts never moves a leaf down."""
    stream = thin_world.Stream(seed)
    for _ in range(12):
        stream.tell()
    claim, twin = stream.random.choice(thin_world.CLAIMS), stream.chain.twin
    arrivals = [v.arrival for slot in twin.facts.slots.values() for v in slot.versions]
    asked = _asked_thin(claim, stream.chain.terms, max([stream.tick, *arrivals]))
    line = claim.lines[0].line_id
    home = f"CONSIGNMENT:{claim.consignment_id}"
    at = claim.deadline - DAY_US
    more = (
        w.customs("released", at, "D1", "more-1"),
        w.customs("released", at, "D1", "more-2", source="wms"),
        w.customs("cleared", at, "D2", "more-3"),
        w.customs("hold_removed", at, "D1", "more-4"),
        w.received(at, 40, line, "more-5", lot_id="lot-more", asn=claim.consignment_id,
                   refs=(f"ORDER_LINE:{line}", home)),
        w.received(at, 40, line, "more-6", lot_id="lot-more", asn=claim.consignment_id,
                   refs=(f"ORDER_LINE:{line}", home)),
    )  # fmt: skip
    scope = replace(asked.scope, tick=max(asked.scope.tick, at), challenge_end=asked.scope.tick)
    asked = replace(asked, scope=scope)
    before = evaluate(asked.condition, built(twin, asked).evidence, scope)
    for fact in more:
        twin = twins.take(twin, w.item(fact, min(at, scope.tick))).twin
        after = evaluate(asked.condition, built(twin, asked).evidence, scope)
        for old, new in zip(before.nodes, after.nodes, strict=True):
            assert RANK.index(new.value) >= RANK.index(old.value), (fact.event_id, new.path)
        before = after
