"""Mails: every event has words for people, a subject that SNS takes, and a command to run next."""

import importlib
import json
import shlex
from pathlib import Path

import pytest

from toolsmith import events
from toolsmith.aws import wiring
from toolsmith.reporting.mail import MAX_SUBJECT, compose, console

ROOT = Path(__file__).resolve().parents[2]


def sample(detail_type):
    path = ROOT / "events" / "published" / f"{detail_type.lower().replace(' ', '-')}.json"
    return json.loads(path.read_text(encoding="utf-8"))["detail"]


def assert_sendable(mail):
    assert len(mail.subject) <= MAX_SUBJECT
    assert mail.subject.isascii()
    assert mail.subject.isprintable()
    assert mail.text.strip()


@pytest.mark.parametrize("detail_type", events.PUBLISHED)
def test_every_event_has_a_text_of_its_own(detail_type):
    detail = sample(detail_type)
    mail = compose(detail_type, detail, "eu-central-1")
    assert_sendable(mail)
    assert "eu-central-1" in mail.subject
    assert not mail.text.lstrip().startswith("{"), "shown as raw JSON"
    assert "Next:" in mail.text
    assert (detail.get("run") or detail.get("execution") or detail["key"]) in mail.text


@pytest.mark.parametrize("detail_type", events.PUBLISHED)
def test_commands_that_are_named_exist(detail_type):
    main = importlib.import_module("local.cli.main")
    following = compose(detail_type, sample(detail_type), "us-east-1").text.partition("Next:")[2].splitlines()
    for line in filter(None, map(str.strip, following)):
        program, *words = shlex.split(line)
        if program == "toolsmith":
            main._parser().parse_args(words)


def mail_of(detail_type, **changes):
    return compose(detail_type, {**sample(detail_type), **changes}, "us-east-1")


@pytest.mark.parametrize(("usd", "said"), [(0.0, "holds them back.\n"), (12.5, "others are estimated at 12.50 USD")])
def test_a_run_without_prices_is_not_said_to_cost_nothing(usd, said):
    mail = mail_of("Cost Estimated", estimated_usd=usd, unpriced_jobs=5)
    assert "nobody knows what run-4f2a9c81d07e will cost" in mail.subject
    assert "no price for 5 of its jobs" in mail.text and said in mail.text
    assert " 0.00" not in mail.text


def test_a_run_that_costs_nothing_is_said_to():
    mail = mail_of("Cost Estimated", estimated_usd=0.0)
    assert "run-4f2a9c81d07e costs nothing" in mail.subject and "0.00" not in mail.text


def test_a_redrive_for_want_of_a_price_is_not_offered_as_if_it_helped_by_itself():
    text = mail_of("Run Failed", error="PriceUnknown").text
    assert "once the prices are deployed; with --unpriced" in text and "paid, is not done again" not in text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"usd": 0.0, "priced": False, "tokens": 1_008_000}, "cost unknown for 1,008,000 tokens"),
        ({"usd": 2.5, "tokens": 1_008_000}, "2.50 USD for 1,008,000 tokens"),
        ({"usd": 0.0}, "at no cost"),
    ],
)
def test_a_job_without_a_price_is_not_said_to_have_cost_nothing(changes, said):
    text = mail_of("Training Job Completed", **changes).text
    assert said in text and "0.00 USD" not in text


@pytest.mark.parametrize(
    ("detail_type", "said"),
    [
        ("Model Registered", ["84.0 %", "s3/object/toolsmith-work", "toolsmith report run-4f2a9c81d07e"]),
        ("Cost Estimated", ["1,638.00 USD", "2,500.00 USD", "48 documents"]),
        ("Gate Failed", ["+0.4 points [-1.1, +1.9]", "will not be registered"]),
        ("Training Job Failed", ["InsufficientInstanceCapacity", "quota", "toolsmith redrive run-4f2a9c81d07e"]),
        ("Evaluation Completed", ["81.2 % [78.6, 83.8]", "93.1 %"]),
        ("Document Rejected", ["rejected/incoming/scan.pdf", "PDF files are not read"]),
        ("Run Failed", ["CapacityUnavailable", "/states/home", "toolsmith redrive run-4f2a9c81d07e"]),
        ("Training Job Completed", ["3.9 h", "248.70 USD"]),
        ("Dataset Ready", ["sft/train.jsonl: 1,512 rows"]),
        (
            "Approval Requested",
            ["680.40 USD", "approve run-4f2a9c81d07e", "reject run-4f2a9c81d07e", "nothing is spent"],
        ),
    ],
)
def test_the_numbers_the_link_and_the_command_are_there(detail_type, said):
    text = compose(detail_type, sample(detail_type), "us-east-1").text
    for words in said:
        assert words in text


@pytest.mark.parametrize("detail_type", events.PUBLISHED)
def test_commands_act_on_the_stack_that_wrote_the_mail(detail_type):
    text = compose(detail_type, sample(detail_type), "us-east-1", "toolsmith-prod").text.partition("Next:")[2]
    ours = [line.strip() for line in text.splitlines() if line.strip().startswith("toolsmith ")]
    assert ours and all(line.endswith(" --stack toolsmith-prod") for line in ours)


def test_a_run_without_a_better_model_is_no_failure_to_redrive():
    detail = {
        **sample("Run Failed"),
        "error": "CandidateRejected",
        "cause": "No model was registered: ...",
        "remedy": "read s3://x",
    }
    mail = compose("Run Failed", detail, "us-east-1")
    assert "redrive" not in mail.text
    assert f"toolsmith report {detail['execution']}" in mail.text


def test_a_job_that_diverged_is_not_redriven_unchanged():
    text = compose("Training Job Failed", {**sample("Training Job Failed"), "class": "diverged"}, "us-east-1").text
    assert "learning rate" in text
    assert "redrive" not in text and "toolsmith drop --to runs REQUEST.json" in text


@pytest.mark.parametrize("key", ["incoming/" + "ü" * 300 + ".htm", "a\r\nBcc: everybody\n\x00b", "\u202egpj.exe"])
def test_subjects_stay_one_short_line_of_ascii(key):
    mail = compose("Document Rejected", {**sample("Document Rejected"), "key": key}, "us-east-1")
    assert_sendable(mail)


def test_long_causes_are_cut():
    mail = compose("Run Failed", {**sample("Run Failed"), "cause": "x" * 200_000}, "us-east-1")
    assert len(mail.text) < 4000


@pytest.mark.parametrize("detail_type", ["Model Blessed", "Model Registered"])
def test_an_unknown_event_or_detail_is_shown_as_it_is(detail_type):
    mail = compose(detail_type, {"run": "run-1", "colour": "blue"}, "us-east-1")
    assert_sendable(mail)
    assert '"colour": "blue"' in mail.text


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("cn-north-1", "console.amazonaws.cn"),
        ("us-gov-west-1", "console.amazonaws-us-gov.com"),
        ("eu-west-1", "eu-west-1.console.aws.amazon.com"),
    ],
)
def test_links_lead_to_the_console_of_the_partition(region, host):
    assert console(region) == f"https://{host}"
    assert f"https://{host}/" in compose("Model Registered", sample("Model Registered"), region).text


@pytest.mark.parametrize(("endpoint", "named"), [("", "prod"), ("http://127.0.0.1:4566", "")])
def test_commands_name_the_stack_on_aws_and_none_on_a_laptop(monkeypatch, endpoint, named):
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "prod")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    assert wiring.named_stack() == named
