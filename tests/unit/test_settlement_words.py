"""What a case of the settlement tells people: what they can do with a claim, what it waits for and
until when, what counts for nothing; each as it is.
"""

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from supplytwin.processors.adjustments import MINUTE_US, Seen, adjust
from supplytwin.schemas.amounts import Adjustments, Band
from supplytwin.streams import cli

CLOSE = "2027-03-10T23:59:59+01:00"
AFTER = "2027-03-13T12:00:00Z"
RECEIVED = {"quantity": {"line": "1", "measure": "RECEIVED", "op": ">=", "value": "100"}}
CLEARED = {"milestone": {"type": "IMPORT_CLEARED", "by": {"roles": ["CUSTOMS"], "k": 1}}}
APPROVED = {"approval": {"roles": ["BUYER", "INSPECTOR"], "k": 2}}
DISPUTES = {
    "who": ["BUYER"], "until": "INSTRUCTED", "arbiter": {"k": 1, "of": ["arb"]},
    "max_len": "P30D", "on_timeout": "SELLER",
}  # fmt: skip
ATTESTERS = (
    ("zoll", "CUSTOMS"), ("wms", "WAREHOUSE"), ("tms", "CARRIER"), ("insp", "INSPECTOR"),
    ("buy", "BUYER"),
)  # fmt: skip


def party(role: str, org_id: str, **more: Any) -> dict[str, Any]:
    """Somebody of the contract."""
    place = {"town": "Hamburg", "country": "DE"}
    return {"role": role, "org_id": org_id, "name": org_id, "address": place, **more}


def tranche(condition: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """1,000.00 for one consignment, if the condition holds by 10 March."""
    return {
        "tranche_id": "T1",
        "amount": {"rule": "FIXED", "amount_minor": 100_000},
        "condition": condition,
        "window": {"deadline": CLOSE, "grace": "P2D"},
        "on_false": "HOLD",
        "claims": [{"claim_id": "a", "consignment_id": "K1", "max_minor": 100_000}],
        **changes,
    }


SHARE = tranche(
    RECEIVED, amount={"rule": "PER_UNIT", "line": "1", "cap_minor": 90_000, "bp": 9000},
    claims=[{"claim_id": "a", "consignment_id": "K1", "max_minor": 90_000}],
)  # fmt: skip


def rest_of(condition: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """What SHARE leaves of the 1,000.00."""
    amount, claims = {"rule": "RESIDUAL", "of": ["T1"]}, [{"claim_id": "r", "max_minor": 10_000}]
    return tranche(condition, tranche_id="T2", amount=amount, claims=claims, **changes)


def terms(*tranches: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Between a buyer and a seller; everybody tells what is theirs."""
    agent = {"agent": {"bic": "DEUTDEFF"}}
    total = sum(claim["max_minor"] for one in tranches for claim in one["claims"])
    return {
        "form": "contract/1", "contract_id": "C-1", "version": 1, "chain_id": "PO-1",
        "parties": [
            party("BUYER", "buy", **agent, account={"other": "100200300"}),
            party("SELLER", "sel", **agent, account={"other": "400500600"}),
            party("ARBITER", "arb"),
        ],
        "attesters": [{"org_id": o, "role": role, "sources": [o]} for o, role in ATTESTERS],
        "warehouses": ["W1"],
        "references": {"order_no": "PO-1", "incoterm": "DAP", "place": "Hamburg"},
        "currency": "EUR", "cap_minor": total, "total_minor": total, "rounding": "cumulative",
        "lines": [{"line": "1", "sku": "S1", "qty": "100", "unit": "EA", "unit_price": "10.00"}],
        "funding": {"mode": "PREFUNDED_HOLD", "funding_deadline": "2027-01-10T18:00:00+01:00",
                    "hold_len": "P180D", "auto_renew": True},
        "tranches": list(tranches),
        "hold_tolls_deadline": False, "long_stop": "2027-06-30T18:00:00+02:00",
        "attempts_max": 3, "status_sla": "PT48H",
        "calendar": {"id": "T2", "zone": "Europe/Berlin", "cut_off": "16:30"},
        "evidence": {"hmac_allowed": False},
        **changes,
    }  # fmt: skip


def event(kind: str, day: str, source: str, subject: str, **more: Any) -> dict[str, Any]:
    """Something that happened at ten in Berlin on a day of 2027."""
    at, (subject_type, subject_id) = f"2027-{day}T10:00:00+01:00", subject.split(":")
    return {"event": {
        "event_type": kind, "event_id": f"{kind} {day}", "source": source, "revision": at,
        "classifier": "ACTUAL", "event_time": at, "event_tz": "+01:00", "time_precision": "S",
        "recorded_time": at, "chain_id": "PO-1", "subject_type": subject_type,
        "subject_id": subject_id, **more,
    }}  # fmt: skip


def receipt(day: str, qty: str = "100", source: str = "wms", **more: Any) -> dict[str, Any]:
    """Goods of the consignment come to the buyer's warehouse."""
    given = {"facility": "W1", "lot_id": "L1", "sku": "S1", "qty": qty, "uom": "EA"}
    refs = ["ORDER_LINE:1", "CONSIGNMENT:K1"]
    return event("wh.received", day, source, "LOT:L1", **{"refs": refs, **given, **more})


def declared(day: str = "02-01", subject: str = "DECLARATION:D1", **more: Any) -> dict[str, Any]:
    """The import of the consignment is declared."""
    given = {
        "refs": ["CONSIGNMENT:K1"], "declaration_id": "D1", "regime": "IMPORT", "office": "HAM",
        "declarant": "b", "transport_doc": "BL", "declaration_lines": [],
    }  # fmt: skip
    return event("customs.declared", day, "zoll", subject, **{**given, **more})


def act(verdict: str, who: str = "rita", role: str = "OPERATOR", **more: Any) -> dict[str, Any]:
    """What a person does to claim a."""
    now = {"evidence_hash": "now"} if verdict in ("RELEASE", "APPROVE") else {}
    given = {"claim_id": "a", "verdict": verdict, "reviewer": who, "role": role, "reason": "r"}
    return {"review": {**given, **now, **more}}


def tick(at: str) -> dict[str, str]:
    """A cut; a day of 2027 is one at noon."""
    return {"tick": at if "T" in at else f"2027-{at}T12:00:00Z"}


FUNDED = {"receipt": {
    "claim_id": "a", "kind": "RESERVE", "rail_status": "CONFIRMED", "amount_minor": 100_000,
    "currency": "EUR", "hold_expires": "2027-07-31T00:00:00Z",
}}  # fmt: skip


def case(
    folder: Path, agreed: dict[str, Any], *lines: dict[str, Any], rail: str | None = "simulated"
) -> str:
    """What `settlement simulate` tells; `rail` = which answers by itself."""
    answers = () if rail is None else ({"rail": rail},)
    start = (*answers, tick("01-04"), tick("01-06"))
    (folder / "terms.json").write_text(json.dumps(agreed))
    (folder / "case.jsonl").write_text("\n".join(json.dumps(one) for one in (*start, *lines)))
    named = [str(folder / "terms.json"), str(folder / "case.jsonl")]
    done = CliRunner().invoke(cli.app, ["settlement", "simulate", *named, "--free-conditions"])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code in (0, 1), done.output
    return done.stdout


# ---- what people can do


def test_a_claim_held_on_false_says_that_no_review_can_release_it(tmp_path: Path) -> None:
    """7 of 100 came: nothing is withdrawn or contradicted. The refusal names no guard of the row
    for awards, and the ways out are those that the terms have."""
    few = (receipt("02-01", "7"), tick(AFTER), act("RELEASE"))
    said = case(tmp_path, terms(tranche(RECEIVED)), *few)
    assert "(row 9, held for review): the condition is not true after the close: for re" in said
    assert "held (false): the condition is FALSE, no review can release it: reject or a" in said
    refused = "ILLEGAL: ReviewReleased in HELD: the condition is FALSE: reject or amend it\n"
    assert refused in said
    disputable = case(tmp_path, terms(tranche(RECEIVED), disputes=DISPUTES), *few)
    assert "is FALSE: reject, dispute or amend it\n" in disputable


def test_a_claim_held_undecided_says_what_a_release_waits_for(tmp_path: Path) -> None:
    """On the last day, in a zone that nobody knows: in time here, and too late elsewhere."""
    late = receipt("03-10", event_time="2027-03-10T22:30:00+00:00", event_tz="unknown")
    said = case(tmp_path, terms(tranche(RECEIVED)), late, tick(AFTER), act("RELEASE"))
    undecided = "the condition is undecided after the close"
    assert f"held (revivable): {undecided}, no review can release it until what it waits" in said
    assert f"ReviewReleased in HELD: {undecided}: wait for what it lacks, or reje" in said


def test_a_refused_act_says_what_it_takes(tmp_path: Path) -> None:
    """A sentence for each thing that a person can meet; what only a program knows stays a name."""
    agreed = terms(tranche(RECEIVED), disputes=DISPUTES)
    said = case(
        tmp_path, agreed, act("DISPUTE", role="SELLER"), act("HOLD", "olga"),
        act("RELEASE", "olga", evidence_hash=None),
        act("DISPUTE", "bob", "BUYER"), act("RESOLVE_BUYER", "judge", "ARBITER"),
    )  # fmt: skip
    assert "DisputeRaised in RESERVED: the role must be one that may dispute by the terms" in said
    assert "ReviewReleased in HELD: the evidence hash is not that of the evidence as it is" in said
    assert "; the reviewer must be named, and be another person than who raised what stands" in said
    assert "the role must be ARBITER, and the reviewer the org_id of one in" in said


def test_a_held_award_is_told_of_as_one(tmp_path: Path) -> None:
    """Nobody rejects it; a release that is refused names no guard of the condition."""
    agreed = terms(tranche(RECEIVED), disputes=DISPUTES)
    award = act("RESOLVE_SELLER", "arb", "ARBITER", amount_minor=50_000)
    disputed = (act("DISPUTE", "bob", "BUYER"), award, act("HOLD", "olga"), tick("01-08"))
    assert "waits for the next cut, with a live hold\n" in case(tmp_path, agreed, *disputed)
    said = case(
        tmp_path, agreed, *disputed,
        tick("01-09"), act("REJECT"), act("RELEASE", "olga"), act("RELEASE", cleared_ids="now"),
    )  # fmt: skip
    assert "the claim is held (risk): an award has been made: release it by a review\n" in said
    assert "ILLEGAL: ReviewRejected in HELD: an award has been made, and it stands\n" in said
    refused = "ILLEGAL: ReviewReleased in HELD: the reviewer must be named, and be another person"
    assert f"{refused} than who raised what stands\n" in said
    assert "HELD -> DISPUTED (row 13" in said


def test_a_release_says_what_it_has_not_cleared(tmp_path: Path) -> None:
    """The claim is held again at the next cut."""
    agreed = terms(tranche(RECEIVED))
    said = case(tmp_path, agreed, act("HOLD", "olga"), act("RELEASE"), tick("01-08"))
    assert (
        "HELD -> RESERVED (row 13, funds reserved): released by review: rita (OPERATOR): r; "
        in (said)
    )
    assert "; not cleared, so that it will be held again: desk/line-4\n" in said
    cleared = act("RELEASE", cleared_ids="now")
    said = case(tmp_path, agreed, act("HOLD", "olga"), cleared, tick("01-08"))
    assert "released by review: rita (OPERATOR): r\n" in said


def test_a_payment_rejected_for_good_says_why_it_is_not_tried_again(tmp_path: Path) -> None:
    """No funds is a reason to try again, as often as the terms say; a closed account is none."""
    for code, tries, why in (
        ("AM04", 2, "AM04; all 2 attempts are used up\n"),
        ("AC04", 1, "AC04; this reason is final\n"),
    ):
        agreed = terms(tranche(RECEIVED), attempts_max=2)
        no = {"claim_id": "a", "kind": "PAY", "rail_status": "RJCT", "rail_reason": code}
        tried = [one for day in ("02-02", "02-03")[:tries] for one in (tick(day), {"receipt": no})]
        said = case(tmp_path, agreed, FUNDED, receipt("02-01"), *tried, rail=None)
        assert f"(row 25, held for review): rejected, not to be tried again: {why}" in said


# ---- what a claim waits for


def test_a_claim_says_until_when_it_waits(tmp_path: Path) -> None:
    """At the end of a case, and in the record of a decision; `settlement explain` says it once."""
    agreed = terms(tranche({"all": [CLEARED, RECEIVED]}))
    said = case(tmp_path, agreed, receipt("02-01"), tick("02-02"))
    waits = "waits for IMPORT_CLEARED from CUSTOMS (IMPORT_CLEARED is told by 0 of 1), until "
    assert waits + "2027-03-12T23:59:59+01:00\n" in said


def test_an_anchor_that_is_known_is_told_with_its_time(tmp_path: Path) -> None:
    """The rest is due 30 days after the first tranche was settled."""
    after = {"time": {"not_before": {"anchor": "TRANCHE:T1", "plus": "P30D"}}}
    agreed = terms(SHARE, rest_of(after))
    before = case(tmp_path, agreed, tick("02-01"))
    assert "a tick from TRANCHE:T1 + P30D (it is 2027-02-01T13:00:00+01:00), until 2" in before
    assert "; T1 to end\n" in before
    paid = case(tmp_path, agreed, receipt("02-01"), tick("02-02"), tick("02-04"))
    assert "a tick from 2027-03-06T13:00:00+01:00, TRANCHE:T1 + P30D (it is " in paid


def test_what_can_no_longer_become_true_does_not_wait_to_become_so(tmp_path: Path) -> None:
    """The rest of a claim that expired is held at its own close."""
    late = {"deadline": "2027-04-10T23:59:59+02:00", "grace": "P2D"}
    rest = rest_of({"time": {"not_before": "2027-03-20T00:00:00+01:00"}}, window=late)
    said = case(tmp_path, terms(SHARE | {"on_false": "EXPIRE"}, rest), tick(AFTER))
    assert "waits for its close, 2027-04-12, to be held for review: it is the rest of wh" in said


def test_an_award_is_paid_without_a_word_of_the_condition(tmp_path: Path) -> None:
    """By the terms silence is for the seller: what the condition waits for is no reason to pay."""
    late = {"late": {"due": "2027-02-10", "bp_per_day": 10, "max_bp": 500}}
    agreed = terms(tranche(RECEIVED, adjustments=late), disputes=DISPUTES)
    disputed = (tick("02-03"), act("DISPUTE", "bob", "BUYER"), tick("03-08"), tick("03-09"))
    said = case(tmp_path, agreed, *disputed)
    assert "instructed): the payment of the award is instructed: 1000.00 EUR\n" in said
    waits = case(tmp_path, agreed, tick("02-03"))
    assert "how late it was after 2027-02-10 is counted once the condition holds" in waits


def test_how_long_goods_were_outside_is_told_as_a_length_of_time() -> None:
    """Up to whole seconds, as the condition tells it, and what follows from it."""
    rules = Adjustments(
        excursion=(Band(over_min=45, off_bp=300), Band(over_min=180, off_bp="HOLD"))
    )
    for minutes, says in (
        (30, "outside for PT30M, within 45 minutes: nothing is taken off"),
        (60, "outside for PT1H, more than 45 minutes: 300 bp are taken off"),
        (195, "outside for PT3H15M, more than 180 minutes: the amount is left to people"),
    ):
        (found,) = adjust(rules, Seen(excursion_us=minutes * MINUTE_US)).reasons
        assert found.says == says
    (found,) = adjust(rules, Seen()).reasons
    assert found.says == "how long it was outside is counted once the condition holds"


# ---- what counts for nothing


def test_what_is_undone_says_by_what(tmp_path: Path) -> None:
    """An open hold that somebody else has lifted, duty, the revocation of another release."""
    free = {"milestone": {"type": "FREE_TO_DELIVER", "by": {"roles": ["CUSTOMS"], "k": 1}}}
    one = "DECLARATION:D1"
    agreed = terms(tranche(free))
    begun = (declared(), event("customs.released", "02-02", "zoll", one, release_kind="FULL"))
    held = {"hold_id": "P1", "authority": "A"}
    due = {"amount": "5.00", "currency": "EUR", "basis": "PAYMENT"}
    said = case(
        tmp_path, agreed, *begun, event("customs.hold_placed", "02-03", "police", one, **held),
        event("customs.hold_removed", "02-04", "police", one, **held),
        event("customs.duty_assessed", "02-04", "zoll", one, **due), tick("02-05"),
    )  # fmt: skip
    assert (
        "customs.released 02-02: UNDONE by duty that is not settled (zoll/customs.duty_ass" in said
    )
    assert (
        ", hold P1 (police/customs.hold_placed 02-03), until a CUSTOMS of the terms lifts" in said
    )
    again = {"subject": "DECLARATION:D2"}
    revoked = event("customs.release_revoked", "02-03", "zoll", one, reason="x")
    other = declared("02-04", subject="DECLARATION:D2", declaration_id="D2")
    cleared = event("customs.cleared", "02-05", "zoll", **again, entry_id="E")
    said = case(tmp_path, agreed, *begun, revoked, other, cleared, tick("02-06"))
    by = "UNDONE by the revocation of a release (zoll/customs.release_revoked 02-03)"
    assert f"zoll/customs.cleared 02-05: {by}" in said
    assert f"zoll/customs.released 02-02: {by}" in said


def test_what_counts_for_nothing_is_told_with_its_reason(tmp_path: Path) -> None:
    """Below what the claim waits for."""
    agreed = terms(tranche(RECEIVED))
    said = case(tmp_path, agreed, receipt("02-01", source="nobody"), tick("02-02"))
    assert "\n    counts for nothing: nobody/wh.received 02-01: NOT_LISTED\n" in said


def test_what_reaches_no_claim_is_told_to_people(tmp_path: Path) -> None:
    """A clearance of other goods' declaration, an inspection before any receipt, a delivery to
    another place, a quantity in a unit that is none of the line: each of them is just what is
    asked, and none is evidence. What another claim rests on is not named."""
    passed = {"milestone": {"type": "QC_PASSED", "by": {"roles": ["INSPECTOR"], "k": 1}}}
    there = {"type": "DELIVERED", "by": {"roles": ["CARRIER"], "k": 1}, "place": "W1"}
    every = {"all": [CLEARED, RECEIVED, passed, {"milestone": there}]}
    inspected = {"lot_id": "L7", "result": "PASS", "facility": "W1", "refs": ["ORDER_LINE:1"]}
    delivered = {"consignment_id": "K1", "receiver": "r", "facility": "W9"}
    cleared = event("customs.cleared", "02-02", "zoll", "DECLARATION:D1", entry_id="E")
    said = case(
        tmp_path, terms(tranche(every)), declared(refs=["CONSIGNMENT:K9"]), cleared,
        event("wh.inspected", "02-03", "insp", "LOT:L7", **inspected),
        event("shipment.delivered", "02-04", "tms", "CONSIGNMENT:K1", **delivered),
        receipt("02-05", uom="BX"), tick("02-06"),
    )  # fmt: skip
    (line,) = [one for one in said.splitlines() if "counts for nothing" in one]
    assert "shipment.delivered 02-04: OTHER_PLACE" in line
    assert "wh.received 02-05: OTHER_UNIT" in line
    assert "customs.cleared 02-02: NOT_LINKED" in line
    assert "wh.inspected 02-03: NOT_LINKED" in line
