"""`supplytwin carbon report`: what is in a total and what is not, and a page that loads nothing."""

import itertools
import json
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sink_world as w
from carbon_report_world import PACK, ROAD, World, hub, leg
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from supplytwin.processors import carbon_figures
from supplytwin.processors.carbon_selection import Selection, consignments, is_lane, lane
from supplytwin.processors.carbon_whole_report import Report
from supplytwin.schemas import factors
from supplytwin.schemas.errors import UsageError
from supplytwin.schemas.footprints import Footprint, Leg
from supplytwin.schemas.records import FOOTPRINTS
from supplytwin.sinks import carbon_records
from supplytwin.sinks.duck import DuckSink
from supplytwin.sinks.serve import SqlServer
from supplytwin.streams import carbon_page, cli
from supplytwin.streams.carbon_flow import chart
from supplytwin.streams.cli_carbon_report import of_file

Make = Callable[[World], Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A file of a world, a new one each time."""
    numbers = itertools.count()
    return lambda made: made.write(tmp_path / f"twin{next(numbers)}.duckdb")


def reported(path: Path, baseline: str | None = None, **by: str) -> Report:
    return of_file(path, Selection(**by), baseline)


def run(path: Path, *words: str) -> tuple[int, str, Any]:
    """(exit code, page, JSON) of the command."""
    out = path.with_name("page.html")
    args = ["carbon", "report", *words, "--db", str(path), "--out", str(out), "--json"]
    done = CliRunner().invoke(cli.app, args)
    assert done.exit_code == 0, done.output
    return done.exit_code, out.read_text("utf-8"), json.loads(done.stdout)


def two() -> World:
    """Pune to Lagos by road, hub and sea (30 + 1 + 10 kg), and Pune to Lagos by road (59 kg)."""
    made = World()
    made.footprint("A", "1", [
        leg("pickup", "30", to_place="Port", activity_tkm="100"),
        hub("terminal", "1", prev_tce_ids=("pickup",)),
        leg("sea", "10", mode="SEA", from_place="Port", activity_tkm="300", daf="1.25",
            prev_tce_ids=("terminal",)),
    ], distance_types=("SFD",))  # fmt: skip
    made.footprint("B", "1", [leg("all", "59", activity_tkm="600", daf="1.18")],
                   period_last="2025-04-02", primary_share="0.5", primary_share_by_tkm="1",
                   modelled_share="0.25")  # fmt: skip
    return made


# ---- totals


def test_totals_are_the_sums_of_the_newest_footprints(make: Make) -> None:
    """By hand: 41 + 59 = 100 kg over 400 + 600 tkm; by mode, hub, lane and month the same kg."""
    found = reported(make(two())).totals
    assert (found.whole.wtw_kg, found.whole.tkm, found.whole.hub_t) == (100, 1000, 1)
    assert found.whole.wtw_kg_per_tkm == Decimal("0.1")
    by_mode = {one.name: (one.members, one.wtw_kg, one.tkm, one.share) for one in found.modes}
    assert by_mode == {"ROAD": (2, 89, 700, Decimal("0.89")), "SEA": (1, 10, 300, Decimal("0.1"))}
    (terminal,) = found.hubs
    assert (terminal.name, terminal.wtw_kg, terminal.wtw_kg_per_t) == ("Transshipment", 1, 1)
    assert [(one.name, one.members, one.wtw_kg) for one in found.lanes] == [
        ("Pune – Lagos", 2, 100)
    ]
    assert [(one.name, one.wtw_kg) for one in found.months] == [("2025-03", 41), ("2025-04", 59)]
    assert {(one.by, one.wtw_kg) for one in found.flows} == {
        ("ROAD", 89), ("SEA", 10), ("Transshipment", 1),
    }  # fmt: skip
    assert found.unlike_elements == ()


def test_a_part_that_one_member_does_not_say_is_not_known_of_the_sum(make: Make) -> None:
    """The terminal publishes no split: WTT and TTW of the whole are null, those of transport and
    of the footprint without a hub are there.
    """
    found = reported(make(two())).totals
    assert (found.whole.wtt_kg, found.whole.ttw_kg) == (None, None)
    assert (found.transport.wtt_kg, found.transport.ttw_kg) == (Decimal("24.75"), Decimal("74.25"))
    assert (found.ttw_known.kg, found.ttw_known.members) == (Decimal("44.25"), 1)
    (by_month,) = (one for one in found.months if one.name == "2025-04")
    assert by_month.ttw_kg == Decimal("44.25")


def test_data_quality_weighs_by_emissions_and_by_tkm(make: Make) -> None:
    """Half of 59 kg is primary, a quarter modelled; 600 of 1,000 tkm are primary. What a footprint
    does not say is in a share of its own.
    """
    made = two()
    made.footprint("C", "1", [leg("x", "100")], primary_share="0.1", modelled_share=None)
    found = reported(make(made)).totals.quality
    kg = (found.primary_kg, found.modelled_kg, found.default_kg, found.not_stated_kg)
    assert kg == (Decimal("39.5"), Decimal("14.75"), Decimal("55.75"), 90)
    assert (found.primary, found.not_stated) == (Decimal("0.1975"), Decimal("0.45"))
    assert found.primary_by_tkm == Decimal("0.3")


def test_a_version_that_is_superseded_does_not_count(make: Make) -> None:
    """Of three versions the newest is in the total, with its elements alone; the others are named
    in order, each with what it follows.
    """
    made = World()
    for version, kg in ((1, "5"), (2, "9"), (3, "7")):
        made.footprint("A", "1", [leg("x", kg)], version)
    path = make(made)
    found = reported(path, chain_id="A")
    assert (found.totals.whole.wtw_kg, found.totals.modes[0].members) == (7, 1)
    (entry,) = found.footprints
    assert [one.version for one in entry.earlier] == [1, 2]
    assert entry.newest.previous_version == 2
    _, page, _ = run(path, "A")
    assert 'href="#f1-v2"' in page and 'id="f1-v2"' in page


def test_what_could_not_be_computed_is_counted_by_reason_and_in_no_total(make: Make) -> None:
    """Codes count consignments; the computed part stands apart; nothing is known of a total that
    has no member.
    """
    made = World()
    made.incomplete("A", "1", "MASS_UNKNOWN:line 1", "MASS_UNKNOWN:line 2", "MODE_UNKNOWN:none",
                    computed_wtw_kg="12.5")  # fmt: skip
    made.incomplete("A", "2", "MASS_UNKNOWN:line 1", computed_wtw_kg=None)
    path = make(made)
    found = reported(path)
    assert found.totals.whole.wtw_kg is None
    gaps = found.incomplete
    assert (gaps.consignments, gaps.computed_kg, gaps.without_part) == (2, Decimal("12.5"), 1)
    assert [(one.code, one.footprints) for one in gaps.reasons] == [
        ("MASS_UNKNOWN", 2), ("MODE_UNKNOWN", 1),
    ]  # fmt: skip
    assert [(one.says, one.footprints) for one in gaps.reasons[0].texts] == [
        ("line 1", 2), ("line 2", 1),
    ]  # fmt: skip
    _, page, _ = run(path)
    assert "there is no total" in page and "12.5 kg CO₂e" in page
    made.footprint("B", "1", [leg("x", "1")])
    whole = reported(make(made))
    assert (whole.totals.whole.wtw_kg, whole.consignments, whole.computed) == (1, 3, 1)


def test_a_plan_is_no_emission(make: Make) -> None:
    """A footprint with a planned element is in no total: what happened and what is planned stand
    apart, and its element is marked.
    """
    made = two()
    made.footprint("P", "1", [leg("done", "4"), leg("plan", "6", planned=True)])
    path = make(made)
    found = reported(path)
    assert (found.totals.whole.wtw_kg, found.computed) == (100, 2)
    apart = found.under_way
    assert (apart.consignments, apart.happened_kg, apart.planned_kg) == (1, 4, 6)
    _, page, said = run(path, "P")
    assert re.search(r'plan <span class="plan">plan</span>', page)
    assert said["totals"]["whole"]["wtw_kg"] is None


def test_consignments_without_a_footprint_are_counted(make: Make, tmp_path: Path) -> None:
    """The twins know three consignments, two have footprints; by lane or month nobody can say."""
    made = two()
    more = [made.chains["A"].state("CONSIGNMENT", name) for name in ("1", "2")]
    path = made.write(tmp_path / "twin.duckdb", *more)
    assert reported(path).without_footprint == 1
    assert reported(path, chain_id="B").without_footprint == 0
    assert reported(path, month="2025-03").without_footprint is None


def test_elements_that_are_not_there_yet_are_said(make: Make) -> None:
    """A file can have a footprint before its elements: it is named, and the total without distance
    adjustment, which rests on elements, is not known.
    """
    made = two()
    made.footprint("C", "9", (), co2e_wtw_kg="5", activity_tkm="1")
    found = reported(make(made))
    assert found.totals.whole.wtw_kg == 105
    assert found.totals.unlike_elements == ("C 9",)
    assert found.spread.unadjusted.total_kg is None and found.spread.low_kg is None


# ---- spread and year on year


def test_the_total_without_distance_adjustment_is_kg_over_daf(make: Make) -> None:
    """10 / 1.25 + 59 / 1.18 + 31 = 89 kg; two elements have an adjustment."""
    found = reported(make(two())).spread
    assert (found.unadjusted.total_kg, found.unadjusted.elements) == (89, 2)
    assert (found.low_kg, found.high_kg) == (89, 100)
    assert found.unadjusted.bases == (("GCD", 2),)


def test_other_packs_are_compared_on_the_same_inputs_alone(make: Make) -> None:
    """A version of the same inputs on another pack tells the spread; one of other inputs does not.
    A total over several packs is told by pack.
    """
    made = World()
    old = {"packs": ("desnz-2024",)}
    made.footprint("A", "1", [leg("x", "5")], 1, inputs="{}", **old)
    made.footprint("A", "1", [leg("x", "6")], 2, inputs="{}")
    made.footprint("B", "1", [leg("x", "50")], 1, inputs='{"a":1}', **old)
    made.footprint("B", "1", [leg("x", "60")], 2, inputs='{"a":2}')
    made.footprint("C", "1", [leg("x", "7")], 1, **old)
    path = make(made)
    for found in (reported(path).spread, reported(path, chain_id="A").spread):
        (other,) = found.other_packs
        assert (other.now, other.then, other.consignments) == ((PACK,), ("desnz-2024",), 1)
        assert (other.now_kg, other.then_kg) == (6, 5)
    by_packs = reported(path).spread.by_packs
    assert [(one.packs, one.wtw_kg) for one in by_packs] == [(("desnz-2024",), 7), ((PACK,), 66)]


def years(**before: Any) -> World:
    """100 kg over 1,000 tkm in 2025; 60 kg over 500 tkm in 2024."""
    made = two()
    dates = {"period_first": "2024-05-01", "period_last": "2024-05-02"}
    made.footprint("Y", "1", [leg("x", "60", activity_tkm="500")], **{**dates, **before})
    return made


def test_the_relative_change_is_now_less_the_intensity_before_times_the_activity(
    make: Make,
) -> None:
    """100 - 60 / 500 x 1,000 = -20 kg: better, though the absolute emissions rose."""
    path = make(years())
    found = reported(path, year="2025").kpi
    assert found is not None and found.refused == ()
    assert (found.relative_change_kg, found.improved) == (-20, True)
    assert found.relative_change_share == Decimal("-0.1666666666666666666666666666666667")
    assert reported(path, "2024", year="2025").kpi == found
    assert reported(path, year="2024").kpi is None
    assert reported(path, month="2025-03").kpi is None
    _, page, _ = run(path, "--year", "2025")
    assert "<strong>−20 kg</strong> CO₂e (−16.7 %), an improvement" in page


@pytest.mark.parametrize(
    ("before", "says"),
    [
        ({"packs": ("desnz-2024",)}, "2024 on desnz-2024"),
        ({"method": "method 0"}, "not by the same method"),
        ({"activity_tkm": None}, "activity of 2024 is not known"),
    ],
)
def test_years_that_do_not_compare_have_no_relative_change(
    make: Make, before: dict[str, Any], says: str
) -> None:
    """Other packs, another method, or no activity: the page says which, and no number."""
    path = make(years(**before))
    found = reported(path, year="2025").kpi
    assert found is not None and found.relative_change_kg is None and found.improved is None
    assert any(says in one for one in found.refused)
    _, page, _ = run(path, "--year", "2025")
    assert "relative change is not computed" in page


def test_a_year_that_is_not_complete_enough_has_no_relative_change(make: Make) -> None:
    """One of two consignments of the year before is computed; a plan does not count as a gap. Two
    versions of the pack of defaults in one year are refused, too.
    """
    made, dates = years(), {"period_last": "2024-06-01"}
    made.footprint("Y", "2", [leg("plan", "6", planned=True)], **dates)
    found = reported(make(made), year="2025").kpi
    assert found is not None and found.refused == ()
    made.footprint("Y", "3", [leg("x", "6")], pack_version="2024", **dates)
    made.incomplete("Y", "4", "MASS_UNKNOWN:x", **dates)
    path = make(made)
    found = reported(path, year="2025").kpi
    assert found is not None and len(found.refused) == 2
    assert "2 of 3 consignments of 2024 are computed: it takes 90%" in found.refused[0]
    assert "desnz-2024, desnz-2025" in found.refused[1]
    found = reported(path, "2001", year="2025").kpi
    assert found is not None and found.refused == ("2001 has no footprints in this selection",)


# ---- what a selection means


def test_a_selection_is_by_chain_lane_and_the_end_of_transport(make: Make) -> None:
    """One that has no dates is of no period, and is counted; all of them together narrow."""
    made = two()
    made.footprint("C", "1", [leg("x", "7", from_place="Oslo")], period_last=None)
    path = make(made)
    assert reported(path, month="2025-04").totals.whole.wtw_kg == 59
    assert reported(path, year="2025").consignments == 2
    assert reported(path, year="2025").undated == 1
    assert reported(path, lane="oslo-LAGOS").totals.whole.wtw_kg == 7
    both = reported(path, chain_id="A", lane="Pune – Lagos", month="2025-03")
    assert (both.totals.whole.wtw_kg, both.undated) == (41, 0)
    months = reported(path).totals.months
    assert [one.name for one in months] == ["2025-03", "2025-04", carbon_figures.NO_MONTH]


def elements(*ends: str, **before: Sequence[str]) -> list[Leg]:
    """Elements a, b, c ... by ``FROM>TO``; hubs are written ``-``."""
    common: dict[str, Any] = {
        "chain_id": "C", "seq": 1, "fold_version": "1", "taken_at": w.NOON, "timeline": "",
        "consignment_id": "1", "factor_id": None, "version": 1, "pack": "p", "pack_version": "1",
    }  # fmt: skip
    made = []
    for at, one in enumerate(ends):
        name, (start, _, end) = "abcdef"[at], one.partition(">")
        said = hub(name, "1") if one == "-" else leg(name, "1", from_place=start, to_place=end)
        links = tuple(before.get(name, ()))
        made.append(Leg(**common, index=at, **{**said, "prev_tce_ids": links}))
    return made


@pytest.mark.parametrize(
    ("legs", "says"),
    [
        (elements("X>Y", "-", "Y>Z", b=["a"], c=["b"]), "X – Z"),
        (elements("Y>Z", "X>Y", a=["b"]), "X – Z"),
        (elements("X>Y", "Y>Z"), "X – Z"),
        (elements("X>Y", "Y>X", b=["a"]), "X – X"),
        (elements("W>Y", "X>Y", "Y>Z", c=["a", "b"]), "W + X – Z"),
        (elements("X>Y", "Y>Z", a=["b"], b=["a"]), None),
        (elements("X>", "Y>Z", b=["a"]), "X – Z"),
        (elements("X>Y", ">Z"), None),
        (elements("-"), None),
        ([], None),
    ],
)
def test_a_lane_is_the_first_and_the_last_place_of_transport(
    legs: list[Leg], says: str | None
) -> None:
    """By the order of the elements, over hubs; without an order by what is only left or reached."""
    assert lane(legs) == says
    assert lane(legs[::-1]) == says


def test_a_lane_may_have_dashes_in_its_names() -> None:
    """Both names are compared as one text, whatever dash is between them."""
    known = "Port-au-Prince – Guinea-Bissau"
    for asked in ("Port-au-Prince-Guinea-Bissau", "port-au-prince - guinea-bissau", known):
        assert is_lane(asked, known)
    assert not is_lane("Port-au-Prince", known) and not is_lane("x", None)


def test_the_order_of_records_changes_nothing(make: Make) -> None:
    """The same records in another order, some twice, are the same report."""
    made = years()
    made.footprint("A", "1", [leg("x", "3")], version=2)
    path = make(made)
    with duckdb.connect(str(path), read_only=True) as file:
        assert file.execute("SELECT count(*) FROM leg").fetchall() == [(6,)]
    prints = [w.codec.decode(one.topic, one.value).message for one in made.records if one.value]
    footprints = [one for one in prints if isinstance(one, Footprint)]
    legs = [one for one in prints if isinstance(one, Leg)]
    first = consignments(footprints, legs)
    assert first == consignments(footprints[::-1], legs[::-1])
    assert first[0].legs == tuple(one for one in legs if one.version == 2)


@given(st.lists(st.tuples(
    st.decimals(0, 10**9, places=9), st.sampled_from("XYZ"), st.sampled_from(["AIR", "SEA", None])
), min_size=1, max_size=8))  # fmt: skip
def test_groups_sum_to_the_total_exactly(given_legs: list[tuple[Decimal, str, str | None]]) -> None:
    """By lane, by mode, by flow and by data quality: the same sum, to the last digit."""
    made = World()
    for at, (kg, place, mode) in enumerate(given_legs):
        made.footprint(f"C{at}", "1", [leg("x", str(kg), from_place=place, mode=mode)],
                       primary_share="0.5")  # fmt: skip
    found = [w.codec.decode(one.topic, one.value).message for one in made.records if one.value]
    prints = [one for one in found if isinstance(one, Footprint)]
    totals = carbon_figures.totals(
        consignments(prints, [one for one in found if isinstance(one, Leg)])
    )
    exact = sum((Fraction(kg) for kg, _, _ in given_legs), Fraction(0))
    quality = totals.quality
    for parts in (
        [totals.whole.wtw_kg], [one.wtw_kg for one in totals.lanes],
        [one.wtw_kg for one in totals.modes], [one.wtw_kg for one in totals.flows],
        [quality.primary_kg, quality.modelled_kg, quality.default_kg, quality.not_stated_kg],
    ):  # fmt: skip
        assert sum((Fraction(kg) for kg in parts if kg is not None), Fraction(0)) == exact


# ---- factors, packs, notes


def test_factors_are_listed_with_what_their_pack_says(make: Make) -> None:
    """A built-in factor has the numbers, source, page and licence of its pack; another one what
    the elements that rest on it alone say.
    """
    made = two()
    own = {"factors": ("glec-3.0/barge",), "intensity_unit": "kg/tkm", "intensity_wtw": "0.02"}
    made.footprint("C", "1", [leg("x", "1", **own)], packs=("glec-3.0",), factors=own["factors"])
    found = reported(make(made))
    listed = {one.ref: one for one in found.factors}
    assert listed.keys() == {ROAD, "glec-3.0/barge"}
    pack = factors.load()
    (published,) = (one for one in pack.factors if f"{pack.name}/{one.id}" == ROAD)
    built_in = listed[ROAD]
    assert (built_in.wtw, built_in.wtt, built_in.ttw, built_in.page, built_in.licence) == (
        published.wtw, published.wtt, published.ttw, published.page, published.licence,
    )  # fmt: skip
    assert (built_in.consignments, built_in.applied) == (2, False)
    other = listed["glec-3.0/barge"]
    assert (other.wtw, other.wtt, other.applied, other.source) == (
        Decimal("0.02"),
        None,
        True,
        None,
    )
    assert [(one.name, one.title is None) for one in found.packs] == [
        (PACK, False), ("glec-3.0", True),
    ]  # fmt: skip


def test_assumptions_say_how_many_footprints_they_concern(make: Make) -> None:
    """By code, and by wording; the page shortens long lists, the JSON does not."""
    made = World()
    for at in range(8):
        assumed = (f"MASS_BY_TEU:no {at}", "DAF_ASSUMED:not said")
        deviates = ("NO_PERIOD:none",) * (at % 2)
        made.footprint("A", str(at), [leg("x", "1")], assumptions=assumed, deviations=deviates)
    _, page, said = run(make(made))
    by_code = {one["code"]: one for one in said["assumptions"]}
    assert (by_code["DAF_ASSUMED"]["footprints"], by_code["MASS_BY_TEU"]["footprints"]) == (8, 8)
    assert len(by_code["MASS_BY_TEU"]["texts"]) == 8
    assert said["deviations"][0]["footprints"] == 4
    assert "no 4" in page and "no 5" not in page and "3 more wordings" in page


def test_measured_energy_is_summed_by_carrier_and_unit(make: Make) -> None:
    """Litres and kWh stay apart."""
    made = World()
    energy = ("diesel;1.5;l", "electricity;3;kWh")
    made.footprint("A", "1", [leg("x", "1", energy=energy), leg("y", "1", energy=("diesel;2;l",))])
    assert reported(make(made)).totals.energy == (
        ("diesel", "l", Decimal("3.5")), ("electricity", "kWh", Decimal(3)),
    )  # fmt: skip


def test_a_file_of_before_these_columns_is_read(make: Make) -> None:
    """Columns that an older record did not have are null in the file: nothing is made up."""
    path = make(two())
    with duckdb.connect(str(path)) as file:
        for name in ("packs", "factors", "primary_share", "modelled_share", "period_first",
                     "period_last", "planned", "computed_wtw_kg", "distance_types"):  # fmt: skip
            file.execute(f"UPDATE footprint SET {name} = NULL")
        file.execute("UPDATE leg SET factors = NULL, energy = NULL, planned = NULL, trace = NULL")
    found = reported(path)
    assert found.totals.whole.wtw_kg == 100 and found.totals.quality.not_stated == 1
    assert found.period_first is None and found.undated == 2
    assert [one.ref for one in found.factors] == [ROAD]
    assert [one.name for one in found.packs] == [PACK]
    run(path)


# ---- the page


class Loads(HTMLParser):
    """What a page would load or run, and the text of it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: list[str] = []
        self.words: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            elif name == "href" and (value or "").startswith("#"):
                self.links.append((value or "")[1:])
            elif name in ("src", "href", "srcset", "data", "action", "poster", "background") or (
                name.startswith("on")
            ):
                self.found.append(f"{tag} {name}={value}")

    def handle_data(self, data: str) -> None:
        self.words.append(data)


NASTY = "<script>alert('x')</script>\"&<img src=x onerror=y>"


def test_texts_of_the_data_are_shown_as_text(make: Make) -> None:
    """Every text of a record may be markup: it stands on the page as it is, and does nothing."""
    made = World()
    made.footprint(NASTY, NASTY, [
        leg(NASTY, "1", mode=NASTY, from_place=NASTY, to_place=NASTY, trace=(NASTY,),
            factors=(NASTY,), energy=(f"{NASTY};1;l",), temperature_control=NASTY,
            data_type=NASTY, distance_basis=NASTY),
        hub("h", "1", hoc_id=NASTY, prev_tce_ids=(NASTY,)),
    ], packs=(NASTY,), factors=(NASTY,), assumptions=(f"A:{NASTY}",), warnings=(NASTY,),
       deviations=(NASTY,), uncertainty=NASTY, method=NASTY, inputs=NASTY, input_hash=NASTY,
       distance_types=(NASTY,))  # fmt: skip
    made.incomplete(NASTY, "2", NASTY)
    path = make(made)
    for words in ((NASTY,), ()):
        _, page, _ = run(path, *words)
        seen = Loads(page)
        assert "script" not in seen.tags and "img" not in seen.tags and not seen.found
        assert NASTY in "".join(seen.words)


def test_the_page_loads_nothing(make: Make) -> None:
    """No source, style sheet, script, font or frame; links stay on the page and lead somewhere;
    the browser is told so, too.
    """
    made = years()
    made.footprint("A", "1", [leg("x", "3"), hub("h", "1")], version=2)
    made.incomplete("B", "2", "MASS_UNKNOWN:x")
    path = make(made)
    for words in ((), ("A",), ("--year", "2025")):
        _, page, _ = run(path, *words)
        seen = Loads(page)
        assert not seen.found
        assert not {"script", "link", "iframe", "img", "object", "embed"} & set(seen.tags)
        assert not re.search(r"url\(|@import|https?://", page.replace("http-equiv", ""))
        assert "default-src 'none'" in page
        assert set(seen.links) <= set(seen.ids) and len(seen.ids) == len(set(seen.ids))
        assert all("scope=" in one for one in re.findall(r"<th[ >][^>]*>", page))
        assert seen.tags.count("h1") == 1 and {"main", "header", "caption"} <= set(seen.tags)


def test_the_page_says_the_reporting_elements_of_iso_14083(make: Make) -> None:
    """Reference, period, totals, intensity with its distances, quality, sources, deviations."""
    _, page, _ = run(make(two()))
    statement = page.split('id="statement"')[1].split("</section>")[0]
    for element in ("Reference", "What is reported", "Period", "Total emissions (WTW)",
                    "Energy provision (WTT), operation (TTW)", "Intensity", "By mode and by hub",
                    "Transport activity", "Hub activity", "Data quality",
                    "Sources of default factors", "Split by energy carrier", "Deviations",
                    "Not included", "Supporting information"):  # fmt: skip
        assert f'<th scope="row">{element}</th>' in statement, element
    assert "ISO 14083:2023" in statement and "distance type GCD, SFD" in statement
    assert "carbon.footprints" in statement


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (None, "not known"), ("0", "0"), ("1499.57", "1,499.57"), ("117.2700", "117.27"),
        ("0.0650277", "0.06503"), ("12345678.9", "12,345,679"), ("9.99999", "10"),
        ("-0.5", "−0.5"), ("0.000000004", "0.000000004"), ("100", "100"), ("99.9951", "100"),
        ("1234567890123456789012345678901234", "1,234,567,890,123,456,789,012,345,678,901,234"),
    ],
)  # fmt: skip
def test_numbers_are_rounded_for_reading(value: str | None, says: str) -> None:
    """Thousands apart, few decimals; what is not known is no 0."""
    assert carbon_page.shown(value) == says


def test_the_flow_chart_has_room_for_few_lanes(make: Make) -> None:
    """The largest lanes, the others in one; what flows is all of it; nothing flows, no chart."""
    made = World()
    for at in range(20):
        legs = [leg("x", str(100 + at), from_place=f"from {at}", mode=f"mode {at % 11}")]
        made.footprint("A", str(at), legs)
    path = make(made)
    drawn = chart(reported(path).totals.flows)
    assert drawn is not None and len(drawn.lanes) == 9
    assert len(drawn.modes) == 9 and drawn.modes[-1].name == "3 others"
    assert sum(one.wtw_kg for one in drawn.bands) == sum(range(100, 120))
    assert drawn.lanes[-1].name == "12 other lanes"
    assert sum(one.wtw_kg for one in drawn.lanes) == sum(range(100, 120))
    assert all(one.y >= 0 and one.y + one.height <= drawn.height for one in drawn.lanes)
    _, page, said = run(path)
    assert len(said["totals"]["lanes"]) == 20 and "12 other lanes" in page
    assert chart(()) is None


# ---- the command


def test_the_json_has_exact_numbers(make: Make) -> None:
    """Nine decimals of a large number survive; the page rounds them."""
    made = World()
    made.footprint("A", "1", [leg("x", "123456789.123456789")])
    made.footprint("A", "2", [leg("x", "0.000000001")])
    _, page, said = run(make(made))
    assert said["totals"]["whole"]["wtw_kg"] == "123456789.12345679"
    assert "123,457 t" in page and "exactly 123,456,789.12345679 kg" in page


def test_the_running_sink_gives_the_same_report(make: Make, tmp_path: Path) -> None:
    """While the sink has the file open it is asked, page by page."""
    made = years()
    closed = reported(make(made))
    sink = DuckSink(tmp_path / "live.duckdb", lambda: b"12345678")
    sink.write(w.grouped(made.records), w.offsets_of(made.log))
    server = SqlServer(sink.path, sink.connection, 2, 5.0)
    server.start()
    try:
        assert reported(sink.path) == closed
    finally:
        server.stop()
        sink.close()


def test_what_arrives_while_it_is_read_is_not_in_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two questions the sink writes a new version and another chain: all answers are of
    the moment of the first one.
    """
    made = two()
    sink = DuckSink(tmp_path / "live.duckdb", lambda: b"12345678")
    sink.write(w.grouped(made.records), w.offsets_of(made.log))
    server = SqlServer(sink.path, sink.connection, 100, 5.0)
    server.start()
    asked = carbon_records.query

    def and_then(*question: Any) -> Any:
        answer = asked(*question)
        known = len(made.records)
        made.footprint("A", "1", [leg("x", "1000")], 2 + known)
        made.footprint(f"N{known}", "1", [leg("x", "1000")])
        sink.write(w.grouped(made.records[known:]), w.offsets_of(made.log))
        return answer

    monkeypatch.setattr(carbon_records, "query", and_then)
    try:
        found = reported(sink.path)
    finally:
        server.stop()
        sink.close()
    assert (found.totals.whole.wtw_kg, found.consignments) == (100, 2)
    assert found.totals.unlike_elements == ()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["NOBODY"], "no chain 'NOBODY' in "),
        (["EMPTY"], "no footprints in .* for chain EMPTY, 1 consignments without one"),
        (["--lane", "Nowhere-Lagos"], "no lane 'Nowhere-Lagos' .*: there are Pune – Lagos"),
        (["--month", "2031-01"], "no footprints for month 2031-01: transport ended 2025-03-20 to"),
        (["--month", "2025-13"], "'2025-13' is no month: write YYYY-MM"),
        (["--year", "25"], "--year '25' is no year"),
        (["--year", "2025", "--month", "2025-01"], "give --month or --year"),
        (["--baseline", "2024"], "--baseline is compared with --year"),
        (["--year", "2025", "--baseline", "2025"], "--baseline is compared with --year"),
    ],
)
def test_a_selection_without_footprints_is_an_error_that_says_what_there_is(
    tmp_path: Path, words: list[str], says: str
) -> None:
    """And nothing is written."""
    made = two()
    empty = w.Chain(made.log, "EMPTY").state("CONSIGNMENT", "1")
    path = made.write(tmp_path / "twin.duckdb", empty)
    out = tmp_path / "page.html"
    done = CliRunner().invoke(
        cli.app, ["carbon", "report", *words, "--db", str(path), "--out", str(out)]
    )
    assert isinstance(done.exception, UsageError) and re.search(says, str(done.exception))
    assert not out.exists()


def test_a_file_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    """No file, a text file, another DuckDB file; and nothing to do."""
    other = tmp_path / "other.duckdb"
    duckdb.connect(str(other)).execute("CREATE TABLE x AS SELECT 1").close()
    text = tmp_path / "text.duckdb"
    text.write_text("hello")
    for path, says in ((tmp_path / "none", "no database"), (text, "valid DuckDB database"),
                       (other, "no file of the sink")):  # fmt: skip
        with pytest.raises(UsageError, match=says):
            reported(path)
    done = CliRunner().invoke(cli.app, ["carbon", "report", "--db", str(other)])
    assert "--out" in str(done.exception)


def test_the_page_never_goes_over_the_database(make: Make) -> None:
    """The file that is read is not written, whatever it is called."""
    path = make(two())
    before = path.read_bytes()
    around = path.parent / "x" / ".." / path.name
    (path.parent / "x").mkdir()
    words = ["carbon", "report", "--db", str(path), "--out", str(around)]
    done = CliRunner().invoke(cli.app, words)
    assert "is the database" in str(done.exception)
    assert path.read_bytes() == before


def test_a_record_that_the_sink_could_not_read_is_said(make: Make, tmp_path: Path) -> None:
    """It is in the quarantine of the file, in no total, and counted."""
    made = two()
    bad = made.log.put(FOOTPRINTS, b"A", b"nonsense")
    sink = DuckSink(tmp_path / "bad.duckdb", lambda: b"12345678")
    sink.write(w.grouped([*made.records, bad]), w.offsets_of(made.log))
    sink.close()
    assert reported(sink.path).unreadable == 1
    assert "which table <code>quarantine</code> has: 1." in run(sink.path)[1]
    assert reported(make(two())).unreadable == 0
