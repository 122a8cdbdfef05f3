"""Our strict verdict against BFCL's own checker, on its own questions and mutated answers."""

import json
import keyword
from collections import Counter

import pytest

from benchmarks import bfcl_oracle
from toolsmith.grading import Judge, judge


@pytest.fixture(scope="module")
def oracle():
    place = bfcl_oracle.folder()
    if place is None:
        pytest.skip(f"BFCL's checker is not installed: {bfcl_oracle.INSTALL}")
    return bfcl_oracle.load_checker(place), list(bfcl_oracle.entries(place))


@pytest.fixture(scope="module")
def decode(oracle):
    return bfcl_oracle.load_decoder(bfcl_oracle.folder())


@pytest.fixture(scope="module")
def verdicts(oracle):
    """(mutation, entry, calls, BFCL's verdict, ours) for every mutated answer."""
    valid, entries = oracle
    found = []
    for entry in entries:
        ours = Judge(entry.tools, entry.accept)
        for mutation, calls in bfcl_oracle.mutations(entry, seed=7):
            # A name with its dots as underscores is right for the providers that forbid dots: BFCL's own switch.
            expected = valid(entry, bfcl_oracle.own_form(calls), dots_allowed=mutation != "underscored")
            found.append((mutation, entry, calls, expected, ours.verdict(calls)))
    return found


def test_the_strict_verdict_is_bfcls(verdicts):
    assert len(verdicts) >= 14_000
    deviations = Counter()
    for mutation, entry, calls, expected, ours in verdicts:
        if expected is not None and ours.valid != expected:
            deviations[mutation, entry.category] += 1
            print(entry.identity, mutation, calls, entry.accept, expected, ours)
    assert not deviations


def test_where_bfcls_checker_raises_we_say_invalid(verdicts):
    raised = [ours for _, _, _, expected, ours in verdicts if expected is None]
    assert len(raised) < len(verdicts) / 1000
    assert not any(ours.valid for ours in raised)


def test_both_verdicts_occur_often(verdicts):
    valid = sum(ours.valid for *_, ours in verdicts)
    assert 0.2 * len(verdicts) < valid < 0.8 * len(verdicts)


def test_the_score_separates_right_from_wrong(verdicts):
    right = [ours.score for *_, expected, ours in verdicts if expected]
    wrong = [ours.score for *_, expected, ours in verdicts if not expected]
    assert min(right) >= 0.9
    assert max(wrong) < 0.9
    assert min(wrong) == 0.0 and len(set(wrong)) > 20, "the score of a wrong answer is graded"


def test_one_call_equals_a_prepared_judge(verdicts):
    for _, entry, calls, _, ours in verdicts[::37]:
        assert judge(entry.tools, entry.accept, calls) == ours


def test_calls_read_from_text_get_the_same_verdict(verdicts):
    """JSON and Python call syntax lose nothing on the way (arrays for tuples in JSON apart)."""
    for mutation, entry, calls, _, ours in verdicts[::5]:
        if mutation != "tupled":
            assert judge(entry.tools, entry.accept, json.dumps(calls)).valid is ours.valid
        written = [
            f"{call['name']}({', '.join(f'{key}={value!r}' for key, value in call['arguments'].items())})"
            for call in calls
        ]
        if all(key.isidentifier() and not keyword.iskeyword(key) for call in calls for key in call["arguments"]):
            judged = judge(entry.tools, entry.accept, f"[{', '.join(written)}]")
            assert judged.valid is ours.valid, (written, judged, ours)


def python_calls(calls, separator=", ", literal=repr):
    given = [", ".join(f"{key}={literal(value)}" for key, value in call["arguments"].items()) for call in calls]
    return separator.join(f"{call['name']}({one})" for call, one in zip(calls, given, strict=True))


TEXTS = {
    "list": lambda calls: f"[{python_calls(calls)}]",
    "bare": python_calls,
    "JSON literals": lambda calls: f"[{python_calls(calls, literal=json.dumps)}]",
    "over lines": lambda calls: "[\n    " + python_calls(calls, ",\n    ") + ",\n]",
    "fence without a language": lambda calls: f"```\n[{python_calls(calls)}]\n```",
    "backticks": lambda calls: f"`{python_calls(calls)}`",
    "not closed": lambda calls: f"[{python_calls(calls)}",
    "not opened": lambda calls: f"{python_calls(calls)}]",
    "in parentheses": lambda calls: f"({python_calls(calls)})",
    "words after": lambda calls: f"[{python_calls(calls)}]\n\nThis calls the function.",
    "words before": lambda calls: f"Here you go: [{python_calls(calls)}]",
    "semicolons": lambda calls: python_calls(calls, "; "),
    "lines": lambda calls: python_calls(calls, "\n"),
    "escaped underscores": lambda calls: f"[{python_calls(calls)}]".replace("_", "\\_"),
    "cut off": lambda calls: f"[{python_calls(calls)}]"[:-4],
    "assigned": lambda calls: f"result = {python_calls(calls)}",
    "printed": lambda calls: f"print({python_calls(calls)})",
    "list in a list": lambda calls: f"[[{python_calls(calls)}]]",
}


def test_texts_are_read_as_bfcl_reads_them(verdicts, oracle, decode):
    """Python call syntax in every writing met; what BFCL can't read is not valid for us either."""
    valid, _ = oracle
    deviations, readable = [], 0
    for mutation, entry, calls, _, _ in verdicts[::29]:
        if mutation == "argument_null":  # json.dumps writes a name for it, which BFCL takes for a text
            continue
        ours = Judge(entry.tools, entry.accept)
        for style, write in TEXTS.items():
            text = write(calls)
            read = decode(text)
            expected = read is not None and valid(entry, read, dots_allowed=mutation != "underscored")
            readable += read is not None
            if ours.verdict(text).valid is not bool(expected):
                deviations.append((style, entry.identity, mutation, text))
    assert readable > 10_000
    assert not deviations, deviations[:3]


DECODED = {
    "BFCL's own": bfcl_oracle.own_form,
    "arguments as text": lambda calls: [{call["name"]: json.dumps(call["arguments"])} for call in calls],
    "function and parameters": lambda calls: [{"function": c["name"], "parameters": c["arguments"]} for c in calls],
    "OpenAI": lambda calls: {
        "content": None,
        "tool_calls": [
            {"id": "c", "type": "function", "function": {**c, "arguments": json.dumps(c["arguments"])}} for c in calls
        ],
    },
    "blocks": lambda calls: [
        {"text": "So:"},
        *({"toolUse": {"toolUseId": "t", "name": c["name"], "input": c["arguments"]}} for c in calls),
    ],
    "tags": lambda calls: "".join(f"<tool_call>\n{json.dumps(call)}\n</tool_call>\n" for call in calls),
    "JSON between semicolons": lambda calls: "; ".join(json.dumps(call) for call in calls),
    "JSON in a fence": lambda calls: f"```json\n{json.dumps(calls)}\n```",
}


def test_calls_in_every_decoded_form_get_the_same_verdict(verdicts):
    for mutation, entry, calls, _, ours in verdicts[::19]:
        if mutation == "tupled" or not calls:
            continue
        prepared = Judge(entry.tools, entry.accept)
        for form, write in DECODED.items():
            judged = prepared.verdict(write(calls))
            assert judged.valid is ours.valid, (form, entry.identity, mutation, judged)
            assert judged.score >= 0.9 or not ours.valid
