"""What must not get out, and what must not get in (rows 44 and 45)."""

import io
import json
import re

from requirements.licences import locked
from tests.template.loading import ROOT
from tests.workflows.bench import WORK
from toolsmith.aws import handler

CANARY = "AKIAQ7CANARY4TEST9Z0"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYCANARYKEY0"
FILING = f"""<html><body><p>ITEM 1. BUSINESS</p>
<p>Larkspur Gauge Corporation relies on Rule 506(b) of Regulation D, 17 CFR 230.506(b), and reports under Section 13(a)
of the Exchange Act. Its credentials are {CANARY} and {SECRET}; the number of Mr Doe is 078-05-1120.</p>
<p>ITEM 1A. RISK FACTORS</p><p>The Company may fail to comply with Regulation S-K, 17 CFR 229.105, which requires a
discussion of the material factors that make an investment speculative. The key {CANARY} is used every day.</p>
</body></html>"""


def test_row_44_dependencies_are_exact():
    for path in [ROOT / "layers/toolsmith/requirements.txt", *(ROOT / "requirements").glob("*.txt")]:
        lines = [line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
        for line in lines:
            ours = not line or line.startswith(("-", "--"))
            assert ours or re.fullmatch(r"[\w.\[\]-]+==[\w.+!]+( *;.*)?( *\\)?", line), f"{path.name}: {line}"
    for name in ("laptop", "sam", "runtime", "supply"):
        wanted = locked(ROOT / f"requirements/{name}.txt")
        assert wanted.items() <= locked(ROOT / f"requirements/{name}.lock").items(), f"{name}: run `make lock`"
    layer = ROOT / "layers/toolsmith/requirements.txt"
    assert locked(ROOT / "requirements/layer.txt") == locked(layer), "run `make lock`"
    assert locked(layer).items() <= locked(ROOT / "requirements/laptop.lock").items(), "tests run what is deployed"


def test_row_45_logs_metrics_and_events_hold_no_content(bench, capsys):
    log = io.StringIO()
    bench.set(handler._logger().registered_handler, "stream", log)
    name = bench.drop("incoming/a.htm", FILING)
    bench.succeeded(name)
    bench.succeeded(bench.drop("runs/bad.json", json.dumps({"seed": CANARY, "groups": [SECRET]})))
    bench.succeeded(bench.drop("requests/bad.json", json.dumps({"ecfr": [{"part": SECRET}], "contact": CANARY})))
    out = capsys.readouterr()
    said = {
        "log": log.getvalue(),
        "stdout": out.out,
        "stderr": out.err,
        "events": json.dumps(bench.events),
        "mails": json.dumps(bench.mails),
    }
    assert '"message":"done"' in said["log"] and "_aws" in said["stdout"] and len(bench.events) == 3
    for place, text in said.items():
        for canary in (CANARY, SECRET, "078-05-1120", "Larkspur"):
            assert canary not in text, f"{canary} in {place}"
    assert (
        CANARY
        in bench.objects.data(WORK, f"documents/{bench.told('Document Ingested')[0]['document']}/chunks.jsonl").decode()
    )
