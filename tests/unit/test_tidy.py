"""The house rules that a machine can see."""

import ast
import os
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("schemas", "processors", "streams", "sinks")
MODULES = [path for name in PACKAGES for path in sorted((ROOT / name).glob("*.py"))]
PURE = ("schemas", "processors")
BANNED_IN_PURE = {
    "time", "random", "secrets", "logging", "structlog", "socket", "requests", "subprocess",
}  # fmt: skip


def _id(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _functions(tree: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(tree) if isinstance(node, kinds)]


@pytest.mark.parametrize("path", MODULES, ids=_id)
def test_modules_and_functions_stay_short(path: Path) -> None:
    """A module has at most 400 lines, a function at most 70."""
    text = path.read_text()
    assert text.count("\n") <= 400 or path.name == "events.py", f"{_id(path)} is too long"
    for function in _functions(ast.parse(text)):
        length = (function.end_lineno or 0) - function.lineno + 1
        assert length <= 70, f"{_id(path)}:{function.lineno} {function.name} has {length} lines"


@pytest.mark.parametrize("path", MODULES, ids=_id)
def test_every_module_and_public_name_has_a_docstring(path: Path) -> None:
    """A module says what it is, and so does every public function and class that is not
    obvious.
    """
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), f"{_id(path)} has no docstring"
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{_id(path)}:{node.lineno} {node.name}"


@pytest.mark.parametrize("path", MODULES, ids=_id)
def test_nothing_is_printed_and_nothing_is_left_undone(path: Path) -> None:
    """No print, and no mark of unfinished work."""
    text = path.read_text()
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    assert not [c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "print"]
    assert not re.search(r"\b(TODO|FIXME|XXX)\b|NotImplementedError", text)


def _is_pure(path: Path) -> bool:
    return path.parent.name in PURE or path.name.startswith(
        ("iso20022_", "bank_rail_", "reconcile")
    )


@pytest.mark.parametrize("path", [path for path in MODULES if _is_pure(path)], ids=_id)
def test_meaning_and_consequence_are_pure(path: Path) -> None:
    """No module of schemas or processors, and none that writes or reads a bank's messages, reads a
    clock, random numbers, the environment or a log.
    """
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        elif isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv", "utcnow"}:
            names = ["environ"]
        elif isinstance(node, ast.Attribute) and node.attr in {"now", "today"}:
            names = [] if isinstance(node.value, ast.Name) and node.value.id == "self" else ["now"]
        bad = {name.split(".")[0] for name in names} & (BANNED_IN_PURE | {"environ", "now"})
        assert not bad, f"{_id(path)}:{getattr(node, 'lineno', 0)} uses {sorted(bad)}"


def test_only_streams_speaks_to_kafka() -> None:
    """confluent_kafka and faust are imported in streams and nowhere else."""
    for path in MODULES:
        if path.parent.name != "streams":
            assert not re.search(
                r"^\s*(import|from) (confluent_kafka|faust|aiokafka)", path.read_text(), re.M
            )


def test_money_never_meets_a_float() -> None:
    """The modules that decide about money use neither float literals nor float()."""
    patterns = (
        "processors/settlement*.py", "*/condition*.py", "sinks/iso20022_*.py", "sinks/bank_rail*.py"
    )  # fmt: skip
    found = [path for pattern in patterns for path in ROOT.glob(pattern)]
    modules = [f"{path.parent.name}/{path.name}" for path in found]
    assert len(modules) > 24
    modules += [f"processors/{name}.py" for name in ("amounts", "quantities", "adjustments")]
    modules += ["schemas/amounts.py", "schemas/dimensions.py", "schemas/durations.py"]
    for name in (*modules, "processors/evidence.py", "processors/postings.py", "schemas/money.py",
                 "schemas/terms.py", "sinks/reconcile.py"):  # fmt: skip
        tree = ast.parse((ROOT / name).read_text())
        for node in ast.walk(tree):
            assert not (isinstance(node, ast.Constant) and isinstance(node.value, float)), name
            assert not (isinstance(node, ast.Name) and node.id == "float"), name


def test_folders_are_flat_and_listed() -> None:
    """The packages have no folders of their own (they would be missing from the wheel)."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        config = tomllib.load(file)
    assert config["tool"]["setuptools"]["packages"] == [f"supplytwin.{n}" for n in PACKAGES]
    for name in PACKAGES:
        inner = [p for p in (ROOT / name).iterdir() if p.is_dir() and p.name != "__pycache__"]
        assert not inner, f"{name} must stay flat"


def test_pyright_checks_every_module() -> None:
    """Pyright follows no link below a folder that it is told to check (nor does os.walk), and ends
    with success when it finds nothing there.
    """
    with (ROOT / "pyproject.toml").open("rb") as file:
        config = tomllib.load(file)["tool"]["pyright"]
    checked = {
        Path(folder, name).resolve()
        for entry in config["include"]
        for folder, _, names in os.walk(ROOT / entry)
        for name in names
    }
    assert {path.parent.name for path in MODULES} == set(PACKAGES)
    assert not set(MODULES) - checked
    assert not {"exclude", "ignore"} & config.keys(), "what is left out is checked by nobody"


def test_dependency_files_name_no_host() -> None:
    """The lock and the pom pin by name and hash; where packages come from is the machine's
    business.
    """
    for name in ("requirements.lock", "infra/iso20022.lock", "infra/kafka/pom.xml"):
        for line in (ROOT / name).read_text().splitlines():
            if "://" in line:
                assert re.search(r"xmlns|schemaLocation|POM/4", line), f"{name}: {line.strip()}"
    assert not (ROOT / "uv.lock").exists()


def test_no_machine_paths() -> None:
    """Nothing in the tree names a path of the machine on which it was written."""
    for path in ROOT.rglob("*"):
        hidden = any(
            part.startswith(".") and part != ".ci" for part in path.relative_to(ROOT).parts
        )
        if hidden or not path.is_file() or path.suffix in {".csv", ".pyc"}:
            continue
        text = path.read_bytes().decode(errors="ignore")
        assert "/work" + "/" not in text, path
