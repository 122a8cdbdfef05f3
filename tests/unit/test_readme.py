"""README.md and docs/operations.md say only what is there: commands, options, paths, targets, events, parameters."""

import re
import shlex

import pytest

from local.cli.main import _parser
from tests.local import pages
from tests.template.loading import ROOT, template
from toolsmith import events

PAGES = ("README.md", "docs/operations.md")
TEXTS = {page: (ROOT / page).read_text(encoding="utf-8") for page in PAGES}
PLACEHOLDERS = {"FILE…": "x", "[RUN]": "r", "STAGE": "sft"}
NEEDS = {"approve": ["r"], "ask": ["q"], "drop": ["f"], "redrive": ["r"], "reject": ["r"], "parse": ["f"],
         "chunk": ["f"], "request": ["sft"]}  # fmt: skip
# Made by `make setup` or by a run, or lying in a bucket; not in the repository.
MADE = (".venv", "build/", ".toolsmith", "path/to", "incoming/", "requests/", "runs/", "rejected/", "report.json",
        "summary.json", "lambda:", "/STACK")  # fmt: skip


def parser_of(command):
    (actions,) = [action for action in _parser()._actions if action.dest == "command"]
    return actions.choices[command]


def invocations(text):
    """Every `toolsmith ...` in code blocks and code spans, as a list of words."""
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    lines += re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    for line in lines:
        words = shlex.split(line.replace("\\|", "\\\\|")) if line.count('"') % 2 == 0 else line.split()
        if words and words[0] in ("toolsmith", ".venv/bin/toolsmith") and len(words) > 1:
            yield [PLACEHOLDERS.get(word, word) for word in words[1:]]


CALLS = [(page, words) for page in PAGES for words in invocations(TEXTS[page])]


@pytest.mark.parametrize(("page", "words"), CALLS, ids=[f"{page}: {' '.join(words)}" for page, words in CALLS])
def test_every_command_that_is_named_can_be_given(page, words):
    """A command named alone stands for itself with what it needs."""
    for option in (word for word in words[1:] if word.startswith("--")):
        assert option in parser_of(words[0])._option_string_actions, f"{words[0]} has no {option}"
    _parser().parse_args(words if len(words) > 1 else words + NEEDS.get(words[0], []))


def test_every_command_stands_in_the_readme():
    named = {words[0] for words in invocations(TEXTS["README.md"])}
    (actions,) = [action for action in _parser()._actions if action.dest == "command"]
    assert named == set(actions.choices)


@pytest.mark.parametrize("page", PAGES)
def test_every_option_that_is_named_alone_belongs_to_some_command(page):
    (actions,) = [action for action in _parser()._actions if action.dest == "command"]
    options = {option for parser in actions.choices.values() for option in parser._option_string_actions}
    assert set(re.findall(r"`(--[\w-]+)[^`]*`", TEXTS[page])) <= options


@pytest.mark.parametrize("page", PAGES)
def test_every_path_that_is_named_exists(page):
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", TEXTS[page], flags=re.DOTALL))
    paths = [span for span in spans if re.fullmatch(r"[\w.-]+(/[\w.-]+)*/?", span) and ("/" in span or "." in span)]
    paths = [path for path in paths if not path.startswith(MADE) and not path[0].isdigit()]
    assert len(paths) > (3 if page == "README.md" else 0)
    missing = [path for path in paths if not (ROOT / path).exists() and not list(ROOT.glob(f"*/**/{path}"))[:1]]
    assert missing == []


@pytest.mark.parametrize("page", PAGES)
def test_every_make_target_that_is_named_exists(page):
    code = [part for found in re.findall(r"```sh\n(.*?)```|`(make [^`]+)`", TEXTS[page], re.DOTALL) for part in found]
    targets = set(re.findall(r"\bmake ([a-z][\w-]*)", " ".join(code)))
    makefile = (ROOT / "Makefile").read_text()
    assert targets and targets <= set(re.findall(r"(?m)^([a-z][\w-]*):", makefile))


def test_every_event_that_is_named_is_known_and_every_event_is_named():
    listed = re.search(r"- \*\*Events\*\*.*?(?=\n- \*\*)", TEXTS["README.md"], re.DOTALL)[0]
    listed = " ".join(listed.split())
    named = set()
    for phrase in re.findall(r"(?:[A-Z][a-z]+ )+[A-Z][a-z]+(?: / [A-Z][a-z]+)*", listed):
        first, *others = phrase.split(" / ")
        stem = first.rsplit(" ", 1)[0]
        named |= {first, *(f"{stem} {other}" for other in others)}
    assert named == set(events.PUBLISHED)


def test_every_event_that_is_named_as_published_is_sent_from_somewhere():
    sources = [*(ROOT / "statemachines").glob("*.json"), *(ROOT / "functions").glob("*/app.py")]
    sent = " ".join(path.read_text() for path in sources)
    assert [name for name in events.PUBLISHED if f'"{name}"' not in sent and f"'{name}'" not in sent] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_parameter_alarm_and_state_that_is_named_exists(page):
    found = template()
    known = set(found["Parameters"]) | set(found["Resources"]) | set(found["Outputs"])
    known |= set(re.findall(r'"(\w+)": \{', (ROOT / "statemachines" / "customize.asl.json").read_text()))
    named = set(re.findall(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)+)(?:=\w+)?`", TEXTS[page]))
    assert named and named <= known


def test_the_operations_page_tells_of_every_alarm():
    alarms = {name for name, r in template()["Resources"].items() if r["Type"] == "AWS::CloudWatch::Alarm"}
    assert alarms <= set(re.findall(r"`(\w+Alarm)`", TEXTS["docs/operations.md"]))


def test_defaults_in_the_operations_page_are_those_of_the_template():
    rows = re.findall(r"(?m)^\| `(\w+)` \| ([^|]+) \|", TEXTS["docs/operations.md"])
    checked = [(name, default.strip()) for name, default in rows if name in template()["Parameters"]]
    assert len(checked) == 13
    for name, default in checked:
        real = template()["Parameters"][name].get("Default")
        shown = {"none, required": None, "empty": ""}.get(default, default)
        assert shown == (None if real is None else str(real)), name


def test_every_command_of_a_block_is_run_or_left_out_for_a_reason():
    """tests/local/test_end_to_end.py runs them as printed. A new one goes to pages.RUN, or to pages.LEFT_OUT."""
    assert pages.printed() == pages.RUN.keys() | pages.LEFT_OUT.keys()
    assert not pages.RUN.keys() & pages.LEFT_OUT.keys()
