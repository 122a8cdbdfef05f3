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
