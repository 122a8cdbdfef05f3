"""What a thorough run adds: few-shot prompts, rollouts before reinforcement, and what they say about the reward."""

import json

import pytest

from tests.unit.memory import MemoryStore
from toolsmith.customization.calibration import calibration, last_reward, spearman
from toolsmith.grading.plans import plan_text
from toolsmith.pipeline import thorough


def trained(number: int, category: str, words: str) -> dict:
    calls = [{"name": "case_law_search", "arguments": {"query": words}}]
    messages = [{"role": "system", "content": "Choose tools."}, {"role": "user", "content": f"What of {words}?"}]
    return {"id": f"t{number}", "messages": messages, "reference_answer": {"category": category, "calls": calls}}


TOPICS = ("tender offers", "whistleblower laws", "insider trading", "proxy contests", "poison pills", "earn-outs")
TRAIN = [trained(i, f"category_{i % 5}", topic) for i, topic in enumerate(TOPICS)]
LABELLED = [
    {"messages": [{"role": "user", "content": [{"text": row["messages"][1]["content"]}]},
                  {"role": "assistant", "content": [{"text": json.dumps(row["reference_answer"])}]}]}
    for row in TRAIN
]  # fmt: skip
SHOTS = [thorough.Shot(row["messages"][0]["content"][0]["text"], row["messages"][1]["content"][0]["text"])
         for row in LABELLED]  # fmt: skip
QUESTIONS = [
    {"query": "Is insider trading by tippees punished?", "response": "{}", "system": "Choose tools.", "metadata": "q1"},
    {"query": "When do proxy contests end?", "response": "{}", "system": "Choose tools.", "metadata": "q2"},
]


def test_fixed_examples_are_one_of_each_category_and_the_same_for_all():
    one, other = thorough.few_shot_rows(QUESTIONS, SHOTS, nearest=False)
    assert one["system"] == other["system"] and one["system"].startswith("Choose tools.\nExamples:\n")
    assert one["system"].count("Question:") == thorough.SHOTS
    assert {key: one[key] for key in ("query", "response", "metadata")} == {
        key: QUESTIONS[0][key] for key in ("query", "response", "metadata")
    }


def test_the_nearest_example_stands_last():
    for row, topic in zip(thorough.few_shot_rows(QUESTIONS, SHOTS, nearest=True), TOPICS[2:4], strict=True):
        shown = row["system"].split("Question: ")
        assert len(shown) == 1 + thorough.SHOTS
        assert topic in shown[-1] and json.loads(shown[-1].partition("Answer: ")[2])["calls"]


def test_no_example_is_a_test_question():
    for row in thorough.few_shot_rows(QUESTIONS, SHOTS, nearest=True):
        assert row["query"] not in row["system"]


@pytest.mark.parametrize("arm", thorough.ARMS)
def test_the_same_run_writes_the_same_questions(arm):
    written = []
    for _ in range(2):
        work = MemoryStore()
        work.write("d/rft/train.jsonl", "\n".join(json.dumps(row) for row in TRAIN).encode())
        work.write("d/sft/train.jsonl", "\n".join(json.dumps(row) for row in LABELLED).encode())
        work.write("d/eval/gen_qa.jsonl", "\n".join(json.dumps(row) for row in QUESTIONS).encode())
        key, rows = thorough.write_questions(work, "run-1", "d", arm)
        written.append((key, work.read(key)))
        assert rows == len(work.read_lines(key))
    assert written[0] == written[1] and written[0][0] == f"runs/run-1/questions/{arm}/gen_qa.jsonl"


def test_rollouts_say_which_groups_teach_nothing():
    rows = thorough.rollout_rows(TRAIN)
    assert len(rows) == len(TRAIN) * thorough.PROBE_ROLLOUTS and len({row["metadata"] for row in rows}) == len(rows)
    right = {row["id"]: row["reference_answer"] for row in TRAIN}

    def said(name: str) -> str:
        identity, _, turn = name.partition("#")
        wanted = right[identity]
        plan = plan_text(wanted["category"], [(c["name"], c["arguments"]) for c in wanted["calls"]])
        if identity == "t0":
            return plan  # all right
        if identity == "t1":
            return "no"  # all wrong
        return plan if turn == "0" else "no"

    found = thorough.read_rollouts({row["metadata"]: said(row["metadata"]) for row in rows}, TRAIN)
    assert found["groups"] == len(TRAIN)
    assert found["without_variance"] == pytest.approx(2 / 6)
    assert (found["all_right"], found["all_wrong"]) == (pytest.approx(1 / 6), pytest.approx(1 / 6))
    assert found["reward"] == pytest.approx((1 + 0 + 4 * 0.25) / 6) and found["spread"] > 0


def test_a_large_file_is_sampled_evenly():
    many = [trained(i, "c", f"topic {i}") for i in range(1000)]
    chosen = [row["query"] for row in thorough.rollout_rows(many)[:: thorough.PROBE_ROLLOUTS]]
    assert len(chosen) == thorough.PROBE_PROMPTS and "topic 0?" in chosen[0] and "topic 930?" in chosen[-1]


def test_spearman_is_that_of_the_textbook():
    assert spearman([1, 2, 3], [10, 20, 30]) == 1.0 and spearman([1, 2, 3], [3, 2, 1]) == -1.0
    # Kendall & Gibbons, ranks with ties: rho = 1 - 6 * 2 / (4 * 15) would ignore the tie.
    assert spearman([1, 2, 2, 4], [1, 2, 3, 4]) == pytest.approx(0.948683, abs=1e-6)
    assert spearman([1], [1]) is None and spearman([1, 1], [1, 2]) is None


def test_the_training_reward_is_that_of_the_last_steps():
    steps = [{"step_number": i, "train_reward_mean": i / 10} for i in range(10)]
    assert last_reward(steps) == pytest.approx(0.85)
    assert last_reward([{"training_loss": 1.0}]) is None


def test_calibration_warns_of_what_is_wrong_and_of_nothing_else():
    rows = [{"score": value / 10, "talk_score": value / 10} for value in range(10)]
    fine = {"rft": {"score": {"mean": 0.8}, "rows": rows}}
    steps = [{"train_reward_mean": 0.85}]
    assert calibration(fine, steps, {"without_variance": 0.2})["warnings"] == []
    assert calibration({}, [])["warnings"] == []
    turned = [{"score": row["score"], "talk_score": 1 - row["score"]} for row in rows]
    wrong = calibration({"rft": {"score": {"mean": 0.5}, "rows": turned}}, steps, {"without_variance": 0.9})
    assert len(wrong["warnings"]) == 3 and wrong["gap"] == pytest.approx(0.35)
