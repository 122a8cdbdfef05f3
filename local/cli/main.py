"""The commands and their options; each is carried out by a module of its own, imported when it is used."""

import argparse
import importlib
import os
import sys
from pathlib import Path

from local.cli.failures import Failed, Misused, told
from local.cli.request import options
from toolsmith.errors import DocumentRejected, NothingDeployed, ToolsmithError

HOME = Path(".toolsmith")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="toolsmith", description="Documents become a model that calls tools better, and the proof of it."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in (_running, _following, _offline):
        add(commands)
    return parser


def _command(commands, name: str, module: str, text: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(module=module)
    return parser


def _at_home(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--home", type=Path, default=HOME, help="folder of the local cloud (default .toolsmith)")
    port = os.environ.get("TOOLSMITH_PORT", "4566")
    help_ = "port of the local cloud on 127.0.0.1 (default $TOOLSMITH_PORT, else 4566)"
    parser.add_argument("--port", type=int, default=port, help=help_)


def _somewhere(parser: argparse.ArgumentParser) -> None:
    _at_home(parser)
    parser.add_argument("--stack", help="a deployed stack on AWS instead of the local cloud")
    parser.add_argument("--json", action="store_true", help="one JSON object per line on stdout")


def _taught(parser: argparse.ArgumentParser) -> None:
    told = "a chat endpoint (OpenAI format) that writes the questions; its key, if any, in $TOOLSMITH_TEACHER_KEY"
    parser.add_argument("--teacher-url", metavar="URL", help=told)
    parser.add_argument("--teacher-model", metavar="NAME", help="the model to ask for at that endpoint")
    parser.add_argument("--teacher", metavar="bedrock:MODEL", help="a model of the real Bedrock, with your AWS profile")


def _placed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--on", choices=("training-job", "serverless", "bedrock"), default="training-job",
                        help="where the jobs of a run are done (default training-job; docs/operations.md)")  # fmt: skip


def _tracked(parser: argparse.ArgumentParser) -> None:
    told = "a tracking server of MLflow that training and evaluation jobs log to, for example http://127.0.0.1:5000"
    parser.add_argument("--mlflow", metavar="URL", default="", help=told)


def _running(commands) -> None:
    demo = _command(
        commands, "demo", "demo", "Drop documents into a local cloud and follow them until a model is registered."
    )
    _at_home(demo)
    demo.add_argument("--drop", type=Path, action="append", metavar="PATH", help="files or folders instead of samples/")
    demo.add_argument("--out", type=Path, help="write summary.json, dataset/ and report.html here")
    demo.add_argument("--seed", type=int, default=0, help="seed of split, training and sampling (default 0)")
    demo.add_argument("--fresh", action="store_true", help="start from an empty cloud")
    demo.add_argument("--keep", action="store_true", help="leave the cloud running at the end")
    _placed(demo)
    _tracked(demo)
    _taught(demo)
    up = _command(commands, "up", "up", "Start the local cloud and deploy template.yaml to it; runs until interrupted.")
    _at_home(up)
    up.add_argument("--seed", type=int, default=0, help="seed of split, training and sampling (default 0)")
    _placed(up)
    _tracked(up)
    _taught(up)
    up.add_argument("--page", type=int, metavar="PORT", help="port of the assistant's page (default: --port and one)")
    _at_home(_command(commands, "env", "env", "Print how other programs reach the local cloud, for `eval`."))
    drop = _command(commands, "drop", "drop", "Drop files or folders into incoming/, requests/ or runs/.")
    _somewhere(drop)
    drop.add_argument("--to", choices=("incoming", "requests", "runs"), default="incoming",
                      help="documents (default), requests to crawl, or requests for runs")  # fmt: skip
    drop.add_argument("paths", type=Path, nargs="+", metavar="FILE")


def _following(commands) -> None:
    watch = _command(commands, "watch", "watch", "Follow documents and a run while they go on.")
    _somewhere(watch)
    watch.add_argument("run", nargs="?", help="the run to follow (default: the newest)")
    watch.add_argument("--once", action="store_true", help="print the state as it is and stop")
    ask = _command(commands, "ask", "ask", "Ask the deployed model; its calls run over the ingested documents.")
    _somewhere(ask)
    ask.add_argument("question", help="what you want to know, in one string")
    redrive = _command(commands, "redrive", "redrive", "Go on with a failed execution from the state that failed.")
    _somewhere(redrive)
    redrive.add_argument("run", help="name of the execution, as `toolsmith watch` and the mails give it")
    redrive.add_argument("--budget-usd", type=float, metavar="USD", help="what the run may cost in all")
    redrive.add_argument("--unpriced", action="store_true", help="accept jobs of it whose price nobody knows")
    for name, text in (
        ("approve", "Let a run that waits for approval go on."),
        ("reject", "End a run that waits for approval."),
    ):
        answer = _command(commands, name, "approve", text)
        _somewhere(answer)
        answer.add_argument("run", help="name of the run, as its mail gives it")
    answer.add_argument("--because", default="a person said no", metavar="TEXT", help="reason that the mail will give")
    report = _command(commands, "report", "report", "Fetch the report of a run and print where it lies.")
    _somewhere(report)
    report.add_argument("run", nargs="?", help="the run (default: the newest that was reported)")
    report.add_argument("--out", type=Path, help="folder for the files (default: below --home)")
    _somewhere(_command(commands, "evaluator", "evaluator", "Register the reward function for serverless jobs."))
    destroy = _command(
        commands, "destroy", "destroy", "Delete a stack on AWS, after saying what stays and what it costs."
    )
    _somewhere(destroy)
    destroy.add_argument("--yes", action="store_true", help="do not ask")
    destroy.add_argument("--dry-run", action="store_true", help="only say what would stay")


def _offline(commands) -> None:
    parse = _command(commands, "parse", "documents", "Parse one file and print the document as JSON.")
    parse.add_argument("file", type=Path)
    parse.add_argument("--json", action="store_true", help="one object (default: the same, indented)")
    chunk = _command(commands, "chunk", "documents", "Chunk one file and print its chunks as JSON lines.")
    chunk.add_argument("file", type=Path)
    chunk.add_argument("--size", type=int, default=2000, help="most characters of a chunk (default 2000)")
    chunk.add_argument("--overlap", type=int, default=200, help="characters shared by neighbours (default 200)")
    _command(commands, "grade", "grade", "Grade a reward event (JSON) from stdin, as the reward function does.")
    _command(commands, "judge", "grade", "Judge answers (JSON lines) from stdin by the strict rules.")
    text = "Print the request of a stage, as a training job or for another place."
    options(_command(commands, "request", "request", text))


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        return importlib.import_module(f"local.cli.{arguments.module}").run(arguments) or 0
    except Misused as error:
        print(f"toolsmith {arguments.command}: {error}", file=sys.stderr)
        return 2
    except (Failed, ToolsmithError) as error:
        kind = "" if isinstance(error, Failed | DocumentRejected | NothingDeployed) else f"{type(error).__name__}: "
        print(f"toolsmith {arguments.command}: {kind}{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; the same command goes on where this one stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        said = told(error)
        if said is None:
            raise
        print(f"toolsmith {arguments.command}: {said}", file=sys.stderr)
        return 1
