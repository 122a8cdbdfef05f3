"""A headless Chromium, and the pages it opens. Everything here skips where the machine has no browser."""

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.unit import reporting_run
from toolsmith import reporting
from toolsmith.customization import load_profile

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def browser():
    """Chromium from $CHROMIUM or the PATH, driven by Playwright."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="Playwright is not installed: pip install playwright"
    )
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("no Chromium on the PATH; install one or set CHROMIUM to it")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """The text of axe.min.js (npm package axe-core), from $AXE_CORE."""
    path = os.environ.get("AXE_CORE", "")
    if not Path(path).is_file():
        pytest.skip("set AXE_CORE to axe.min.js of the npm package axe-core")
    return Path(path).read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def pages(tmp_path_factory) -> dict[str, str]:
    """Name -> file address of the report of a run that missed aims, and of an index of runs."""
    folder = tmp_path_factory.mktemp("pages")
    plan = {**reporting_run.facts().plan, "aims": load_profile("local").aims}
    files = reporting.build(reporting_run.facts(plan=plan))
    (folder / "report.html").write_bytes(files["report.html"])
    report = json.loads(files["report.json"])
    runs = [{**report, "run": f"run-{n:012x}", "finished_at": f"2026-11-{n + 1:02}"} for n in range(5)]
    (folder / "index.html").write_text(reporting.index(runs), encoding="utf-8")
    return {name: (folder / f"{name}.html").as_uri() for name in ("report", "index")}
