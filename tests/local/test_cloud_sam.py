"""The whole local cloud at once: the real `sam build` and `sam deploy`, then a file dropped into the bucket."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local.cloud import Cloud
from tests.local.cloud_harness import ROOT, RUNTIME, client, make_cloud, received

APP = ROOT / "tests" / "local" / "cloud_app"
SAM = next((path for path in (ROOT / ".venv-sam/bin/sam", ROOT / ".venv/bin/sam") if path.exists()), None)
STACK = "cloud-test"

pytestmark = [
    pytest.mark.skipif(SAM is None, reason="no sam beside the repository; `make setup` installs it"),
    pytest.mark.skipif(not RUNTIME.exists(), reason="no .runtime; `make setup` makes it"),
]


def sam(cloud: Cloud, folder: Path, *args: str) -> None:
    command = [SAM, *args]
    done = subprocess.run(command, cwd=folder, env={**os.environ, **cloud.env()}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def deploy(cloud: Cloud, folder: Path) -> dict[str, str]:
    """Build and deploy the application in `folder`; the stack's outputs."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    sam(cloud, folder, "build", "--parameter-overrides", f"Runtime={version}")
    sam(
        cloud, folder, "deploy", "--stack-name", STACK, "--resolve-s3", "--capabilities", "CAPABILITY_IAM",
        "--no-confirm-changeset", "--no-fail-on-empty-changeset", "--parameter-overrides", f"Runtime={version}",
    )  # fmt: skip
    stack = client(cloud, "cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


@pytest.fixture(scope="module")
def application(tmp_path_factory) -> Path:
    """A private copy of the application: sam writes its build beside the template."""
    folder = tmp_path_factory.mktemp("app")
    shutil.copytree(APP, folder, dirs_exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def cloud(tmp_path_factory) -> Cloud:
    with make_cloud(tmp_path_factory.mktemp("cloud")) as made:
        yield made


@pytest.fixture(scope="module")
def outputs(cloud, application) -> dict[str, str]:
    return deploy(cloud, application)


def drop(cloud: Cloud, outputs: dict[str, str], name: str, rows: int = 3) -> None:
    client(cloud, "s3").put_object(Bucket=outputs["Bucket"], Key=f"incoming/{name}.jsonl", Body=b"{}\n" * rows)


def test_a_dropped_file_becomes_a_registered_model(cloud, outputs):
    drop(cloud, outputs, "first", rows=7)
    event = received(cloud, outputs["Inbox"])
    assert (event["source"], event["detail-type"]) == ("cloud.test", "Model Registered"), event
    assert event["detail"]["status"] == "Active"
    bedrock = client(cloud, "bedrock")
    assert bedrock.get_custom_model(modelIdentifier="tiny-first")["modelArn"] == event["detail"]["model"]
    weights = cloud.settings.data / "bedrock" / "weights" / event["detail"]["model"].rpartition("/")[2]
    assert json.loads((weights / "weights.json").read_text()) == {"rows": 7, "step": 3}


def test_a_failed_item_comes_back_and_its_batch_does_not(cloud, outputs):
    drop(cloud, outputs, "poison")
    drop(cloud, outputs, "second")
    assert received(cloud, outputs["Inbox"])["detail-type"] == "Model Registered"
    queue = client(cloud, "sqs").get_queue_url(QueueName=queue_of(cloud))["QueueUrl"]
    states = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    left = client(cloud, "sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=states)["Attributes"]
    assert sorted(map(int, left.values())) == [0, 1]


def queue_of(cloud: Cloud) -> str:
    found = client(cloud, "cloudformation").describe_stack_resource(StackName=STACK, LogicalResourceId="Arrivals")
    return found["StackResourceDetail"]["PhysicalResourceId"].rpartition("/")[2]


def test_a_permission_taken_from_the_template_is_missed(cloud, outputs, application):
    """Least privilege is real: the machine without bedrock:CreateCustomModel fails as it would on AWS."""
    template = application / "template.yaml"
    whole = template.read_text()
    template.write_text(whole.replace("[bedrock:CreateCustomModel, bedrock:GetCustomModel]", "bedrock:GetCustomModel"))
    try:
        deploy(cloud, application)
        drop(cloud, outputs, "third")
        event = received(cloud, outputs["Inbox"])
    finally:
        template.write_text(whole)
    assert event["detail-type"] == "Step Functions Execution Status Change"
    assert event["detail"]["status"] == "FAILED"
    assert event["detail"]["error"] == "Bedrock.AccessDeniedException"
    assert "is not authorized to perform: bedrock:CreateCustomModel" in event["detail"]["cause"]


def test_an_update_keeps_the_machine_and_refuses_a_missing_substitution(cloud, outputs, application):
    machine = application / "pipeline.asl.json"
    whole = machine.read_text()
    machine.write_text(whole.replace('"Seconds": 1', '"Seconds": 2'))
    assert deploy(cloud, application)["Machine"] == outputs["Machine"]
    states = client(cloud, "stepfunctions")
    assert '"Seconds": 2' in states.describe_state_machine(stateMachineArn=outputs["Machine"])["definition"]
    machine.write_text(whole.replace("${Bus}", "${Coach}"))
    with pytest.raises(AssertionError, match="ROLLBACK_COMPLETE"):
        deploy(cloud, application)
    machine.write_text(whole)
    events = client(cloud, "cloudformation").describe_stack_events(StackName=STACK)["StackEvents"]
    reasons = [event.get("ResourceStatusReason", "") for event in events]
    assert any("no DefinitionSubstitutions for Coach" in reason for reason in reasons), reasons
