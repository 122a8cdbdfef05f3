"""Exact versions of what the cloud takes from the package index, checked before anything starts.

The emulator is reached through private names, so another version is another program.
"""

import subprocess
from importlib import metadata
from pathlib import Path

PROCESS = {"ministack": "1.5.33", "botocore": "1.43.106", "aws-sam-translator": "1.115.0"}
RUNTIME = {"awslambdaric": "4.2.2", "boto3": "1.43.106"}


_ASK = """
import sys, importlib.metadata as metadata
for name in sys.argv[1:]:
    try:
        print(metadata.version(name))
    except metadata.PackageNotFoundError:
        print("absent")
"""


class WrongVersions(RuntimeError):
    """An installed package is not the one the cloud was written for; the message names the remedy."""


def check_process() -> None:
    """Raises WrongVersions unless this interpreter has exactly PROCESS."""
    found = {name: _installed(name) for name in PROCESS}
    _compare(PROCESS, found, "the cloud's environment", "make setup")


def check_runtime(python: Path) -> None:
    """Raises WrongVersions unless the managed runtime exists and has exactly RUNTIME."""
    remedy = f"python3 -m venv {python.parent.parent} && {python} -m pip install " + " ".join(
        f"{name}=={version}" for name, version in RUNTIME.items()
    )
    if not python.exists():
        raise WrongVersions(f"no managed runtime at {python}; make it with: {remedy}")
    out = subprocess.run([python, "-I", "-c", _ASK, *RUNTIME], capture_output=True, text=True, check=True)
    _compare(RUNTIME, dict(zip(RUNTIME, out.stdout.split(), strict=True)), f"the runtime {python}", remedy)


def _installed(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "absent"


def _compare(wanted: dict[str, str], found: dict[str, str], where: str, remedy: str) -> None:
    wrong = [f"{name} {found[name]} (needs {version})" for name, version in wanted.items() if found[name] != version]
    if wrong:
        raise WrongVersions(f"{where} has {', '.join(wrong)}; remedy: {remedy}")
