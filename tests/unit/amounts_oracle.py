"""What amounts should be, computed a second time from the rules alone, in fractions.

No function of `processors` is used: only the terms are read.
"""

from collections import defaultdict
from fractions import Fraction
from math import floor

DECIMALS = {"CNY": 2, "JPY": 0, "KWD": 3}
GRAMS = {
    "KGM": 1000,
    "GRM": 1,
    "TNE": 1_000_000,
    "MGM": Fraction(1, 1000),
    "LBR": Fraction("453.59237"),
}


def shares(total, weights, rounding):
    """Parts of an integer total by weights in bp."""
    if rounding == "cumulative":
        marks = [
            floor(Fraction(total * sum(weights[: n + 1]), 10_000)) for n in range(len(weights))
        ]
        return [mark - before for mark, before in zip(marks, [0, *marks], strict=False)]
    exact = [Fraction(total * weight, 10_000) for weight in weights]
    parts = [floor(one) for one in exact]
    for at in range(floor(sum(exact)) - sum(parts)):
        parts[at] += 1
    return parts


def accepted(line, deliveries):
    """Fractions of the line's unit by lot."""
    found = defaultdict(Fraction)
    for one in {one.id: one for one in deliveries if one.line == line.line}.values():
        rate = (
            Fraction(1) if one.unit == line.unit else Fraction(GRAMS[one.unit]) / GRAMS[line.unit]
        )
        found[one.lot] += Fraction(one.qty) * rate
    return found


def payable(line, deliveries, taken, only=None):
    """What of a line, or of one lot, is payable."""
    got, tolerance = accepted(line, deliveries), line.tolerance

    def of(name, ordered, qty):
        most = ordered * (1 + Fraction(tolerance.plus_bp, 10_000))
        own = [one for one in taken if one.line == line.line and one.lot == name]
        most = max([most, *(Fraction(one.up_to) for one in own if one.up_to is not None)])
        least = ordered * (1 - Fraction(tolerance.minus_bp, 10_000))
        if tolerance.basis == "LOT" and qty < least and not any(one.short for one in own):
            return Fraction(0)
        return min(qty, most)

    if tolerance.basis == "LINE":
        return of(None, Fraction(line.qty), sum(got.values(), Fraction(0)))
    lots = [lot for lot in line.lots if only in (None, lot.lot)]
    return sum((of(lot.lot, Fraction(lot.qty), got[lot.lot]) for lot in lots), Fraction(0))


def change(rules, seen):
    """The adjustment as a fraction of the amount; None = held."""
    total = Fraction(0)
    if rules.late:
        if seen.days_late is None:
            return None
        total -= Fraction(min(rules.late.max_bp, seen.days_late * rules.late.bp_per_day), 10_000)
    if rules.excursion:
        if seen.excursion_us is None:
            return None
        off = 0
        for band in rules.excursion:
            if Fraction(seen.excursion_us, 60_000_000) > band.over_min:
                off = band.off_bp
        if off == "HOLD":
            return None
        total -= Fraction(off, 10_000)
    found = seen.footprint
    if rules.carbon and found:
        same = (found.measure, found.unit) == (rules.carbon.measure, rules.carbon.unit)
        if same and found.value <= rules.carbon.at_most:
            total += Fraction(rules.carbon.bp, 10_000)
    return max(Fraction(-1), total)


def undecided(rules, seen):
    """The adjustment by what is known; None = the terms give the amount to people."""
    asked = {}
    if rules.late and seen.days_late is not None:
        asked["late"] = Fraction(-min(rules.late.max_bp, seen.days_late * rules.late.bp_per_day))
    if rules.excursion and seen.excursion_us is not None:
        minutes = Fraction(seen.excursion_us, 60_000_000)
        bands = [band.off_bp for band in rules.excursion if minutes > band.over_min]
        if bands[-1:] == ["HOLD"]:
            return None
        asked["excursion"] = Fraction(-bands[-1]) if bands else Fraction(0)
    found, carbon = seen.footprint, rules.carbon
    if carbon and found and (found.measure, found.unit) == (carbon.measure, carbon.unit):
        asked["carbon"] = Fraction(carbon.bp if found.value <= carbon.at_most else 0)
    return max(Fraction(-1), sum(asked.values(), Fraction(0)) / 10_000)


def per_unit(terms, amount, deliveries, taken, before=()):
    """The gross of a PER_UNIT, in minor units; `before` = what was paid under other versions."""
    line = next(one for one in terms.lines if one.line == amount.line)
    qty = payable(line, deliveries, taken, amount.lot)
    exact = qty * minor(terms, line) * Fraction(amount.bp, 10_000)
    theirs = gone(terms, amount, deliveries, taken, before)
    for_goods = sum(one.gross - one.too_much() for one in before)
    return max(0, floor(min(exact - theirs, Fraction(amount.cap_minor - for_goods))))


def gone(terms, amount, deliveries, taken, before):
    """What goods that were paid for under other versions are worth by this one."""
    line = next(one for one in terms.lines if one.line == amount.line)
    qty = sum(
        one.claimed_part() * of_these(line, one.goods, deliveries, taken, amount.lot)
        for one in before
    )
    return qty * minor(terms, line) * Fraction(amount.bp, 10_000)


def minor(terms, line):
    """The price of one unit, in minor units."""
    return Fraction(line.unit_price) * 10 ** DECIMALS[terms.currency]


def of_these(line, goods, deliveries, taken, only=None):
    """How much of what is payable of a line some of its goods are at most, lot by lot."""
    brought = accepted(line, goods)
    if line.tolerance.basis == "LINE":
        return min(sum(brought.values(), Fraction(0)), payable(line, deliveries, taken))
    lots = [lot.lot for lot in line.lots if only in (None, lot.lot)]
    return sum((min(brought[lot], payable(line, deliveries, taken, lot)) for lot in lots),
               Fraction(0))  # fmt: skip


class Before:
    """What claims of a tranche of another version have had: it keeps the price of that version."""

    def __init__(self, terms, tranche, goods, gross):
        self.terms, self.goods, self.gross = terms, goods, gross
        self.amount = next(one.amount for one in terms.tranches if one.tranche_id == tranche)
        self.line = next(one for one in terms.lines if one.line == self.amount.line)
        qty = payable(self.line, goods, (), self.amount.lot)
        self.uncapped = qty * minor(terms, self.line) * Fraction(self.amount.bp, 10_000)
        self.price = min(self.uncapped, Fraction(self.amount.cap_minor))

    def got(self):
        """The exact price of the goods that were paid."""
        return self.price if self.gross >= floor(self.price) else Fraction(self.gross)

    def claimed_part(self):
        """Which part of the goods that is."""
        return self.got() / self.uncapped if self.uncapped else Fraction(0)

    def too_much(self):
        """Paid for goods that did not come."""
        return max(0, self.gross - floor(self.price))

    def revalued(self, terms, deliveries, taken):
        """By how much the whole price of what was paid for is another one than by these terms;
        what no tranche pays follows the shares that tranches do pay.
        """
        pays = [getattr(one.amount, "line", None) for one in terms.tranches]
        line = next((one for one in terms.lines if one.line == self.line.line), None)
        same = [one.amount for one in self.terms.tranches
                if getattr(one.amount, "line", None) == self.line.line]  # fmt: skip
        whole = self.got() * 10_000 / sum(one.bp for one in same)
        if line is None:
            return whole
        if line.line not in pays:
            return Fraction(0)
        goods = self.claimed_part() * of_these(line, self.goods, deliveries, taken)
        return whole - goods * minor(terms, line) * self.amount.bp / sum(one.bp for one in same)


def residual(terms, deliveries, taken, claims, before=()):
    """What is left of the contract; claims = (gross, change, owed or None, instructed)."""
    measured = {getattr(one.amount, "line", None) for one in terms.tranches}
    total = Fraction(0)
    for line in terms.lines:
        whole = line.line not in measured
        qty = Fraction(line.qty) if whole else payable(line, deliveries, taken)
        total += qty * Fraction(line.unit_price) * 10 ** DECIMALS[terms.currency]
    total = total if terms.lines else Fraction(terms.total_minor)
    exact = Fraction(floor(total + sum(one.revalued(terms, deliveries, taken) for one in before)))
    for gross, by, owed, _ in claims:
        exact += (gross * by) if owed is None else owed - gross
    return max(0, floor(exact) - sum(one[3] for one in claims))
