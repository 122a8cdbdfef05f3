"""Where the recipes lie: beside the package in a Lambda layer, at the top of the repository on a laptop."""

import hashlib
from functools import cache
from pathlib import Path

from toolsmith.errors import RecipeNotFound


@cache
def root() -> Path:
    """The `recipes/` folder. Raises RecipeNotFound when neither place has one."""
    here = Path(__file__).resolve()
    for base in (here.parents[2], here.parents[3]):
        if (base / "recipes" / "securities").is_dir():
            return base / "recipes"
    raise RecipeNotFound(f"no recipes/ folder beside {here}: rebuild the layer with `sam build`")


def path(name: str) -> Path:
    """The file or folder `name` below recipes/, for example "securities/tools.json"."""
    found = root() / name
    if not found.exists():
        held = sorted(entry.name for entry in root().iterdir())
        raise RecipeNotFound(f"recipes/{name} does not exist; recipes/ holds {held}")
    return found


def digest(student: str) -> str:
    """SHA-256 of all that shapes a run of `student`: the domain, the student's folder, gates and prices.

    Pages for people (README.md) do not count. Raises RecipeNotFound for an unknown student.
    """
    folders = [path(name).rglob("*") for name in ("securities", student)]
    files = [path("gates.json"), path("prices.json"), *(file for folder in folders for file in folder)]
    seen = hashlib.sha256()
    for file in sorted(file for file in files if file.is_file() and file.name != "README.md"):
        name = file.relative_to(root()).as_posix()
        seen.update(f"{name}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return seen.hexdigest()
