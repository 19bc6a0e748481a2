"""Whose receipt of a lot is believed under terms that list who may tell it (docs/conditions.md,
"Each quantity once"): a warehouse is who the terms call one, whatever its source is named.
"""

import random

import condition_facts_world as f
import pytest
import settlement_world as w
from msgspec.structs import replace

from supplytwin.processors import twin as twins
from supplytwin.processors.condition_facts import built
from supplytwin.processors.condition_facts_asked import Attester
from supplytwin.processors.signed import Counts
from supplytwin.schemas.flow import DELEGATION as D

day = w.day


def listed(**roles):
    """source -> roles, each of an organisation of its own; names with _ for what Python forbids."""
    return tuple(
        Attester(source=name, organisation=f"org-{name}", roles=tuple(sorted(which.split())))
        for name, which in roles.items()
    )


def receipt(source, qty, name=None, **more):
    return w.received(day(30), qty, event_id=name or source, source=source, **more), day(30)


def there(*facts, attesters, signatures=None):
    """How much of line L1 is RECEIVED in time."""
    question = f.asked(f.quantity("L1", 40), attesters=attesters, signatures=signatures or {})
    return counted(built(w.twin_of(*facts), question))


def counted(made):
    now = [one.current for one in made.evidence.facts if one.current is not None]
    in_time = [one for one in now if one.type == "RECEIVED" and one.arrival <= day(90)]
    return sum(one.value for one in in_time)


def names(**roles):
    return listed(**{one.replace("_", ":"): which for one, which in roles.items()})


BOTH = {
    "a warehouse by any name": ({"stock": "WAREHOUSE", "look": "INSPECTOR"}, (50, 40), 50),
    "by its name of the twin": ({"wms_q": "WAREHOUSE", "look": "INSPECTOR"}, (50, 40), 50),
    "named like one, and none": ({"wms_q": "INSPECTOR", "stock": "WAREHOUSE"}, (50, 40), 40),
    "less of two warehouses": ({"stock": "WAREHOUSE", "wms_q": "WAREHOUSE"}, (50, 40), 40),
    "less of two others": ({"look": "INSPECTOR", "wms_q": "INSPECTOR"}, (40, 50), 40),
    "in several roles": ({"stock": "INSPECTOR WAREHOUSE", "look": "INSPECTOR"}, (50, 40), 50),
    "a buyer that stores": ({"erp": "BUYER WAREHOUSE", "wms_q": "INSPECTOR"}, (50, 40), 50),
    "nobody saw it": ({"simulated_wms": "WAREHOUSE", "look": "INSPECTOR"}, (50, 40), 40),
    "nor with less": ({"simulated_wms": "WAREHOUSE", "look": "INSPECTOR"}, (30, 40), 40),
    "two that nobody saw": (
        {"simulated_store": "WAREHOUSE", "simulated_look": "INSPECTOR"}, (50, 40), 50,
    ),
    "not a warehouse's word": ({"wms_q": "CARRIER", "look": "INSPECTOR"}, (50, 40), 40),
}  # fmt: skip


@pytest.mark.parametrize(("roles", "told", "expected"), BOTH.values(), ids=BOTH.keys())
def test_a_warehouse_is_who_the_terms_call_one(roles, told, expected):
    """By its role in the contract and not by the name of its source; what simulates comes last."""
    attesters = names(**roles)
    facts = [receipt(one.source, qty) for one, qty in zip(attesters, told, strict=True)]
    assert there(*facts, attesters=attesters) == expected
    assert there(*reversed(facts), attesters=attesters) == expected


def test_two_sources_of_one_organisation_tell_the_same_goods():
    """The one with less is believed, as of any two."""
    own = tuple(replace(one, organisation="o") for one in names(stock="WAREHOUSE", a="WAREHOUSE"))
    assert there(receipt("stock", 40), receipt("a", 30), attesters=own) == 30


def test_who_is_not_listed_is_no_warehouse():
    """Neither for the claim nor to keep another's word from counting."""
    told = receipt("wms:q", 50), receipt("look", 40)
    assert there(*told, attesters=names(look="INSPECTOR")) == 40
    assert there(told[0], attesters=names(look="INSPECTOR")) == 0


def as_inspector(event, at):
    """The verdict on an event that its source has signed as an inspector."""
    key = Counts(organisation="org-stock", role="INSPECTOR", site="", kid="k", source="stock",
                 seq=1, signed_at=day(30), non_repudiable=True)  # fmt: skip
    return {w.item(event, at).content_hash: key}


def test_a_signature_says_in_which_role_a_source_speaks():
    """Listed as both and signing as the inspector it is no warehouse: the other's less counts."""
    attesters = names(stock="INSPECTOR WAREHOUSE", look="INSPECTOR")
    (mine, at), other = receipt("stock", 50), receipt("look", 40)
    said = as_inspector(mine, at)
    assert there((mine, at), other, attesters=attesters) == 50
    assert there((mine, at), other, attesters=attesters, signatures=said) == 40


def test_what_is_told_in_two_roles_is_not_added_up():
    """30 as an inspector and 20 as a warehouse: the warehouse has 20."""
    (first, at), second = receipt("stock", 30, "first"), receipt("stock", 20, "second")
    attesters = names(stock="INSPECTOR WAREHOUSE")
    said = as_inspector(first, at)
    assert there((first, at), second, attesters=attesters) == 50
    assert there((first, at), second, attesters=attesters, signatures=said) == 20


@pytest.mark.parametrize(("headers", "expected"), [((), 50), (((D, b"clerk"),), 45)])
def test_a_delegate_corrects_in_the_role_of_its_source(headers, expected):
    """Whatever the clerk is named or listed as, it is the warehouse's receipt that it mends."""
    (mine, at), other = receipt("stock", 50), receipt("look", 40)
    mended = w.with_(
        mine, source="wms:clerk", event_id="mended", revision=2, qty=w.Decimal(45),
        correction_action="SUPERSEDE", correction_source="stock", correction_event_id="stock",
    )  # fmt: skip
    question = f.asked(
        f.quantity("L1", 40),
        attesters=names(stock="WAREHOUSE", look="INSPECTOR", wms_clerk="CARRIER"),
    )
    items = [w.item(mine, at), w.item(*other), w.item(mended, day(31))]
    last = items[-1]
    items[-1] = replace(last, record=replace(last.record, headers=headers))
    for order in (items, items[::-1]):
        twin = twins.EMPTY
        for one in order:
            twin = twins.take(twin, one).twin
        assert counted(built(twin, question)) == expected


def test_at_another_place_a_source_may_be_something_else():
    """Rows with sites: a warehouse at its own, an inspector elsewhere."""
    here, away = names(stock="WAREHOUSE")[0], names(stock="INSPECTOR")[0]
    attesters = (
        replace(here, sites=("WH-2",)), replace(away, sites=("WH-1",)), *names(look="INSPECTOR"),
    )  # fmt: skip
    assert there(receipt("stock", 50), receipt("look", 40), attesters=attesters) == 40


def test_a_warehouse_that_took_its_word_back_leaves_no_say_to_others():
    """What one of a better kind ever told of a lot in time."""
    (mine, at), other = receipt("stock", 50), receipt("look", 40)
    gone = w.with_(
        mine, event_id="gone", revision=9, correction_action="RETRACT",
        correction_source="stock", correction_event_id="stock",
    )  # fmt: skip
    attesters = names(stock="WAREHOUSE", look="INSPECTOR")
    assert there((mine, at), (gone, at), other, attesters=attesters) == 0
    assert there(other, (gone, at), (mine, at), attesters=attesters) == 0


TURNS = {
    "stock": 40, "wms:q": 0, "look": 0, "gossip": 0, "simulated:stock": 40,
}  # fmt: skip


@pytest.mark.parametrize(("source", "left"), TURNS.items())
def test_only_a_warehouse_of_the_terms_turns_a_reversal_away(source, left):
    """A reversal that names another line takes the lot's goods where a warehouse has them."""
    attesters = (
        *names(stock="WAREHOUSE", store="WAREHOUSE", look="INSPECTOR"),
        *names(simulated_stock="WAREHOUSE"),
    )
    wrong = w.reversed_(day(31), refs=("ORDER_LINE:L2",)), day(31)
    other = receipt(source, 40, "other", line="L2", lot_id="lot-L1", subject_id="lot-L1")
    assert there(receipt("store", 40), wrong, attesters=attesters) == 0
    assert there(receipt("store", 40), wrong, other, attesters=attesters) == left


# ---- random words about two lots, read again from the docs


ROLES = (
    "WAREHOUSE", "INSPECTOR", "INSPECTOR WAREHOUSE", "CARRIER", "BUYER WAREHOUSE", "SELLER", "",
)  # fmt: skip
SOURCES = ("stock", "wms", "wms:q", "look", "simulated:wms", "simulated:x", "terminal:z")


class Words:
    """Some receipts by some sources in some roles; some are taken back or told again."""

    def __init__(self, seed):
        rng = self.rng = random.Random(seed)
        self.roles = {one: rng.choice(ROLES).split() for one in SOURCES}
        self.told, self.facts = [], []
        for number in range(rng.randrange(2, 9)):
            self._one(f"r{number}")
        rng.shuffle(self.facts)

    def _one(self, name):
        rng = self.rng
        source, lot = rng.choice(SOURCES), rng.choice("AB")
        qty, is_late = rng.randrange(1, 90), rng.random() < 0.2
        at = day(95) if is_late else day(31 + rng.randrange(9))
        made = w.received(
            day(30), qty, event_id=name, source=source, lot_id=lot, subject_id=lot,
        )  # fmt: skip
        self.facts.append((made, at))
        is_gone = rng.random() < 0.2
        if is_gone:
            back = w.with_(
                made, event_id=f"not-{name}", revision=9, correction_action="RETRACT",
                correction_source=source, correction_event_id=name,
            )  # fmt: skip
            self.facts.append((back, at + rng.randrange(9)))
        self.told.append((source, lot, qty, is_late, is_gone))
        if rng.random() < 0.2:
            self.facts.append((made, at + 1))

    @property
    def attesters(self):
        return tuple(
            Attester(source=one, organisation=f"org-{one}", roles=tuple(roles))
            for one, roles in self.roles.items()
            if roles
        )

    def kind(self, source):
        """A warehouse, then any other that may say it, then what simulates: by the docs."""
        if source.startswith("simulated:"):
            return 3 if "WAREHOUSE" in self.roles[source] else 4
        return 1 if "WAREHOUSE" in self.roles[source] else 2

    def of_lot(self, lot):
        """What is believed of it: of the best kind that told of it in time the one with least."""
        said = [one for one in self.told if one[1] == lot and not one[3]]
        said = [one for one in said if {"WAREHOUSE", "INSPECTOR"} & set(self.roles[one[0]])]
        best = min((self.kind(one[0]) for one in said), default=0)
        sums = {}
        for source, _, qty, _, is_gone in said:
            if self.kind(source) == best and not is_gone:
                sums[source] = sums.get(source, 0) + qty
        return min(sums.values(), default=0)


def test_random_words_are_believed_as_the_docs_say(required):
    """Whatever the names, in any order of arrival: the roles of the terms alone decide."""
    number, found = required("believed_receipts"), set()
    for seed in range(number):
        words = Words(seed)
        expected = sum(map(words.of_lot, "AB"))
        attesters = words.attesters
        assert there(*words.facts, attesters=attesters) == expected, seed
        backwards = tuple(reversed(words.facts))
        assert there(*backwards, attesters=attesters) == expected, seed
        found.add(expected > 0)
        if expected:
            wanted = f.quantity("L1", expected)
            assert f.value_of(wanted, *words.facts, attesters=attesters) == "TRUE", seed
        more = f.quantity("L1", expected + 1)
        assert f.value_of(more, *words.facts, attesters=attesters) != "TRUE", seed
    assert found == {True, False}
    number.done(number)
