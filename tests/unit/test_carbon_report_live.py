"""The report of what a worker really wrote: chains in memory, restated by a pack of a user."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from test_carbon_restate import PACKS, apply, middle, newest
from upgrade_world import World, at_day_35

from supplytwin.processors import restatement
from supplytwin.processors.carbon_packs import Rule
from supplytwin.processors.carbon_selection import Selection
from supplytwin.processors.carbon_whole_report import Report
from supplytwin.schemas import codec, factors
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.records import CONTROL, Control
from supplytwin.sinks.duck import DuckSink
from supplytwin.streams import carbon_page
from supplytwin.streams.cli_carbon_report import of_file, packs_at_hand
from supplytwin.streams.summary import read_all


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Some footprints are complete, some wait; none is restated yet."""
    yield from at_day_35(tmp_path)


def reported(world: World, path: Path) -> Report:
    sink = DuckSink(path, lambda: b"12345678")
    sink.write({topic: list(read_all(world.broker, topic, 2)) for topic in sink.topics}, {})
    sink.close()
    return of_file(path, Selection())


def test_a_report_of_real_records_sums_what_they_say(world: World, tmp_path: Path) -> None:
    """The total is that of the newest complete footprints; elements sum to it; every factor has
    its source; consignments without a footprint are counted.
    """
    made = reported(world, tmp_path / "twin.duckdb")
    said = [one for one in newest(world).values() if one.complete and not one.planned]
    assert len(said) == made.computed > 1
    place = Decimal("1e-9")
    total = sum((Decimal(one.co2e_wtw_kg or 0).quantize(place) for one in said), Decimal(0))
    assert made.totals.whole.wtw_kg is not None
    assert abs(made.totals.whole.wtw_kg - total) <= place * len(said)
    assert made.totals.unlike_elements == ()
    assert made.totals.quality.default == 1
    assert made.spread.low_kg is not None and made.spread.high_kg == made.totals.whole.wtw_kg
    assert made.factors and all(one.source and one.page and one.licence for one in made.factors)
    assert made.without_footprint is not None and made.without_footprint > 0
    assert made.period_first is not None and made.undated == 0
    (distances,) = (note for note in made.assumptions if note.code == "DISTANCE")
    assert [one.footprints for one in distances.texts] == [len(said)]


def test_a_restatement_is_told_with_both_totals_and_the_sources_of_its_pack(
    world: World, tmp_path: Path
) -> None:
    """The pack of the user emits twice as much: the same consignments of the same inputs stand in
    the spread with half of it; the journal has the pack, so its factors have their sources.
    """
    apply(world, Rule(since=middle(world), packs=PACKS))
    made = reported(world, tmp_path / "twin.duckdb")
    (other,) = made.spread.other_packs
    assert (other.now, other.then) == (("doubled-2025",), ("desnz-2025",))
    assert abs(other.now_kg - 2 * other.then_kg) <= Decimal("3e-9") * other.consignments
    assert [one.packs for one in made.spread.by_packs] == [("desnz-2025",), ("doubled-2025",)]
    published = {one.id: one for one in factors.load().factors}
    doubled = [one for one in made.factors if one.pack == "doubled-2025"]
    assert doubled
    for one in doubled:
        own = published[one.ref.partition("/")[2]]
        assert (one.source, one.page, one.applied) == (own.source, own.page, False)
        assert own.wtw is not None and one.wtw == 2 * own.wtw
    page = carbon_page.page(made)
    assert "One total rests on 2 sets of packs" in page
    assert "The same inputs on other packs" in page


def test_of_two_packs_of_one_name_none_is_taken() -> None:
    """Nobody could say which one a footprint means; told twice alike, it is one."""

    def told(pack: str) -> bytes:
        body = restatement.packs_body((Rule(since="2025-01-01", packs=(pack,)),), {})
        control = Control(
            input_id="r", kind="META", tick_time=Micros(1), timeline="t", body=body
        )  # fmt: skip
        return codec.encode(CONTROL, control)

    (doubled,) = PACKS
    other = doubled.replace("0.19246", "0.19247")
    assert other != doubled
    known = {pack.name for pack in packs_at_hand([told(doubled), told(doubled)])}
    assert known == {*factors.BUILT_IN, "doubled-2025"}
    assert {pack.name for pack in packs_at_hand([told(doubled), told(other)])} == {
        *factors.BUILT_IN
    }
