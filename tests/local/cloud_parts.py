"""Stand-ins for the parts of the cloud that other rooms bring: training program, teacher, model server.

Run as a program it is a training job (`train`) or a model server (`serve --model DIR`).
"""

import atexit
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Reply:
    text: str
    input_tokens: int
    output_tokens: int


def answer(system: str, user: str) -> Reply:
    """A teacher that says back what it heard, in capitals."""
    if user == "busy":
        raise type("TeacherThrottled", (Exception,), {})("no quota")
    return Reply(user.upper(), len(user), 3)


def train() -> None:
    """Reads its channels, obeys hyperparameters (sleep, fail, raise, ask), writes a checkpoint and metrics."""
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
    if "raise" in wishes:
        atexit.register(print, "resources are given back\n\n---", flush=True)
        raise ValueError(wishes["raise"])
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
