"""What a case of the settlement tells people: what they can do with a claim, what it waits for and
until when, what counts for nothing; each as it is.
"""

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

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


def receipt(day: str, qty: str = "100", **more: Any) -> dict[str, Any]:
    """Goods of the consignment come to the buyer's warehouse."""
    given = {"facility": "W1", "lot_id": "L1", "sku": "S1", "qty": qty, "uom": "EA"}
    refs = ["ORDER_LINE:1", "CONSIGNMENT:K1"]
    return event("wh.received", day, "wms", "LOT:L1", **{"refs": refs, **given, **more})


def declared(day: str = "02-01", **more: Any) -> dict[str, Any]:
    """The import of the consignment is declared."""
    given = {
        "refs": ["CONSIGNMENT:K1"], "declaration_id": "D1", "regime": "IMPORT", "office": "HAM",
        "declarant": "b", "transport_doc": "BL", "declaration_lines": [],
    }  # fmt: skip
    return event("customs.declared", day, "zoll", "DECLARATION:D1", **{**given, **more})


def act(verdict: str, who: str = "rita", role: str = "OPERATOR", **more: Any) -> dict[str, Any]:
    """What a person does to claim a."""
    now = {"evidence_hash": "now"} if verdict in ("RELEASE", "APPROVE") else {}
    given = {"claim_id": "a", "verdict": verdict, "reviewer": who, "role": role, "reason": "r"}
    return {"review": {**given, **now, **more}}


def tick(at: str) -> dict[str, str]:
    """A cut; a day of 2027 is one at noon."""
    return {"tick": at if "T" in at else f"2027-{at}T12:00:00Z"}


def case(folder: Path, agreed: dict[str, Any], *lines: dict[str, Any], words: str = "") -> str:
    """What `settlement simulate` tells; the rail answers by itself."""
    start = ({"rail": "simulated"}, tick("01-04"), tick("01-06"))
    (folder / "terms.json").write_text(json.dumps(agreed))
    (folder / "case.jsonl").write_text("\n".join(json.dumps(one) for one in (*start, *lines)))
    named = [str(folder / "terms.json"), str(folder / "case.jsonl")]
    done = CliRunner().invoke(
        cli.app, ["settlement", "simulate", *named, "--free-conditions", *words.split()]
    )
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
    """Nobody approved by the close; once both have, it can be released."""
    agreed = terms(tranche({"all": [RECEIVED, APPROVED]}))
    said = case(tmp_path, agreed, receipt("02-01"), tick(AFTER), act("RELEASE"))
    undecided = "the condition is undecided after the close"
    assert f"held (revivable): {undecided}, no review can release it until what it waits" in said
    assert f"ReviewReleased in HELD: {undecided}: wait for its rest, or reject or" in said


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
