"""A thorough run: few-shot arms beside the base model, rollouts before reinforcement, and the report."""

from tests.workflows.bench import WORK
from tests.workflows.training import channel, named, place, recipe


def test_a_thorough_run_measures_more_and_says_so(settled):
    name = settled.drop("runs/wanted.json", {"seed": 3, "thorough": True})
    settled.succeeded(name)
    assert settled.training.arms() == [
        "evaluate:base", "evaluate:base_few_shot", "evaluate:base_nearest", "evaluate:base_tools", "evaluate:probe",
        "evaluate:rft", "evaluate:sft", "rft:rft", "sft:sft",
    ]  # fmt: skip
    report = settled.json(f"runs/{name}/report.json")
    assert {"base_few_shot", "base_nearest", "majority_plan"} <= set(report["arms"])
    assert {("sft", "base_few_shot"), ("sft", "base_nearest")} <= {
        (pair["candidate"], pair["rival"]) for pair in report["paired"]
    }
    probe = report["calibration"]["probe"]
    assert probe["groups"] == 16 and 0 <= probe["without_variance"] <= 1 and 0 < probe["reward"] < 1
    assert report["calibration"]["spearman"] > 0.8
    page = settled.objects.data(WORK, f"runs/{name}/report.html").decode()
    assert "Groups without variance before RFT" in page and "Base, nearest" in page
    _drawn_before_reinforcement(settled)


def _drawn_before_reinforcement(settled):
    """The rollouts are the fine-tuned model's, at the temperature of reinforcement, and come before it."""
    jobs = {named(job): job for job in settled.training.paid}
    assert list(jobs).index("evaluate:probe") < list(jobs).index("rft:rft")
    probe, sft = jobs["evaluate:probe"], jobs["evaluate:sft"]
    assert probe["HyperParameters"]["base_model_location"] == sft["HyperParameters"]["base_model_location"]
    assert recipe(settled.objects, probe)["inference"]["temperature"] == 1.0
    assert len(settled.objects.data(*place(channel(probe, "train"))).splitlines()) == 64


def test_a_plain_run_pays_for_none_of_it(settled):
    name = settled.drop("runs/wanted.json", {"seed": 3})
    settled.succeeded(name)
    assert "evaluate:probe" not in settled.training.arms()
    assert settled.json(f"runs/{name}/report.json")["calibration"]["probe"] is None
