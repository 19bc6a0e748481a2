"""Contracts for the tests: the examples of the templates, changed where a test says so."""

import copy
import json
from typing import Any

from supplytwin.processors import contract_templates
from supplytwin.schemas.contract import ContractTerms, written
from supplytwin.schemas.contract_read import read
from supplytwin.schemas.contract_templates import shipped

NAMES = tuple(shipped())
ELECTRONICS, DURIAN, LOTS = "electronics-dap", "durian-cold-chain", "machine-lots"


def example(name: str = ELECTRONICS) -> dict[str, Any]:
    """The example parameters of a template, for one test alone."""
    return copy.deepcopy(shipped()[name].example)


def terms(name: str = ELECTRONICS, **changes: Any) -> ContractTerms:
    """The terms that a template makes of its example, with other parameters."""
    raw = json.dumps(example(name) | changes).encode()
    made = contract_templates.make(shipped()[name], raw)
    assert made.raw is not None, made.findings
    found = read(made.raw)
    assert found.value is not None, found.findings
    return found.value


def document(name: str = ELECTRONICS, **changes: Any) -> dict[str, Any]:
    """The same as a JSON object with every default written out."""
    made: dict[str, Any] = json.loads(json.dumps(written(terms(name, **changes))))
    return made


def free(name: str = ELECTRONICS) -> dict[str, Any]:
    """The same terms without a template: they may be changed."""
    return document(name) | {"template": None, "template_version": None, "parameters": {}}


def put(value: Any, path: str, new: Any) -> None:
    """Put something at a path like ``tranches.0.window.deadline``; ... takes it away."""
    *steps, last = [int(one) if one.isdecimal() else one for one in path.split(".")]
    for step in steps:
        value = value[step]
    if new is ...:
        del value[last]
    elif isinstance(value, list) and last == len(value):
        value.append(new)
    else:
        value[last] = new


def changed(made: dict[str, Any], changes: dict[str, Any]) -> bytes:
    """The JSON text of a document with changes by path."""
    for path, new in changes.items():
        put(made, path, new)
    return json.dumps(made).encode()
