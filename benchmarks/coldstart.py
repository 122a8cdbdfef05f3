"""How much is deployed, whether building twice gives the same bytes, and what a handler's first import costs.

    python benchmarks/coldstart.py [--runs N] [--out FILE]

`sam build` runs twice, in two places, for this machine's own Python. Then every handler is imported from what was built
in a fresh interpreter with what Lambda's runtime holds (.runtime), and the CPU time of that import is taken: the
least of N runs, without the interpreter's own start. The runs of one handler lie apart, so that a burst of load meets
all handlers alike. boto3 alone is the yardstick: it takes 172 ms on a quiet machine.
Sizes are of the first build; a zip is made as sam makes it.
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

from local.cli import stack  # noqa: E402

MB = 1_000_000
LAYER = "ToolsmithLayer"
LAYER_MB, FUNCTION_MB = 35, 60
# CPU ms beyond the interpreter.
BUDGETS = {
    "grade": 80, "measure": 80, "parse": 250, "teach": 450, "admit": 450, "prepare_job": 600, "report": 300,
}  # fmt: skip
PROBE = """
import time
begun = time.process_time()
import {module}
print(1000 * (time.process_time() - begun))
"""


def build(folder: Path) -> Path:
    """The folder that `sam build` filled. Raises SystemExit with sam's own words."""
    env = {**os.environ, "BUILD_FOR": "host", "PYTHON": sys.executable, "SAM_CLI_TELEMETRY": "0",
           "AWS_DEFAULT_REGION": "us-east-1"}  # fmt: skip
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    command = [stack.sam(), "build", "--build-in-source", "--build-dir", str(folder),
               "--parameter-overrides", *stack.parameters(0)]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return folder


def files(folder: Path) -> Iterator[tuple[str, Path]]:
    """(path below the folder, path) of every file that is deployed, in order."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file that is deployed."""
    parts = [part for part in sorted(folder.iterdir()) if part.is_dir()]
    return {f"{part.name}/{name}": hashlib.sha256(path.read_bytes()).hexdigest()
            for part in parts for name, path in files(part)}  # fmt: skip


def unzipped(folder: Path) -> int:
    return sum(path.stat().st_size for _, path in files(folder))


def zipped(folder: Path, target: Path) -> int:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in files(folder):
            archive.write(path, name)
    return target.stat().st_size


def import_ms(function: Path, layer: Path, module: str = "app") -> float:
    """CPU ms of importing a function's handler (or another module) once, as the runtime does."""
    env = {"PYTHONPATH": f"{function}{os.pathsep}{layer / 'python'}", "PATH": os.environ["PATH"],
           "AWS_DEFAULT_REGION": "us-east-1", "LAMBDA_TASK_ROOT": str(function)}  # fmt: skip
    python = ROOT / ".runtime" / "bin" / "python"
    command = [python, "-c", PROBE.format(module=module)]
    done = subprocess.run(command, env=env, cwd=function, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def folder_of(function: Path) -> str:
    """The name below functions/ of a built function, found by its handler's file: CloudFormation knows another one."""
    made = (function / "app.py").read_bytes()
    return next(path.parent.name for path in ROOT.glob("functions/*/app.py") if path.read_bytes() == made)


def measure(home: Path, runs: int) -> dict[str, Any]:
    first, second = build(home / "one"), build(home / "another" / "place")
    left, right = digests(first), digests(second)
    differing = sorted(name for name in left.keys() | right.keys() if left.get(name) != right.get(name))
    layer = first / LAYER
    functions = {folder_of(path.parent): path.parent for path in sorted(first.glob("*/app.py"))}
    rounds = [{"boto3": import_ms(functions["grade"], layer, "boto3"),
               **{name: import_ms(path, layer) for name, path in sorted(functions.items())}}
              for _ in range(runs)]  # fmt: skip
    spent = {name: round(min(each[name] for each in rounds), 1) for name in rounds[0]}
    alone = spent.pop("boto3")
    layer_zip, layer_bytes = zipped(layer, home / "layer.zip"), unzipped(layer)
    largest = max(unzipped(path) for path in functions.values()) + layer_bytes
    seen = hashlib.sha256(json.dumps(sorted(left.items())).encode()).hexdigest()
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "load": round(os.getloadavg()[0], 1),
        "runs": runs,
        "files": len(left),
        "digest": seen,
        "differing_files": differing,
        "boto3_alone_cpu_ms": alone,
        "layer_mb_unzipped": round(layer_bytes / MB, 1),
        "layer_mb_zipped": round(layer_zip / MB, 1),
        "largest_function_with_layer_mb": round(largest / MB, 1),
        "handlers": [{"function": name, "import_cpu_ms": ms, "budget_ms": BUDGETS.get(name)}
                     for name, ms in spent.items()],
        "met": {
            "building twice gives the same bytes": not differing,
            f"layer at most {LAYER_MB} MB": layer_bytes <= LAYER_MB * MB,
            f"function with layer at most {FUNCTION_MB} MB": largest <= FUNCTION_MB * MB,
            **{f"{name} at most {most} ms": spent[name] <= most for name, most in BUDGETS.items()},
        },
    }  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "coldstart.json")
    options = parser.parse_args(arguments)
    home = Path(tempfile.mkdtemp(prefix="coldstart-"))
    try:
        result = measure(home, options.runs)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))
    return 0 if all(result["met"].values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
