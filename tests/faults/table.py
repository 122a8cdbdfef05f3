"""Writes docs/reliability.md: every row of the checklist, the tests that show it, and how they ended.

python -m tests.faults.table               runs those tests, then writes the page
python -m tests.faults.table --rows 6,28   runs those of some rows, then writes their lines anew
python -m tests.faults.table --check       only says whether the page names the rows and tests of today
"""

import argparse
import re
import sys
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import pytest

from tests.faults.rows import ROWS, Row
from tests.template.loading import ROOT

PAGE = ROOT / "docs" / "reliability.md"
HEAD = """# What can go wrong, and what happens then

Made by `python -m tests.faults.table`, which runs the tests that it names. The workflows run as in production: the
state machines of this repository on an interpreter, the handlers behind botocore with a broken wire, the template as
it is deployed; S3, DynamoDB, SageMaker, Bedrock and EventBridge are in memory. Tests of a cloud ("test_cloud",
"hostile_cloud") run on the local cloud with functions in processes of their own. A result counts the tests that passed.

| # | Fault | What happens | Tests | Result | Beyond a laptop |
|--:|---|---|---|---|---|
"""


class Results:
    """A pytest plugin that keeps how each test ended, by file and function."""

    def __init__(self) -> None:
        self.ended: dict[str, list[str]] = defaultdict(list)

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "call" or report.outcome != "passed":
            name = report.nodeid.removeprefix("tests/").partition("[")[0]
            self.ended[name].append(report.outcome)


def own(row: Row) -> str:
    """The test of the row, as "file::name"."""
    for path in sorted((ROOT / "tests" / "faults").glob("test_*.py")):
        found = re.search(rf"^(?:def )?(test_row_{row.number:02d}_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
        if found:
            return f"faults/{path.name}::{found[1]}"
    raise LookupError(f"row {row.number} has no test")


def shown(test: str) -> str:
    """A test as people read it: its name, linked to its file."""
    file, _, name = test.partition("::")
    return f"[{name.removeprefix('test_').replace('_', ' ')}](../tests/{file})"


def line(row: Row, results: Results) -> str:
    tests = [own(row), *row.by]
    ended = [outcome for test in tests for outcome in results.ended.get(test, ["missing"])]
    passed = ended.count("passed")
    result = f"{passed} of {len(ended)}" if passed == len(ended) else f"**{passed} of {len(ended)}**"
    names = [shown(test) for test in (row.by or tests)]
    return f"| {row.number} | {row.fault} | {row.answer} | {'; '.join(names)} | {result} | {row.aws or '-'} |\n"


def run(rows: Sequence[Row]) -> Results:
    """Run every test that one of the rows names, once."""
    results = Results()
    wanted = dict.fromkeys(f"tests/{test}" for row in rows for test in (own(row), *row.by))
    pytest.main(["-q", "--no-header", "--show-capture=no", "-p", "no:cacheprovider", *wanted], plugins=[results])
    return results


def numbered(page: str) -> dict[int, str]:
    """The lines of a page by the number of their row."""
    return {int(found[1]): found[0] for found in re.finditer(r"^\| (\d+) \|.*\n", page, re.MULTILINE)}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="run nothing, compare names only")
    parser.add_argument("--rows", help="numbers of the rows whose lines are made anew, by comma")
    options = parser.parse_args()
    page = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
    if options.check:
        absent = [test for row in ROWS for test in (row.by or (own(row),)) if shown(test) not in page]
        print("\n".join(absent) or "the page is up to date")
        return bool(absent)
    rows = [row for row in ROWS if not options.rows or str(row.number) in options.rows.split(",")]
    results = run(rows)
    lines = {**numbered(page), **{row.number: line(row, results) for row in rows}}
    PAGE.write_text(HEAD + "".join(lines[row.number] for row in ROWS), encoding="utf-8")
    return int(any("failed" in ended or "error" in ended for ended in results.ended.values()))


if __name__ == "__main__":
    sys.exit(main())
