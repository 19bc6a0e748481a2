"""Install the built wheel into an empty environment and test it with the source tree out of reach.

usage: wheel_test.py dist/NAME.whl requirements.lock
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

TEST_TOOLS = ("pytest", "hypothesis", "jsonschema", "pyyaml")


def run(*command: str | Path, cwd: Path, env: dict[str, str]) -> None:
    """Run one command from `cwd`; leave with its exit code when it fails."""
    done = subprocess.run([str(part) for part in command], cwd=cwd, env=env, check=False)
    if done.returncode:
        sys.exit(f"failed ({done.returncode}): {' '.join(str(part) for part in command)}")


def main(wheel: Path, lock: Path) -> None:
    root = Path(__file__).resolve().parent.parent
    with tempfile.TemporaryDirectory(prefix="supplytwin-wheel-") as name:
        work = Path(name)
        venv.create(work / "venv", with_pip=True)
        python = work / "venv" / "bin" / "python"
        env = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "VIRTUAL_ENV"}}
        pins = re.findall(r"^(\S+==\S+)", lock.read_text(), re.MULTILINE)
        (work / "constraints.txt").write_text("\n".join(pins))
        quiet = ("--quiet", "--disable-pip-version-check", "-c", work / "constraints.txt")
        run(python, "-m", "pip", "install", *quiet, wheel.resolve(), *TEST_TOOLS, cwd=work, env=env)
        shutil.copytree(root / "tests" / "unit", work / "tests" / "unit")
        shutil.copytree(root / "tests" / "data", work / "tests" / "data")
        shutil.copy(root / "tests" / "conftest.py", work / "tests" / "conftest.py")
        shutil.copy(root / "tests" / "counts.toml", work / "tests" / "counts.toml")
        shutil.copytree(root / "docs", work / "docs")
        for file in ("pyproject.toml", "README.md"):
            shutil.copy(root / file, work / file)
        # What speaks about the source tree itself has nothing to say about the wheel.
        for test in ("test_tidy.py", "test_docs.py"):
            (work / "tests" / "unit" / test).unlink()
        run(python, "-m", "pytest", "--tier=wheel", "-q", "tests/unit", cwd=work, env=env)
        elsewhere = work / "elsewhere"
        elsewhere.mkdir()
        command = python.parent / "supplytwin"
        run(command, "demo", "--broker", "memory", "--chains", "200", cwd=elsewhere, env=env)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
