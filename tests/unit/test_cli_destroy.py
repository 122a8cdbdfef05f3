"""Tearing a stack down: what stays is said first, with its price, and nothing is deleted that nobody confirmed."""

import io

import pytest

from local.cli import destroy, main
from local.cli.place import Place

OUTPUTS = {"IntakeBucket": "intake", "WorkBucket": "work", "LedgerTable": "ledger"}
VERSIONS = {"intake": [{"Size": 1_000_000_000}] * 3, "work": [{"Size": 10}]}
MODELS = [{"modelName": "run-1-rft", "modelArn": "arn:model/1"}, {"modelName": "somebody-elses", "modelArn": "arn:2"}]
DEPLOYED = [{"customModelDeploymentName": name, "customModelDeploymentArn": f"arn:deployment/{name}"} for name in
            ("prod", "other")]  # fmt: skip


class Account:
    """Answers what destroy asks, for any service."""

    def __init__(self, method=""):
        self.method = method
        self.meta = type("Meta", (), {"region_name": "us-east-1"})

    def get_paginator(self, method):
        return Account(method)

    def paginate(self, Bucket=""):
        return [{"list_object_versions": {"Versions": VERSIONS.get(Bucket, [])},
                 "list_custom_models": {"modelSummaries": MODELS},
                 "list_custom_model_deployments": {"modelDeploymentSummaries": DEPLOYED}}[self.method]]  # fmt: skip

    def describe_table(self, TableName):
        return {"Table": {"ItemCount": 74, "TableSizeBytes": 4_000_000_000}}


@pytest.fixture
def deleted(monkeypatch):
    """Commands that were run in place of `sam`."""
    ran = []

    def run(command, **_):
        ran.append(command)
        return type("Done", (), {"returncode": 0})

    place = Place("prod", None, ())
    place.__dict__["outputs"] = OUTPUTS
    monkeypatch.setattr(Place, "client", lambda self, service: Account())
    monkeypatch.setattr(destroy, "place_of", lambda arguments: place)
    monkeypatch.setattr(destroy, "sam", lambda: "sam")
    monkeypatch.setattr(destroy.subprocess, "run", run)
    return ran


def test_what_stays_is_said_with_its_price_and_the_command_that_removes_it(deleted, capsys):
    assert main(["destroy", "--stack", "prod", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "bucket intake: 3 object versions, 3.00 GB, 0.07 USD a month" in said
    assert "table ledger: 74 rows, 1.00 USD a month" in said
    assert "run-1-rft" in said and "somebody-elses" not in said
    assert "arn:deployment/prod" in said and "arn:deployment/other" not in said
    for command in ("delete-bucket", "delete-table", "delete-custom-model ", "delete-custom-model-deployment"):
        assert command in said
    assert deleted == []


@pytest.mark.parametrize(("typed", "code"), [("prod\n", 0), ("yes\n", 1), ("", 1)])
def test_only_the_name_of_the_stack_confirms(deleted, monkeypatch, typed, code):
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    assert main(["destroy", "--stack", "prod"]) == code
    assert bool(deleted) == (code == 0)


def test_yes_asks_nothing_and_deletes_the_stack_that_was_named(deleted):
    assert main(["destroy", "--stack", "prod", "--yes"]) == 0
    assert deleted == [["sam", "delete", "--stack-name", "prod", "--no-prompts", "--region", "us-east-1"]]
