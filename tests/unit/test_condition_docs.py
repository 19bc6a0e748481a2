"""docs/conditions.md is run: its examples evaluate to what it says, and it names all there is."""

import json
import re
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from supplytwin import processors
from supplytwin.processors import condition_facts_words, condition_lint
from supplytwin.processors.condition_counting import Cause
from supplytwin.processors.condition_eval import evaluate, explain
from supplytwin.processors.condition_view import Evidence, Scope
from supplytwin.schemas.condition import LEAVES, OPERATORS, micros
from supplytwin.schemas.condition_read import read

TEXT = (Path(__file__).parents[2] / "docs" / "conditions.md").read_text()
EXAMPLES = re.findall(r"```json\n(.*?)```\s*```json\n(.*?)```\s*```text\n(.*?)```", TEXT, re.DOTALL)


def _in_us(value: Any) -> Any:
    """Times that are written out, as us."""
    if isinstance(value, dict):
        return {name: _in_us(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_in_us(one) for one in value]
    is_time = isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT.*", value)
    return micros(value) if is_time else value


@pytest.mark.parametrize("example", EXAMPLES, ids=["paid", "seized", "cold"])
def test_an_example_gives_what_the_page_says(example: tuple[str, str, str]) -> None:
    """The value, and each line of the explanation."""
    written, known, said = example
    found = read(written.encode())
    assert found.value is not None
    given = _in_us(json.loads(known))
    scope = msgspec.convert(given["scope"], Scope)
    evidence = msgspec.convert(given["evidence"], Evidence)
    assert condition_lint.lint(found.value, scope) == ()
    evaluation = evaluate(found.value, evidence, scope)
    lines = [evaluation.value, *explain(evaluation, scope)]
    assert "\n".join(lines) == said.rstrip("\n")


def test_the_page_has_three_examples_and_every_operator() -> None:
    """Each operator with all of its members, each cause and each code of the lint has its row."""
    assert len(EXAMPLES) == 3
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*)$", TEXT, re.MULTILINE))
    for name in OPERATORS:
        for field in getattr(LEAVES.get(name), "__struct_fields__", ()):
            assert f"`{field.removesuffix('_')}" in rows[name], (name, field)
    codes = (*condition_lint.FAULTS, condition_lint.TWICE, condition_lint.DOUBTFUL)
    assert set(rows) == {*OPERATORS, *get_args(Cause), *codes}


def test_the_page_names_every_reason_and_word_of_the_evidence_from_a_twin() -> None:
    """Why a fact counts for nothing, and what a leaf may ask for beside the milestones."""
    root = Path(processors.__file__).parent
    sources = [path.read_text() for path in root.glob("condition_facts*.py")]
    told = re.findall(
        r'(?:reason=|ignore\(\w+, |leave\(\w+, |reason = )"([A-Z_]+)"', "".join(sources)
    )
    words = {*condition_facts_words.UNITS, condition_facts_words.HOLD, condition_facts_words.SEIZED}
    words |= {condition_facts_words.FREE, condition_facts_words.AT_BUYERS, *told}
    assert len(told) > 12
    assert {word for word in words if word not in TEXT} == set()
