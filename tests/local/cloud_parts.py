"""Stand-ins for the parts of the cloud that other rooms bring: interpreter, training program, teacher, server.

Run as a program it is a training job (`train`) or a model server (`serve --model DIR`).
"""

import json
import os
import sys
import time
import uuid
from pathlib import Path


class Machines:
    """A state-machine service that stores machines and starts executions which succeed at once."""

    def __init__(self, settings, client, on_status) -> None:
        self._machines: dict[str, dict] = {}
        self._executions: list[dict] = []
        self._on_status = on_status

    def handle(self, action: str, params: dict) -> dict:
        return getattr(self, action)(params)

    def CreateStateMachine(self, params):
        arn = f"arn:aws:states:us-east-1:123456789012:stateMachine:{params['name']}"
        self._machines[arn] = params
        return {"stateMachineArn": arn, "creationDate": time.time()}

    def UpdateStateMachine(self, params):
        self._machines[params["stateMachineArn"]] |= params
        return {"updateDate": time.time(), "revisionId": uuid.uuid4().hex}

    def DeleteStateMachine(self, params):
        self._machines.pop(params["stateMachineArn"], None)
        return {}

    def DescribeStateMachine(self, params):
        machine = self._machines[params["stateMachineArn"]]
        return {
            "name": machine["name"],
            "definition": machine["definition"],
            "roleArn": machine["roleArn"],
            "stateMachineArn": params["stateMachineArn"],
            "type": "STANDARD",
            "creationDate": time.time(),
        }

    def StartExecution(self, params):
        now, name = time.time(), params.get("name") or uuid.uuid4().hex
        arn = params["stateMachineArn"].replace(":stateMachine:", ":execution:") + ":" + name
        execution = {
            "executionArn": arn,
            "stateMachineArn": params["stateMachineArn"],
            "name": name,
            "status": "SUCCEEDED",
            "startDate": now,
            "stopDate": now,
            "input": params.get("input", "{}"),
            "output": "{}",
        }
        self._executions.append(execution)
        self._on_status(execution)
        return {"executionArn": arn, "startDate": now}

    def ListExecutions(self, params):
        members = ("executionArn", "stateMachineArn", "name", "status", "startDate", "stopDate")
        return {"executions": [{m: e[m] for m in members} for e in self._executions]}

    def DescribeExecution(self, params):
        return next(e for e in self._executions if e["executionArn"] == params["executionArn"])

    def resume(self) -> None:
        """Nothing outlives the process."""


def answer(system: str, text: str) -> dict:
    """A teacher that says back what it heard, in capitals."""
    if text == "busy":
        raise type("TeacherThrottled", (Exception,), {})("no quota")
    return {"text": text.upper(), "input_tokens": len(text), "output_tokens": 3}


def train() -> None:
    """Reads its channels, obeys hyperparameters (sleep, fail, ask), writes a checkpoint and metrics."""
    base = Path(os.environ["SM_BASE"])
    wishes = json.loads((base / "input/config/hyperparameters.json").read_text())
    rows = sum(len(p.read_text().splitlines()) for p in (base / "input/data/train").iterdir())
    inherited = [p.name for p in Path(os.environ.get("SM_BASE_CHECKPOINT", "/nowhere")).glob("*")]
    print(f"technique={os.environ['SM_TECHNIQUE']} rows={rows} inherited={inherited}", flush=True)
    for step in range(1, 4):
        print(f"global_step={step} reduced_train_loss={1 / step:.3f}", flush=True)
        time.sleep(float(wishes.get("sleep", 0)))
    if "ask" in wishes:
        print(f"asked: {_ask(wishes['ask'])}", flush=True)
    if "fail" in wishes:
        (base / "output/failure").write_text(wishes["fail"])
        sys.exit(3)
    for step in (2, 3):
        folder = base / f"checkpoints/step_{step}"
        folder.mkdir(parents=True)
        (folder / "weights.json").write_text(json.dumps({"rows": rows, "step": step}))
    (base / "output/data/step_wise_training_metrics.csv").write_text("step_number,training_loss\n1,1.0\n3,0.333\n")


def _ask(bucket: str) -> str:
    """Try what the job's role may not do."""
    import boto3
    from botocore.exceptions import ClientError

    try:
        boto3.client("s3").list_objects_v2(Bucket=bucket)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "allowed"


def serve(folder: Path) -> None:
    """Answers with the weights' own numbers and its process id."""
    weights = json.loads((folder / "weights.json").read_text())
    for line in sys.stdin:
        asked = json.loads(line)
        text = f"step {weights['step']} pid {os.getpid()}: {asked['messages'][-1]['text']}"
        if "die" in asked["messages"][-1]["text"]:
            sys.exit("the weights are broken")
        print(json.dumps({"id": asked["id"], "text": text, "input_tokens": 5, "output_tokens": 4}), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "train":
        train()
    else:
        serve(Path(sys.argv[sys.argv.index("--model") + 1]))
