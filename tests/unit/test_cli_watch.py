"""Watching: the time left and the money so far from the cloud's own times, and a cloud that goes and comes back."""

import argparse
import json
import re
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from moto import mock_aws

from local.cli import outlook, watch
from local.cli.failures import Failed, Misused
from local.cli.jobs import Jobs, JobState
from local.cli.outlook import Timed
from local.cli.status import APPROVAL, State, Teller, Watcher, _timed, foresee
from tests.template.loading import ROOT
from toolsmith.customization.jobs import job_name

ESTIMATE = [{"stage": stage, "hours": hours} for stage, hours in
            (("sft", 0.5), ("evaluate", 0.25), ("rft", 2.0), ("more_sft", 3.0))]  # fmt: skip
PLAN = {"estimate": ESTIMATE, "control": False, "thorough": False}
HOUR = 3600


def job(stage, arm, status="Completed", seconds=0.0, done=None, kind="ml.p5.48xlarge", count=1):
    return Timed(stage, arm, status, seconds, kind, count, done)


FINE_TUNED = [job("sft", "sft", seconds=100), *(job("evaluate", arm, seconds=60) for arm in ("base", "base_tools"))]


def test_before_the_first_job_a_run_takes_its_longest_jobs_one_after_another():
    assert outlook.run_seconds(PLAN, []) == (0.5 + 0.25 + 2.0 + 0.25) * HOUR
    assert outlook.run_seconds({**PLAN, "control": True}, []) == (0.5 + 0.25 + 3.0 + 0.25) * HOUR


def test_a_line_of_the_estimate_that_is_no_job_counts_nothing():
    assert outlook.run_seconds({"estimate": [*ESTIMATE, {"stage": "teaching", "usd": 1}]}, []) == 3 * HOUR


def test_of_the_jobs_of_a_phase_three_run_beside_each_other():
    """Of four evaluations beside SFT the third takes SFT's place, and the fourth that of the first."""
    assert outlook.run_seconds({**PLAN, "thorough": True}, []) == (0.5 + 0.25 + 2.0 + 0.25) * HOUR
    slow = [line | {"hours": 1.0} if line["stage"] == "evaluate" else line for line in ESTIMATE]
    assert outlook.run_seconds({**PLAN, "estimate": slow, "thorough": True}, []) == (1.0 + 1.0 + 1.0 + 2.0 + 1.0) * HOUR


def test_the_phases_are_those_of_the_machine():
    machine = json.loads((ROOT / "statemachines" / "customize.asl.json").read_text(encoding="utf-8"))["States"]
    listed = [machine[name]["Assign"]["jobs"] for name in
              ("FineTune", "EvaluateFineTuned", "Reinforce", "EvaluateReinforced")]  # fmt: skip
    jobs = tuple(tuple(re.findall(r"'stage': '(\w+)', 'arm': '(\w+)'", text)) for text in listed)
    assert jobs == outlook.PHASES and machine["RunJobs"]["MaxConcurrency"] == outlook.AT_ONCE


def test_a_running_job_has_what_is_left_of_it_to_go():
    jobs = [job("sft", "sft", "InProgress", 600)]
    assert outlook.run_seconds(PLAN, jobs) == 1200 + 2.5 * HOUR


def test_an_overdue_job_is_never_said_to_be_done():
    left = outlook.run_seconds(PLAN, [job("sft", "sft", "InProgress", 9 * HOUR)])
    assert left > 2.5 * HOUR


def test_what_was_measured_in_this_run_replaces_what_was_expected():
    assert outlook.run_seconds(PLAN, FINE_TUNED) == 60 + 2 * HOUR + 60


def test_an_evaluation_that_counts_its_answers_tells_its_own_pace():
    jobs = [*FINE_TUNED, job("evaluate", "sft", "InProgress", 30, done=0.25)]
    assert outlook.run_seconds(PLAN, jobs) == 90 + 2 * HOUR + 60


def test_at_the_end_nothing_is_left():
    arms = ("base", "base_tools", "sft", "rft")
    jobs = [job("sft", "sft"), job("rft", "rft"), *(job("evaluate", arm) for arm in arms)]
    assert outlook.run_seconds(PLAN, jobs) == 0


def test_money_is_instances_times_hours_and_tokens():
    table = {"instance_hour": {"ml.p5.48xlarge": 60.0}, "million_tokens": {"nova-pro": {"input": 1.0, "output": 4.0}}}
    assert outlook.job_usd(job("sft", "sft", seconds=1800, count=4), {}, table) == 120.0
    rows = [{"input_tokens": 500_000, "output_tokens": 100_000}, {"status": "parsed"}, {"input_tokens": 500_000}]
    assert outlook.teacher_usd("us.amazon.nova-pro-v1:0", rows, table) == pytest.approx(1.4)
    assert outlook.teacher_usd("a.model-without-price", rows, table) is None
    assert outlook.teacher_usd("a.model-without-price", [{"status": "parsed"}], table) == 0.0


@pytest.mark.parametrize(
    ("row", "usd"),
    [
        ({"estimated_usd": Decimal("3.5"), "usd": Decimal("4.25")}, 4.25),
        ({"estimated_usd": Decimal("3.5")}, 0.0),
        ({"estimated_usd": None}, None),
        ({"estimated_usd": None, "usd": None}, None),
        ({}, None),
    ],
)
def test_what_a_job_without_instances_costs_is_known_from_the_ledger_or_not_at_all(row, usd):
    assert outlook.job_usd(job("sft", "sft", seconds=1800, kind=""), row, {"instance_hour": {}}) == usd


def test_a_cost_that_is_not_known_is_said_not_to_be():
    assert foresee(State(unpriced=True)) == " · cost not known"
    assert "12.50 USD so far" in foresee(State(usd=12.5, unpriced=True))
    assert foresee(State(usd=12.5, unpriced=True)) != foresee(State(usd=12.5))


def test_ingest_goes_on_at_its_pace():
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    start = now - timedelta(seconds=100)
    running = [{"status": "RUNNING", "startDate": start}] * 5
    ended = [{"status": "SUCCEEDED", "startDate": start, "stopDate": now}] * 10
    old = [{"status": "SUCCEEDED", "startDate": start, "stopDate": start - timedelta(hours=1)}] * 90
    assert outlook.ingest_seconds(running + ended + old, now) == 50
    assert outlook.ingest_seconds(running + old, now) is None
    assert outlook.ingest_seconds(ended, now) == 0


@pytest.mark.parametrize(("seconds", "words"), [(10, "less than a minute"), (90, "2 min"), (7500, "2 h 5 min")])
def test_time_is_said_as_people_say_it(seconds, words):
    assert words in outlook.spoken(seconds)


@pytest.mark.parametrize(
    ("stage", "arm"),
    [("sft", "sft"), ("rft", "rft"), ("more_sft", "more_sft"), ("evaluate", "base"), ("evaluate", "base_tools"),
     ("evaluate", "more_sft")],
)  # fmt: skip
def test_a_job_is_known_by_the_name_that_it_was_given(stage, arm):
    name = job_name("run-1", stage, arm, 2).removeprefix("run-1-")
    (timed,) = _timed(State(jobs=[JobState(name, "InProgress", evaluated="30/120")]))
    assert (timed.stage, timed.arm, timed.done) == (stage, arm, 0.25)


@mock_aws
def test_of_a_job_that_began_anew_the_newest_log_is_read():
    logs, group = boto3.client("logs", region_name="us-east-1"), "/aws/sagemaker/TrainingJobs"
    logs.create_log_group(logGroupName=group)
    for at, step in ((1, 133), (2, 7)):
        stream = f"run-1-sft-1/algo-1-{at}"
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
        line = {"timestamp": int(time.time() * 1000), "message": f"global_step={step} reduced_train_loss=0.5"}
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[line])
        time.sleep(0.01)
    jobs, told = Jobs.__new__(Jobs), JobState("sft-1", "InProgress", 1.0, "", 1)
    jobs._clients = {"logs": logs}
    jobs.read_log("run-1-sft-1", told)
    assert told.step == 7


class OneJob:
    """A SageMaker with one job, described so, and logs of nothing."""

    def __init__(self, **described):
        self.described = {"TrainingJobStatus": "InProgress", "SecondaryStatus": "Training", **described}

    def describe_training_job(self, TrainingJobName):
        return self.described

    def describe_log_streams(self, **_):
        raise ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "DescribeLogStreams")


@pytest.mark.parametrize(
    ("described", "step", "doing"),
    [
        ({"ProgressInfo": {"CurrentStep": 3, "CurrentEpoch": 2, "TotalStepCountPerEpoch": 10}}, 13, None),
        ({"ProgressInfo": {"CurrentStep": 3, "CurrentEpoch": 1, "TotalStepCountPerEpoch": 10}}, 3, None),
        ({"ServerlessJobConfig": {"JobType": "FineTuning"}}, None, None),
        ({"SecondaryStatus": "Pending"}, None, "waits for instances"),
        ({"SecondaryStatus": "Downloading"}, None, "loads its data"),
    ],
)
def test_of_a_job_without_a_log_the_service_tells_what_it_knows(described, step, doing):
    sagemaker = OneJob(**described)
    jobs = Jobs.__new__(Jobs)
    jobs._clients = {"sagemaker": sagemaker, "logs": sagemaker}
    told = jobs._training("run-1-sft-1", "run-1")
    assert (told.job, told.step, told.doing) == ("sft-1", step, doing)


def test_nothing_known_is_nothing_said():
    assert foresee(State()) == ""
    assert foresee(State(usd=12.5, eta_seconds=120)) == " · 12.50 USD so far · about 2 min left"


class Scripted:
    """Watchers that give these states, or raise these errors, one after another."""

    def __init__(self, *moments):
        self.moments = list(moments)
        self.made = 0

    def __call__(self, place):
        self.made += 1
        return self

    def runs(self):
        return [{"name": "run-1", "executionArn": "arn:1"}]

    def failure(self, arn):
        return {"error": "RunRejected", "cause": "too dear", "remedy": "toolsmith redrive run-1"}

    def state(self, run):
        moment = self.moments.pop(0)
        if isinstance(moment, Exception):
            raise moment
        return moment


@pytest.fixture
def watching(monkeypatch):
    def start(*moments, run=None, once=False, as_json=False, stack=None):
        scripted = Scripted(*moments)
        monkeypatch.setattr(watch, "Watcher", scripted)
        monkeypatch.setattr(watch, "place_of", lambda arguments: None)
        monkeypatch.setattr(watch, "PAUSE", 0)
        monkeypatch.setattr(watch, "PAUSE_ON_AWS", 0)
        code = watch.run(argparse.Namespace(run=run, once=once, json=as_json, stack=stack))
        return code, scripted

    return start


AWAY = EndpointConnectionError(endpoint_url="http://127.0.0.1:4566")


def running(**more):
    return State(run="run-1", run_status="RUNNING", phase="RunJob", **more)


def refused(code):
    return ClientError({"Error": {"Code": code, "Message": code}}, "Query")


def test_a_line_appears_when_something_changed_and_not_when_only_time_passed(watching, capsys):
    moments = running(eta_seconds=120), running(eta_seconds=60), State(run="run-1", run_status="SUCCEEDED")
    assert watching(*moments)[0] == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and "about 2 min left" in lines[0] and "SUCCEEDED" in lines[1]


def test_documents_are_told_again_only_when_they_move(watching, capsys):
    job = JobState("sft-1", "InProgress", step=5, numbers={"loss": 0.5})
    moments = running(documents=2), running(documents=2, jobs=[job]), running(documents=3, rejected=1, jobs=[job])
    watching(*moments, State(run="run-1", run_status="SUCCEEDED", documents=3, rejected=1))
    assert capsys.readouterr().out.splitlines() == [
        "documents 0/2 settled · chunks 0/0 · examples 0 · run-1: RunJob",
        "run-1: sft-1 step 5 loss 0.5",
        "documents 0/3 settled · 1 set aside · chunks 0/0 · examples 0",
        "run-1: SUCCEEDED",
    ]


def test_a_job_without_a_log_says_what_it_is_at_and_at_its_end_its_numbers(watching, capsys):
    training = JobState("sft-1", "InProgress", 130.0, doing="trains")
    trained = JobState("sft-1", "Completed", 140.0, step=60, numbers={"loss": 0.25})
    asked = JobState("evaluate-sft-1", "InProgress", 5.0, evaluated="64/120")
    watching(running(jobs=[training]), running(jobs=[trained, asked]), State(run="run-1", run_status="SUCCEEDED"))
    assert capsys.readouterr().out.splitlines()[:2] == [
        "documents 0/0 settled · chunks 0/0 · examples 0 · run-1: sft-1 trains, for 2 min",
        "run-1: evaluate-sft-1 64/120 questions · sft-1 step 60 loss 0.25 at its end",
    ]


def at_step(step):
    return running(jobs=[JobState("sft-1", "InProgress", step=step, numbers={"loss": 1e-5 * step})])


def test_where_only_numbers_move_a_line_appears_every_ten_seconds():
    now = 0.0
    teller = Teller(pace=10.0, clock=lambda: now)
    assert teller.line(at_step(1)) and teller.line(at_step(2)) is None
    now = 9.0
    assert teller.line(at_step(3)) is None
    now = 10.0
    assert "step 4" in teller.line(at_step(4))
    assert "SUCCEEDED" in teller.line(State(run="run-1", run_status="SUCCEEDED"))


def test_what_was_not_said_for_its_pace_is_said_with_the_next_line():
    teller = Teller(pace=10.0, clock=lambda: 0.0)
    teller.line(State(documents=2))
    assert teller.line(State(documents=3)) is None
    assert teller.line(running(documents=3)).startswith("documents 0/3 settled")


def test_machines_get_every_change(watching, capsys):
    watching(at_step(1), at_step(2), State(run="run-1", run_status="SUCCEEDED"), as_json=True)
    assert len(capsys.readouterr().out.splitlines()) == 3


@pytest.mark.parametrize(
    ("phase", "words"), [("Done", "Next: toolsmith report run-1 --stack prod\n"), ("DryRunDone", "")]
)
def test_a_run_that_ended_well_says_how_to_read_its_report_where_it_has_one(watching, phase, words, capsys):
    assert watching(State(run="run-1", run_status="SUCCEEDED", phase=phase), stack="prod")[0] == 0
    assert capsys.readouterr().err == words
    machine = json.loads((ROOT / "statemachines" / "customize.asl.json").read_text(encoding="utf-8"))
    assert machine["States"][phase]["Type"] == "Succeed"


class Listing:
    """A place that lists these executions of every machine, newest first, and these ledger rows of runs."""

    def __init__(self, executions, admitted):
        self.outputs = dict.fromkeys(("CustomizeMachine", "IngestMachine", "LedgerTable", "WorkBucket"), "x")
        self.parameters = {}
        self._executions, self._admitted = executions, admitted

    def client(self, service):
        return self

    def get_paginator(self, operation):
        rows = [{"id": {"S": name}} for name in self._admitted]
        started = [{"name": name, "status": status, "executionArn": name, "startDate": -place}
                   for place, (name, status) in enumerate(self._executions)]  # fmt: skip
        listed = {"query": {"Items": rows}, "list_executions": {"executions": started}}
        return argparse.Namespace(paginate=lambda **_: [listed[operation]])


def test_a_request_that_was_set_aside_is_no_run():
    listing = Listing([("aside", "SUCCEEDED"), ("failed", "FAILED"), ("done", "SUCCEEDED")], ["done"])
    assert [run["name"] for run in Watcher(listing).runs()] == ["failed", "done"]


def test_the_run_that_goes_on_is_watched_though_a_newer_one_ended(monkeypatch):
    watcher = Watcher(Listing([("newer", "FAILED"), ("older", "RUNNING")], ["newer", "older"]))
    monkeypatch.setattr(watcher, "_jobs", argparse.Namespace(of=lambda run: []))
    for name in ("_documents", "_phase", "_eta"):
        monkeypatch.setattr(watcher, name, lambda *_: [])
    assert (watcher.state().run, watcher.state("newer").run) == ("older", "newer")


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED"])
def test_a_run_that_fails_ends_watching_with_one_and_says_why_and_what_to_do(watching, status, capsys):
    assert watching(running(), State(run="run-1", run_status=status), stack="prod")[0] == 1
    said = capsys.readouterr().err
    assert "RunRejected: too dear" in said and "Next: toolsmith redrive run-1 --stack prod\n" in said


def test_a_run_that_waits_for_a_person_says_how_to_answer(watching, capsys):
    watching(State(run="run-1", run_status="RUNNING", phase=APPROVAL), once=True)
    said = capsys.readouterr().out
    assert "toolsmith approve run-1" in said and "toolsmith reject run-1" in said


def test_the_state_that_waits_for_a_person_is_one_of_the_machine():
    machine = json.loads((ROOT / "statemachines" / "customize.asl.json").read_text(encoding="utf-8"))
    assert machine["States"][APPROVAL]["Resource"].endswith("waitForTaskToken")


def test_a_cloud_that_goes_away_and_comes_back_is_watched_on(watching, capsys):
    gone = AWAY, Misused("no local cloud runs"), Failed("no stack"), refused("ThrottlingException")
    code, scripted = watching(running(), *gone, State(run="run-1", run_status="SUCCEEDED"))
    assert code == 0 and scripted.made > 1
    assert capsys.readouterr().err.count("does not answer") == 1


def test_what_waiting_does_not_mend_ends_watching(watching):
    with pytest.raises(ClientError):
        watching(running(), refused("AccessDeniedException"))


def test_once_does_not_wait_for_a_cloud(watching):
    with pytest.raises(EndpointConnectionError):
        watching(AWAY, once=True)


def test_a_run_that_does_not_exist_is_told(watching):
    with pytest.raises(Misused, match="no run is named run-9"):
        watching(State(), run="run-9")


def test_a_named_run_ends_watching_though_documents_go_on(watching):
    assert watching(State(run="run-1", run_status="SUCCEEDED", running_ingests=3), run="run-1")[0] == 0


def test_json_has_everything(watching, capsys):
    watching(State(run="run-1", run_status="SUCCEEDED", usd=1.0, eta_seconds=2.0), as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["usd"] == 1.0 and told["eta_seconds"] == 2.0 and told["run_status"] == "SUCCEEDED"
