"""Requests and answers of `supplytwin carbon calculate`, through the command and nothing else."""

import json
from decimal import Decimal
from typing import Any

from typer.testing import CliRunner

from supplytwin.streams.cli import app

Json = dict[str, Any]
RUNNER = CliRunner()
NAMES = ("tce_id", "id", "round_id", "stop_id", "name", "zone", "ref")


def run(*words: str, text: str | None = None) -> tuple[int, str]:
    """(exit code, standard output) of a command."""
    result = RUNNER.invoke(app, ["carbon", *words], input=text)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


def calculate(request: Json | str, *packs: str) -> tuple[int, Json]:
    """(exit code, answer) for a request."""
    text = request if isinstance(request, str) else json.dumps(request)
    words = [word for pack in packs for word in ("--pack", pack)]
    code, said = run("calculate", "-", "--json", *words, text=text)
    return code, json.loads(said)


def done(request: Json | str, *packs: str) -> Json:
    """The answer to a request that is computed whole."""
    code, answer = calculate(request, *packs)
    assert code == 0, answer
    return answer


def refused(request: Json | str, *packs: str) -> dict[str, str]:
    """Code of each finding, by path, of a request that is refused."""
    code, answer = calculate(request, *packs)
    assert code == 1 and answer["refused"], answer
    return {one["path"]: one["code"] for one in answer["findings"]}


def at(answer: Any, path: str) -> Any:
    """What stands at a path like tces.NAME.co2e.co2e_wtw_kg; lists by name or place."""
    for step in path.split("."):
        if isinstance(answer, list):
            named = [one for one in answer if step in [one.get(name) for name in NAMES]]
            answer = named[0] if named else answer[int(step)]
        else:
            answer = answer[step]
    return answer


def number(answer: Any, path: str) -> Decimal:
    """The number at a path."""
    return Decimal(at(answer, path))


def request(*tces: Json, **more: Any) -> Json:
    """A request of these elements."""
    return {"calculation": "1", "chain_id": "test", "tces": list(tces), **more}


def factor(wtw: str | None = "0.1", unit: str = "kg/tkm", **more: Any) -> Json:
    """A factor that needs no adjustment for a distance of kind SFD."""
    basis = {"distance_basis": "SFD"} if unit in {"kg/tkm", "kg/TEU-km"} else {}
    return {"unit": unit, "wtw": wtw, "source": "test", **basis, **more}


def leg(name: str = "1", mass: str = "1000", km: str = "100", **more: Any) -> Json:
    """A transport element by road."""
    made = {"tce_id": name, "mode": "ROAD", "mass_kg": mass, "distance_km": km}
    return {**made, "distance_basis": "SFD", **more}
