"""How heavy a run's report is and how fast it opens: 2,000 held-out questions, five arms, in headless Chromium.

The report is built by the real code from the real grades of made-up answers. Every load is one of a browser context of
its own, so that nothing is cached; `loaded` is the end of the load event, `painted` the first text on the screen.

    python -m benchmarks.report_page            (needs Playwright, and Chromium on the PATH or in $CHROMIUM)
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.unit import reporting_run
from toolsmith import reporting

ROOT = Path(__file__).resolve().parents[1]
HEAVIEST, SLOWEST = 1_500_000, 1_000
TIMES = """() => ({loaded: performance.getEntriesByType('navigation')[0].loadEventEnd,
                   painted: performance.getEntriesByName('first-contentful-paint')[0].startTime})"""


def measure(questions: int, loads: int, folder: Path) -> dict[str, Any]:
    """Build a report of so many questions and load it so many times; times in milliseconds, sizes in bytes."""
    before = time.process_time()
    files = reporting.build(reporting_run.facts(questions=questions))
    spent = time.process_time() - before
    page = folder / "report.html"
    page.write_bytes(files["report.html"])
    times = opened(page.as_uri(), loads)
    loaded = [round(one["loaded"], 1) for one in times]
    return {
        "measured": time.strftime("%Y-%m-%d"),
        "load": round(os.getloadavg()[0], 1),
        "questions": questions,
        "bytes": {name: len(data) for name, data in files.items()},
        "build_cpu_seconds": round(spent, 2),
        "loads": loads,
        "loaded_ms": {"median": statistics.median(loaded), "slowest": max(loaded)},
        "painted_ms": {"median": round(statistics.median(one["painted"] for one in times), 1)},
        "met": {
            f"at most {HEAVIEST / 1e6} MB": len(files["report.html"]) <= HEAVIEST,
            f"median load below {SLOWEST} ms": statistics.median(loaded) < SLOWEST,
        },
    }


def opened(address: str, loads: int) -> list[dict[str, float]]:
    """What the browser says of each load."""
    from playwright.sync_api import sync_playwright

    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    times = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for _ in range(loads):
            context = browser.new_context(viewport={"width": 1200, "height": 800})
            page = context.new_page()
            page.goto(address, wait_until="load")
            page.screenshot()  # so that something was painted
            times.append(page.evaluate(TIMES))
            context.close()
        browser.close()
    return times


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=2000)
    parser.add_argument("--loads", type=int, default=10)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "report_page.json")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        result = measure(options.questions, options.loads, Path(folder))
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))
    return 0 if all(result["met"].values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
