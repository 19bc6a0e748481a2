"""What is derived of a subject, as analysts and as readers of `twin show` see it."""

import datetime as dt
import json
import re
from pathlib import Path
from typing import Any

import fold_world as fold
import pytest
import sink_world as rows
import test_derived as known
from test_plausibility_fold import of
from typer.testing import CliRunner

from supplytwin.processors import derived
from supplytwin.processors.gathered import parts_of
from supplytwin.processors.subjects import SubjectKey
from supplytwin.schemas.events import EVENT_TYPES
from supplytwin.schemas.ids import DAY_US, HOUR_US
from supplytwin.schemas.priorities import MATRIX, OTHER
from supplytwin.schemas.records import JOURNAL, MILESTONES, STATE
from supplytwin.sinks.derived_views import DERIVED_VIEWS
from supplytwin.sinks.duck import DuckSink
from supplytwin.streams import cli, journal_file

fact, T = known.fact, known.T


def ask(sink: DuckSink, text: str) -> list[dict[str, Any]]:
    """Rows of a statement, by column name."""
    found = sink.connection.execute(text)
    names = [one[0] for one in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _told() -> list[Any]:
    """A container's way: two sources of its discharge, a stay that nobody ended, one that is open,
    and a step that is refused.
    """
    place = {"unlocode": "DEHAM"}
    return [
        fact("EQUIPMENT_TRIP", "shipment.gate_in", 0, "terminal:a", facility="CN;SHA\n1"),
        fact("EQUIPMENT_TRIP", "shipment.discharged", 90, "carrier:m", **place),
        fact("EQUIPMENT_TRIP", "shipment.discharged", 93.5, "terminal:h", **place),
        fact("EQUIPMENT_TRIP", "shipment.available", 95, "terminal:h", **place),
        fact("EQUIPMENT_TRIP", "shipment.stuffed", 96, "manual:x"),
    ]


def test_views_say_what_the_record_was_derived_from(sink: DuckSink) -> None:
    """Each view shows the fields of twin.state; what needs a clock is up to the database's."""
    key, subject = known.subject("EQUIPMENT_TRIP", *_told())
    value = subject.value
    chain = rows.Chain(rows.Log(), "C")
    said = derived.fields(key, subject)
    record = chain.state(*key, lifecycle=value.state, milestones=tuple(sorted(value.milestones)),
                         **said)  # fmt: skip
    silent = chain.state("LOT", "L", milestones=())
    sink.write({STATE: [record, silent]}, {})
    now = ask(sink, "SELECT epoch_us(now()) AS now")[0]["now"]
    told = derived.told(key, subject, now)

    stays = ask(sink, "SELECT *, epoch_us(arrived) AS since FROM twin_dwell ORDER BY arrived")
    assert [(one["place"], one["since"], one["is_open"]) for one in stays] == [
        (one["place"], one["arrived"], one["open"]) for one in told["dwell"]
    ]
    assert [one["place"] for one in stays] == ["CN;SHA\n1", "DEHAM"]
    assert stays[0]["hours"] is None
    assert stays[1]["hours"] == pytest.approx(told["dwell"][1]["hours"], abs=0.01)

    fresh = {one["subject_type"]: one for one in ask(sink, "SELECT * FROM twin_freshness")}
    assert fresh["LOT"]["silent_hours"] is None
    assert fresh[key.subject_type]["silent_hours"] == pytest.approx(told["silent_hours"], abs=0.01)
    assert fresh[key.subject_type]["completeness"] == pytest.approx(told["completeness"])

    trust = {one["subject_type"]: one for one in ask(sink, "SELECT * FROM twin_trust")}
    assert trust[key.subject_type]["trust"] == "B"
    assert float(trust[key.subject_type]["spread_hours"]) == 3.5
    assert trust[key.subject_type]["reports"] == [
        f"DISCHARGED;{T + round(93.5 * HOUR_US)};terminal:h/{_told_id(value, 'terminal:h')}",
        f"DISCHARGED;{T + 90 * HOUR_US};carrier:m/{_told_id(value, 'carrier:m')}",
    ]
    assert trust[key.subject_type]["exceptions"] == [f"ILLEGAL_TRANSITION;{T + 96 * HOUR_US}"]


def test_the_eta_view_prefers_the_estimate_to_the_plan(sink: DuckSink) -> None:
    """Of a line with both the estimate, its source and age; of one with a plan alone the plan."""
    estimated = known.subject(
        "ORDER_LINE", known.arrival(90, "PLANNED", T), known.arrival(95, "ESTIMATED", T + 5)
    )
    planned = known.subject("ORDER_LINE", known.arrival(80, "PLANNED", T))
    chain = rows.Chain(rows.Log(), "C")
    records = []
    for name, (key, subject) in (("1", estimated), ("2", planned)):
        value = subject.value
        records.append(
            chain.state(
                "ORDER_LINE", name, milestones=(), planned_time=value.planned.time,
                eta=None if value.eta is None else value.eta.time, **derived.fields(key, subject),
            )
        )  # fmt: skip
    sink.write({STATE: records}, {})
    now = ask(sink, "SELECT epoch_us(now()) AS now")[0]["now"]
    found = ask(sink, "SELECT *, epoch_us(expected) AS at FROM twin_eta ORDER BY subject_id")
    for row, subject in zip(found, (estimated, planned), strict=True):
        told = derived.told(*subject, now)
        assert (row["at"], row["basis"]) == (told["expected"], told["expected_basis"])
        assert (row["eta_source"], row["arrived"]) == (told["eta_source"], False)
        assert row["promised_date"] == told["promised_date"]
        assert row["promise_delay_days"] == told["promise_delay_days"]
        if told["eta_age_hours"] is not None:
            assert row["eta_age_hours"] == pytest.approx(told["eta_age_hours"], abs=0.01)


@pytest.mark.parametrize(
    ("told_of", "eta", "source"),
    [("parts", 30, "carrier:m"), ("parts and it", 20, "seller:s"), ("plan", 28, None)],
)
def test_a_consignment_is_asked_of_its_legs_and_trips(
    sink: DuckSink, told_of: str, eta: int, source: str | None
) -> None:
    """What its parts are told is known of it, in the views as in `twin show`: the ETA of the part
    that is expected last, the last actual fact of all, the worst grade. Its own ETA comes first.
    """
    guesses = [_comes("LEG:V/1", 9, "ESTIMATED"), _comes("LEG:V/2", 30, "ESTIMATED")]
    events = [_comes("LEG:V/2", 28, "PLANNED"), *_left()]
    events += {"parts": guesses, "plan": []}.get(
        told_of, [*guesses, _comes("CONSIGNMENT:c", 20, "ESTIMATED", source="seller:s")]
    )
    log: list[Any] = []
    desk = fold.Desk(lambda out: log.append(out) if out.topic == STATE else None)
    for event in events:
        desk.round([fold.item(event, T + 90 * DAY_US)], tick=False)
    offsets = rows.Log()
    sink.write({STATE: [offsets.put(STATE, one.key.encode(), one.value) for one in log]}, {})
    key, subjects = SubjectKey("CONSIGNMENT", "c"), desk.states["C"].twin.subjects
    told = derived.told(key, subjects[key], T, parts_of(subjects, key))
    assert (told["expected"], told["eta_source"]) == (T + eta * DAY_US, source)
    assert (told["last_actual"], told["trust"]) == (T + 2 * HOUR_US, "C")
    where = "WHERE subject_type = 'CONSIGNMENT'"
    (row,) = ask(sink, f"SELECT *, epoch_us(expected) AS at FROM twin_eta {where}")
    assert (row["at"], row["eta_source"]) == (told["expected"], source)
    assert row["basis"] == told["expected_basis"]
    (row,) = ask(sink, f"SELECT epoch_us(last_actual) AS at FROM twin_freshness {where}")
    assert row["at"] == told["last_actual"]
    (row,) = ask(sink, f"SELECT trust FROM twin_trust {where}")
    assert row["trust"] == told["trust"]


def _comes(about: str, day: int, kind: str, source: str = "carrier:m") -> Any:
    refs = () if about == "CONSIGNMENT:c" else ("CONSIGNMENT:c",)
    return of("shipment.arrived", about, *refs, id=f"{kind} {day}", at=day * DAY_US,
              classifier=kind, source=source, leg_no=None)  # fmt: skip


def _left() -> list[Any]:
    """Departures of two legs, and the gate-in of a container before."""
    found = [of("shipment.departed", f"LEG:V/{leg}", "CONSIGNMENT:c", id=f"departed {leg}",
                at=leg * HOUR_US, source="carrier:m", leg_no=None) for leg in (1, 2)]  # fmt: skip
    trip = "MSCU1234566/B"
    return [*found, of("shipment.gate_in", f"EQUIPMENT_TRIP:{trip}", "CONSIGNMENT:c", id="gate",
                       at=-HOUR_US, source="aggregator:z", empty=False, trip_id=trip)]  # fmt: skip


def _told_id(value: Any, source: str) -> str:
    (found,) = [one.event_id for one in value.reports["DISCHARGED"] if one.source == source]
    return str(found)


def test_an_ended_stay_has_the_same_hours_for_everybody(sink: DuckSink) -> None:
    """Arrived and left: hours and stayed_hours are the difference, whatever the clock says."""
    chain = rows.Chain(rows.Log(), "C")
    visit = f"{T};{T + 6 * HOUR_US};{6 * HOUR_US};"
    sink.write({STATE: [chain.state("CONSIGNMENT", "A", visits=(visit,))]}, {})
    (one,) = ask(sink, "SELECT * FROM twin_dwell")
    assert (one["place"], one["is_open"], one["hours"], one["stayed_hours"]) == ("", False, 6, 6)


def test_a_place_may_have_any_name(sink: DuckSink) -> None:
    """What stands after the third separator is the place, over as many lines as it has."""
    chain = rows.Chain(rows.Log(), "C")
    visit = f"{T};;;Dock; north\n1"
    sink.write({STATE: [chain.state("CONSIGNMENT", "A", visits=(visit,))]}, {})
    (one,) = ask(sink, "SELECT place, epoch_us(arrived) AS at, is_open FROM twin_dwell")
    assert one == {"place": "Dock; north\n1", "at": T, "is_open": True}


def test_a_promise_alone_is_no_plan(sink: DuckSink) -> None:
    """Where only a date was promised nothing is expected yet, and nothing is what that rests on."""
    chain = rows.Chain(rows.Log(), "C")
    sink.write({STATE: [chain.state("ORDER_LINE", "1", promised_date=dt.date(2024, 10, 1))]}, {})
    (one,) = ask(sink, "SELECT expected, basis, promised_date FROM twin_eta")
    assert one == {"expected": None, "basis": None, "promised_date": dt.date(2024, 10, 1)}


def test_milestones_are_told_again_when_sources_come_to_differ(tmp_path: Path) -> None:
    """The first report, then the better one with the spread; a third in between changes nothing."""
    heard: list[Any] = []

    def hear(output: Any) -> None:
        if output.topic == MILESTONES:
            found = fold.codec.decode(MILESTONES, output.value).message
            heard.append((found.source, found.reached, found.spread_hours))

    desk = fold.Desk(hear)
    for hours, source in ((0, "carrier:m"), (7.5, "terminal:h"), (3, "manual:x")):
        event = fact("CONSIGNMENT", "shipment.departed", hours, source, chain_id="C").event
        desk.round([fold.item(event, event.event_time)], tick=False)
    assert heard == [("carrier:m", True, None), ("terminal:h", True, "7.5")]


def test_twin_show_derives_up_to_the_clock_that_it_is_given(tmp_path: Path) -> None:
    """`--now` moves ages and open stays, and nothing else."""
    entries: list[bytes] = []
    desk = fold.Desk(lambda out: entries.append(out.value) if out.topic == JOURNAL else None)
    items = [("shipment.arrived", 0, {"facility": "QUAY", "vehicle_id": "V"}),
             ("shipment.arrived", 60, {"classifier": "ESTIMATED", "vehicle_id": "V"})]  # fmt: skip
    for at, (kind, hours, more) in enumerate(items):
        own = EVENT_TYPES[kind].__struct_fields__
        more = {name: value for name, value in more.items() if name in own}
        event = fact("CONSIGNMENT", kind, hours, "carrier:m", chain_id="C", **more).event
        message = fold.Message(topic=event.TOPIC, key="C", arrival=event.event_time, body=event)
        desk.round([fold.decoded(message, at)], tick=False)
    file = tmp_path / "journal.jsonl"
    journal_file.write(file, entries)
    found = []
    for now in ("2024-10-05T10:00:00Z", "2024-10-06T18:00:00+08:00"):
        words = ["twin", "show", "C", "--journal", str(file), "--now", now]
        done = CliRunner().invoke(cli.app, [*words, "--json"])
        assert done.exit_code == 0, done.output
        (one,) = json.loads(done.output)["subjects"]
        found.append(one)
        drawn = CliRunner().invoke(cli.app, words)
        assert drawn.exit_code == 0
        assert "so far" in drawn.output
        assert one["arrived"] is True and one["dwell"][0]["arrived"].startswith("2024-")
    drawn = CliRunner().invoke(cli.app, [*words[:-1], "2024-11-30"])
    assert re.search(r"QUAY \d\d\.\d d so far", drawn.output)
    assert not re.search(r"\d\d\.\d h", drawn.output)
    first, second = found
    assert first["dwell"][0]["place"] == "QUAY"
    assert second["dwell"][0]["hours"] - first["dwell"][0]["hours"] == pytest.approx(24)
    assert second["silent_hours"] - first["silent_hours"] == pytest.approx(24)
    assert second["eta_age_hours"] - first["eta_age_hours"] == pytest.approx(24)
    clocked = ("dwell", "silent_hours", "eta_age_hours")
    assert {k: v for k, v in first.items() if k not in clocked} == {
        k: v for k, v in second.items() if k not in clocked
    }


def test_every_derived_value_is_documented() -> None:
    """docs/derived.md names each field, each view, each flag, and the matrix's roles in their
    order.
    """
    text = (Path(__file__).resolve().parents[2] / "docs" / "derived.md").read_text()
    key, subject = known.subject("ORDER_LINE")
    for name in derived.fields(key, subject):
        assert f"`{name}`" in text or f"{name}," in text, name
    for name, _, _ in DERIVED_VIEWS:
        assert f"`{name}`" in text, name
    for name in ("no_tz", "day_precision", "inferred", "conflict", "orphan", "implausible_time",
                 "after_close"):  # fmt: skip
        assert f"`{name}`: " in text, name
    rows_of = [line for line in text.splitlines() if " · " in line and line.startswith("| of")]
    for code, line in zip(("ARRIVED", "CUSTOMS_FILED", "STOCKED"), rows_of, strict=True):
        said = re.sub(r"[,|]| and (every kind that is not named here|others)", " ", line)
        groups = [set(group.split()) for group in said.split(" · ")]
        groups[0] = {line.split("|")[2].split()[0]}
        assert groups == [set(group) - {OTHER} for group in MATRIX[code]]
