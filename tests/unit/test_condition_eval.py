"""What each operator means, and each rule of when FALSE is final."""

from decimal import Decimal
from typing import Any

import pytest
from condition_world import DAY, DEADLINE, HOUR, MS, condition
from msgspec.structs import replace

from supplytwin.processors.condition_eval import Evaluation, evaluate, explain
from supplytwin.processors.condition_view import (
    Anchored,
    Assent,
    Evidence,
    Exposure,
    Fact,
    Ordered,
    Scope,
    Series,
    Statement,
)
from supplytwin.processors.condition_windows import asked_of_series

SCOPE = Scope(
    tick=DEADLINE,
    deadline=DEADLINE,
    grace_us=HOUR,
    long_stop=DEADLINE + 30 * DAY,
    lines=(Ordered(line="1", qty=Decimal(100), unit="t"),),
)
AFTER = replace(SCOPE, tick=SCOPE.close + MS)
EARLY = DEADLINE - DAY
MINUTE = 60_000_000


def says(kind: Any = "MILESTONE", type_: str = "CLEARED", **more: Any) -> Statement:
    """One revision, in time by a day, about consignment A."""
    fields = {
        "revision": 1, "arrival": EARLY, "first": EARLY, "last": EARLY, "subject": "CONSIGNMENT:A",
    }  # fmt: skip
    return Statement(kind=kind, type=type_, **{**fields, **more})


def fact(*told: Statement, name: str = "1", organisation: str = "o", **more: Any) -> Fact:
    """A fact that counts by the last of its revisions, or by none."""
    live = more.get("standing", "LIVE") == "LIVE"
    fields = {"source": "s", "event_id": name, "organisation": organisation, "role": "CUSTOMS"}
    return Fact(
        **{**fields, **more},
        current=told[-1] if live else None,
        others=told[:-1] if live else told,
    )


def valued(leaf: Any, *facts: Fact, at: Scope = SCOPE, **more: Any) -> str:
    """The value of a leaf in JSON."""
    return evaluate(condition(leaf), Evidence(facts=facts, **more), at).value


def milestone(k: int = 1, *roles: str, **more: Any) -> Any:
    """A leaf that asks for CLEARED."""
    by = {"roles": list(roles or ("CUSTOMS",)), "k": k}
    return {"milestone": {"type": "CLEARED", "by": by, **more}}


GONE = ("RETRACTED", "SUPERSEDED", "CONFLICTED", "VOID")


# ---- when FALSE is final


def test_rule_2_the_winner_counts_when_any_revision_was_in_time() -> None:
    """A correction after the close counts, if it qualifies and an older revision was in time."""
    late = SCOPE.close + HOUR
    corrected = fact(says(), says(revision=2, arrival=late))
    assert valued(milestone(), corrected, at=AFTER) == "TRUE"
    assert valued(milestone(), fact(says(revision=2, arrival=late)), at=AFTER) == "FALSE"
    unfit = fact(says(type_="FILED"), says(revision=2, arrival=late))
    assert valued(milestone(), unfit, at=AFTER) == "FALSE"


@pytest.mark.parametrize("standing", GONE)
def test_rule_3_before_the_close_nothing_is_false(standing: str) -> None:
    """A fact that counts no longer leaves the leaf UNKNOWN up to the close."""
    assert valued(milestone(), fact(says(), standing=standing)) == "UNKNOWN"


@pytest.mark.parametrize("standing", GONE)
def test_rules_4_and_7_what_was_in_time_may_come_back(standing: str) -> None:
    """After the close it is UNKNOWN, for ever; what was not in time, or never fitted, is FALSE."""
    withdrawn = fact(says(), standing=standing)
    for late in (MS, DAY, 10_000 * DAY):
        assert (
            valued(milestone(), withdrawn, at=replace(AFTER, tick=AFTER.close + late)) == "UNKNOWN"
        )
    too_late = fact(says(arrival=SCOPE.close + MS), standing=standing)
    assert valued(milestone(), too_late, at=AFTER) == "FALSE"
    other = fact(says(type_="FILED"), standing=standing)
    assert valued(milestone(), other, at=AFTER) == "FALSE"


def test_rule_4_a_revision_that_no_longer_fits_may_be_revised_again() -> None:
    """An in-time revision that its own source has superseded is as good as withdrawn."""
    changed = fact(says(), says(type_="FILED", revision=2))
    assert valued(milestone(), changed) == "UNKNOWN"
    assert valued(milestone(), changed, at=AFTER) == "UNKNOWN"


def test_rule_4_too_few_to_come_back_is_false() -> None:
    """Of two that are needed one may come back and none counts: that can no longer become TRUE."""
    leaf = milestone(2, "CUSTOMS", "IOT")
    assert valued(leaf, fact(says(), standing="VOID"), at=AFTER) == "FALSE"


def test_rule_5_not_after_is_final_before_any_close() -> None:
    """A time that has passed is FALSE at once."""
    leaf = {"time": {"not_after": "2027-03-01T00:00:00Z"}}
    assert valued(leaf) == "FALSE"


def test_rule_6_the_challenge_window_decides() -> None:
    """Whatever the event time, what arrived by its end counts; before the end UNKNOWN; later
    arrivals do not; without a window nothing is decided, and `matches` takes it as open as long as
    nothing speaks against it.
    """
    leaf = {"absent": {"type": "SEIZED", "during": "CHALLENGE"}}
    old = fact(says(type_="SEIZED", first=EARLY - 400 * DAY, last=EARLY - 400 * DAY))
    end = SCOPE.close + DAY
    opened = replace(AFTER, challenge_end=end)
    assert valued(leaf, at=AFTER) == "UNKNOWN"
    assert evaluate(condition(leaf), Evidence(), AFTER).matches == "TRUE"
    assert evaluate(condition(leaf), Evidence(facts=(old,)), AFTER).matches == "UNKNOWN"
    assert valued(leaf, old, at=opened) == "UNKNOWN"
    over = replace(opened, tick=end)
    assert valued(leaf, old, at=over) == "FALSE"
    assert valued(leaf, at=over) == "TRUE"
    later = fact(says(type_="SEIZED", arrival=end + MS))
    assert valued(leaf, later, at=over) == "TRUE"
    assert valued(leaf, fact(says(type_="SEIZED"), standing="RETRACTED"), at=over) == "TRUE"


@pytest.mark.parametrize("standing", ["CONFLICTED", "VOID"])
def test_rule_6_what_may_have_happened_is_not_absent(standing: str) -> None:
    """A contradiction, or a key that was stolen, does not say that there was no seizure."""
    leaf = {"absent": {"type": "SEIZED", "during": "CHALLENGE"}}
    over = replace(AFTER, challenge_end=SCOPE.close, tick=AFTER.close + DAY)
    assert valued(leaf, fact(says(type_="SEIZED"), standing=standing), at=over) == "UNKNOWN"


def test_rules_3_and_6_a_window_that_is_over_before_the_close_is_not_false_yet() -> None:
    """Up to the close of the tranche what stands against it may still be retracted."""
    leaf = {"absent": {"type": "SEIZED", "during": "CHALLENGE"}}
    seized = fact(says(type_="SEIZED"))
    early = replace(SCOPE, challenge_end=DEADLINE - HOUR)
    assert valued(leaf, seized, at=early) == "UNKNOWN"
    assert valued(leaf, seized, at=replace(early, tick=AFTER.tick)) == "FALSE"


def test_rule_8_organisations_are_matched_to_roles() -> None:
    """k organisations, each in another role: two of one role, or one in two roles, are one."""
    leaf = milestone(2, "CUSTOMS", "IOT")

    def told(*pairs: tuple[str, str]) -> str:
        facts = [
            fact(says(), name=f"{at}", organisation=who, role=role)
            for at, (who, role) in enumerate(pairs)
        ]
        return valued(leaf, *facts)

    assert told(("a", "CUSTOMS"), ("b", "IOT")) == "TRUE"
    assert told(("a", "CUSTOMS"), ("b", "CUSTOMS")) == "UNKNOWN"
    assert told(("a", "CUSTOMS"), ("a", "IOT")) == "UNKNOWN"
    assert told(("a", "CUSTOMS"), ("a", "IOT"), ("b", "CUSTOMS")) == "TRUE"
    assert told(("a", "CUSTOMS"), ("b", "SEAL")) == "UNKNOWN"


def test_time_that_stands_still_closes_nothing() -> None:
    """While tolling no leaf is FALSE and no window of absence is over."""
    still = replace(AFTER, tolling=True, challenge_end=DEADLINE)
    assert valued(milestone(), at=still) == "UNKNOWN"
    assert valued({"time": {"not_after": "2027-03-01T00:00:00Z"}}, at=still) == "UNKNOWN"
    assert valued({"absent": {"type": "X", "during": "CHALLENGE"}}, at=still) == "UNKNOWN"


# ---- what an operator means


def test_all_who_tell_a_milestone_tell_it_of_one_subject() -> None:
    """Two organisations about two consignments are not two about one."""
    leaf = milestone(2, "CUSTOMS", "IOT")
    first = fact(says())
    other = fact(says(subject="CONSIGNMENT:B"), name="2", organisation="b", role="IOT")
    same = replace(other, current=says())
    assert valued(leaf, first, other) == "UNKNOWN"
    assert valued(leaf, first, same) == "TRUE"


def test_place_subject_and_assurance_have_to_fit() -> None:
    """Another place, another subject, a weaker or unknown assurance do not count."""
    good = says(place="DEHAM", assurance="SIGNED")
    asked = {"place": "DEHAM", "subject": "CONSIGNMENT:A", "min_assurance": "AUTHENTICATED"}
    assert valued(milestone(**asked), fact(good)) == "TRUE"
    for wrong in ({"place": "DEBRV"}, {"subject": "CONSIGNMENT:B"}, {"assurance": "UNSIGNED"},
                  {"assurance": None}, {"assurance": "STRONG"}):  # fmt: skip
        assert valued(milestone(**asked), fact(replace(good, **wrong))) == "UNKNOWN", wrong


def test_a_fact_ahead_of_the_tick_waits() -> None:
    """It counts from its own time on."""
    ahead = fact(says(first=DEADLINE, last=DEADLINE))
    leaf = condition(milestone())
    early = evaluate(leaf, Evidence(facts=(ahead,)), replace(SCOPE, tick=DEADLINE - MS))
    assert (early.value, early.leaves[0].cause) == ("UNKNOWN", "AHEAD")
    assert valued(milestone(), ahead) == "TRUE"


def test_a_time_that_is_not_known_closely_enough_is_named() -> None:
    """It may have been in time: it does not pay, and after the close it is not FALSE either."""
    told = says(first=DEADLINE - HOUR, last=DEADLINE + HOUR)
    vague = fact(told)
    found = evaluate(condition(milestone()), Evidence(facts=(vague,)), AFTER)
    assert (found.value, found.leaves[0].cause) == ("UNKNOWN", "UNSURE")
    late = says(revision=2, arrival=SCOPE.close + MS)  # exact, and nothing exact was in time
    assert valued(milestone(), fact(told, late), at=AFTER) == "UNKNOWN"


def received(value: str, name: str = "1", **more: Any) -> Fact:
    """A quantity of line 1."""
    told = {"subject": "1", "value": Decimal(value), "unit": "t", **more}
    return fact(says("QUANTITY", "RECEIVED", **told), name=name)


def at_least(value: str) -> Any:
    """A leaf that asks for so much of line 1."""
    return {"quantity": {"line": "1", "measure": "RECEIVED", "op": ">=", "value": value}}


def test_quantities_add_up_exactly() -> None:
    """A tenth and two tenths are three tenths; percentages are of what was ordered."""
    assert valued(at_least("0.3"), received("0.1"), received("0.2", "2")) == "TRUE"
    leaf = {"quantity": {"line": "1", "measure": "RECEIVED", "op": ">=",
                         "pct_of_ordered_bp": 9800}}  # fmt: skip
    assert valued(leaf, received("98")) == "TRUE"
    assert valued(leaf, received("97.999999999999999999999999999999")) == "UNKNOWN"
    more = {"quantity": {**leaf["quantity"], "op": ">"}}
    assert valued(more, received("98")) == "UNKNOWN"


def test_what_was_taken_back_has_no_deadline() -> None:
    """A reversal after the close counts; one in doubt stops the payment, and is not FALSE."""
    back = received("-1", "2", arrival=AFTER.tick, first=AFTER.tick, last=AFTER.tick)
    assert valued(at_least("10"), received("10"), at=AFTER) == "TRUE"
    assert valued(at_least("10"), received("10"), back, at=AFTER) == "FALSE"
    doubtful = replace(back, standing="CONFLICTED", current=None, others=back.statements)
    assert valued(at_least("10"), received("10"), doubtful, at=AFTER) == "UNKNOWN"
    gone = replace(doubtful, standing="RETRACTED")
    assert valued(at_least("10"), received("10"), gone, at=AFTER) == "TRUE"


def test_a_quantity_that_was_lowered_may_be_raised_again() -> None:
    """An in-time revision said enough: UNKNOWN after the close; never said: FALSE."""
    low, high = received("9").current, received("10").current
    assert low is not None and high is not None
    lowered = fact(high, replace(low, revision=2))
    assert valued(at_least("10"), lowered, at=AFTER) == "UNKNOWN"
    assert valued(at_least("10"), received("9"), at=AFTER) == "FALSE"


def test_what_was_raised_after_the_close_may_come_back_as_raised() -> None:
    """An in-time fact counts by a later revision, too; withdrawn it is UNKNOWN, not too little."""
    few, many = received("9").current, received("10", revision=2, arrival=AFTER.tick).current
    assert few is not None and many is not None
    assert valued(at_least("10"), fact(few, many), at=AFTER) == "TRUE"
    assert valued(at_least("10"), fact(few, many, standing="RETRACTED"), at=AFTER) == "UNKNOWN"


def test_another_unit_is_no_quantity_and_an_unknown_line_is_no_answer() -> None:
    """Kilograms are not tonnes; what was taken back in them cannot be subtracted."""
    assert valued(at_least("1"), received("1000", unit="kg"), at=AFTER) == "FALSE"
    back = received("-1", "2", unit="kg")
    assert valued(at_least("5"), received("5"), back, at=AFTER) == "UNKNOWN"
    assert valued(at_least("6"), received("5"), back, at=AFTER) == "FALSE"
    unknown = replace(AFTER, lines=())
    assert valued(at_least("1"), received("5"), at=unknown) == "UNKNOWN"


def measured(value: str, name: str = "1", at: int = EARLY, **more: Any) -> Fact:
    """A certificate on moisture by the inspector."""
    told = {"value": Decimal(value), "unit": "%", "first": at, "last": at, "arrival": at, **more}
    return fact(says("QUALITY", "MOISTURE", **told), name=name, role="INSPECTOR")


DRY = {"quality": {"test": "MOISTURE", "op": "<=", "value": "13.0", "unit": "%",
                   "certificate_role": "INSPECTOR"}}  # fmt: skip


def test_the_last_certificate_counts() -> None:
    """A later test of the same lot overrules, either way; of another lot or role it does not."""
    good, bad = measured("12.9"), measured("13.1", "2", EARLY + HOUR)
    assert valued(DRY, good) == "TRUE"
    assert valued(DRY, good, bad) == "UNKNOWN"
    assert valued(DRY, good, bad, at=AFTER) == "UNKNOWN"
    assert valued(DRY, good, bad, measured("13", "3", EARLY + 2 * HOUR)) == "TRUE"
    assert valued(DRY, good, replace(bad, role="SELLER")) == "TRUE"
    assert valued(DRY, good, measured("13.1", "2", EARLY + HOUR, subject="LOT:2")) == "TRUE"
    assert valued(DRY, bad, at=AFTER) == "FALSE"
    assert valued(DRY, good, measured("13.1", "2")) == "UNKNOWN"  # of one instant
    for early, value in ((MS, "TRUE"), (0, "UNKNOWN")):
        minute = measured("13.1", "2", EARLY - MINUTE - early, grain_us=MINUTE)
        assert valued(DRY, good, minute) == value  # it is told to the minute


def test_another_unit_says_otherwise() -> None:
    """What cannot be compared does not pay: the last word is not known to be good."""
    other = measured("12", "2", EARLY + HOUR, unit="g/kg")
    assert valued(DRY, other) == "UNKNOWN"
    assert valued(DRY, measured("12"), other) == "UNKNOWN"


def test_a_document_stands_in_a_state_and_backs_nothing_else() -> None:
    """Surrendered by its issuer, unique as far as is known; a later state overrules."""
    leaf = {"document": {"type": "EBL", "state": "SURRENDERED", "unique": True,
                         "issuer_role": "CARRIER"}}  # fmt: skip
    told = says("DOCUMENT", "EBL", subject="EBL:7", state="SURRENDERED", unique=True)

    def document(**more: Any) -> Fact:
        return fact(replace(told, **more), role="CARRIER")

    assert valued(leaf, document()) == "TRUE"
    assert valued(leaf, replace(document(), role="SELLER")) == "UNKNOWN"
    assert valued(leaf, document(unique=False), at=AFTER) == "FALSE"
    assert valued(leaf, document(unique=None), at=AFTER) == "UNKNOWN"
    later = {"first": EARLY + HOUR, "last": EARLY + HOUR}
    revived = replace(document(state="ISSUED", **later), event_id="2")
    assert valued(leaf, document(), revived) == "UNKNOWN"
    before = {"first": EARLY - HOUR, "last": EARLY - HOUR}
    assert valued(leaf, document(), replace(document(state="ISSUED", **before), event_id="2")) == (
        "TRUE"
    )


def test_a_title_is_under_its_controller() -> None:
    """Locked for somebody else is not locked for the financier."""
    leaf = {"asset": {"kind": "WAREHOUSE_RECEIPT", "state": "LOCKED",
                      "controller_role": "FINANCIER"}}  # fmt: skip
    told = {"subject": "TITLE:1", "state": "LOCKED", "controller": "FINANCIER"}
    locked = fact(says("ASSET", "WAREHOUSE_RECEIPT", **told))
    assert valued(leaf, locked) == "TRUE"
    other = fact(says("ASSET", "WAREHOUSE_RECEIPT", **{**told, "controller": "SELLER"}), name="2")
    assert valued(leaf, other) == "UNKNOWN"
    assert valued(leaf, locked, other) == "UNKNOWN"


def test_an_unverified_footprint_neither_pays_nor_overrules() -> None:
    """Only footprints of at least the assurance count, for or against."""
    leaf = {"carbon": {"measure": "INTENSITY", "op": "<=", "value": "2.1", "unit": "kg",
                       "assurance": "VERIFIED"}}  # fmt: skip

    def footprint(value: str, assurance: str | None, name: str) -> Fact:
        told = {"value": Decimal(value), "unit": "kg", "assurance": assurance}
        return fact(says("CARBON", "INTENSITY", **told), name=name)

    assert valued(leaf, footprint("2.1", "VERIFIED", "1")) == "TRUE"
    assert valued(leaf, footprint("1", "UNVERIFIED", "1"), at=AFTER) == "FALSE"
    both = footprint("2.1", "VERIFIED", "1"), footprint("3", "UNVERIFIED", "2")
    assert valued(leaf, *both) == "TRUE"


COLD = {"telemetry": {
    "metric": "TEMP", "min": "13", "max": "15", "unit": "Cel", "to": {"anchor": "MILESTONE:IN"},
    "from": {"anchor": "MILESTONE:OUT"}, "max_excursion": "PT45M", "max_single": "PT20M",
    "min_coverage_bp": 9700,
}}  # fmt: skip


@pytest.mark.parametrize(
    ("covered", "outside", "longest", "value"),
    [
        (9700, 45 * MINUTE, 20 * MINUTE, "TRUE"),
        (9699, 45 * MINUTE, 20 * MINUTE, "FALSE"),
        (9700, 45 * MINUTE + 1, 20 * MINUTE, "FALSE"),
        (9700, 45 * MINUTE, 20 * MINUTE + 1, "FALSE"),
    ],
)
def test_a_series_stays_within(covered: int, outside: int, longest: int, value: str) -> None:
    """Coverage, all excursions and the longest one each have a limit, which is allowed."""
    anchors = (
        Anchored(anchor="MILESTONE:OUT", at=EARLY),
        Anchored(anchor="MILESTONE:IN", at=EARLY + 10_000),
    )
    known = Evidence(anchors=anchors)
    (asked,) = asked_of_series(condition(COLD), known, AFTER)
    exposure = Exposure(covered_us=covered, outside_us=outside, longest_us=longest)
    series = (Series(asked=asked, current=exposure, best=exposure),)
    assert valued(COLD, at=AFTER, anchors=anchors, series=series) == value
    perfect = Exposure(covered_us=10_000)
    revivable = (Series(asked=asked, current=exposure, best=perfect),)
    expected = "TRUE" if value == "TRUE" else "UNKNOWN"
    assert valued(COLD, at=AFTER, anchors=anchors, series=revivable) == expected


def test_a_series_is_not_over_before_its_window() -> None:
    """However well it is covered: up to its end more may be read."""
    anchors = (
        Anchored(anchor="MILESTONE:OUT", at=EARLY),
        Anchored(anchor="MILESTONE:IN", at=DEADLINE),
    )
    (asked,) = asked_of_series(condition(COLD), Evidence(anchors=anchors), SCOPE)
    whole = Exposure(covered_us=DAY)
    series = (Series(asked=asked, current=whole, best=whole),)
    early = replace(SCOPE, tick=DEADLINE - MS)
    assert valued(COLD, at=early, anchors=anchors, series=series) == "UNKNOWN"
    assert valued(COLD, anchors=anchors, series=series) == "TRUE"


def test_a_window_that_nobody_knows_is_not_measured() -> None:
    """Without its anchors a series waits, and is FALSE after the close unless one may come back."""
    known = Anchored(anchor="MILESTONE:OUT", at=EARLY)
    assert valued(COLD, anchors=(known,)) == "UNKNOWN"
    assert valued(COLD, at=AFTER, anchors=(known,)) == "FALSE"
    gone = Anchored(anchor="MILESTONE:IN", at=None, may_return=True)
    assert valued(COLD, at=AFTER, anchors=(known, gone)) == "UNKNOWN"
    empty = Anchored(anchor="MILESTONE:IN", at=EARLY)
    assert valued(COLD, at=AFTER, anchors=(known, empty)) == "FALSE"


def test_times_after_an_anchor() -> None:
    """Thirty days after a tranche was settled, to the microsecond."""
    leaf = {"time": {"not_before": {"anchor": "TRANCHE:T2", "plus": "P30D"}}}
    for late, value in ((-1, "UNKNOWN"), (0, "TRUE")):
        anchored = Anchored(anchor="TRANCHE:T2", at=DEADLINE - 30 * DAY - late)
        assert valued(leaf, anchors=(anchored,)) == value


def test_a_time_that_begins_too_late_does_not_wait_for_its_other_end() -> None:
    """What may come back for not_after helps nothing when not_before is after the close."""
    gone = Anchored(anchor="TRANCHE:T2", at=None, may_return=True)
    for first, value in (("2027-03-28T03:00:00Z", "FALSE"), ("2027-03-28T01:00:00Z", "UNKNOWN")):
        leaf = {"time": {"not_before": first, "not_after": {"anchor": "TRANCHE:T2"}}}
        assert valued(leaf, at=AFTER, anchors=(gone,)) == value


def test_approvals_of_one_organisation_count_once() -> None:
    """Two people of the buyer are one of two."""
    leaf = {"approval": {"roles": ["BUYER_QA", "INSPECTOR", "SELLER_QA"], "k": 2}}

    def act(name: str, organisation: str, role: str) -> Assent:
        return Assent(review_id=name, organisation=organisation, role=role, at=EARLY)

    one, same = act("1", "buyer", "BUYER_QA"), act("2", "buyer", "INSPECTOR")
    assert valued(leaf, assents=(one, same)) == "UNKNOWN"
    assert valued(leaf, assents=(one, act("3", "lab", "INSPECTOR"))) == "TRUE"


# ---- the whole


def test_groups_follow_kleene() -> None:
    """One FALSE is enough for `all`, one TRUE for `any`, and `at_least` counts what still can."""
    true = {"time": {"not_before": "2027-01-01T00:00:00Z"}}
    false = {"time": {"not_after": "2027-01-01T00:00:00Z"}}
    unknown = milestone()
    assert valued({"all": [true, unknown, false]}) == "FALSE"
    assert valued({"all": [true, unknown]}) == "UNKNOWN"
    assert valued({"any": [false, unknown, true]}) == "TRUE"
    assert valued({"any": [false, unknown]}) == "UNKNOWN"
    for k, value in ((1, "TRUE"), (2, "UNKNOWN"), (3, "FALSE")):
        assert valued({"at_least": {"k": k, "of": [true, unknown, false]}}) == value


def test_evidence_that_says_two_things_under_one_identity_is_refused() -> None:
    """Who hands it over has to make up their mind; so it is with what is LIVE and says nothing."""
    leaf, first = condition(milestone()), fact(says())
    with pytest.raises(ValueError, match="s/1 stands there twice and differs"):
        evaluate(leaf, Evidence(facts=(first, replace(first, role="IOT"))), SCOPE)
    with pytest.raises(ValueError, match="s/1 is LIVE"):
        Fact(source="s", event_id="1", organisation="o", role="R")
    anchors = (Anchored(anchor="TRANCHE:T2", at=1), Anchored(anchor="TRANCHE:T2", at=2))
    timed = condition({"time": {"not_after": {"anchor": "TRANCHE:T2"}}})
    with pytest.raises(ValueError, match="TRANCHE:T2 has answers that differ"):
        evaluate(timed, Evidence(anchors=anchors), SCOPE)


def test_the_evidence_hash_leaves_out_what_bears_on_nothing() -> None:
    """A fact of another type, or one that came too late, changes no review."""
    leaf = condition(milestone())

    def hashed(*facts: Fact) -> str:
        found: Evaluation = evaluate(leaf, Evidence(facts=facts), AFTER)
        return found.evidence_hash

    late = fact(says(arrival=AFTER.tick), name="2", organisation="b")
    other = fact(says(type_="FILED"), name="3")
    assert hashed(fact(says())) == hashed(fact(says()), late, other) != hashed()


def test_the_evidence_hash_is_a_known_one() -> None:
    """Reviews are bound to it, so it may not change from one process or version to another."""
    facts = tuple(fact(says(), name=str(at), organisation=f"o{at}") for at in range(6))
    found = evaluate(condition(milestone()), Evidence(facts=facts), SCOPE)
    assert found.evidence_hash == "d396379ca0a8128a99ffece832ad80e420b124a18f020642aafd8a95bd8d4c91"


def test_each_leaf_is_explained_in_words() -> None:
    """Where it stands, its value, why, on which evidence, what it waits for and until when."""
    tree = condition({"all": [milestone(2, "CUSTOMS", "IOT"), at_least("98")]})
    evidence = Evidence(facts=(fact(says()), received("98", "7")))
    assert explain(evaluate(tree, evidence, SCOPE), SCOPE) == (
        "$.all[0] milestone UNKNOWN (OPEN): CLEARED is told by 1 of 2 [s/1 counts]; waits for "
        "CLEARED from 2 organisations, each in another role of CUSTOMS, IOT, until "
        "2027-03-28T01:59:59+00:00",
        "$.all[1] quantity TRUE: 98 t of line 1 are RECEIVED [s/7 counts]",
    )
    assert explain(evaluate(tree, Evidence(), AFTER), AFTER)[0] == (
        "$.all[0] milestone FALSE: CLEARED is told by 0 of 2; closed at 2027-03-28T01:59:59+00:00"
    )
