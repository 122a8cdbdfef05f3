"""Aims of a student: what a profile may say, and what is told where it is wrong."""

import shutil

import pytest

from toolsmith import recipes
from toolsmith.customization import aims, load_profile
from toolsmith.customization.aims import DifferenceAim, ScoreAim
from toolsmith.errors import RecipeInvalid
from toolsmith.reporting.breakdown import PAIRS

SCORE = {"arm": "best", "score": 0.9}
GAIN = {"candidate": "rft", "rival": "sft", "above": 0.02}
KEPT = {"candidate": "rft", "rival": "more_sft", "wording": "labelled", "no_loss": True}


def test_an_aim_is_a_score_a_gain_or_no_loss():
    entries = [SCORE, {**GAIN, "wording": "unlabelled", "tried": "Much."}, KEPT]
    assert aims.read(entries, "p.yaml") == (
        ScoreAim("best", 0.9),
        DifferenceAim("rft", "sft", 0.02, "unlabelled", "Much."),
        DifferenceAim("rft", "more_sft", None, "labelled"),
    )
    assert aims.read([], "p.yaml") == ()


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("arm: sft", "entry 2: wants arm and score, or candidate and rival with above or no_loss"),
        ("candidate: rft", "entry 2: wants arm and score, or candidate and rival"),
        (None, "entry 2: wants arm and score"),
        ({"score": 0.9}, "entry 2: wants arm and score"),
        ({"arm": "sft"}, "entry 2: score is missing"),
        ({**SCORE, "least": 0.9}, "entry 2: least is no key of it; it takes arm, score, tried"),
        ({**SCORE, "arm": "dpo"}, "entry 2, arm: 'dpo'; write best or sft or more_sft or rft"),
        ({**SCORE, "score": 92}, "entry 2, score: 92; write a fraction from 0 to 1"),
        ({**SCORE, "score": "0.9"}, "entry 2, score: '0.9'; write a fraction"),
        ({**SCORE, "score": True}, "entry 2, score: True; write a fraction"),
        ({**SCORE, "tried": ["much"]}, "entry 2, tried: \\['much'\\]; write a sentence in quotes, or leave"),
        ({"candidate": "rft", "rival": "sft"}, "entry 2: wants either above, the least gain, or no_loss: true"),
        ({**GAIN, "no_loss": True}, "entry 2: wants either above, the least gain, or no_loss"),
        ({"candidate": "rft", "above": 0.02}, "entry 2: rival is missing"),
        ({**GAIN, "margin": 0.1}, "entry 2: margin is no key of it; it takes above, candidate, rival, tried, wording"),
        ({**GAIN, "candidate": "base"}, "entry 2, candidate: 'base'; write sft or rft"),
        ({**GAIN, "rival": "rft"}, "entry 2, rival: 'rft'; write sft or more_sft or base"),
        ({**GAIN, "candidate": "sft"}, "entry 2, rival: 'sft'; write base or base_tools"),
        ({**GAIN, "rival": ["sft"]}, "entry 2, rival: \\['sft'\\]; write"),
        ({**GAIN, "above": -0.02}, "entry 2, above: -0.02; write a fraction"),
        ({**GAIN, "wording": "brisk"}, "entry 2, wording: 'brisk'; write labelled or unlabelled"),
        ({**KEPT, "no_loss": False}, "entry 2, no_loss: False; write true, or above"),
        ({**KEPT, 3: 4}, "entry 2: 3 is no key of it"),
    ],
)
def test_a_wrong_aim_is_told_with_file_entry_key_and_remedy(entry, says):
    with pytest.raises(RecipeInvalid, match="^local/profile.yaml, aims, " + says):
        aims.read([SCORE, entry], "local/profile.yaml")


@pytest.mark.parametrize("entries", [{"arm": "sft"}, None, "sft"])
def test_aims_are_a_list(entries):
    with pytest.raises(RecipeInvalid, match="^p.yaml, aims: wants a list; leave the key out"):
        aims.read(entries, "p.yaml")


def test_a_profile_with_a_wrong_aim_does_not_load(tmp_path, monkeypatch):
    copy = shutil.copytree(recipes.root(), tmp_path / "recipes")
    file = copy / "nova-2-lite" / "profile.yaml"
    file.write_text(file.read_text() + "\naims: [{arm: sft, score: 75}]\n")
    monkeypatch.setattr(recipes, "root", lambda: copy)
    with pytest.raises(RecipeInvalid, match="^nova-2-lite/profile.yaml, aims, entry 1, score: 75; write a fraction"):
        load_profile("nova-2-lite")


@pytest.mark.parametrize(("mean", "met"), [(0.92, True), (0.91951, True), (0.91949, False), (0.5, False)])
def test_a_score_counts_as_it_is_shown(mean, met):
    assert ScoreAim("best", 0.92).met({"mean": mean, "low": 0.1, "high": 1.0}) is met


@pytest.mark.parametrize(
    ("mean", "low", "high", "gained", "kept"),
    [
        (0.05, 0.01, 0.09, True, True),
        (0.05, -0.01, 0.11, False, True),
        (0.05, 0.0, 0.1, False, True),
        (0.01, 0.001, 0.02, False, True),
        (-0.02, -0.04, 0.0, False, True),
        (-0.02, -0.04, -0.001, False, False),
    ],
)
def test_a_gain_must_be_large_enough_and_shown_and_no_loss_must_not_be_shown(mean, low, high, gained, kept):
    difference = {"mean": mean, "low": low, "high": high}
    assert DifferenceAim("rft", "sft", above=0.02).met(difference) is gained
    assert DifferenceAim("rft", "sft").met(difference) is kept


def test_a_report_compares_every_pair_that_an_aim_may_name():
    assert {(one, other) for one, rivals in aims.RIVALS.items() for other in rivals} <= set(PAIRS)


def test_the_embedded_student_has_aims_and_says_what_was_tried_for_each():
    wanted = aims.read(load_profile("local").aims, "local/profile.yaml")
    assert {type(aim) for aim in wanted} == {ScoreAim, DifferenceAim}
    assert all("docs/decisions.md" in aim.tried for aim in wanted)
    assert load_profile("nova-2-lite").aims == load_profile("nova-1").aims == []
