"""What tells runs on one corpus apart: every recipe and parameter that shapes a run, and nothing else."""

import shutil
from decimal import Decimal

import pytest

from local.cli.demo import run_of_this_corpus, settings_of
from local.cli.status import State
from tests.template.loading import ROOT
from toolsmith import recipes
from toolsmith.errors import RecipeNotFound
from toolsmith.pipeline.defaults import RunDefaults

PARAMETERS = {"Student": "nova-2-lite", "Teacher": "t", "Seed": "0", "ControlArm": "false",
              "CustomizeOn": "training-job"}  # fmt: skip


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """recipes/, free to be changed."""
    copy = shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    monkeypatch.setattr(recipes, "root", lambda: copy)
    return copy


@pytest.mark.parametrize(
    "file",
    ["nova-2-lite/profile.yaml", "nova-2-lite/rft-lora.yaml", "securities/tools.json", "securities/student_prompt.txt",
     "gates.json", "prices.json"],
)  # fmt: skip
def test_a_changed_recipe_is_another_setting(copied, file):
    before = settings_of(PARAMETERS)
    assert settings_of(PARAMETERS) == before
    (copied / file).write_bytes((copied / file).read_bytes() + b"\n")
    assert settings_of(PARAMETERS) != before


@pytest.mark.parametrize("file", ["local/rft-lora.yaml", "nova-1/README.md", "nova-2-lite/README.md"])
def test_what_another_student_or_people_read_changes_nothing(copied, file):
    before = settings_of(PARAMETERS)
    (copied / file).write_text("other\n")
    assert settings_of(PARAMETERS) == before


def test_a_recipe_under_another_name_is_another_setting(copied):
    before = recipes.digest("nova-2-lite")
    (copied / "nova-2-lite" / "judge.yaml").rename(copied / "nova-2-lite" / "judges.yaml")
    assert recipes.digest("nova-2-lite") != before


def test_an_unknown_student_is_told():
    with pytest.raises(RecipeNotFound, match="nova-9"):
        recipes.digest("nova-9")


@pytest.mark.parametrize(
    "changed",
    [{"Seed": "1"}, {"ControlArm": "true"}, {"Teacher": "u"}, {"Student": "local"}, {"CustomizeOn": "bedrock"}],
)
def test_a_changed_parameter_is_another_setting(changed):
    assert settings_of({**PARAMETERS, **changed}) != settings_of(PARAMETERS)


class Held:
    """A watcher of a corpus of 40 examples that had one run, as the ledger gives it back."""

    def __init__(self, settings):
        settings = {**settings, "seed": Decimal(settings["seed"])}
        self._row = {"id": "run-1", "examples": Decimal(40), "settings": settings}

    def state(self):
        return State(examples=40)

    def rows(self, kind):
        return [self._row] if kind == "RUN" else []


def test_the_demo_takes_up_a_run_only_under_the_settings_that_it_had(copied):
    held, now = Held(RunDefaults("nova-2-lite", "t", 0, False).settings()), settings_of(PARAMETERS)
    assert run_of_this_corpus(held, now) == "run-1"
    assert run_of_this_corpus(held, settings_of({**PARAMETERS, "Seed": "1"})) is None
    (copied / "gates.json").write_text("{}")
    assert run_of_this_corpus(held, settings_of(PARAMETERS)) is None
