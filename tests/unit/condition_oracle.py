"""A second evaluator of conditions, written from the rules alone: it reads the condition's JSON,
enumerates what may still become of the evidence of each leaf, and every completion of the open
leaves of a tree. It takes nothing from the evaluator but the evidence's own fields.
"""

import datetime as dt
import itertools
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

DAY = dt.timedelta(days=1)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
OPS = {
    ">=": lambda a, b: a >= b,
    ">": lambda a, b: a > b,
    "=": lambda a, b: a == b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
}
SCALES = (("UNSIGNED", "AUTHENTICATED", "SIGNED"), ("UNVERIFIED", "VERIFIED"))


def us(text):
    return (dt.datetime.fromisoformat(text) - EPOCH) // dt.timedelta(microseconds=1)


def duration(text):
    days, _, clock = text[1:].partition("T")
    total, number = 0, ""
    for sign in f"{days}|{clock}":
        if sign.isdigit():
            number += sign
        elif sign != "|":
            seconds = {"W": 604800, "D": 86400, "H": 3600, "M": 60, "S": 1}[sign]
            total, number = total + int(number) * seconds, ""
    return total * 1_000_000


def date_in(moment, zone):
    there = EPOCH + dt.timedelta(microseconds=moment)
    if zone[0] in "+-":
        ahead = dt.timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
        there += -ahead if zone[0] == "-" else ahead
    else:
        there = there.astimezone(ZoneInfo(zone))
    return there.toordinal() - EPOCH.toordinal()


class Oracle:
    """One condition over one evidence at one tick: `value`, `matches`, and of the latter UNKNOWN
    whether it `waits` only for leaves that are still open.
    """

    def __init__(self, tree, evidence, scope):
        self.evidence, self.scope = evidence, scope
        self.facts = list({(one.source, one.event_id): one for one in evidence.facts}.values())
        self.end = scope.deadline + scope.grace_us
        self.leaves, self.is_open, self.still = {}, {}, False
        self.collect(tree)
        self.value = self.over_completions(tree, self.leaves)
        taken_as_open = {
            key: self.as_open(key, value) if '"during": "CHALLENGE"' in key else value
            for key, value in self.leaves.items()
        }
        self.matches = self.over_completions(tree, taken_as_open)
        self.waits = not self.doubted(tree, taken_as_open)

    def as_open(self, key, value):
        """Open while nothing of the type stands, or may stand, whenever it arrived."""
        if value == "FALSE":
            return value
        type_ = key.split('"type": "')[1].split('"')[0]
        spoken = any(
            (one.current is not None and one.current.type == type_)
            or (one.standing in ("CONFLICTED", "VOID") and any(o.type == type_ for o in one.others))
            for one in self.facts
        )
        return "TRUE" if not spoken else "UNKNOWN" if value == "TRUE" else value

    # -- the tree

    def collect(self, node):
        (name, body), *_ = node.items()
        if name in ("all", "any", "at_least"):
            for child in body["of"] if name == "at_least" else body:
                self.collect(child)
        else:
            self.leaves[key_of(node)] = getattr(self, name)(body)
            self.is_open[key_of(node)] = self.still

    def doubted(self, node, leaves):
        """Whether a leaf that is not simply open has a part in what is unknown: all around it is
        unknown, too. As nothing is negated, that is asked of the worst and the best completion.
        """
        worst = {key: value == "TRUE" for key, value in leaves.items()}
        best = {key: value != "FALSE" for key, value in leaves.items()}
        if holds(node, worst) or not holds(node, best):
            return False
        (name, body), *_ = node.items()
        if name not in ("all", "any", "at_least"):
            return not self.is_open[key_of(node)]
        inner = body["of"] if name == "at_least" else body
        return any(self.doubted(child, leaves) for child in inner)

    def over_completions(self, tree, leaves):
        waiting = [key for key, value in leaves.items() if value == "UNKNOWN"]
        known = {key: value == "TRUE" for key, value in leaves.items()}
        if holds(tree, known):
            return "TRUE"
        for completed in itertools.product((True, False), repeat=len(waiting)):
            if holds(tree, {**known, **dict(zip(waiting, completed, strict=True))}):
                return "UNKNOWN"
        return "FALSE"

    # -- facts

    def passed(self, moment):
        return self.scope.tick > moment and not self.scope.tolling

    def happened_by(self, one, limit, zone):
        """True, False, or None = nobody knows."""
        if one.day is not None:
            return one.day <= date_in(limit, zone)
        if one.last <= limit:
            return True
        return None if one.first <= limit else False

    def by_deadline(self, one, before=None):
        told = [self.happened_by(one, self.scope.deadline, self.scope.zone)]
        if before is not None:
            told.append(self.happened_by(one, us(before), before[-6:]))
        return False if False in told else None if None in told else True

    def worlds(self, asked, close, before=None):
        """(what counts now, for each identity all that it may come to say): of (fact, statement).

        `asked` answers True, False or None for a fact and one of its statements.
        """
        now, may = [], []
        for fact in self.facts:
            all_of_it = [*([fact.current] if fact.current is not None else []), *fact.others]
            fitting, in_time = [], []
            for one in all_of_it:
                parts = (asked(fact, one), self.by_deadline(one, before))
                told = False if False in parts else None if None in parts else True
                if told is not False:
                    fitting.append(one)
                    if one.arrival <= close:
                        in_time.append(told)
            winner = fact.current
            if winner is not None and True in in_time:
                right = asked(fact, winner) is True and self.by_deadline(winner, before) is True
                if right and winner.first <= self.scope.tick:
                    now.append((fact, winner))
            if in_time:
                may.append([(fact, one) for one in fitting])
        return now, may

    def decided(self, close, is_true, completions, calm=True):
        """`calm` = all that was told of it counts, and nothing speaks against it."""
        self.still = calm and not self.passed(close) and close <= self.scope.long_stop
        if is_true:
            return "TRUE"
        if not self.passed(close):
            return "UNKNOWN"
        return "UNKNOWN" if any(completions()) else "FALSE"

    # -- leaves

    def milestone(self, body):
        scale = SCALES[0]
        close = self.end
        if body.get("before") is not None:
            close = min(self.scope.deadline, us(body["before"]) + self.scope.tolled_us)
            close += self.scope.grace_us

        def asked(fact, one):
            right = one.kind == "MILESTONE" and one.type == body["type"]
            right &= fact.role in body["by"]["roles"]
            right &= body.get("subject") in (None, one.subject)
            right &= body.get("place") in (None, one.place)
            least = body.get("min_assurance")
            if least is not None:
                right &= one.assurance in scale[scale.index(least) :]
            return right

        def enough(told):
            for subject in {one.subject for _, one in told}:
                pairs = {
                    (fact.organisation, fact.role) for fact, one in told if one.subject == subject
                }
                if distinct(pairs, body["by"]["k"]):
                    return True
            return False

        now, may = self.worlds(asked, close, body.get("before"))
        return self.decided(
            close,
            enough(now),
            lambda: (enough(one) for one in itertools.product(*may)),
            len(now) == len(may),
        )

    def approval(self, body):
        close = self.scope.long_stop
        if body.get("deadline") is not None:
            close = min(close, us(body["deadline"]))
        pairs = {
            (one.organisation, one.role)
            for one in self.evidence.assents
            if one.role in body["roles"] and one.at <= close
        }
        return self.decided(close, distinct(pairs, body["k"]), lambda: ())

    def quantity(self, body):
        line = next((one for one in self.scope.lines if one.line == body["line"]), None)

        def about(one):
            same = (one.kind, one.type, one.subject) == ("QUANTITY", body["measure"], body["line"])
            return same and one.value is not None

        def asked(_, one):
            return about(one) and line is not None and one.unit == line.unit and one.value > 0

        back, doubtful, unclear, reversals = [], [], False, 0
        for fact in self.facts:
            spoken = [fact.current] if fact.current is not None else list(fact.others)
            taken = [one for one in spoken if about(one) and one.value < 0]
            if fact.standing not in ("LIVE", "CONFLICTED", "VOID") or not taken:
                continue
            reversals += 1
            if line is None or any(one.unit != line.unit for one in taken):
                unclear = True
                continue
            (back if fact.standing == "LIVE" else doubtful).append(
                min(Fraction(one.value) for one in taken)
            )

        def enough(told, less):
            if line is None:
                return False
            goal = body.get("value")
            wanted = (
                Fraction(goal)
                if goal is not None
                else Fraction(line.qty) * body["pct_of_ordered_bp"] / 10_000
            )
            total = sum((Fraction(one.value) for _, one in told), Fraction(0)) + sum(less)
            return OPS[body["op"]](total, wanted)

        now, may = self.worlds(asked, self.end)
        calm = len(now) == len(may) and not reversals
        may = [[*options, None] for options in may]

        def completions():
            if line is None:
                yield True
            for told in itertools.product(*may):
                yield enough([one for one in told if one is not None], back)

        is_true = not unclear and enough(now, [*back, *doubtful])
        return self.decided(self.end, is_true, completions, calm)

    def last_word(self, about, wanted):
        def asked(fact, one):
            return wanted(one) if about(fact, one) else False

        contrary = []
        for fact in self.facts:
            if fact.standing in ("RETRACTED", "SUPERSEDED"):
                continue
            spoken = [fact.current] if fact.current is not None else list(fact.others)
            contrary += [one for one in spoken if about(fact, one) and wanted(one) is False]
        now, may = self.worlds(asked, self.end)
        stands = [
            one
            for _, one in now
            if not any(
                g.subject == one.subject and g.last + g.grain_us >= one.first for g in contrary
            )
        ]
        wishes = [one for options in may for _, one in options]
        calm = len(now) == len(may) and not any(
            g.subject == one.subject and g.last + g.grain_us >= one.first
            for g in contrary
            for one in wishes
        )
        return self.decided(self.end, bool(stands), lambda: (True for _ in may), calm)

    def quality(self, body):
        return self.last_word(
            lambda fact, one: (
                one.kind == "QUALITY"
                and one.type == body["test"]
                and fact.role == body["certificate_role"]
            ),
            lambda one: measured(one, body),
        )

    def carbon(self, body):
        good = SCALES[1][SCALES[1].index(body["assurance"]) :]
        return self.last_word(
            lambda _, one: (
                one.kind == "CARBON" and one.type == body["measure"] and one.assurance in good
            ),
            lambda one: measured(one, body),
        )

    def document(self, body):
        def wanted(one):
            if one.state != body["state"] or one.unique is False:
                return False
            return one.unique

        return self.last_word(
            lambda fact, one: (
                one.kind == "DOCUMENT"
                and one.type == body["type"]
                and fact.role == body["issuer_role"]
            ),
            wanted,
        )

    def asset(self, body):
        return self.last_word(
            lambda _, one: one.kind == "ASSET" and one.type == body["kind"],
            lambda one: (one.state, one.controller) == (body["state"], body["controller_role"]),
        )

    def when(self, value):
        """(us or None, whether it may come back)."""
        if isinstance(value, str):
            return us(value), False
        for one in self.evidence.anchors:
            if one.anchor == value["anchor"]:
                if one.at is None:
                    return None, one.may_return
                return one.at + duration(value["plus"]), False
        return None, False

    def telemetry(self, body):
        (first, first_back), (last, last_back) = self.when(body["from"]), self.when(body["to"])
        if first is None or last is None:
            back = (first is not None or first_back) and (last is not None or last_back)
            return self.decided(self.end, False, lambda: (back,))
        if not first < last <= self.end:
            return self.decided(self.end, False, lambda: ())
        now = best = (0, 0, 0)
        for one in self.evidence.series:
            asked = one.asked
            same = (asked.metric, asked.unit) == (body["metric"], body["unit"])
            same &= (asked.low, asked.high) == (Decimal(body["min"]), Decimal(body["max"]))
            if same and (asked.first, asked.last, asked.close) == (first, last, self.end):
                now = (one.current.covered_us, one.current.outside_us, one.current.longest_us)
                best = (one.best.covered_us, one.best.outside_us, one.best.longest_us)

        def good(covered, outside, longest):
            share = Fraction(covered, last - first) * 10_000
            return (
                share >= body["min_coverage_bp"]
                and outside <= duration(body["max_excursion"])
                and longest <= duration(body["max_single"])
            )

        return self.decided(
            self.end, self.scope.tick >= last and good(*now), lambda: (good(*best),)
        )

    def absent(self, body):
        tick, challenge = self.scope.tick, body["during"] == "CHALLENGE"
        span = None
        if challenge:
            end = self.scope.challenge_end
            is_over = end is not None and tick >= end
        else:
            first, last = self.when(body["during"][0])[0], self.when(body["during"][1])[0]
            is_known = first is not None and last is not None and first <= last
            end = last + self.scope.grace_us if is_known else None
            is_over = end is not None and tick > end
            span = (first, last) if is_known else None
        in_reach = end is not None and end <= self.scope.long_stop
        is_over = is_over and in_reach and not self.scope.tolling

        def is_in(one):
            inside = span is None or not (one.last + one.grain_us < span[0] or one.first > span[1])
            return one.type == body["type"] and inside

        stands = doubt = False
        for fact in self.facts:
            ever = [*([fact.current] if fact.current is not None else []), *fact.others]
            if not any(is_in(one) and (end is None or one.arrival <= end) for one in ever):
                continue
            stands |= fact.current is not None and is_in(fact.current)
            doubt |= fact.standing in ("CONFLICTED", "VOID")
        self.still = in_reach and not challenge and not stands and not doubt
        if not is_over:
            return "FALSE" if self.passed(self.scope.long_stop) else "UNKNOWN"
        if not stands and not doubt:
            return "TRUE"
        return "FALSE" if stands and self.passed(self.end) else "UNKNOWN"

    def time(self, body):
        tick = self.scope.tick
        ends = {
            name: self.when(body[name])
            for name in ("not_before", "not_after")
            if body.get(name) is not None
        }
        last = ends.get("not_after", (None, False))[0]
        if last is not None and self.passed(last):
            return "FALSE"
        if all(at is not None for at, _ in ends.values()):
            begun = "not_before" not in ends or ends["not_before"][0] <= min(tick, self.end)
            going = "not_after" not in ends or tick <= ends["not_after"][0]
            return self.decided(self.end, begun and going, lambda: ())
        late = "not_before" in ends and (ends["not_before"][0] or 0) > self.end
        back = all(at is not None or may for at, may in ends.values())
        return self.decided(self.end, False, lambda: (back and not late,))


def key_of(node):
    return repr(node).replace("'", '"')


def holds(node, known):
    """The tree with two values alone."""
    (name, body), *_ = node.items()
    if name == "all":
        return all(holds(child, known) for child in body)
    if name == "any":
        return any(holds(child, known) for child in body)
    if name == "at_least":
        return sum(holds(child, known) for child in body["of"]) >= body["k"]
    return known[key_of(node)]


def distinct(pairs, k):
    """Whether k of the pairs have k organisations and k roles between them."""
    return any(
        len({one for one, _ in some}) == k == len({role for _, role in some})
        for some in itertools.combinations(sorted(pairs), k)
    )


def measured(one, body):
    right = one.value is not None and one.unit == body["unit"]
    return right and OPS[body["op"]](one.value, Decimal(body["value"]))
