"""What a run does not reach or loses: found by its numbers, told once, and told first."""

import json
from dataclasses import replace

import jsonschema
import pytest
from lxml import etree

from local.cloud.model_cards import CONTENT
from tests.unit import reporting_run
from toolsmith import reporting
from toolsmith.customization import aims
from toolsmith.reporting import registry_card, shortfalls
from toolsmith.reporting.card import model_card
from toolsmith.reporting.page import page

BEST = {"arm": "best", "score": 0.92}
GAIN = {"candidate": "rft", "rival": "sft", "wording": "unlabelled", "above": 0.02}
KEPT = {"candidate": "rft", "rival": "more_sft", "wording": "labelled", "no_loss": True}


def interval(mean: float, around: float = 0.02) -> dict[str, float]:
    return {"mean": mean, "low": round(mean - around, 6), "high": round(mean + around, 6)}


def compared(**means: float) -> list[dict]:
    """Differences as a report has them; "rft_sft" is RFT - SFT, "rft_more_sft" RFT - more SFT."""
    pairs = {"rft_sft": ("rft", "sft"), "rft_more_sft": ("rft", "more_sft"), "more_sft_sft": ("more_sft", "sft"),
             "sft_base": ("sft", "base"), "base_tools_base": ("base_tools", "base")}  # fmt: skip
    return [
        {"candidate": pairs[name][0], "rival": pairs[name][1], "score": interval(mean), "talk_score": interval(-0.5)}
        for name, mean in means.items()
    ]


def run(candidate: str | None = "rft", labelled=(), unlabelled=(), paired=None, **scores: float) -> dict:
    """What of a report is looked at; without changes everything that is compared is better by 10 points."""
    gains = compared(sft_base=0.3, rft_sft=0.1, rft_more_sft=0.1)
    wordings = {"labelled": labelled, "unlabelled": unlabelled}
    known = {"constant": 0.14, "base": 0.2, "sft": 0.8, "more_sft": 0.8, "rft": 0.9, **scores}
    return {
        "outcome": {"candidate": candidate, "registered": candidate is not None},
        "arms": {arm: {"score": interval(mean)} for arm, mean in known.items()},
        "paired": gains if paired is None else paired,
        "wordings": {name: {"differences": list(found or gains)} for name, found in wordings.items()},
    }


def found(report: dict, *wanted: dict) -> list[dict]:
    return shortfalls.find(report, aims.read(list(wanted), "plan.json"))


def told(report: dict, *wanted: dict) -> list[str]:
    return [f"{entry['what']} {entry['tried']}".strip() for entry in found(report, *wanted)]


def test_a_run_that_reaches_and_loses_nothing_has_no_shortfalls():
    assert told(run()) == []
    assert told(run(rft=0.93), BEST, GAIN, KEPT) == []


def test_a_missed_score_is_told_with_its_interval_the_aim_and_what_was_tried():
    (entry,) = found(run(), {**BEST, "tried": "Much was tried."})
    assert entry == {
        "kind": "aim",
        "what": "The best model, RFT, scores 90.0 % [88.0, 92.0]; the aim is at least 92 %.",
        "numbers": {"arm": "rft", "score": {"mean": 0.9, "low": 0.88, "high": 0.92}, "least": 0.92},
        "tried": "Much was tried.",
    }
    assert told(run(), {"arm": "sft", "score": 0.85}) == ["SFT scores 80.0 % [78.0, 82.0]; the aim is at least 85 %."]


def test_the_best_model_is_the_trained_one_that_scores_highest_whatever_was_registered():
    (said,) = told(run("sft", more_sft=0.91, base=0.95), BEST)
    assert said.startswith("The best model, more SFT for the same compute, scores 91.0 %")


@pytest.mark.parametrize(
    ("mean", "said"),
    [
        (0.0, "RFT is not shown to be better than SFT: +0.0 points [−2.0, +2.0]; the aim is at least 3 points more"),
        (0.025, "RFT gains too little over SFT: +2.5 points [+0.5, +4.5]; the aim is at least 3 points more"),
        (-0.05, "RFT loses to SFT: −5.0 points [−7.0, −3.0]; the aim is at least 3 points more"),
    ],
)
def test_a_missed_gain_says_how_it_was_missed(mean, said):
    report = run(unlabelled=compared(rft_sft=mean))
    where = "On wordings that training had no labels for, "
    assert told(report, {**GAIN, "above": 0.03}) == [f"{where}{said}, its interval above zero."]


def test_a_shown_loss_is_told_without_any_aim():
    report = run(labelled=compared(rft_sft=0.1, rft_more_sft=-0.03))
    (entry,) = found(report)
    assert entry == {
        "kind": "loss",
        "what": "On wordings that training had labels for, RFT loses to more SFT for the same compute: "
        "−3.0 points [−5.0, −1.0].",
        "numbers": {
            "candidate": "rft",
            "rival": "more_sft",
            "wording": "labelled",
            "difference": {"mean": -0.03, "low": -0.05, "high": -0.01},
        },
        "tried": "",
    }


def test_a_loss_that_an_aim_names_is_told_once_with_the_aim():
    report = run(labelled=compared(rft_more_sft=-0.03), paired=compared(rft_more_sft=-0.04))
    assert told(report, {**KEPT, "tried": "Much."}) == [
        "On wordings that training had labels for, RFT loses to more SFT for the same compute: −3.0 points "
        "[−5.0, −1.0]; the aim is no shown loss. Much.",
        "Over all questions, RFT loses to more SFT for the same compute: −4.0 points [−6.0, −2.0].",
    ]


def test_a_loss_that_is_not_shown_is_none():
    assert told(run(paired=compared(rft_sft=-0.01, rft_more_sft=-0.019)), KEPT) == []


def test_rft_and_what_was_registered_are_watched_and_nothing_else():
    lost = compared(rft_sft=-0.1, sft_base=-0.2, more_sft_sft=0.1, base_tools_base=-0.3)
    all_questions = "Over all questions, "
    assert told(run("sft", paired=lost)) == [
        f"{all_questions}RFT loses to SFT: −10.0 points [−12.0, −8.0].",
        f"{all_questions}SFT loses to the base model: −20.0 points [−22.0, −18.0].",
        f"{all_questions}SFT loses to more SFT for the same compute: −10.0 points [−12.0, −8.0].",
    ]
    assert told(run("rft", paired=lost)) == [f"{all_questions}RFT loses to SFT: −10.0 points [−12.0, −8.0]."]
    assert told(run(None, paired=lost)) == told(run("sft", paired=lost))


def test_what_was_not_measured_is_neither_reached_nor_missed():
    report = run(paired=compared(sft_base=0.3), labelled=compared(sft_base=0.3), unlabelled=compared(sft_base=0.3))
    del report["arms"]["rft"], report["arms"]["more_sft"]
    (entry,) = found(report, {"arm": "sft", "score": 0.75}, {"arm": "rft", "score": 0.92}, GAIN, KEPT)
    assert entry["kind"] == "unmeasured" and entry["numbers"] == {"aims": 3}
    assert entry["what"] == (
        "Aims that this run did not measure: the score of RFT; RFT against SFT on wordings that training had no labels "
        "for; RFT against more SFT for the same compute on wordings that training had labels for."
    )
    nothing = {"outcome": {}, "arms": {}, "paired": [], "wordings": {}}
    assert told(nothing, BEST) == ["Aims that this run did not measure: the score of the best model."]


def test_where_all_wordings_have_labels_an_aim_for_those_is_one_for_all_questions():
    report = {**run(paired=compared(rft_more_sft=-0.03)), "wordings": {}}
    (said,) = told(report, KEPT)
    assert said.startswith("Over all questions, RFT loses to more SFT") and said.endswith("the aim is no shown loss.")


def test_a_model_below_the_constant_answer_is_told():
    assert told(run(base=0.11)) == [
        "The base model alone scores 11.0 % [9.0, 13.0], less than one constant answer to every question: "
        "14.0 % [12.0, 16.0]."
    ]
    assert told(run(base=0.125)) == [], "the interval holds what the constant answer scores"
    (said,) = told(run("sft", sft=0.1))
    assert said.startswith("SFT scores 10.0 %")


ENTRY = {"kind": "aim", "what": "RFT scores too little.", "numbers": {}, "tried": "Much was tried."}
LOSS = {"kind": "loss", "what": "RFT loses to SFT.", "numbers": {}, "tried": ""}


@pytest.fixture(scope="module")
def facts():
    """A run whose plan pins one aim that it misses and one that it meets."""
    made = reporting_run.facts()
    wanted = [{"arm": "rft", "score": 1, "tried": "Much was tried."}, {"arm": "sft", "score": 0}]
    return replace(made, plan={**made.plan, "aims": wanted})


def words(node) -> str:
    return " ".join("".join(node.itertext()).split())


def opened(report: dict, **changes):
    return etree.HTML(page({**report, **changes}))


def test_a_run_is_judged_by_the_aims_that_its_plan_pins(facts, report):
    (entry,) = report["shortfalls"]
    score = facts.measures["rft"]["score"]
    assert entry["what"] == f"RFT scores {reporting.percent(score)}; the aim is at least 100 %."
    assert report["aims"] == facts.plan["aims"]
    assert report["verdict"] == reporting.verdict(facts, 1)
    keys = list(report)
    assert keys.index("shortfalls") == keys.index("verdict") + 1 < keys.index("arms")


def test_a_plan_of_an_old_run_has_no_aims():
    report = json.loads(reporting.build(reporting_run.facts())["report.json"])
    assert (report["aims"], report["shortfalls"]) == ([], [])


def test_the_verdict_ends_with_the_number_of_shortfalls(facts):
    said = reporting.verdict(facts)
    assert reporting.verdict(facts, 1) == said.removesuffix(".") + "; the report begins with 1 shortfall."
    assert reporting.verdict(facts, 2) == said.removesuffix(".") + "; the report begins with 2 shortfalls."
    without = replace(facts, outcome={"registered": False, "candidate": None})
    assert reporting.verdict(without, 3).endswith("; the report begins with 3 shortfalls.")


def test_the_page_begins_with_the_shortfalls(report):
    (section,) = opened(report, shortfalls=[ENTRY, LOSS]).xpath("//h1/following-sibling::*[1]")
    assert words(section.find("h2")) == "Not reached, or lost"
    assert section.get("aria-labelledby") == section.find("h2").get("id")
    assert [words(item) for item in section.iter("li")] == [f"{ENTRY['what']} {ENTRY['tried']}", LOSS["what"]]
    assert section.xpath("following-sibling::*[1]/@class") == ["lead"]


def test_numbers_and_their_intervals_do_not_break(report):
    what = "RFT loses: −1.9 points [−3.8, −0.5]; constant 13.6 % [11.7, 15.3]."
    (item,) = opened(report, shortfalls=[{**LOSS, "what": what}]).xpath("//section[@class='shortfalls']//li")
    assert "−1.9\N{NO-BREAK SPACE}points" in item.text and "13.6\N{NO-BREAK SPACE}%" in "".join(item.itertext())
    assert [part.text for part in item.iter("small")] == [" [−3.8, −0.5]", " [11.7, 15.3]"]


@pytest.mark.parametrize(
    ("missed", "wanted", "said"),
    [
        ([], [{"arm": "sft", "score": 0}], True),
        ([LOSS], [{"arm": "sft", "score": 0}], True),
        ([ENTRY, LOSS], [{"arm": "sft", "score": 0}], False),
        ([{**ENTRY, "kind": "unmeasured"}], [{"arm": "sft", "score": 0}], False),
        ([LOSS], [], False),
        ([], [], False),
    ],
)
def test_that_all_aims_are_met_is_said_where_there_are_any(report, missed, wanted, said):
    shown = opened(report, shortfalls=missed, aims=wanted)
    assert ("Every aim of this student is met." in words(shown)) is said
    assert bool(shown.xpath("//section[@class='shortfalls']")) is bool(missed)


def test_what_was_tried_cannot_become_markup(report):
    hostile = {**ENTRY, "tried": reporting_run.HOSTILE}
    shown = opened(report, shortfalls=[hostile])
    assert shown.xpath("//script | //img") == []
    (item,) = shown.xpath("//section[@class='shortfalls']//li")
    assert '<script>alert("1")</script>' in words(item)
    assert "<script>" not in model_card({**report, "shortfalls": [hostile]})


def test_both_model_cards_tell_of_shortfalls(files, report):
    (entry,) = report["shortfalls"]
    card = files["model_card.md"].decode()
    assert f"\n\n## Not reached, or lost\n\n- {entry['what']} Much was tried.\n\n## " in card, "a list of its own"
    assert card.index("Not reached") < card.index("## Intended use")
    assert "Not reached" not in model_card({**report, "shortfalls": []})
    content = registry_card.content(report)
    jsonschema.validate(content, CONTENT)
    assert content["additional_information"]["caveats_and_recommendations"].startswith(f"{entry['what']} ")


def test_the_index_counts_shortfalls_and_shows_old_reports_without(report):
    old = {name: value for name, value in report.items() if name != "shortfalls"}
    shown = etree.HTML(reporting.index([report, {**old, "run": "run-0"}]))
    outcomes = [words(row.xpath("./td[2]")[0]) for row in shown.xpath("//tbody/tr")]
    assert outcomes == ["RFT registered 1 shortfall", "RFT registered"]
