"""Writes docs/licences.md: what every locked package is licensed under, as its own metadata says.

python requirements/licences.py ENVIRONMENT...      site-packages are looked for below each; run by `make licences`
"""

import re
import sys
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "licences.md"
ABSENT = "not installed on this system"
HEAD = """# Licences of what this project uses

Toolsmith itself is under Apache-2.0. None of the packages below is copied into it; the layer that is deployed holds
those marked "layer". As the packages' own metadata says; written by `make licences`.

| package | version | licence | used in |
|---|---|---|---|
"""


def name_of(text: str) -> str:
    """A package's name as registries compare it."""
    return re.sub(r"[-_.]+", "-", text).lower()


def locked(path: Path) -> dict[str, str]:
    """Name -> version of a file of requirements."""
    found = re.findall(r"^([\w.\[\]-]+)==([^\s;]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {name_of(name.partition("[")[0]): version for name, version in found}


def licence_of(package: Distribution) -> str:
    """The SPDX expression where there is one, else the classifiers, else the first line of the licence field, else the
    name of the file that holds the licence."""
    meta = package.metadata
    if meta.get("License-Expression"):
        return meta["License-Expression"]
    classified = [text.rpartition(" :: ")[2] for text in meta.get_all("Classifier", []) if "License ::" in text]
    plain = (meta.get("License") or "").strip().splitlines()
    file = f"see its {meta['License-File']}" if meta.get("License-File") else "not said"
    return ", ".join(classified) or (plain[0][:60] if plain else file)


def installed(environments: Iterable[Path]) -> dict[str, str]:
    """Name -> licence of everything installed in the environments."""
    places = [str(path) for folder in environments for path in sorted(folder.glob("lib/python*/site-packages"))]
    return {name_of(found.metadata["Name"]): licence_of(found) for found in distributions(path=places)}


def uses() -> dict[tuple[str, str], list[str]]:
    """(name, version) -> the places that ask for it."""
    files = {
        "layer": ROOT / "layers/toolsmith/requirements.txt",
        "Lambda's runtime": ROOT / "requirements/runtime.lock",
        "laptop": ROOT / "requirements/laptop.lock",
        "laptop's student": ROOT / "requirements/torch.txt",
        "SAM CLI": ROOT / "requirements/sam.lock",
        "locks and audit": ROOT / "requirements/supply.lock",
    }
    found: dict[tuple[str, str], list[str]] = {}
    for place, path in files.items():
        for pair in locked(path).items():
            found.setdefault(pair, []).append(place)
    return found


def page(licences: dict[str, str]) -> str:
    """The whole page. A package that is for other systems than this one is not installed here, and says so."""
    rows = [
        f"| {name} | {version} | {licences.get(name, ABSENT)} | {', '.join(places)} |"
        for (name, version), places in sorted(uses().items())
    ]
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    known = installed(map(Path, sys.argv[1:]))
    PAGE.write_text(page(known), encoding="utf-8")
    absent = sorted({name for name, _ in uses() if name not in known})
    print(f"{PAGE.relative_to(ROOT)}: {len(uses())} packages; {ABSENT}: {', '.join(absent) or 'none'}")
