"""Where the recipes lie: beside the package in a Lambda layer, at the top of the repository on a laptop."""

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
