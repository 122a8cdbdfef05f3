"""template.yaml, deployed by the real sam to the local cloud: documents in, two kill -9 on the way, a dataset out.

Training is left to `make demo`; this stops at the end of a dry run, which does everything that costs nothing. At the
end the commands of README.md and docs/ are run as printed, the last of them takes the stack away.
"""

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import boto3
import pytest

from local.cli import stack
from local.cli.demo import ingest_names, settings_of
from local.cli.drop import upload
from local.cli.place import STACK, local_place
from local.cli.record import Recorder
from local.cli.status import Watcher
from local.cloud import Cloud
from tests.local import pages
from toolsmith.aws.ledger import Ledger

ROOT = Path(__file__).resolve().parents[2]
OUTCOMES = ("kept", "repaired", "rejected", "failed", "empty")
LIMIT = 300.0


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    if not (ROOT / ".venv-sam" / "bin" / "sam").is_file() and shutil.which("sam") is None:
        pytest.skip("no SAM CLI: run `make setup`")
    home = tmp_path_factory.mktemp("home")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    cloud = Cloud(data=home / "cloud", port=port).start()
    try:
        stack.deploy(cloud, home, 0, stack.placed("training-job"))  # as `toolsmith up` does
        place = local_place(cloud)
        let_no_run_start_by_itself(place)
        yield cloud, place, home
    finally:
        cloud.stop()


def let_no_run_start_by_itself(place) -> None:
    """As if there had been a run of more examples than there will be: nothing trains beside these tests."""
    table = boto3.resource("dynamodb", endpoint_url=place.endpoint, **dict(place.credentials)).Table(
        place.outputs["LedgerTable"]
    )
    Ledger(table).register("RUN", "run-0", {"examples": 10**6, "settings": settings_of(place.parameters)})


def until(true, what: str):
    limit = time.monotonic() + LIMIT
    while time.monotonic() < limit:
        found = true()
        if found:
            return found
        time.sleep(0.5)
    raise AssertionError(f"not within {LIMIT:.0f} s: {what}")


def documents(watcher: Watcher, status: str) -> list[dict]:
    return [row for row in watcher.rows("DOCUMENT") if row["status"] == status]


@pytest.fixture(scope="module")
def ingested(world):
    """Samples and bad files dropped, the cloud killed twice while documents are on their way, and started again."""
    cloud, place, home = world
    bad = home / "bad"
    bad.mkdir()
    (bad / "empty.txt").write_bytes(b"")
    (bad / "noise.bin").write_bytes(bytes(range(256)) * 8)
    samples = sorted((ROOT / "samples" / "edgar").glob("*"))[:8] + sorted((ROOT / "samples" / "caselaw").glob("*"))[:4]
    samples += sorted((ROOT / "samples" / "regulations").glob("*"))[:4]
    recorder, watcher = Recorder(place), Watcher(place)
    dropped = upload(place, [*samples, bad])
    until(lambda: documents(watcher, "settled"), "a first document is settled")
    for _ in range(2):
        cloud.kill()
        cloud.start()
        place = local_place(cloud)
        watcher = Watcher(place)
        wanted = min(len(samples), len(documents(watcher, "settled")) + 1)
        until(lambda w=watcher, n=wanted: len(documents(w, "settled")) >= n, "one more is settled")
    until(lambda: len(documents(watcher, "settled")) == len(samples), "every sample is settled")
    until(lambda: len(watcher.rows("REJECTED")) == 2, "both bad files are set aside")
    return place, watcher, recorder, dropped


def test_every_chunk_is_accounted_for_and_the_machines_are_at_rest(ingested):
    place, watcher, _, dropped = ingested
    rows = documents(watcher, "settled")
    assert all(int(row["chunks"]) == sum(int(row[name]) for name in OUTCOMES) for row in rows)
    assert sum(int(row["examples"]) for row in rows) > 100
    executions = until(
        lambda: (lambda found: found if all(e["status"] == "SUCCEEDED" for e in found) else None)(
            watcher.executions("IngestMachine")
        ),
        "no ingest runs",
    )
    assert len(executions) == len(dropped)
    ran = {execution["name"] for execution in executions}
    assert all(names & ran for names in ingest_names(place.outputs["IntakeBucket"], dropped)), "refused files too"


def test_nothing_that_was_finished_was_done_again(ingested):
    place, _, _, _ = ingested
    s3, bucket = place.client("s3"), place.outputs["WorkBucket"]
    versions: dict[str, int] = {}
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix="teaching/"):
        for version in page.get("Versions", []):
            versions[version["Key"]] = versions.get(version["Key"], 0) + 1
    outcomes = {key: count for key, count in versions.items() if key.endswith(".jsonl")}
    assert outcomes and set(outcomes.values()) == {1}


def test_bad_files_are_set_aside_with_a_reason_and_an_event(ingested):
    place, watcher, recorder, _ = ingested
    assert {row["reason"] for row in watcher.rows("REJECTED")} >= {"empty"}
    note = place.client("s3").get_object(
        Bucket=place.outputs["IntakeBucket"], Key="rejected/incoming/bad/empty.txt.reason.json"
    )
    assert json.loads(note["Body"].read())["reason"] == "empty"
    told = recorder.events()
    assert {event["detail"]["key"] for event in told if event["detail-type"] == "Document Rejected"} == {
        "incoming/bad/empty.txt",
        "incoming/bad/noise.bin",
    }


def test_a_dry_run_makes_the_dataset_and_spends_nothing(ingested):
    place, watcher, _, _ = ingested
    s3, bucket = place.client("s3"), place.outputs["IntakeBucket"]
    s3.put_object(Bucket=bucket, Key="runs/dry.json", Body=b'{"dry_run": true}')
    s3.put_object(Bucket=bucket, Key="runs/wrong.json", Body=b'{"sed": 1}')

    def dry_run():
        ended = [e for e in watcher.executions("CustomizeMachine") if e["status"] != "RUNNING"]
        sf = place.client("stepfunctions")
        found = [sf.describe_execution(executionArn=e["executionArn"]) for e in ended]
        return next((e for e in found if "runs/dry.json" in e["input"]), None)

    ended = until(dry_run, "the dry run ended")
    assert ended["status"] == "SUCCEEDED", ended.get("cause")
    reason = until(
        lambda: next((row for row in watcher.rows("REJECTED") if row["key"] == "runs/wrong.json"), None),
        "the wrong request is set aside",
    )
    assert reason["reason"] == "InvalidInput" and "'sed'" in reason["detail"]
    kept = s3.list_objects_v2(Bucket=place.outputs["WorkBucket"], Prefix="datasets/")["Contents"]
    assert any(entry["Key"].endswith("rft/train.jsonl") for entry in kept)
    jobs = place.client("sagemaker").list_training_jobs(NameContains=ended["name"])["TrainingJobSummaries"]
    assert jobs == []


class User:
    """Somebody who follows the pages, in a folder like a clone, with `toolsmith up` running there."""

    def __init__(self, folder: Path, env: dict[str, str], known: dict[str, str]) -> None:
        self.folder, self.env, self.known = folder, env, known

    def run(self, command: str, how: pages.Run) -> subprocess.CompletedProcess:
        """Run a command of a page by the shell, its placeholders filled in."""
        for printed, meant in how.given.items():
            assert printed in command, f"{printed} does not stand in {command}"
            command = command.replace(printed, meant.format(**self.known))
        return subprocess.run(["bash", "-c", command], cwd=self.folder, env=self.env, input=how.typed, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT, check=False)  # fmt: skip


@pytest.fixture(scope="module")
def user(world, ingested, tmp_path_factory):
    """The cloud of the tests above, started again by `toolsmith up`, with the untrained student deployed."""
    cloud, _, home = world
    folder = tmp_path_factory.mktemp("user") / "toolsmith"
    folder.mkdir()
    for entry in ROOT.iterdir():
        if entry.name not in (".git", ".toolsmith", "build"):
            (folder / entry.name).symlink_to(entry)
    (folder / ".toolsmith").symlink_to(home)
    shutil.copy(ROOT / "samples" / "regulations" / "ecfr-title-17-part-279.xml", folder / "filing.txt")
    cloud.stop()
    path = os.pathsep.join([str(folder / ".venv" / "bin"), str(folder / ".venv-sam" / "bin"), os.environ["PATH"]])
    host = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    env = {**host, **cloud.env(), "PATH": path, "TOOLSMITH_PORT": str(cloud.settings.port)}
    log = (folder / "up.log").open("w")
    # a shell that runs the tests in the background has them ignore Ctrl-C, and what they start as well
    up = subprocess.Popen(shlex.split(pages.UP), cwd=folder, env=env, stdout=log, stderr=log,
                          preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # fmt: skip
    try:
        until(lambda: "ask the model at http" in (folder / "up.log").read_text() or up.poll() is not None, "it is up")
        assert up.poll() is None, (folder / "up.log").read_text()
        assert "already deployed" in (folder / "up.log").read_text(), "building again takes half a minute"
        place = local_place(cloud)
        runs = Watcher(place).rows("RUN")
        sqs, url = place.client("sqs"), place.outputs["DeadLetters"]
        queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        known = {**place.outputs, "run": runs[-1]["id"], "queue": queue}
        deploy_untrained(place)
        yield User(folder, env, known)
    finally:
        up.send_signal(signal.SIGINT)
        code = up.wait(60)
    assert code == 130, (folder / "up.log").read_text()


def deploy_untrained(place) -> None:
    """What a run does at its end, with the weights that no run has trained."""
    s3, bedrock = place.client("s3"), place.client("bedrock")
    found = place.client("cloudformation").describe_stack_resource(StackName=STACK, LogicalResourceId="ImportRole")
    name = found["StackResourceDetail"]["PhysicalResourceId"]
    role = place.client("iam").get_role(RoleName=name)["Role"]["Arn"]
    bucket = f"customer-escrow-{role.split(':')[4]}-untrained"
    s3.create_bucket(Bucket=bucket)
    for file in (ROOT / "local" / "student" / "base").iterdir():
        s3.upload_file(str(file), bucket, f"base/{file.name}")
    source = {"s3DataSource": {"s3Uri": f"s3://{bucket}/base/"}}
    model = bedrock.create_custom_model(modelName="untrained", modelSourceConfig=source, roleArn=role)["modelArn"]
    until(lambda: bedrock.get_custom_model(modelIdentifier=model)["modelStatus"] == "Active", "the model is imported")
    made = bedrock.create_custom_model_deployment(modelDeploymentName=STACK, modelArn=model)
    arn = made["customModelDeploymentArn"]
    until(lambda: bedrock.get_custom_model_deployment(customModelDeploymentIdentifier=arn)["status"] == "Active",
          "the model is deployed")  # fmt: skip
    place.client("ssm").put_parameter(Name=place.outputs["ModelParameter"], Value=arn, Type="String", Overwrite=True)


def test_env_tells_other_programs_how_to_reach_the_cloud(user):
    done = user.run("env -i PATH=\"$PATH\" toolsmith env", pages.Run())
    lines = [shlex.split(line) for line in done.stdout.splitlines()]
    assert all(len(line) == 2 and line[0] == "export" for line in lines), done.stdout
    env = dict(line[1].split("=", 1) for line in lines)
    there = boto3.client("s3", endpoint_url=env["AWS_ENDPOINT_URL"], region_name=env["AWS_REGION"],
                         aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
                         aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"])  # fmt: skip
    assert user.known["IntakeBucket"] in [bucket["Name"] for bucket in there.list_buckets()["Buckets"]]


@pytest.mark.parametrize("command", pages.RUN, ids=lambda command: " ".join(command.split()[:3]))
def test_the_commands_of_the_pages_work_as_printed(user, command):
    if command.startswith("aws ") and shutil.which("aws") is None:
        pytest.skip("no AWS CLI: nothing but these commands needs it")
    how = pages.RUN[command]
    done = user.run(command, how)
    assert done.returncode == how.code and how.says in done.stdout, done.stdout


def test_after_destroy_what_it_said_would_stay_is_there(user, world):
    cloud, place, _ = world
    assert not stack.stands(cloud)
    stacks = [s["StackName"] for s in place.client("cloudformation").describe_stacks()["Stacks"]]
    assert STACK not in stacks
    for name in ("IntakeBucket", "WorkBucket"):
        assert place.client("s3").list_objects_v2(Bucket=user.known[name])["KeyCount"] > 0
    assert place.client("dynamodb").scan(TableName=user.known["LedgerTable"])["Count"] > 0
