"""An engine process is killed with SIGKILL in the middle; another one on the same journal goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.local.states_bench import Bench, Cloud, children, end, function, inner, invoke

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
JOB = {"TrainingJobName": "job-1", "RoleArn": "arn:aws:iam::000000000000:role/training",
       "AlgorithmSpecification": {"TrainingInputMode": "File", "TrainingImage": "image"},
       "OutputDataConfig": {"S3OutputPath": "s3://b/o"}, "StoppingCondition": {"MaxRuntimeInSeconds": 60},
       "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}}


class World:
    """The world outside the engine, in files, so that it outlives the process: a log of calls, jobs, a gate."""

    def __init__(self, folder: Path):
        self.folder = folder

    def log(self, line: str) -> None:
        with (self.folder / "log").open("a") as file:
            file.write(line + "\n")

    def lines(self) -> list[str]:
        path = self.folder / "log"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def open(self) -> bool:
        return (self.folder / "open").exists()

    def cloud(self) -> Cloud:
        return Cloud(lambda__invoke=function(self.work), sagemaker__create_training_job=self.create,
                     sagemaker__describe_training_job=self.describe,
                     sqs__send_message=self.send)

    def send(self, QueueUrl, MessageBody):
        self.log(f"token {MessageBody}")
        return {"MessageId": "m"}

    def work(self, payload):
        self.log(f"called {json.dumps(payload)}")
        while payload == "slow" and not self.open:
            time.sleep(0.01)
        if isinstance(payload, int) and payload >= 5:
            while not self.open:
                time.sleep(0.01)
        return payload

    def create(self, TrainingJobName, **_):
        self.log(f"created {TrainingJobName}")
        (self.folder / TrainingJobName).touch()
        return {"TrainingJobArn": "arn:j"}

    def describe(self, TrainingJobName):
        assert (self.folder / TrainingJobName).exists()
        return {"TrainingJobName": TrainingJobName, "TrainingJobStatus": "Completed" if self.open else "InProgress"}


MACHINES = {
    "a task in flight": {"A": invoke("first", Assign={"v": 7}, Next="B"), "B": invoke("slow", Next="C"),
                         "C": end("Pass", Output="{% $v %}")},
    "a training job": {"T": {"Type": "Task", "Resource": "arn:aws:states:::sagemaker:createTrainingJob.sync",
                             "Arguments": JOB, "Output": "{% $states.result.TrainingJobStatus %}", "End": True}},
    "a distributed map": {"M": end("Map", Items="{% [0..9] %}", MaxConcurrency=5, ItemProcessor=children(I=invoke()))},
    "an inline map": {"M": end("Map", Items="{% [0..9] %}", MaxConcurrency=5, ItemProcessor=inner(I=invoke()))},
    "a wait": {"A": invoke("first", Next="W"), "W": {"Type": "Wait", "Seconds": 3, "Next": "B"}, "B": invoke("after")},
    "a retry": {"A": invoke("{% $states.context.State.RetryCount < 1 ? 'first' : 'slow' %}",
                            Output="{% $states.context.State.RetryCount = 0 ? $error('again') :"
                                   " $states.context.State.RetryCount %}",
                            Retry=[{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 1}])},
    "a token": {"A": {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken", "End": True,
                      "Arguments": {"QueueUrl": "q", "MessageBody": "{% $states.context.Task.Token %}"}}},
}
# machine -> the line of the log at which the process is killed
KILL = {"a task in flight": 'called "slow"', "a training job": "created job-1", "a distributed map": "called 9",
        "an inline map": "called 9", "a wait": 'called "first"', "a retry": 'called "slow"', "a token": "token"}


def killed(name: str, folder: Path) -> str:
    """Run the machine in a process of its own, kill it at its line; the execution's ARN."""
    script = f"import sys; sys.path[:0] = [{str(HERE)!r}, {str(ROOT)!r}]; import test_states_resume as t; " \
             f"t.serve({name!r}, {str(folder)!r})"
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    arn = process.stdout.readline().strip()
    limit = time.time() + 30
    while not any(line.startswith(KILL[name]) for line in World(folder).lines()):
        assert time.time() < limit and process.poll() is None
        time.sleep(0.01)
    time.sleep(0.3)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    return arn


def serve(name: str, folder: str) -> None:
    """The process that is killed."""
    bench = Bench(World(Path(folder)).cloud(), Path(folder), scale=1.0)
    print(bench.start(MACHINES[name]), flush=True)
    time.sleep(60)


def resumed(name: str, folder: Path) -> tuple[Bench, World, str]:
    arn = killed(name, folder)
    world = World(folder)
    bench = Bench(world.cloud(), folder, scale=1.0)
    assert bench.engine.resume() == [arn]
    return bench, world, arn


def finish(bench: Bench, world: World, arn: str) -> dict:
    (world.folder / "open").touch()
    found = bench.ended(arn)
    assert found["status"] == "SUCCEEDED", found
    assert [e["id"] for e in bench.events(arn)] == list(range(1, len(bench.events(arn)) + 1))
    bench.engine.close()
    return found


def test_a_finished_state_is_not_run_again_one_in_flight_is(tmp_path):
    bench, world, arn = resumed("a task in flight", tmp_path)
    assert finish(bench, world, arn)["output"] == 7
    assert world.lines() == ['called "first"', 'called "slow"', 'called "slow"']
    assert bench.told[-1]["status"] == "SUCCEEDED"


def test_a_training_job_is_taken_up_not_created_again(tmp_path):
    bench, world, arn = resumed("a training job", tmp_path)
    assert finish(bench, world, arn)["output"] == "Completed"
    assert world.lines() == ["created job-1"]


def test_a_training_job_whose_creation_was_not_noted_is_taken_up_too(tmp_path):
    """Killed between the call and its note in the journal: the job is found by its name."""
    world = World(tmp_path)
    go = []

    def create(TrainingJobName, **_):
        world.create(TrainingJobName)
        go.append(1)
        time.sleep(60)

    cloud = world.cloud()
    cloud.on("sagemaker.create_training_job", create)
    first = Bench(cloud, tmp_path)
    arn = first.start(MACHINES["a training job"])
    while not go:
        time.sleep(0.01)
    first.engine.close()
    second = Bench(world.cloud(), tmp_path)
    second.engine.resume()
    assert finish(second, world, arn)["output"] == "Completed"
    assert world.lines() == ["created job-1"]


@pytest.mark.parametrize("name", ["a distributed map", "an inline map"])
def test_finished_items_are_not_run_again(name, tmp_path):
    bench, world, arn = resumed(name, tmp_path)
    (world.folder / "open").touch()
    assert bench.ended(arn)["output"] == list(range(10))
    types = bench.types(arn)
    bench.engine.close()
    counts = {n: world.lines().count(f"called {n}") for n in range(10)}
    assert all(counts[n] == 1 for n in range(5)), counts
    assert all(counts[n] == 2 for n in range(5, 10)), counts
    if name == "an inline map":
        assert types.count("MapIterationStarted") == types.count("MapIterationSucceeded") == 10


def test_a_wait_keeps_its_moment(tmp_path):
    bench, world, arn = resumed("a wait", tmp_path)
    again = time.time()
    (world.folder / "open").touch()
    bench.ended(arn)
    times = {event["type"]: event["timestamp"] for event in bench.events(arn)}
    assert times["WaitStateEntered"] + 3 <= times["WaitStateExited"] < again + 2.9, "3 s from its first entry"
    bench.engine.close()
    assert world.lines() == ['called "first"', 'called "after"']


def test_retries_are_counted_across_the_crash(tmp_path):
    bench, world, arn = resumed("a retry", tmp_path)
    assert finish(bench, world, arn)["output"] == 1
    assert world.lines() == ['called "first"', 'called "slow"', 'called "slow"']


def test_a_token_given_out_before_the_crash_still_ends_the_task(tmp_path):
    bench, world, arn = resumed("a token", tmp_path)
    (line,) = world.lines()
    bench.engine.send_task_success(line.removeprefix("token "), '"answered"')
    assert finish(bench, world, arn)["output"] == "answered"


def test_closing_stops_no_execution(tmp_path):
    first = Bench(Cloud(), tmp_path, scale=1.0)
    arn = first.start({"W": end("Wait", Seconds=1, Output="done")})
    first.engine.close()
    second = Bench(Cloud(), tmp_path, scale=1.0)
    assert second.engine.describe_execution(arn)["status"] == "RUNNING"
    second.engine.resume()
    assert second.ended(arn)["output"] == "done"
    assert first.told[-1]["status"] == "RUNNING"
