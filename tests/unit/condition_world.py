"""Small random worlds for conditions: few names, and times that lie on either side of a limit."""

import datetime as dt
import json
from decimal import Decimal

from msgspec.structs import replace

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
from supplytwin.schemas.condition import All, AnyOf, AtLeast, encode, operator, walked
from supplytwin.schemas.condition_read import read

MS, HOUR, DAY = 1_000, 3_600_000_000, 86_400_000_000
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
DEADLINE = (dt.datetime(2027, 3, 28, 0, 59, 59, tzinfo=dt.UTC) - EPOCH) // dt.timedelta(
    microseconds=1
)
"""An hour before the clocks of Europe go forward."""
ZONES = ("+00:00", "+08:00", "-05:00", "Europe/Berlin", "Asia/Shanghai")
ROLES, ORGANISATIONS = ("CUSTOMS", "IOT", "WAREHOUSE"), ("org-a", "org-b", "org-c")
MILESTONES = ("CLEARED", "RECEIVED")
SUBJECTS = ("CONSIGNMENT:A", "CONSIGNMENT:B")
ANCHORS = ("MILESTONE:GATE_OUT", "TRANCHE:T2")
STANDINGS = ("LIVE",) * 6 + ("RETRACTED", "SUPERSEDED", "CONFLICTED", "VOID")
NEAR = (-2 * DAY, -HOUR, -MS, 0, MS, HOUR, 2 * DAY)


def text_of(moment, offset="+00:00"):
    """An instant in the one spelling."""
    ahead = dt.timedelta(hours=int(offset[:3]))
    there = EPOCH + dt.timedelta(microseconds=moment) + ahead
    shown = there.replace(tzinfo=None).isoformat()
    return (shown.rstrip("0").removesuffix(".") if "." in shown else shown) + offset


def condition(value):
    """A condition that reads without a finding."""
    found = read(json.dumps(value).encode())
    assert found.findings == (), found.findings
    return found.value


def as_json(node):
    """Its canonical JSON, read again."""
    return json.loads(encode(node))


def _when(rng):
    if rng.random() < 0.4:
        return {"anchor": rng.choice(ANCHORS), "plus": rng.choice(("PT0S", "P1D", "PT2H"))}
    return text_of(DEADLINE + rng.choice(NEAR), rng.choice(("+00:00", "+08:00", "-05:00")))


def _milestone(rng):
    roles = rng.sample(ROLES, rng.randint(1, 3))
    body = {"type": rng.choice(MILESTONES), "by": {"roles": roles, "k": rng.randint(1, 3)}}
    if rng.random() < 0.3:
        body["subject"] = rng.choice(SUBJECTS)
    if rng.random() < 0.3:
        offset = rng.choice(("+00:00", "+08:00", "-05:00"))
        body["before"] = text_of(DEADLINE + rng.choice(NEAR), offset)
    if rng.random() < 0.2:
        body["place"] = "DEHAM"
    if rng.random() < 0.3:
        body["min_assurance"] = rng.choice(("AUTHENTICATED", "SIGNED"))
    return body


def _quantity(rng):
    body = {
        "line": rng.choice(("1", "1", "2")),
        "measure": "ACCEPTED",
        "op": rng.choice((">=", ">")),
    }
    if rng.random() < 0.5:
        return {**body, "value": rng.choice(("5", "9.8", "10"))}
    return {**body, "pct_of_ordered_bp": rng.choice((5000, 9800, 10_000))}


def _telemetry(rng):
    return {
        "metric": "TEMP", "min": "13", "max": "15", "unit": "Cel", "from": _when(rng),
        "to": _when(rng), "max_excursion": "PT45M", "max_single": "PT20M", "min_coverage_bp": 9700,
    }  # fmt: skip


def _time(rng):
    names = rng.choice((["not_before"], ["not_after"], ["not_before", "not_after"]))
    return {name: _when(rng) for name in names}


def _approval(rng):
    body = {"roles": rng.sample(ROLES, rng.randint(1, 3)), "k": rng.randint(1, 2)}
    return {**body, "deadline": text_of(DEADLINE)} if rng.random() < 0.4 else body


_MAKE = {
    "milestone": _milestone,
    "quantity": _quantity,
    "quality": lambda rng: {
        "test": "MOISTURE", "op": rng.choice(("<=", "<", ">=", ">", "=")), "value": "13.0",
        "unit": "%", "certificate_role": rng.choice(ROLES[:2]),
    },
    "telemetry": _telemetry,
    "document": lambda rng: {
        "type": "EBL", "state": rng.choice(("ISSUED", "SURRENDERED")), "unique": True,
        "issuer_role": rng.choice(ROLES[:2]),
    },
    "asset": lambda rng: {
        "kind": "WAREHOUSE_RECEIPT", "state": "LOCKED",
        "controller_role": rng.choice(("FINANCIER", "SELLER")),
    },
    "carbon": lambda rng: {
        "measure": "INTENSITY", "op": "<=", "value": "2.1", "unit": "kgCO2e/unit",
        "assurance": rng.choice(("UNVERIFIED", "VERIFIED")),
    },
    "absent": lambda rng: {
        "type": rng.choice(("SEIZED", *MILESTONES)),
        "during": "CHALLENGE" if rng.random() < 0.5 else [_when(rng), _when(rng)],
    },
    "approval": _approval,
    "time": _time,
}  # fmt: skip


def leaf(rng):
    """A leaf of any kind."""
    name = rng.choice(tuple(_MAKE))
    return condition({name: _MAKE[name](rng)})


def leaves(rng, number):
    """As many leaves, no two the same."""
    found = {}
    while len(found) < number:
        one = leaf(rng)
        found[encode(one)] = one
    return list(found.values())


def tree(rng, some, depth=3):
    """A condition of leaves among `some`, which may stand in it more than once."""
    if depth == 0 or rng.random() < 0.25:
        return rng.choice(some)
    of = tuple(tree(rng, some, depth - 1) for _ in range(rng.randint(1, 4)))
    kind = rng.choice((All, AnyOf, AtLeast))
    return AtLeast(k=rng.randint(1, len(of)), of=of) if kind is AtLeast else kind(of=of)


_TYPES = {
    "MILESTONE": MILESTONES,
    "QUANTITY": ("ACCEPTED",),
    "QUALITY": ("MOISTURE",),
    "DOCUMENT": ("EBL",),
    "ASSET": ("WAREHOUSE_RECEIPT",),
    "CARBON": ("INTENSITY",),
    "OTHER": ("SEIZED",),
}


def _day(moment):
    return moment // DAY


def _statement(rng, scope, kind, revision):
    first = scope.deadline + rng.choice((*NEAR, -DAY, -DAY, -DAY))
    last = first + rng.choice((0, 0, 0, 0, MS, HOUR))
    day = None
    if rng.random() < 0.2:
        day = _day(first)
        first, last = day * DAY, (day + 1) * DAY
    extra = {}
    if kind == "QUANTITY":
        value = rng.choice(("5", "4.8", "9.8", "10", "10", "-0.1", "-5"))
        extra = {"value": Decimal(value), "unit": rng.choice(("t",) * 9 + ("kg",))}
    elif kind == "QUALITY":
        value, unit = rng.choice(("12.9", "13", "13.1")), rng.choice(("%", "%", "%", "g/kg"))
        extra = {"value": Decimal(value), "unit": unit}
    elif kind == "CARBON":
        extra = {"value": Decimal(rng.choice(("2", "2.1", "2.2"))), "unit": "kgCO2e/unit"}
    elif kind == "DOCUMENT":
        unique = rng.choice((True, True, True, None, False))
        extra = {"state": rng.choice(("ISSUED", "SURRENDERED")), "unique": unique}
    elif kind == "ASSET":
        controller = rng.choice(("FINANCIER", "SELLER"))
        extra = {"state": rng.choice(("LOCKED", "LOCKED", "ACTIVE")), "controller": controller}
    scale = (
        ("UNVERIFIED", "VERIFIED") if kind == "CARBON" else ("UNSIGNED", "SIGNED", "SIGNED", None)
    )
    return Statement(
        revision=revision,
        arrival=scope.close + rng.choice((*NEAR, *(-3 * DAY,) * 5)),
        kind=kind,
        type=rng.choice(_TYPES[kind]),
        subject=rng.choice(("1", "1", "2")) if kind == "QUANTITY" else rng.choice(SUBJECTS),
        first=first,
        last=last,
        day=day,
        grain_us=rng.choice((0, 0, 0, MS, HOUR)),
        place=rng.choice((None, "DEHAM", "DEHAM")),
        assurance=rng.choice(scale),
        **extra,
    )


def fact(rng, scope, number, kinds=tuple(_TYPES)):
    """An identity with one to three revisions of one kind."""
    kind, standing = rng.choice(kinds), rng.choice(STANDINGS)
    told = [_statement(rng, scope, kind, at) for at in range(rng.choice((1, 1, 1, 2, 2, 3)))]
    return Fact(
        source="source",
        event_id=f"e{number}",
        organisation=rng.choice(ORGANISATIONS),
        role=rng.choice(ROLES),
        standing=standing,
        current=told[-1] if standing == "LIVE" else None,
        others=tuple(told[:-1] if standing == "LIVE" else told),
    )


def scope_of(rng):
    """The window of a tranche; the tick is near one of its ends."""
    grace = rng.choice((0, 2 * MS, 2 * HOUR, 2 * DAY))
    stop = DEADLINE + rng.choice((grace, grace + MS, 5 * DAY))
    challenge = rng.choice((None, DEADLINE - HOUR, DEADLINE, DEADLINE + grace + HOUR))
    about = rng.choice((DEADLINE, DEADLINE + grace, DEADLINE + grace, stop, challenge or stop))
    return Scope(
        tick=about + rng.choice((-DAY, -MS, 0, MS, MS, DAY, 3 * DAY)),
        deadline=DEADLINE,
        grace_us=grace,
        zone=rng.choice(ZONES),
        long_stop=stop,
        challenge_end=challenge,
        tolling=rng.random() < 0.05,
        tolled_us=rng.choice((0, 0, MS, HOUR, 2 * DAY)),
        lines=(Ordered(line="1", qty=Decimal(10), unit="t"),),
    )


def _answer(rng, asked):
    length = asked.last - asked.first
    need = -(-length * 9700 // 10_000)

    def exposure():
        return Exposure(
            covered_us=rng.choice((0, need - 1, need, length)),
            outside_us=rng.choice((0, 0, 45 * 60_000_000, 45 * 60_000_000 + 1)),
            longest_us=rng.choice((0, 0, 20 * 60_000_000, 20 * 60_000_000 + 1)),
        )

    now = exposure()
    best = exposure() if rng.random() < 0.5 else now
    return Series(asked=asked, current=now, best=best, evidence=("device/1",))


def _kinds(node):
    """The kinds of facts that the leaves of a condition look at."""
    names = {operator(one) for _, one in walked(node)}
    found = [kind for kind in _TYPES if kind.lower() in names]
    return (*found, *(("OTHER", "MILESTONE") if "absent" in names else ())) or ("OTHER",)


def evidence_for(rng, node, scope, facts_max=8):
    """What may be known when `node` is asked for."""
    kinds = _kinds(node)
    anchors = tuple(
        Anchored(anchor=one, at=DEADLINE + rng.choice(NEAR))
        if rng.random() < 0.7
        else Anchored(anchor=one, at=None, may_return=rng.random() < 0.5)
        for one in ANCHORS
        if rng.random() < 0.9
    )
    assents = tuple(
        Assent(
            review_id=f"r{at}",
            organisation=rng.choice(ORGANISATIONS),
            role=rng.choice(ROLES),
            at=rng.choice((DEADLINE, scope.long_stop)) + rng.choice(NEAR),
        )
        for at in range(rng.randint(0, 3))
    )
    known = Evidence(
        facts=tuple(fact(rng, scope, at, kinds) for at in range(rng.randint(0, facts_max))),
        assents=assents,
        anchors=anchors,
    )
    asked = sorted(set(asked_of_series(node, known, scope)))
    return replace(known, series=tuple(_answer(rng, one) for one in asked if rng.random() < 0.8))


def support(rng, leaf_, scope, number):
    """A fact that surely counts for a leaf, in time by far; None = no fact makes such a leaf TRUE.

    It may speak against another leaf.
    """
    body = as_json(leaf_)[operator(leaf_)]
    early = scope.deadline - 30 * DAY
    fields = {"revision": 1, "arrival": early, "first": early, "last": early}
    role = rng.choice(ROLES)
    match operator(leaf_):
        case "milestone":
            role = rng.choice(body["by"]["roles"])
            subject = body.get("subject") or rng.choice(SUBJECTS)
            fields |= {"kind": "MILESTONE", "type": body["type"], "subject": subject}
            fields |= {"place": body.get("place"), "assurance": "SIGNED"}
        case "quantity" if body["line"] == "1":
            fields |= {"kind": "QUANTITY", "type": body["measure"], "subject": "1"}
            fields |= {"value": Decimal("0.5"), "unit": "t"}
        case "quality":
            value = {"<": "1", "<=": "13.0", "=": "13", ">=": "13", ">": "99"}[body["op"]]
            fields |= {"kind": "QUALITY", "type": body["test"], "subject": rng.choice(SUBJECTS)}
            fields |= {"value": Decimal(value), "unit": body["unit"]}
            role = body["certificate_role"]
        case "carbon":
            fields |= {"kind": "CARBON", "type": body["measure"], "subject": rng.choice(SUBJECTS)}
            fields |= {"value": Decimal(1), "unit": body["unit"], "assurance": "VERIFIED"}
        case "document":
            fields |= {"kind": "DOCUMENT", "type": body["type"], "subject": rng.choice(SUBJECTS)}
            fields |= {"state": body["state"], "unique": True}
            role = body["issuer_role"]
        case "asset":
            fields |= {"kind": "ASSET", "type": body["kind"], "subject": rng.choice(SUBJECTS)}
            fields |= {"state": body["state"], "controller": body["controller_role"]}
        case _:
            return None
    return Fact(
        source="support",
        event_id=f"s{number}",
        organisation=rng.choice(ORGANISATIONS),
        role=role,
        current=Statement(**fields),
    )


def withdrawn(rng, one):
    """A live fact that counts no longer, in one of the ways there are."""
    standing = rng.choice(("RETRACTED", "SUPERSEDED", "CONFLICTED", "VOID"))
    return replace(one, standing=standing, current=None, others=one.statements)
