"""Amounts of tranches: splits, partial deliveries, adjustments, what is left."""

import json
import random
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import amounts_oracle as oracle
import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supplytwin import schemas
from supplytwin.processors.adjustments import Footprint, Seen, adjust, days_late
from supplytwin.processors.amounts import Claimed, Money, Situation, due, maxima, split
from supplytwin.processors.line_worth import Otherwise
from supplytwin.processors.quantities import Delivery, Taken, payable
from supplytwin.schemas import amounts as terms_of
from supplytwin.schemas.dimensions import DIMENSIONS, factor
from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.ids import DAY_US, HOUR_US
from supplytwin.schemas.strict_schema import json_schema

SCHEMA = Path(schemas.__file__).parent / "amount_terms.schema.json"
MINUTE_US = 60_000_000


def a_line(**changes):
    """100 KGM at 10.005 each, exact, in one piece."""
    made = {"line": "L1", "sku": "S", "qty": Decimal(100), "unit": "KGM",
            "unit_price": Decimal("10.005")}  # fmt: skip
    return terms_of.Line(**{**made, **changes})


def a_tranche(name, amount, **adjustments):
    return terms_of.Tranche(
        tranche_id=name, amount=amount, adjustments=terms_of.Adjustments(**adjustments)
    )


def a_contract(*tranches, lines=(), total=None, cap=None, currency="CNY", rounding="cumulative"):
    """Checked terms; the cap is the total, the total what the lines say."""
    digits = oracle.DECIMALS[currency]
    if total is None:
        total = int(sum((one.qty * one.unit_price for one in lines), Decimal(0)).scaleb(digits))
    made = terms_of.AmountTerms(
        currency=currency, cap_minor=total if cap is None else cap, total_minor=total,
        rounding=rounding, lines=tuple(lines), tranches=tranches,
    )  # fmt: skip
    terms_of.check(made)
    return made


def per_unit(cap=10**9, **changes):
    return a_tranche("T1", terms_of.PerUnit(line="L1", cap_minor=cap, **changes))


def units(price="10.005", *, cap=10**9, **line):
    """One PER_UNIT over one line, with room in the cap."""
    return a_contract(per_unit(cap), lines=[a_line(unit_price=Decimal(price), **line)], cap=10**9)


def came(qty, name="d1", unit="KGM", lot=None, line="L1"):
    return Delivery(id=name, line=line, lot=lot, qty=Decimal(qty), unit=unit)


def now(*deliveries, reserved=10**12, currency="CNY", **more):
    return Situation(
        reserved=Money(currency=currency, minor=reserved), deliveries=deliveries, **more
    )


def claim(found, name, tranche="T1", **changes):
    """The claim that is made of a Due."""
    made = {"claim_id": name, "tranche_id": tranche, "currency": found.currency, "bp": found.bp,
            "gross_minor": found.gross_minor, "amount_minor": found.amount_minor}  # fmt: skip
    return Claimed(**{**made, **changes})


def most(contract):
    """The maximum of each tranche, minor units."""
    return {name: one.minor for name, one in maxima(contract).items()}


def rules(found):
    return [one.rule for one in found.reasons]


@pytest.mark.parametrize(
    ("rounding", "parts"),
    [("largest-earliest", (3001, 6000, 1000)), ("cumulative", (3000, 6000, 1001))],
)
def test_both_rounding_rules_split_as_published(rounding, parts):
    """100.01 split 30/60/10 gives 30.01/60.00/10.00 or 30.00/60.00/10.01, by the rule."""
    assert split(10_001, (3000, 6000, 1000), rounding) == parts
    shares = [
        a_tranche(f"T{n}", terms_of.OfTotal(bp=bp)) for n, bp in enumerate((3000, 6000, 1000))
    ]
    contract = a_contract(*shares, total=10_001, rounding=rounding)
    found = [due(contract, f"T{n}", now()) for n in range(3)]
    assert tuple(one.amount_minor for one in found) == parts
    assert most(contract) == dict(zip(("T0", "T1", "T2"), parts, strict=True))


@settings(deadline=None)
@given(
    st.integers(0, 10**14), st.lists(st.integers(1, 3000), min_size=1, max_size=9),
    st.sampled_from(("largest-earliest", "cumulative")),
)  # fmt: skip
def test_parts_sum_to_the_floor_of_the_whole(total, weights, rounding):
    """Whatever the shares, the parts are those of the oracle and nothing is lost between them."""
    while sum(weights) > 10_000:
        weights.pop()
    parts = split(total, weights, rounding)
    assert list(parts) == oracle.shares(total, weights, rounding)
    assert sum(parts) == total * sum(weights) // 10_000
    assert all(abs(p * 10_000 - total * w) <= 10_000 for p, w in zip(parts, weights, strict=True))


def pay_all(contract, deliveries, **more):
    """Claims of a PER_UNIT, one after each delivery; what remains reserved goes down."""
    claims, seen, reserved = [], [], more.pop("reserved", 2**62)
    for at, one in enumerate(deliveries):
        seen.append(one)
        state = now(*seen, reserved=reserved, claimed=tuple(claims), currency=contract.currency,
                    **more)  # fmt: skip
        found = due(contract, "T1", state)
        assert found.verdict == "DUE", found.reasons
        assert 0 <= found.amount_minor <= reserved
        reserved -= found.amount_minor
        claims.append(claim(found, f"c{at}"))
    return claims


def test_partial_deliveries_sum_to_the_floor_of_the_total(required):
    """However a quantity is delivered, the claims sum to floor(total x price): no drift."""
    count, rng = required("amount_splits"), random.Random(7)
    for _ in range(count):
        currency = rng.choice(("CNY", "JPY", "KWD"))
        decimals = rng.randint(0, 9)
        price = Decimal(rng.randint(0, 10**7)).scaleb(-rng.randint(0, 9))
        pieces = [
            Decimal(rng.randint(1, 10**6)).scaleb(-decimals) for _ in range(rng.randint(1, 8))
        ]
        line = a_line(qty=sum(pieces), unit_price=price)
        contract = a_contract(per_unit(2**60), lines=[line], cap=2**62, currency=currency)
        told = [came(qty, f"d{n}") for n, qty in enumerate(pieces)]
        paid = [one.amount_minor for one in pay_all(contract, told)]
        rng.shuffle(told)
        again = [one.amount_minor for one in pay_all(contract, told)]
        whole = oracle.per_unit(contract, contract.tranches[0].amount, told, ())
        assert whole == contract.total_minor
        assert sum(paid) == sum(again) == whole
    count.done(count)


def test_flooring_each_lot_by_itself_would_drift():
    """Ten lots of 1 at 10.005 pay 100.05, not ten times 10.00."""
    paid = pay_all(units(qty=Decimal(10)), [came(1, f"d{n}") for n in range(10)])
    assert [one.amount_minor for one in paid] == [1000, 1001] * 5
    assert sum(one.amount_minor for one in paid) == 10_005


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 999), min_size=1, max_size=6),
    st.integers(0, 60),
    st.permutations("abcdef"),
)
def test_equal_deductions_do_not_drift_either(pieces, late, order):
    """With one deduction for all deliveries the claims sum to the floor of the whole."""
    line = a_line(qty=Decimal(sum(pieces)), unit_price=Decimal("10.005"))
    tranche = a_tranche("T1", terms_of.PerUnit(line="L1", cap_minor=10**9), late=LATE)
    contract = a_contract(tranche, lines=[line], cap=10**9)
    named = dict(zip(order, pieces, strict=False))
    told = [came(named[name], name) for name in sorted(named)]
    paid = pay_all(contract, told, seen=Seen(days_late=late))
    left = 10_000 - min(500, 10 * late)
    assert sum(one.amount_minor for one in paid) == contract.total_minor * left // 10_000


def random_contract(rng):
    """A contract with SHARE, FIXED, PER_UNIT of two lines and a RESIDUAL, and what happened."""
    currency = rng.choice(("CNY", "JPY", "KWD"))
    basis = rng.choice(("LINE", "LOT"))
    lots = [
        terms_of.Lot(lot=f"A{n}", qty=Decimal(rng.randint(1, 900)).scaleb(-1))
        for n in range(rng.randint(1, 3))
    ]
    lines = [
        a_line(
            qty=sum(one.qty for one in lots), lots=tuple(lots) if basis == "LOT" else (),
            unit=rng.choice(("KGM", "TNE")), unit_price=Decimal(rng.randint(0, 99_999)).scaleb(-3),
            tolerance=terms_of.Tolerance(
                minus_bp=rng.choice((0, 500)), plus_bp=rng.choice((0, 500, 1000)), basis=basis
            ),
        ),
        a_line(line="L2", unit="H87", qty=Decimal(rng.randint(1, 50))),
    ]  # fmt: skip
    extras = terms_of.Adjustments(
        late=terms_of.Late(due="2027-02-10", bp_per_day=10, max_bp=500),
        excursion=(
            terms_of.Band(over_min=45, off_bp=300), terms_of.Band(over_min=90, off_bp=1500),
            terms_of.Band(over_min=180, off_bp="HOLD"),
        ),
        carbon=terms_of.Carbon(
            measure="WTW", at_most=Decimal("2.1"), unit="kgCO2e/unit", bp=rng.choice((-10, 25))
        ),
    )  # fmt: skip
    lot = rng.choice([None, *(one.lot for one in lines[0].lots)])
    amount = terms_of.PerUnit(
        line="L1", lot=lot, cap_minor=rng.randint(0, 10**7), bp=rng.choice((10_000, 9500, 1))
    )
    tranches = (
        terms_of.Tranche(tranche_id="T1", amount=amount, adjustments=extras),
        a_tranche("T2", terms_of.OfTotal(bp=rng.randint(1, 5000))),
        a_tranche("T3", terms_of.Fixed(amount_minor=rng.randint(0, 1000))),
        a_tranche("T4", terms_of.Residual(of=("T1", "T2", "T3"))),
    )
    rounding = rng.choice(("largest-earliest", "cumulative"))
    return a_contract(*tranches, lines=lines, cap=10**12, currency=currency, rounding=rounding)


def random_deliveries(rng, contract):
    line = contract.line("L1")
    names = [one.lot for one in line.lots] or [None]
    told = []
    for n in range(rng.randint(0, 6)):
        unit = rng.choice(("KGM", "TNE", "GRM"))
        scale = {"KGM": 1, "TNE": 4, "GRM": -3}[unit] - (3 if line.unit == "KGM" else 0)
        qty = Decimal(rng.randint(0, 60)).scaleb(min(scale, 1))
        told.append(came(format(qty, "f"), f"d{n}", unit, rng.choice(names)))
    taken = tuple(
        Taken(line="L1", lot=name, up_to=Decimal(rng.randint(1, 150)), short=rng.random() < 0.5)
        for name in names
        if rng.random() < 0.3
    )
    return told, taken


def random_seen(rng):
    footprint = Footprint(
        footprint_id="F1", measure="WTW", value=Decimal(rng.randint(10, 30)) / 10,
        unit=rng.choice(("kgCO2e/unit", "kgCO2e/unit", "kg")),
    )  # fmt: skip
    return Seen(
        days_late=rng.choice((0, 1, 7, 80, None)),
        excursion_us=rng.choice((0, 45, 46, 90, 91, 180, 181)) * MINUTE_US,
        footprint=rng.choice((None, footprint)),
    )


def test_random_contracts_are_as_the_oracle_computes_them(required):
    """PER_UNIT claims with adjustments, and the RESIDUAL after them, agree with fractions."""
    count, rng = required("amount_contracts"), random.Random(11)
    held = paid = silent = repriced = 0
    for _ in range(count):
        contract = random_contract(rng)
        told, taken = random_deliveries(rng, contract)
        otherwise, theirs = random_former(rng, contract)
        kept = theirs[0].goods if theirs else []
        claims, facts, before, exact = [], [*kept], 0, oracle.Fraction(0)
        before += sum(one.too_much() for one in theirs)
        for at, one in enumerate(told):
            facts.append(one)
            seen = random_seen(rng)
            hold = rng.choice((10**11, 10**11, rng.randint(1, 10**5)))
            state = now(*facts, currency=contract.currency, taken=taken, seen=seen,
                        claimed=tuple(claims), reserved=hold, otherwise=otherwise)  # fmt: skip
            found = due(contract, "T1", state)
            rules = contract.tranche("T1").adjustments
            by = oracle.change(rules, seen)
            amount = contract.tranche("T1").amount
            gross = max(0, oracle.per_unit(contract, amount, facts, taken, theirs) - before)
            gross = min(gross, hold)
            assert found.gross_minor == gross
            already = oracle.floor(exact)
            room = amount.cap_minor - sum(one.gross for one in theirs)
            room -= sum(one.amount_minor for one in claims)
            room = min(max(0, room), hold)
            if by is None:
                held += 1
                assert (found.verdict, found.amount_minor) == ("HOLD", 0)
                known = oracle.undecided(rules, seen)
                worth = 0 if known is None else oracle.floor(exact + gross * (1 + known)) - already
                assert found.unadjusted_minor == min(worth, room)
                silent += found.unadjusted_minor > 0
                continue
            assert found.unadjusted_minor == 0
            exact, before = exact + gross * (1 + by), before + gross
            assert found.amount_minor == min(oracle.floor(exact) - already, room)
            claims.append(claim(found, f"c{at}"))
            paid += found.amount_minor > 0
        paid_theirs = [
            Claimed(claim_id="former", tranche_id="T1", currency=contract.currency,
                    gross_minor=one.gross, amount_minor=one.gross)
            for one in theirs
        ]  # fmt: skip
        repriced += bool(theirs) and theirs[0].gross > 0
        _check_residual(rng, contract, [*kept, *told], taken, [*claims, *paid_theirs],
                        otherwise=otherwise, theirs=theirs)  # fmt: skip
    assert held
    assert silent
    assert paid
    assert repriced
    count.done(count)


def random_former(rng, contract):
    """Sometimes: goods under another version, which has another price, share, unit or tolerance,
    and what was claimed for them, right or not; for the code, and for the oracle.
    """
    if rng.random() < 0.5:
        return (), []
    goods, _ = random_deliveries(rng, contract)
    goods = [msgspec.structs.replace(one, id=f"former {one.id}") for one in goods]
    line, tranche = contract.line("L1"), contract.tranche("T1")
    then = msgspec.structs.replace(
        line,
        unit=rng.choice(("KGM", "TNE")),
        unit_price=Decimal(rng.randint(0, 99_999)).scaleb(-3),
        tolerance=msgspec.structs.replace(line.tolerance, plus_bp=rng.choice((0, 2000))),
    )
    amount = msgspec.structs.replace(
        tranche.amount, bp=rng.choice((10_000, 8000)), cap_minor=rng.choice((10**9, 50_000))
    )
    made = terms_of.AmountTerms(
        currency=contract.currency, cap_minor=10**12, total_minor=0, rounding="cumulative",
        lines=(then,), tranches=(msgspec.structs.replace(tranche, amount=amount),),
    )  # fmt: skip
    worth = oracle.per_unit(made, amount, goods, ())
    gross = rng.choice((worth, worth, worth // 2, worth + 7, 0))
    former = Otherwise(terms=made, amount=amount, deliveries=tuple(goods), gross_minor=gross)
    return (former,), [oracle.Before(made, "T1", goods, gross)]


def _check_residual(rng, contract, told, taken, claims, *, otherwise, theirs):
    for name in ("T2", "T3"):
        found = due(contract, name, now(currency=contract.currency))
        if name == "T2":
            one = contract.tranche("T2").amount.bp
            assert [found.amount_minor] == oracle.shares(contract.total_minor, [one], "cumulative")
        changes = rng.choice(({}, {"owed_minor": 0, "amount_minor": 0}))
        claims.append(claim(found, name, name, **changes))
    ended = {"T1": "CLOSED", "T2": "SETTLED", "T3": "SETTLED"}
    reserved = rng.choice((0, 100, 10**11))
    state = now(*told, currency=contract.currency, taken=taken, claimed=tuple(claims), ended=ended,
                reserved=reserved, otherwise=otherwise)  # fmt: skip
    found = due(contract, "T4", state)
    seen = [
        (one.gross_minor, oracle.Fraction(one.bp, 10_000), one.owed_minor, one.amount_minor)
        for one in claims
    ]
    left = oracle.residual(contract, told, taken, seen, theirs)
    assert found.gross_minor == left
    assert found.amount_minor == min(left, reserved)


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 80), max_size=6), st.integers(0, 80), st.integers(0, 10**5),
    st.sampled_from(("LINE", "LOT")), st.randoms(use_true_random=False),
)  # fmt: skip
def test_more_goods_never_pay_less_and_their_order_never_matters(
    pieces, more, reserved, basis, rng
):
    """An amount is between 0 and the reservation, grows with the quantity, and is that of a set."""
    lots = (terms_of.Lot(lot="A", qty=Decimal(60)), terms_of.Lot(lot="B", qty=Decimal(40)))
    line = a_line(lots=lots if basis == "LOT" else (),
                  tolerance=terms_of.Tolerance(minus_bp=500, plus_bp=500, basis=basis))  # fmt: skip
    contract = a_contract(per_unit(), lines=[line], cap=10**9)
    told = [came(qty, f"d{n}", lot="AB"[n % 2]) for n, qty in enumerate(pieces)]
    one = due(contract, "T1", now(*told, reserved=reserved))
    assert 0 <= one.amount_minor <= reserved
    shuffled = [*told, *told[:2]]
    rng.shuffle(shuffled)
    assert due(contract, "T1", now(*shuffled, reserved=reserved)) == one
    grown = due(contract, "T1", now(*told, came(more, "more", lot="A"), reserved=reserved))
    assert grown.amount_minor >= one.amount_minor


@pytest.mark.parametrize(("currency", "minor"), [("JPY", 333), ("CNY", 33_333), ("KWD", 333_333)])
def test_currencies_have_their_own_decimals(currency, minor):
    """A third of 1,000 at 1: 333 yen, 333.33 yuan, 333.333 dinar, each floored to its own unit."""
    line = a_line(qty=Decimal(1000), unit_price=Decimal("0.333333333"))
    contract = a_contract(per_unit(), lines=[line], cap=10**9, currency=currency)
    assert due(contract, "T1", now(came(1000), currency=currency)).amount_minor == minor


def test_nothing_converts_currencies():
    """A reservation or a claim in another currency refuses the amount and names both."""
    contract = units()
    assert rules(due(contract, "T1", now(came(1), currency="EUR"))) == ["CURRENCY_MISMATCH"]
    other = Claimed(claim_id="c", tranche_id="T9", currency="USD", gross_minor=1, amount_minor=1)
    found = due(contract, "T1", now(came(1), claimed=(other,)))
    assert (found.verdict, found.amount_minor) == ("REFUSED", 0)
    assert found.reasons[0].inputs == (("expected", "CNY"), ("stated", "USD"))


@pytest.mark.parametrize(
    ("qty", "unit", "paid"),
    [("40", "KGM", 40_020), ("40000", "GRM", 40_020), ("0.04", "TNE", 40_020), ("40", "GRM", 40)],
)
def test_units_of_one_dimension_convert_exactly(qty, unit, paid):
    """40 kg are 40,000 g and 0.04 t; 40 g are a thousandth of it."""
    assert due(units(), "T1", now(came(qty, unit=unit))).amount_minor == paid


@pytest.mark.parametrize(
    ("given", "wanted", "rule"),
    [("KG", "KGM", "UNIT_MISMATCH"), ("H87", "KGM", "UNIT_MISMATCH"),
     ("LTR", "KGM", "UNIT_MISMATCH"),
     ("EA", "H87", "UNIT_MISMATCH"), ("KGM", "LBR", "UNIT_INEXACT")],
)  # fmt: skip
def test_other_units_are_refused_by_name(given, wanted, rule):
    """A code that is none, another dimension, a count, an endless decimal: nothing is paid."""
    found = due(units(unit=wanted), "T1", now(came(40, unit=given)))
    assert (found.verdict, found.amount_minor) == ("REFUSED", 0)
    assert rules(found) == [rule]


def test_pounds_convert_into_kilograms_exactly():
    """1 lb is 0.45359237 kg by definition; at 100,000 it pays 45,359.23."""
    assert due(units("100000"), "T1", now(came(1, unit="LBR"))).amount_minor == 4_535_923


@pytest.mark.parametrize(
    ("many", "unit", "one"),
    [
        (16, "ONZ", "LBR"), (1000, "GRM", "KGM"), (1000, "MGM", "GRM"), (10, "DTN", "TNE"),
        (1000, "KGM", "TNE"), (12, "INH", "FOT"), (3, "FOT", "YRD"), (100, "CMT", "MTR"),
        (10, "MMT", "CMT"), (1000, "MTR", "KMT"), (1000, "MLT", "LTR"), (1000, "LTR", "MTQ"),
        (100, "LTR", "HLT"), (1, "CMQ", "MLT"), (1, "DMQ", "LTR"), (10_000, "CMK", "MTK"),
        (10_000, "MTK", "HAR"), (Fraction("453.59237"), "GRM", "LBR"),
        (Fraction("2.54"), "CMT", "INH"), (Fraction("30.48") ** 2, "CMK", "FTK"),
    ],
)  # fmt: skip
def test_factors_are_those_of_the_definitions(many, unit, one):
    """So many of one unit are one of the other, exactly, in both directions."""
    assert Fraction(*factor(one, unit)) == many
    assert Fraction(*factor(unit, one)) * many == 1


def test_every_factor_is_tested():
    """No unit of the table is missing above."""
    marks = test_factors_are_those_of_the_definitions.pytestmark[0].args[1]
    known = {unit for units in DIMENSIONS.values() for unit in units}
    assert {unit for mark in marks for unit in mark[1:]} == known


def test_a_delivery_in_two_tellings_refuses():
    """One id with two quantities, a negative one, one that is none: named, nothing is paid."""
    found = due(units(), "T1", now(came(1), came(2)))
    assert (found.verdict, rules(found)) == ("REFUSED", ["CONFLICTING_DELIVERY"])
    other = msgspec.structs.replace(came(1), line="L2")
    assert rules(due(units(), "T1", now(came(1), other))) == ["CONFLICTING_DELIVERY"]
    takes = (Taken(line="L1", up_to=Decimal("1.0000000001")),)
    assert rules(due(units(), "T1", now(came(1), taken=takes))) == ["BAD_QUANTITY"]
    for bad in ("-1", "1E+18", "0.0000000001", "NaN", "1E+999999", "1E-999999"):
        assert rules(due(units(), "T1", now(came(bad)))) == ["BAD_QUANTITY"], bad


def test_too_much_needs_the_buyer():
    """Of 100 with 5 %, 105 are payable; 107 only up to where the buyer accepts."""
    contract = units("10", tolerance=terms_of.Tolerance(plus_bp=500))
    assert due(contract, "T1", now(came(105))).amount_minor == 105_000
    found = due(contract, "T1", now(came(107)))
    assert (found.amount_minor, rules(found)) == (105_000, ["OVER_DELIVERY", "PER_UNIT"])
    accepts = (Taken(line="L1", up_to=Decimal(106)), Taken(line="L1", up_to=Decimal(106)))
    assert due(contract, "T1", now(came(107), taken=accepts)).amount_minor == 106_000
    less = (Taken(line="L1", up_to=Decimal(90)),)
    assert due(contract, "T1", now(came(107), taken=less)).amount_minor == 105_000
    found = due(contract, "T1", now(came(107), taken=accepts, reserved=100_000))
    assert (found.amount_minor, rules(found)[-1]) == (100_000, "CLAMPED")


def test_each_lot_is_tested_where_the_terms_say_so():
    """A lot below its tolerance pays nothing until more comes or the buyer takes it; a lot that
    the terms do not have counts for nothing and is named.
    """
    lots = (terms_of.Lot(lot="A", qty=Decimal(60)), terms_of.Lot(lot="B", qty=Decimal(40)))
    tolerance = terms_of.Tolerance(minus_bp=500, plus_bp=500, basis="LOT")
    contract = units("10", lots=lots, tolerance=tolerance)
    told = (came(70, "a", lot="A"), came(37, "b", lot="B"), came(5, "c", lot="C"), came(1, "d"))
    found = due(contract, "T1", now(*told))
    assert found.amount_minor == 63_000
    assert rules(found) == ["UNKNOWN_LOT", "UNKNOWN_LOT", "OVER_DELIVERY", "SHORT_LOT", "PER_UNIT"]
    line = contract.line("L1")
    assert not payable(line, told).complete
    assert payable(line, (*told, came(1, "e", lot="B"))).complete
    assert due(contract, "T1", now(*told, came(1, "e", lot="B"))).amount_minor == 101_000
    takes = (Taken(line="L1", lot="B", short=True),)
    assert due(contract, "T1", now(*told, taken=takes)).amount_minor == 100_000
    only = a_contract(per_unit(lot="B"), lines=[line], cap=10**9)
    assert (
        due(only, "T1", now(came(60, "a", lot="A"), came(40, "b", lot="B"))).amount_minor == 40_000
    )


def adjusted(seen, **adjustments):
    return adjust(terms_of.Adjustments(**adjustments), seen)


LATE = terms_of.Late(due="2027-02-10", bp_per_day=10, max_bp=500)
BANDS = (
    terms_of.Band(over_min=45, off_bp=300), terms_of.Band(over_min=90, off_bp=1500),
    terms_of.Band(over_min=180, off_bp="HOLD"),
)  # fmt: skip
CARBON = terms_of.Carbon(measure="WTW", at_most=Decimal("2.1"), unit="kgCO2e/unit", bp=-10)


@pytest.mark.parametrize(("days", "bp"), [(0, 0), (1, -10), (50, -500), (51, -500), (None, None)])
def test_each_day_of_delay_takes_off_up_to_a_maximum(days, bp):
    """10 bp per day, at most 500; an unknown delay holds the amount."""
    found = adjusted(Seen(days_late=days), late=LATE)
    assert (found.held, found.bp) == ((True, 0) if bp is None else (False, bp))


@pytest.mark.parametrize(
    ("us", "bp"),
    [(0, 0), (45 * MINUTE_US, 0), (45 * MINUTE_US + 1, -300), (90 * MINUTE_US, -300),
     (90 * MINUTE_US + 1, -1500), (180 * MINUTE_US, -1500), (180 * MINUTE_US + 1, None),
     (None, None)],
)  # fmt: skip
def test_excursions_take_off_by_their_length(us, bp):
    """45 to 90 minutes 3 %, up to 180 15 %, longer or unknown: held.
    Bounds belong to the shorter.
    """
    found = adjusted(Seen(excursion_us=us), excursion=BANDS)
    assert (found.held, found.bp) == ((True, 0) if bp is None else (False, bp))


@pytest.mark.parametrize(
    ("days", "us", "bp", "unknown"),
    [(None, 0, 0, True), (None, 91 * MINUTE_US, -1500, True), (7, None, -70, True),
     (None, None, 0, True), (None, 181 * MINUTE_US, 0, False), (7, 181 * MINUTE_US, -70, False),
     (7, 0, -70, False)],
)  # fmt: skip
def test_what_is_known_is_told_beside_what_is_not(days, us, bp, unknown):
    """Of an amount that is held: by what is known, and whether nobody knows the rest or the terms
    give it to people.
    """
    found = adjusted(Seen(days_late=days, excursion_us=us), late=LATE, excursion=BANDS)
    assert (found.bp, found.unknown) == (bp, unknown)


@pytest.mark.parametrize(
    ("changes", "bp", "rule"),
    [({}, -10, "CARBON"), ({"value": Decimal("2.11")}, 0, "CARBON_MISSED"),
     ({"unit": "gCO2e/unit"}, 0, "CARBON_OTHER_UNIT"),
     ({"value": Decimal("NaN")}, 0, "CARBON_MISSED"), (None, 0, "CARBON_MISSING")],
)  # fmt: skip
def test_only_a_verified_footprint_changes_the_price(changes, bp, rule):
    """Missing, in another unit or too large: no discount, and the reason says which."""
    made = {"footprint_id": "F", "measure": "WTW", "value": Decimal("2.1"),
            "unit": "kgCO2e/unit"}  # fmt: skip
    footprint = None if changes is None else Footprint(**{**made, **changes})
    found = adjusted(Seen(footprint=footprint), carbon=CARBON)
    assert (found.bp, found.held, found.reasons[0].rule) == (bp, False, rule)
    if footprint:
        assert ("footprint", "F") in found.reasons[0].inputs


def test_adjustments_add_up_and_never_turn_an_amount_negative():
    """5 % for delay and 15 % for warmth are 20 % of it; more than all of it is all of it."""
    seen = Seen(days_late=60, excursion_us=100 * MINUTE_US)
    assert adjusted(seen, late=LATE, excursion=BANDS).bp == -2000
    tranche = a_tranche("T1", terms_of.Fixed(amount_minor=999), late=LATE, excursion=BANDS)
    assert due(a_contract(tranche, total=999), "T1", now(seen=seen)).amount_minor == 799
    harsh = terms_of.Late(due="2027-02-10", bp_per_day=9000, max_bp=10_000)
    bands = (terms_of.Band(over_min=0, off_bp=9000),)
    found = due(
        a_contract(a_tranche("T1", terms_of.Fixed(amount_minor=999), late=harsh, excursion=bands),
                   total=999), "T1", now(seen=seen),
    )  # fmt: skip
    assert (found.amount_minor, found.bp) == (0, -10_000)


def test_a_deduction_does_not_come_back_with_the_next_delivery():
    """Half delivered late loses 5 % of its half, for good; the RESIDUAL does not pay it either."""
    tranche = terms_of.Tranche(
        tranche_id="T1", amount=terms_of.PerUnit(line="L1", cap_minor=95_000, bp=9500),
        adjustments=terms_of.Adjustments(late=LATE),
    )  # fmt: skip
    rest = a_tranche("T2", terms_of.Residual(of=("T1",)))
    contract = a_contract(tranche, rest, lines=[a_line(unit_price=Decimal(10))])
    one = due(contract, "T1", now(came(50), seen=Seen(days_late=99)))
    assert (one.gross_minor, one.amount_minor) == (47_500, 45_125)
    told = (came(50), came(50, "d2"))
    claims = (claim(one, "c1"),)
    two = due(contract, "T1", now(*told, seen=Seen(days_late=0), claimed=claims))
    assert two.amount_minor == 47_500
    assert most(contract) == {"T1": 95_000, "T2": 5_000}
    assert "1000.00 CNY less 950.00 CNY" in maxima(contract)["T2"].why.says
    state = now(*told, claimed=(*claims, claim(two, "c2")), ended={"T1": "CLOSED"}, reserved=5_000)
    last = due(contract, "T2", state)
    assert last.amount_minor == 100_000 - 2_375 - 45_125 - 47_500 == 5_000


def test_what_is_left_waits_for_the_others_and_follows_how_they_end():
    """A RESIDUAL waits until all have ended; one that was voided leads to on_false; what was
    awarded or voided within a closed parent is not paid through the back door.
    """
    parts = (
        a_tranche("T1", terms_of.OfTotal(bp=9000)),
        a_tranche("T2", terms_of.Residual(of=("T1",))),
    )
    contract = a_contract(*parts, total=100_000)
    assert due(contract, "T2", now()).verdict == "WAIT"
    assert due(contract, "T2", now(ended={"T1": "APPROVED"})).verdict == "WAIT"
    for end in ("VOIDED", "EXPIRED", "RETURNED", "SUPERSEDED"):
        assert due(contract, "T2", now(ended={"T1": end})).verdict == "ON_FALSE"
    ended = {"T1": "SETTLED"}
    one = claim(due(contract, "T1", now()), "c1")
    assert due(contract, "T2", now(claimed=(one,), ended=ended)).amount_minor == 10_000
    award = claim(due(contract, "T1", now()), "c1", amount_minor=40_000, owed_minor=40_000)
    assert due(contract, "T2", now(claimed=(award,), ended=ended)).amount_minor == 10_000
    recalled = claim(due(contract, "T1", now()), "c1", amount_minor=0, owed_minor=0)
    assert due(contract, "T2", now(claimed=(recalled,), ended=ended)).amount_minor == 10_000
    short = claim(due(contract, "T1", now(reserved=80_000)), "c1")
    found = due(contract, "T2", now(claimed=(short,), ended=ended, reserved=15_000))
    assert (found.gross_minor, found.amount_minor) == (20_000, 15_000)


def test_less_than_was_claimed_pays_nothing_and_says_so():
    """A correction below what is claimed already is 0 and named, never negative."""
    contract = units("10")
    paid = claim(due(contract, "T1", now(came(50))), "c1")
    found = due(contract, "T1", now(came(40), claimed=(paid,)))
    assert (found.amount_minor, found.gross_minor, rules(found)[-1]) == (0, 0, "OVERCLAIMED")
    assert due(contract, "T1", now(came(50), claimed=(paid,))).amount_minor == 0
    twice = due(contract, "T1", now(came(50), claimed=(paid, paid)))
    assert (twice.verdict, rules(twice)) == ("REFUSED", ["CLAIM_TWICE"])


def test_claims_of_several_tranches_may_have_one_name():
    """A claim is known by its tranche and its id: beside others of the name each pays its own."""
    contract = units("10")
    others = [claim(due(contract, "T1", now(came(50))), "goods", f"T{n}") for n in (2, 3, 4)]
    found = due(contract, "T1", now(came(50), claimed=tuple(others)))
    assert (found.verdict, found.amount_minor) == ("DUE", 50_000)
    again = due(contract, "T1", now(came(50), claimed=(*others, others[1])))
    assert (again.verdict, rules(again)) == ("REFUSED", ["CLAIM_TWICE"])
    assert "claim T3/goods" in again.reasons[0].says


def test_a_bonus_stays_within_the_cap_and_the_maximum_knows_it():
    """A premium for a low footprint is reserved for; a PER_UNIT never exceeds its own cap."""
    bonus = terms_of.Carbon(measure="WTW", at_most=Decimal(3), unit="u", bp=500)
    low = Footprint(footprint_id="F", measure="WTW", value=Decimal(1), unit="u")  # fmt: skip
    fixed = a_tranche("T1", terms_of.Fixed(amount_minor=1000), carbon=bonus)
    contract = a_contract(fixed, total=1000, cap=1050)
    assert most(contract) == {"T1": 1050}
    assert due(contract, "T1", now(seen=Seen(footprint=low))).amount_minor == 1050
    with pytest.raises(RecordError, match="the tranches may pay 1050"):
        maxima(a_contract(fixed, total=1000, cap=1049))
    unit = a_tranche("T1", terms_of.PerUnit(line="L1", cap_minor=100_000), carbon=bonus)
    contract = a_contract(unit, lines=[a_line(unit_price=Decimal(10))], cap=100_000)
    found = due(contract, "T1", now(came(100), seen=Seen(footprint=low)))
    assert (found.amount_minor, rules(found)[-1]) == (100_000, "CLAMPED")


def test_days_of_delay_are_local_dates():
    """The last second of the date is in time, the next one a day late, by the zone's clock."""
    noon = 1_802_260_800_000_000  # 2027-02-10T12:00:00Z
    assert days_late("2027-02-10", noon, "UTC") == 0
    assert days_late("2027-02-10", noon + 12 * HOUR_US - 1, "UTC") == 0
    assert days_late("2027-02-10", noon + 12 * HOUR_US, "UTC") == 1
    assert days_late("2027-02-10", noon + 4 * HOUR_US, "Asia/Shanghai") == 1
    assert days_late("2027-02-10", noon + 9 * DAY_US, "+04:00") == 9
    assert days_late("2027-02-10", noon - 9 * DAY_US, "+04:00") == 0


def document(**changes):
    """Terms as an author writes them."""
    made = {
        "currency": "CNY", "cap_minor": 100_000, "total_minor": 100_000, "rounding": "cumulative",
        "lines": [{"line": "L1", "sku": "S", "qty": "100", "unit": "KGM", "unit_price": "10"}],
        "tranches": [
            {"tranche_id": "T1", "amount": {"rule": "SHARE", "bp": 5000}},
            {"tranche_id": "T2", "amount": {"rule": "RESIDUAL", "of": ["T1"]}},
        ],
    }  # fmt: skip
    return {**made, **changes}


def test_the_schema_says_what_the_reader_reads():
    """The shipped JSON Schema is the one of the Structs, takes good terms and refuses bad ones."""
    shipped = json.loads(SCHEMA.read_text())
    made = json_schema(
        terms_of.AmountTerms, "supplytwin amount terms", "urn:supplytwin:amount-terms:1"
    )
    assert shipped == json.loads(json.dumps(made))
    validator = jsonschema.Draft202012Validator(shipped)
    good = terms_of.decode(json.dumps(document()).encode())
    assert not list(validator.iter_errors(document()))
    assert not list(validator.iter_errors(json.loads(terms_of.encode(good))))
    assert terms_of.decode(terms_of.encode(good)) == good
    bad = document(tranches=[{"tranche_id": "T1", "amount": {"rule": "SHARE", "bp": 10_001}}])
    assert list(validator.iter_errors(bad))


def tranches(*amounts):
    return [{"tranche_id": f"T{n + 1}", "amount": one} for n, one in enumerate(amounts)]


UNIT = {"rule": "PER_UNIT", "line": "L1", "cap_minor": 1}
LOTS = {"line": "L1", "sku": "S", "qty": "100", "unit": "KGM", "unit_price": "10"}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"currency": "XAU"}, "not an ISO 4217"), ({"currency": "cny"}, "not an ISO 4217"),
        ({"cap_minor": 99_999}, "more than cap_minor"), ({"cap_minor": 2**63}, "64 bits"),
        ({"cap_minor": 1.5}, "int"), ({"extra": 1}, "unknown field"),
        ({"total_minor": 99_999}, "quantities times prices are 100000"),
        ({"rounding": "half-even"}, "rounding"), ({"tranches": []}, "empty"),
        ({"lines": [{**LOTS, "qty": "0"}]}, "positive"),
        ({"lines": [{**LOTS, "qty": "1e2"}]}, "exponent"),
        ({"lines": [{**LOTS, "qty": "0.0000001"}]}, "at least 0.000001"),
        ({"lines": [{**LOTS, "qty": "1.0000000001"}]}, "9 decimals"),
        ({"lines": [{**LOTS, "qty": "NaN"}]}, "decimal"),
        ({"lines": [{**LOTS, "unit": "KGM\n"}]}, "unit"),
        ({"lines": [{**LOTS, "unit": "kilo"}]}, "unit"),
        ({"lines": [LOTS, LOTS]}, "twice"),
        ({"lines": [{**LOTS, "lots": [{"lot": "A", "qty": "100"}]}]}, "tolerance of LOT"),
        ({"lines": [{**LOTS, "tolerance": {"basis": "LOT"}}]}, "tolerance of LOT"),
        ({"lines": [{**LOTS, "tolerance": {"basis": "LOT"}, "lots": [{"lot": "A", "qty": "99"}]}]},
         "add up"),
        ({"tranches": tranches({"rule": "SHARE", "bp": 6000}, {"rule": "SHARE", "bp": 6000})},
         "12000 bp"),
        ({"tranches": tranches(UNIT, UNIT)}, "20000 bp of the price"),
        ({"tranches": tranches({**UNIT, "line": "L9"})}, "no line"),
        ({"tranches": tranches({**UNIT, "lot": "A"})}, "no lot"),
        ({"tranches": tranches({"rule": "RESIDUAL", "of": []})}, "every other"),
        ({"tranches": tranches(UNIT, {"rule": "RESIDUAL", "of": ["T1"]},
                               {"rule": "RESIDUAL", "of": ["T1", "T2"]})}, "every other"),
        ({"tranches": tranches({"rule": "RESIDUAL", "of": ["T2"]},
                               {"rule": "RESIDUAL", "of": ["T1"]})}, "more than one RESIDUAL"),
        ({"tranches": tranches({"rule": "BORROWING_BASE"})}, "BORROWING_BASE"),
        ({"tranches": [*tranches(UNIT), *tranches(UNIT)]}, "twice"),
    ],
)  # fmt: skip
def test_terms_that_cannot_be_computed_are_refused(changes, says):
    """What does not add up, pays goods twice or has no meaning is refused with its field."""
    with pytest.raises(RecordError, match=says) as refused:
        terms_of.decode(json.dumps(document(**changes)).encode())
    assert refused.value.code == "BAD_TERMS"


@pytest.mark.parametrize(
    ("adjustments", "says"),
    [
        ({"late": {"due": "2027-02-30", "bp_per_day": 1, "max_bp": 2}}, "no date"),
        ({"late": {"due": "2027-02-10", "bp_per_day": 3, "max_bp": 2}}, "less than one day"),
        ({"excursion": [{"over_min": 9, "off_bp": 1}, {"over_min": 9, "off_bp": 2}]}, "ascend"),
        ({"excursion": [{"over_min": 1, "off_bp": 5}, {"over_min": 9, "off_bp": 2}]}, "longer"),
        ({"excursion": [{"over_min": 1, "off_bp": "HOLD"}, {"over_min": 9, "off_bp": 2}]}, "off"),
        ({"carbon": {"measure": "m", "at_most": "1", "unit": "u", "bp": 0}}, "not be 0"),
        ({"carbon": {"measure": "m", "at_most": "-1", "unit": "u", "bp": 1}}, "positive"),
        ({"carbon": {"measure": "m", "at_most": "1", "unit": "u", "bp": 1, "assurance": "NONE"}},
         "NONE"),
    ],
)  # fmt: skip
def test_adjustments_that_contradict_themselves_are_refused(adjustments, says):
    """Bands that do not ascend, a maximum below one day, an assurance that is none."""
    made = tranches({"rule": "SHARE", "bp": 10_000})
    made[0]["adjustments"] = adjustments
    with pytest.raises(RecordError, match=says):
        terms_of.decode(json.dumps(document(tranches=made)).encode())


def test_the_bulk_example_of_the_reference_adds_up():
    """60,000 t at 3,150.00 with 5 %: the cap is 198,450,000.00, and 63,000 t use it up."""
    line = a_line(qty=Decimal(60_000), unit="TNE", unit_price=Decimal("3150.00"),
                  tolerance=terms_of.Tolerance(minus_bp=500, plus_bp=500))  # fmt: skip
    contract = a_contract(per_unit(19_845_000_000), lines=[line], cap=19_845_000_000)
    assert due(contract, "T1", now(came(63_000_500, unit="KGM"))).amount_minor == 19_845_000_000
    assert payable(line, [came(57_000, unit="TNE")]).complete
    assert not payable(line, [came("56999.999999999", unit="TNE")]).complete
