"""Which facts the views over `event` show: those that stand for the fold."""

import random
from collections.abc import Sequence
from typing import Any

import fold_world as fold
import pytest
import sink_world as w
from msgspec.structs import replace

from supplytwin.processors.facts import FactSet, insert
from supplytwin.schemas import avro, codec
from supplytwin.schemas.events import Event
from supplytwin.schemas.flow import DELEGATION
from supplytwin.schemas.ids import Micros
from supplytwin.sinks.duck import DuckSink

Told = tuple[Event, bool]
"""An event, and whether it comes under a delegation."""
RETRACT = {"correction_action": "RETRACT", "correction_reason": "DID_NOT_OCCUR"}


def _effective(told: Sequence[Told]) -> tuple[list[Told], list[tuple[str, str, str]]]:
    """(what is not told twice, source, id and place of what stands) by the fold's set of facts."""
    facts, taken = FactSet(), []
    for at, (event, delegated) in enumerate(told):
        item = fold.item(event, event.recorded_time, at)
        if delegated:
            item = replace(item, record=replace(item.record, headers=((DELEGATION, b"x"),)))
        done = insert(facts, item)
        facts = done.facts
        if done.verdict != "DUPLICATE":
            taken.append((event, delegated))
    standing = [one.effective.event for one in facts.every() if one.effective]
    return taken, sorted((one.source, one.event_id, str(one.unlocode)) for one in standing)


def _record(chain: w.Chain, event: Event, delegated: bool) -> Any:
    body, own = codec.encode(event.TOPIC, event), avro.fingerprint_of(event.TOPIC)
    headers = ((DELEGATION, b"x"),) if delegated else ()
    return chain.entry("FACT", event.TOPIC, body, own, headers)


def _shown(sink: DuckSink, chain_id: str, told: Sequence[Told]) -> list[tuple[str, str, str]]:
    """Write the facts of a chain; what the view has of it."""
    chain = w.Chain(w.Log(), chain_id)
    sink.write(w.grouped(_record(chain, *one) for one in told), {})
    return _places(sink, chain_id)


def _places(sink: DuckSink, chain_id: str) -> list[tuple[str, str, str]]:
    return sink.connection.execute(
        f"SELECT source, event_id, place_id FROM place WHERE chain_id = '{chain_id}' ORDER BY ALL"
    ).fetchall()


def _at(chain: str, event_id: str, revision: int = 0, **fields: Any) -> Event:
    """A delivery at HTPAP."""
    one = w.delivered(chain, event_id, **{"unlocode": "HTPAP", **fields})
    return replace(one, revision=Micros(w.NOON + revision))


def test_a_retraction_that_is_taken_back_takes_nothing_away(sink: DuckSink, ask: w.Ask) -> None:
    """The fact stands again in all views; a third retraction takes it away again."""
    chain = w.Chain(w.Log(), "C")
    told = [_at("C", "a")]
    told += [_at("C", one, at, correction_event_id=aim, **RETRACT)
             for at, (one, aim) in enumerate((("b", "a"), ("c", "b"), ("d", "c")), 1)]  # fmt: skip
    for at, shown in enumerate([1, 0, 1, 0]):
        sink.write(w.grouped([chain.fact(told[at])]), {})
        assert ask("SELECT count(*) FROM place") == [(shown,)]
        assert ask("SELECT count(*) FROM party") == [(shown,)]


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("first", ["SUPERSEDE", "RETRACT"])
def test_a_replaced_correction_takes_away_for_good(sink: DuckSink, first: str, back: bool) -> None:
    """Of a fact, its correction, and what replaces that, the last alone is shown, whatever came
    first; when the last is retracted, what it replaced, and never the first.
    """
    told = [(_at("C", "a"), False)]
    said = [("b", "a", first), ("c", "b", "SUPERSEDE"), ("d", "c", "RETRACT")]
    for at, (one, aim, action) in enumerate(said[: 3 if back else 2], 1):
        fields = {**RETRACT, "correction_action": action, "correction_event_id": aim}
        told.append((_at("C", one, at, **fields), False))
    shown = ["c"] if not back else ["b"] if first == "SUPERSEDE" else []
    assert [one[1] for one in _shown(sink, "C", told)] == shown
    assert [one[1] for one in _effective(told)[1]] == shown
    elsewhere = [(replace(event, chain_id="D"), by) for event, by in reversed(told)]
    assert [one[1] for one in _shown(sink, "D", elsewhere)] == shown


def test_what_has_two_contents_is_not_shown(sink: DuckSink) -> None:
    """Neither counts; the next revision does, and one content that comes twice always did."""
    one, other = _at("C", "z"), _at("C", "z", unlocode="DEHAM")
    assert _shown(sink, "C", [(one, False), (other, False)]) == []
    assert _shown(sink, "D", [(replace(one, chain_id="D"), False)] * 2) == [("scms", "z", "HTPAP")]
    later = replace(_at("E", "z", 1), chain_id="E")
    told = [(replace(event, chain_id="E"), False) for event in (one, other, later)]
    assert _shown(sink, "E", told) == [("scms", "z", "HTPAP")]


def test_a_conflicted_invoice_is_no_duplicate(sink: DuckSink, ask: w.Ask) -> None:
    """It may be either of two: a number in two chains is told when both facts stand."""
    log = w.Log()
    chains = {name: w.Chain(log, name) for name in ("C1", "C2")}
    told = [w.invoiced(name, "e", source="erp", invoice_id="I-1") for name in chains]
    sink.write(w.grouped(chains[one.chain_id].fact(one) for one in told), {})
    assert ask("SELECT number, chains FROM duplicate_document") == [("I1", ["C1", "C2"])]
    other = w.invoiced("C2", "e", source="erp", invoice_id="I-2")
    sink.write(w.grouped([chains["C2"].fact(other)]), {})
    assert ask("FROM duplicate_document") == []


def _random(draw: random.Random, chain_id: str) -> list[Told]:
    """Facts of two sources that revise, contradict, correct and delegate; no ring of three, and no
    correction in contradiction with itself.
    """
    found: dict[tuple[str, int, int], list[Told]] = {}
    for _ in range(draw.randrange(2, 14)):
        number, revision = draw.randrange(6), draw.randrange(3)
        fields: dict[str, Any] = {"unlocode": draw.choice(("HTPAP", "HTPAP", "DEHAM"))}
        if draw.random() < 0.6:
            aims = [one for one in range(6) if one < number or one == number ^ 1]
            fields |= {
                "correction_action": draw.choice(("RETRACT", "SUPERSEDE")),
                "correction_reason": "DID_NOT_OCCUR",
                "correction_event_id": str(draw.choice(aims or [0])),
                "correction_source": draw.choice((None, None, "a", "b")),
            }
        event = _at(chain_id, str(number), revision, **fields)
        told = replace(event, source=draw.choice("aab")), draw.random() < 0.3
        same = found.setdefault((told[0].source, number, revision), [])
        if not same or not any(one.correction_action for one, _ in (*same, told)):
            same.append(told)
    every = [one for same in found.values() for one in same]
    draw.shuffle(every)
    return every


def test_what_a_contradicted_correction_aims_at_is_not_shown(sink: DuckSink) -> None:
    """By either content; nor what two topics tell under one id, nor a plan above what happened."""
    facts = [_at("C", one) for one in "abc"]
    aimed = [_at("C", "x", 1, correction_event_id=one, **RETRACT) for one in "ab"]
    told = [(one, False) for one in (*facts, *aimed)]
    assert [one[1] for one in _shown(sink, "C", told)] == ["c"]
    elsewhere = replace(w.invoiced("D", "a", "scms", "I"), revision=Micros(w.NOON))
    planned = replace(_at("D", "b", 1), classifier="PLANNED")
    more = (_at("D", "a"), elsewhere, _at("D", "b"), planned, _at("D", "c"))
    assert [one[1] for one in _shown(sink, "D", [(one, False) for one in more])] == ["c"]


def test_views_show_what_stands_for_the_fold(sink: DuckSink) -> None:
    """600 random chains: revisions, conflicts, corrections of corrections and of strangers, and two
    that aim at each other.
    """
    draw = random.Random(5)
    wanted, records = {}, []
    for chain_id in (f"C{number}" for number in range(600)):
        told, wanted[chain_id] = _effective(_random(draw, chain_id))
        chain = w.Chain(w.Log(), chain_id)
        records += [_record(chain, *one) for one in told]
    sink.write(w.grouped(records), {})
    found: dict[str, list[Any]] = {chain_id: [] for chain_id in wanted}
    for chain_id, *row in sink.connection.execute(
        "SELECT chain_id, source, event_id, place_id FROM place ORDER BY ALL"
    ).fetchall():
        found[chain_id].append(tuple(row))
    assert found == wanted
