"""Builds and deploys template.yaml to the local cloud with the real `sam`, unless what is deployed is the same."""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

from local.cli.evaluator import LOCAL_ARN
from local.cli.failures import Failed, Misused
from local.cli.place import STACK, local_place
from local.cloud import Cloud

ROOT = Path(__file__).resolve().parents[2]
MLFLOW_ARN = "arn:aws:sagemaker:us-east-1:123456789012:mlflow-tracking-server/local"  # stands for any server here
SOURCES = ("template.yaml", "samconfig.toml", "functions", "layers", "recipes", "statemachines")


def parameters(seed: int, changes: Mapping[str, str] | None = None) -> list[str]:
    """The laptop's parameters: samconfig.toml's environment `local`, the host's runtime and architecture, `changes`."""
    config = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))
    machine = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
    usual = dict(each.split("=", 1) for each in config["local"]["deploy"]["parameters"]["parameter_overrides"])
    own = {"Runtime": f"python3.{sys.version_info.minor}", "Architecture": machine, "Seed": str(seed)}
    return [f"{name}={value}" for name, value in {**usual, **own, **(changes or {})}.items()]


def placed(on: str, mlflow: str = "") -> dict[str, str]:
    """The parameters that say where the jobs of a run are done, and that they log to MLflow where it has an address.

    Raises Misused for jobs that cannot log there.
    """
    if mlflow and on == "bedrock":
        raise Misused("Bedrock's own jobs log to no MLflow: leave out --mlflow, or choose another place with --on")
    evaluator = {"EvaluatorArn": LOCAL_ARN} if on == "serverless" else {}
    return {"CustomizeOn": on, **evaluator, **({"MlflowArn": MLFLOW_ARN} if mlflow else {})}


def _digest(chosen: list[str]) -> str:
    seen = hashlib.sha256(json.dumps(chosen).encode())
    for source in SOURCES:
        path = ROOT / source
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                seen.update(f"{file.relative_to(ROOT)}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return seen.hexdigest()


def sam() -> str:
    """The SAM CLI beside this checkout, else the one on the path. Raises Misused where there is none."""
    beside = ROOT / ".venv-sam" / "bin" / "sam"
    found = str(beside) if beside.is_file() else shutil.which("sam")
    if not found:
        raise Misused("the SAM CLI is not installed; run `make setup`")
    return found


def stands(cloud: Cloud) -> bool:
    """Whether the stack is there; somebody may have destroyed it since it was deployed."""
    try:
        return bool(local_place(cloud).outputs)
    except Failed:
        return False


def deploy(cloud: Cloud, home: Path, seed: int, changes: Mapping[str, str] | None = None) -> bool:
    """Bring the local stack up to date; False where nothing had to be done. Raises Failed with sam's own words."""
    chosen = parameters(seed, changes)
    digest, mark = _digest(chosen), home / "deployed"
    if mark.is_file() and mark.read_text() == digest and stands(cloud):
        return False
    print("building and deploying template.yaml with sam; this takes about a minute", file=sys.stderr, flush=True)
    build = home.resolve() / "build"  # sam names sources by their way from here, and a link would mislead it
    env = {**os.environ, **cloud.env(), "BUILD_FOR": "host", "PYTHON": sys.executable}
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    overrides = ["--parameter-overrides", *chosen]
    _run([sam(), "build", "--build-in-source", "--build-dir", str(build), *overrides], env, home / "sam-build.log")
    command = [sam(), "deploy", "--template-file", str(build / "template.yaml"), "--stack-name", STACK, "--resolve-s3",
               "--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset", "--no-fail-on-empty-changeset",
               "--region", "us-east-1", *overrides]  # fmt: skip
    _run(command, env, home / "sam-deploy.log")
    mark.write_text(digest)
    return True


def _run(command: list[str], env: dict[str, str], log: Path) -> None:
    with log.open("wb") as out:
        code = subprocess.run(command, cwd=ROOT, env=env, stdout=out, stderr=subprocess.STDOUT, check=False).returncode
    if code:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
        raise Failed(f"`{Path(command[0]).name} {command[1]}` ended with {code}; the end of {log}:\n{tail}")
