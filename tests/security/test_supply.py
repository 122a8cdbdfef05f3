"""What is installed: locked with hashes, licensed, and asked about."""

import json
import re

from requirements import audit, licences
from requirements.licences import locked
from tests.template.loading import ROOT


def test_everything_that_is_installed_has_a_hash():
    for path in audit.lock_files():
        entries = re.split(r"^(?=[\w.\[\]-]+==)", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
        assert len(entries) == len(locked(path)) > 0
        assert [entry.partition("\n")[0] for entry in entries if "--hash=sha256:" not in entry] == [], path.name
    make = (ROOT / "Makefile").read_text(encoding="utf-8")
    installs = [line for line in make.splitlines() if "pip install" in line]
    free = [line for line in installs if "--require-hashes" not in line]
    assert len(installs) == 6 and [line.split()[-1] for line in free] == ["requirements/torch.txt", "."]


def test_the_page_of_licences_is_that_of_the_locks():
    page = (ROOT / "docs/licences.md").read_text(encoding="utf-8")
    for name, version in licences.uses():
        assert f"| {name} | {version} | " in page, "run `make licences`"


def test_an_advisory_is_told_and_an_unreachable_service_is_no_fault(tmp_path, capsys):
    found = {"name": "a", "version": "1", "vulns": [{"id": "X-1"}]}
    unknown = {"name": "b", "skip_reason": "not found"}
    assert audit.judged({"dependencies": [found, unknown]}) == (1, ["a 1: X-1"])
    answers = {"told": [found], "unknown": [unknown], "unreachable": None}
    said = {}
    for name, packages in answers.items():
        fake = tmp_path / name
        answer = "echo no route >&2" if packages is None else f"echo '{json.dumps({'dependencies': packages})}'"
        fake.write_text(f"#!/bin/sh\n{answer}\n")
        fake.chmod(0o755)
        assert audit.main(str(fake)) == (name == "told")
        said[name] = capsys.readouterr().out.splitlines()
    assert said["told"][-1] == "known advisory: a 1: X-1" and "NOT audited" not in "".join(said["told"])
    assert said["told"].count(said["told"][-1]) == 1
    assert all("NOT audited" in line for line in said["unreachable"][:-2])
    assert said["unreachable"][-2:] == [f"nothing was learned from {one}: no route" for one in audit.SERVICES]
    assert said["unknown"][-1].endswith("it knows none of the packages")
