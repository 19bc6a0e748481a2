"""What `twin show` tells, on a console."""

from typing import Any

from supplytwin.schemas.money import from_minor
from supplytwin.streams.cli_run import out
from supplytwin.streams.drawing import folding
from supplytwin.streams.show import Shown

_HOURS_MAX = 48
"""More are told in days."""


def text_of(value: Any) -> str:
    """Nothing as nothing."""
    return "" if value is None else str(value)


def _tell_signatures(shown: Shown) -> None:
    """What signed facts count for; nothing where none is signed."""
    if not shown.signatures:
        return
    drawn = folding("subject", "signed", "by key", "counts for", title="signatures")
    for one in shown.signatures:
        told = (
            f"{one['reason']}: {one['says']}"
            if not one["counts"]
            else (
                f"{one['organisation']} as {one['role']}"
                + ("" if one["non_repudiable"] else ", repudiable (HMAC)")
            )
        )
        what = f"{one['event_type']} {one['event_id']} of {one['source']}"
        drawn.add_row(one["subject"], what, one["kid"] or "", told)
    out.print(drawn)


def _tell_sensors(shown: Shown) -> None:
    rows = [(subject, one) for subject in shown.subjects for one in subject["sensors"]]
    if not rows:
        return
    names = ("subject", "sensor", "readings", "from, to", "last", "excursion min", "coverage")
    drawn = folding(*names, title="sensors")
    for subject, one in rows:
        drawn.add_row(
            f"{subject['subject_type']} {subject['subject_id']}",
            f"{one['device_id']} {one['metric']} ({one['unit']})",
            str(one["readings"]),
            f"{one['min']} to {one['max']}",
            str(one["last"]),
            f"{one['excursion_min']} (longest {one['longest_excursion_min']})",
            text_of(one["coverage"]),
        )
    out.print(drawn)


def tell(shown: Shown) -> None:
    """Everything, in tables."""
    out.print(f"chain {shown.chain_id}: {shown.entries} journal entries", style="bold")
    if shown.broken is None:
        out.print(f"hash chain: sound, head {shown.head_hash[:16]}", style="green")
    else:
        out.print(f"hash chain: BROKEN at {shown.broken}", style="bold red")
        out.print("what follows stands before the first bad entry")
    for note in shown.notes:
        out.print(note)
    subjects = folding("subject", "state", "milestones", "flags", "late by", title="state")
    for one in shown.subjects:
        late = "" if one["delay_days"] is None else f"{one['delay_days']} d"
        subjects.add_row(
            f"{one['subject_type']} {one['subject_id']}", one["state"] or "",
            ", ".join(one["milestones"]), ", ".join(one["flags"]), late,
        )  # fmt: skip
    out.print(subjects)
    _tell_derived(shown)
    _tell_sensors(shown)
    if shown.exceptions:
        problems = folding("subject", "code", "since", "reason", title="open exceptions")
        for one in shown.exceptions:
            problems.add_row(one["subject"], one["code"], _minute(one["since"]), one["reason"])
        out.print(problems)
    _tell_signatures(shown)
    prints = folding("consignment", "kg CO2e", "computed", "tkm", "data", "missing",
                     title="footprint")  # fmt: skip
    for one in shown.footprints:
        named = ("consignment_id", "co2e_wtw_kg", "computed_wtw_kg", "activity_tkm")
        data = (one["data_type"] or "", "planned" if one["planned"] else "")
        prints.add_row(
            *[text_of(one[name]) for name in named],
            " ".join(filter(None, data)),
            "\n".join(one["missing"]),
        )
    out.print(prints)
    claims = folding("claim", "state", "amount", "waits for", title="settlement")
    for claim in shown.settlement:
        amount = _money(claim.amount_minor, claim.currency)
        claims.add_row(claim.claim_id, claim.public_state, amount, claim.waits_for or "-")
    out.print(claims)
    out.print("timeline: taken at (tick time), what, and where it is from; UTC", style="bold")
    for moment in shown.timeline:
        origin = ", ".join(
            text
            for text in (
                text_of(moment.source),
                moment.happened and f"happened {_minute(moment.happened)}",
                moment.arrived and f"arrived {_minute(moment.arrived)}",
            )
            if text
        )
        tail = f" ({origin})" if origin else ""
        out.print(f"{moment.seq:>4}  {_minute(moment.taken_at)}  {moment.what}{tail}")


def _tell_derived(shown: Shown) -> None:
    """One row a subject: docs/derived.md says how each cell is calculated."""
    drawn = folding(
        "subject", "expected", "promised", "steps told", "last actual", "dwell", "sources apart",
        "trust", "unpaid", title=f"derived, at {shown.now}",
    )  # fmt: skip
    for one in shown.subjects:
        age, silent, spread = one["eta_age_hours"], one["silent_hours"], one["spread_hours"]
        said = "" if age is None else f" by {one['eta_source']}, {_hours(age)} old"
        late = one["promise_delay_days"]
        steps = one["steps_required"]
        drawn.add_row(
            f"{one['subject_type']} {one['subject_id']}",
            "" if one["expected"] is None else _minute(one["expected"]) + said,
            text_of(one["promised_date"]) + ("" if late is None else f" ({late:+} d)"),
            f"{steps - one['steps_inferred']} of {steps}" if steps else "",
            "" if silent is None else f"{_hours(silent)} ago",
            ", ".join(_visit(visit) for visit in one["dwell"]),
            "" if spread is None else f"{_hours(float(spread))}: {', '.join(one['reports'])}",
            text_of(one["trust"]),
            "" if one["currency"] is None else _money(one["exposure_minor"], one["currency"]),
        )
    out.print(drawn)


def _visit(visit: dict[str, Any]) -> str:
    hours = "?" if visit["hours"] is None else _hours(visit["hours"])
    return f"{visit['place'] or '(no place)'} {hours}{' so far' if visit['open'] else ''}"


def _hours(hours: float) -> str:
    return f"{hours:.1f} h" if abs(hours) <= _HOURS_MAX else f"{hours / 24:.1f} d"


def _money(minor: int, currency: str) -> str:
    return f"{from_minor(minor, currency)} {currency}"


def _minute(text: str) -> str:
    return text[:16].replace("T", " ")
