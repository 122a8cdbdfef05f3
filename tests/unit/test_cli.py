"""The command line as people use it: exit codes, clear words for every mistake, and never a traceback."""

import http.server
import importlib
import json
import re
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from botocore.exceptions import EndpointConnectionError

from local.cli import main, stack
from local.cli.failures import Misused
from local.cli.main import _parser
from local.cli.report import told
from tests.template.loading import template
from tests.unit.memory import MemoryLedger
from toolsmith.pipeline.spending import Budget


@pytest.fixture(autouse=True)
def nobody(monkeypatch, tmp_path):
    """A machine without credentials, region or local cloud; the working directory is empty."""
    import os

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)


def said(capsys):
    told = capsys.readouterr()
    assert "Traceback" not in told.err
    return told


LOCAL = ["watch", "report", "drop", "ask", "approve", "reject", "redrive"]


def test_env_without_a_local_cloud_says_how_to_start_one(capsys):
    assert main(["env"]) == 2
    assert "toolsmith up" in said(capsys).err


def line(command):
    needs = {"drop": ["here.txt"], "ask": ["What?"], "approve": ["r"], "reject": ["r"], "redrive": ["r"]}
    return [command, *needs.get(command, [])]


@pytest.mark.parametrize("command", LOCAL)
def test_without_a_local_cloud_the_command_says_how_to_start_one(command, capsys, tmp_path):
    (tmp_path / "here.txt").write_text("x")
    assert main(line(command)) == 2
    assert "toolsmith up" in said(capsys).err


@pytest.mark.parametrize("command", LOCAL)
def test_a_stack_without_a_region_says_which_to_set(command, capsys, tmp_path):
    (tmp_path / "here.txt").write_text("x")
    assert main([*line(command), "--stack", "prod"]) == 1
    assert "AWS_REGION=us-east-1" in said(capsys).err


@pytest.mark.parametrize("command", LOCAL)
def test_a_stack_without_credentials_says_how_to_configure_them(command, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    (tmp_path / "here.txt").write_text("x")
    assert main([*line(command), "--stack", "prod"]) == 1
    assert "aws configure" in said(capsys).err


def serving(status, code, message):
    """An AWS endpoint that answers every request with one error."""
    kind = "<ErrorResponse><Error><Code>{}</Code><Message>{}</Message></Error></ErrorResponse>"

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(kind.format(code, message).encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.mark.parametrize(
    ("status", "code", "message", "says"),
    [
        (400, "ValidationError", "Stack with id prod does not exist", "no stack prod"),
        (403, "AccessDenied", "not authorized to perform: cloudformation:DescribeStacks", "not authorized"),
        (403, "ExpiredToken", "The security token included in the request is expired", "expired"),
    ],
)
def test_what_aws_refuses_is_said_in_its_words(status, code, message, says, capsys, monkeypatch):
    server = serving(status, code, message)
    for name, value in (("AWS_REGION", "us-east-1"), ("AWS_DEFAULT_REGION", "us-east-1"), ("AWS_ACCESS_KEY_ID", "x"),
                        ("AWS_SECRET_ACCESS_KEY", "x"),
                        ("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")):  # fmt: skip
        monkeypatch.setenv(name, value)
    try:
        assert main(["watch", "--once", "--stack", "prod"]) == 1
    finally:
        server.shutdown()
        server.server_close()
    assert says in said(capsys).err


@pytest.mark.parametrize(
    ("argv", "code", "says"),
    [
        (["parse", "missing.txt"], 2, "missing.txt is no file"),
        (["parse", "."], 2, "is no file"),
        (["chunk", "missing.txt"], 2, "missing.txt is no file"),
        (["request", "sft", "--student", "nobody"], 1, "nobody"),
        (["request", "sft", "--run", "no spaces allowed"], 1, "name"),
        (["destroy"], 2, "--stack"),
        (["demo", "--drop", "missing"], 2, "missing does not exist"),
        (["drop", "missing.txt"], 2, "toolsmith up"),
    ],
)
def test_mistakes_are_told_with_the_remedy(argv, code, says, capsys):
    assert main(argv) == code
    assert says in said(capsys).err


@pytest.mark.parametrize(
    "argv",
    [
        [], ["wach"], ["watch", "--port", "many"], ["ask"], ["approve"], ["reject"], ["parse"], ["request", "training"],
        ["drop"], ["redrive"], ["watch", "--nonsense"], ["chunk", "x", "--size", "big"],
    ],
)  # fmt: skip
def test_a_command_line_that_cannot_be_read_exits_with_two(argv, capsys):
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 2
    assert "usage: toolsmith" in said(capsys).err


@pytest.mark.parametrize("command", ["grade", "judge"])
def test_what_is_no_json_on_stdin_is_told(command, capsys, monkeypatch):
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO("{"))
    assert main([command]) == 2
    assert "wanted" in (told := said(capsys)).err or "give one sample" in told.err


def test_a_home_that_is_a_file_is_told(capsys, tmp_path):
    (tmp_path / "home").write_text("x")
    assert main(["up", "--home", "home"]) == 1
    assert "home" in said(capsys).err


def test_a_file_that_cannot_be_used_is_no_failure_of_the_command(capsys, tmp_path):
    (tmp_path / "empty.txt").write_bytes(b"")
    assert main(["parse", "empty.txt"]) == 0
    told = said(capsys)
    assert json.loads(told.out)["set_aside"][0]["reason"] == "empty" and "set aside" in told.err


def test_a_fault_of_the_program_itself_is_not_hidden(monkeypatch):
    from local.cli import grade

    def broken(arguments):
        raise AssertionError("a fault")

    monkeypatch.setattr(grade, "run", broken)
    with pytest.raises(AssertionError):
        main(["grade"])


@pytest.mark.parametrize(("address", "says"), [("http://127.0.0.1:4566/", "goes on where it stopped"),
                                               ("https://s3.us-east-1.amazonaws.com/", "s3.us-east-1")])  # fmt: skip
def test_only_of_a_local_cloud_that_went_away_it_is_said_how_to_go_on(address, says):
    from local.cli.failures import told

    assert says in told(EndpointConnectionError(endpoint_url=address))


def test_an_interrupt_says_that_nothing_is_lost(monkeypatch, capsys):
    from local.cli import grade

    def interrupted(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(grade, "run", interrupted)
    assert main(["grade"]) == 130
    assert "goes on where this one stopped" in said(capsys).err


def commands():
    (actions,) = [action for action in _parser()._actions if action.dest == "command"]
    return actions.choices


@pytest.mark.parametrize("name", commands())
def test_every_command_explains_itself_and_its_options(name, capsys):
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0 and f"usage: toolsmith {name}" in said(capsys).out
    parser = commands()[name]
    assert parser.description and parser.description.endswith(".")


class Ended:
    """A watcher of one execution that ended with an error; `redriven` keeps what was redriven."""

    def __init__(self, error):
        self.ended, self.redriven = error, []

    def executions(self, machine):
        return [{"name": "run-1", "executionArn": "arn:1"}] if machine == "CustomizeMachine" else []

    def error(self, arn):
        return self.ended

    def redrive(self, arn):
        self.redriven.append(arn)

    def rows(self, kind):
        return [{"id": "run-1", "status": "admitted"}]


@pytest.fixture
def ended(monkeypatch):
    def end(command, error=""):
        watcher = Ended(error)
        module = importlib.import_module(f"local.cli.{command}")
        monkeypatch.setattr(module, "place_of", lambda arguments: None)
        monkeypatch.setattr(module, "Watcher", lambda place: watcher)
        return watcher

    return end


@pytest.mark.parametrize("error", ["SmokeTestFailed", "DeploymentFailed"])
def test_a_redrive_that_would_only_fail_again_is_refused_with_what_to_do(ended, capsys, error):
    watcher = ended("redrive", error)
    assert main(["redrive", "run-1"]) == 1 and watcher.redriven == []
    assert error in (said := capsys.readouterr().err) and "toolsmith drop --to runs" in said


def test_a_redrive_prints_its_execution_as_json_where_asked(ended, capsys):
    watcher = ended("redrive", "CapacityUnavailable")
    assert main(["redrive", "run-1", "--json"]) == 0 and watcher.redriven == ["arn:1"]
    assert json.loads(capsys.readouterr().out) == {"execution": "arn:1"}


@pytest.mark.parametrize(
    ("options", "budget"),
    [
        (["--budget-usd", "800"], Budget(800.0)),
        (["--unpriced"], Budget(500.0, True)),
        (["--budget-usd", "800.5", "--unpriced"], Budget(800.5, True)),
        ([], Budget(500.0)),
    ],
)
def test_a_redrive_may_change_what_the_run_may_cost(ended, monkeypatch, options, budget):
    watcher, ledger = ended("redrive", "BudgetExceeded"), MemoryLedger()
    monkeypatch.setattr("local.cli.redrive.place_of", lambda arguments: SimpleNamespace(ledger=ledger))
    assert main(["redrive", "run-1", *options]) == 0 and watcher.redriven == ["arn:1"]
    assert Budget(500.0).changed(ledger, "run-1") == budget


@pytest.mark.parametrize("usd", ["0", "-5", "nan", "inf"])
def test_a_budget_of_nothing_is_refused_before_anything_goes_on(ended, capsys, usd):
    watcher = ended("redrive", "BudgetExceeded")
    assert main(["redrive", "run-1", f"--budget-usd={usd}"]) == 2 and watcher.redriven == []
    assert "--budget-usd" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--budget-usd=5", "--unpriced"])
def test_an_ingest_has_no_budget_that_a_redrive_could_change(ended, monkeypatch, capsys, option):
    watcher = ended("redrive", "TeacherUnavailable")
    monkeypatch.setattr(watcher, "executions", lambda machine: [{"name": "doc-1", "executionArn": "arn:1"}]
                        if machine == "IngestMachine" else [])  # fmt: skip
    assert main(["redrive", "doc-1", option]) == 2 and watcher.redriven == []
    assert "doc-1 is no run" in capsys.readouterr().err


class Bucket:
    """A place whose intake bucket keeps the keys that were uploaded."""

    def __init__(self):
        self.keys, self.outputs = [], {"IntakeBucket": "intake"}

    def client(self, service):
        return self

    def put_object(self, Key, **_):
        self.keys.append(Key)
        return {"ETag": '"e"', "VersionId": "v"}


@pytest.mark.parametrize(
    ("options", "key"),
    [([], "incoming/a.json"), (["--to", "runs"], "runs/a.json"), (["--to", "requests"], "requests/a.json")],
)
def test_a_file_is_dropped_where_it_was_said_to_go(options, key, monkeypatch, tmp_path, capsys):
    (tmp_path / "a.json").write_text("{}")
    bucket = Bucket()
    monkeypatch.setattr("local.cli.drop.place_of", lambda arguments: bucket)
    assert main(["drop", *options, "a.json"]) == 0
    assert bucket.keys == [key] and json.loads(capsys.readouterr().out)["keys"] == [key]


def test_the_report_of_a_run_that_does_not_exist_is_a_misuse(ended, capsys):
    ended("report")
    assert main(["report", "run-2"]) == 2
    assert "no run is named run-2" in capsys.readouterr().err


def test_a_report_is_fetched_with_the_page_that_compares_the_runs(ended, monkeypatch, tmp_path, capsys):
    watcher = ended("report")
    watcher.rows = lambda kind: [{"id": "run-1", "status": "reported"}]
    bucket = Bucket()
    bucket.outputs["WorkBucket"] = "work"
    report = {"verdict": "better", "shortfalls": [{"what": "RFT loses to SFT."}]}
    bucket.download_file = lambda _, key, file: Path(file).write_text(json.dumps(report))
    monkeypatch.setattr("local.cli.report.place_of", lambda arguments: bucket)
    assert main(["report"]) == 0
    said = capsys.readouterr()
    assert said.out.strip() == str(tmp_path / ".toolsmith" / "reports" / "run-1" / "report.html")
    assert str(tmp_path / ".toolsmith" / "reports" / "index.html") in said.err
    assert said.err.startswith("better\n- RFT loses to SFT.\n")


def test_a_report_of_an_old_run_lists_no_shortfalls():
    assert told({"verdict": "better"}) == ["better"]


def test_a_request_can_be_asked_for_in_another_place(capsys):
    assert main(["request", "sft", "--on", "serverless"]) == 0
    assert "ServerlessJobConfig" in json.loads(capsys.readouterr().out)


def test_jobs_log_to_mlflow_everywhere_but_in_bedrock():
    arn = stack.placed("serverless", "http://127.0.0.1:5000")["MlflowArn"]
    assert re.fullmatch(template()["Parameters"]["MlflowArn"]["AllowedPattern"], arn)
    assert "MlflowArn" not in stack.placed("training-job")
    with pytest.raises(Misused, match="log to no MLflow"):
        stack.placed("bedrock", "http://127.0.0.1:5000")
