"""Labelled rows told anew: what may change, and what must not."""

import json

import pytest

from local.student import settings
from local.student.augment import Augmenter
from local.student.settings import Augmentation
from toolsmith.errors import RecipeInvalid
from toolsmith.grading import reward

ALWAYS = Augmentation(exchange=1.0)
TERSE = Augmentation(terse=1.0, left_out=1.0)
CASE = "Okafor v. Sundial Portal Inc"


def answer(category: str, *calls: tuple[str, dict[str, str | None]]) -> str:
    plan = {"category": category, "calls": [{"name": name, "arguments": arguments} for name, arguments in calls]}
    return json.dumps(plan, ensure_ascii=False, separators=(",", ":"))


def held(case: str) -> str:
    return answer("judicial_interpretation", ("case_law_search", {"query": case}))


def read(rule: str) -> str:
    return answer("regulatory_definition", ("statute_retrieval", {"regulation": rule}))


def judged(case: str, query: str) -> str:
    checked = {"query": query, "edgar_check": None, "regulation": None, "case_interpretation_check": case}
    calls = ("case_law_search", {"query": case}), ("compliance_checker", checked)
    return answer("judicial_compliance_assessment", *calls)


def told(question: str, text: str, how: Augmentation, others: list[tuple[str, str]] | None = None) -> tuple[str, str]:
    return Augmenter(others or [(question, text)], how, seed=0).again(question, text)


class TestExchange:
    def test_a_value_changes_in_question_and_plan_alike(self) -> None:
        others = [("What does Rule 144 require?", read("Rule 144"))]
        assert told("Read 17 CFR 229.303 to me.", read("17 CFR 229.303"), ALWAYS, others) == (
            "Read Rule 144 to me.", read("Rule 144"),
        )  # fmt: skip

    def test_a_case_stays_one_case_in_both_calls(self) -> None:
        others = [(f"What was held in {CASE}?", held(CASE))]
        question = "After Reves v. Ernst & Young, is the treatment of annual reports lawful?"
        text = judged("Reves v. Ernst & Young", "treatment of annual reports")
        assert told(question, text, ALWAYS, others) == (
            f"After {CASE}, is the treatment of annual reports lawful?",
            judged(CASE, "treatment of annual reports"),
        )

    def test_a_told_row_is_answered_rightly_by_its_own_plan(self) -> None:
        rows = [
            ("Would the sale of notes be lawful under Pinter v. Dahl?", judged("Pinter v. Dahl", "sale of notes")),
            (f"Would the transfer of shares be lawful under {CASE}?", judged(CASE, "transfer of shares")),
        ]
        augmenter = Augmenter(rows, Augmentation(exchange=0.5, terse=0.5), seed=3)
        again = {augmenter.again(*row) for row in rows for _ in range(20)}
        assert len(again) > 8
        for question, text in again:
            plan = json.loads(text)
            assert reward(text, plan, question).score == 1.0
            assert all(v in question for call in plan["calls"] for v in call["arguments"].values() if v)

    @pytest.mark.parametrize(
        ("question", "text"),
        [
            ("Is Rule 144 what Rule 144 was?", read("Rule 144")),  # said twice: which one is meant is not known
            ("Read the safe harbor of 1933.", read("Rule 144")),  # not said: the plan's own words
            ("Read Rule 144 to me.", "Rule 144 says that ..."),  # no plan
            ("Read Rule 144 to me.", '{"calls":[{"name":"statute_retrieval"}]}'),
            ("Read Rule 144 to me.", "[144]"),
        ],
    )
    def test_what_cannot_be_exchanged_safely_stays(self, question: str, text: str) -> None:
        others = [("What does 17 CFR 229.303 require?", read("17 CFR 229.303"))]
        assert told(question, text, ALWAYS, others) == (question, text)

    def test_values_within_one_another_stay(self) -> None:
        checked = {"query": "Rule 144 notice", "regulation": "Rule 144"}
        row = "Check the Rule 144 notice.", answer("compliance_validation", ("compliance_checker", checked))
        other = {"query": "sales", "regulation": "17 CFR 229.303"}
        others = [("17 CFR 229.303 and sales", answer("compliance_validation", ("compliance_checker", other)))]
        assert told(*row, ALWAYS, others) == row

    def test_a_value_for_several_parameters_is_sought_where_most_are_known(self) -> None:
        checked = {"query": None, "regulation": "Rule 144"}
        calls = ("compliance_checker", checked), ("statute_retrieval", {"regulation": "Rule 144"})
        others = [("What does 17 CFR 229.303 require?", read("17 CFR 229.303"))]
        asked, _ = told("Does it comply with Rule 144?", answer("compliance_validation", *calls), ALWAYS, others)
        assert asked == "Does it comply with 17 CFR 229.303?"

    def test_a_value_goes_only_where_the_same_parameter_takes_it(self) -> None:
        others = [(f"What was held in {CASE}?", held(CASE))]
        row = ("Read Rule 144 to me.", read("Rule 144"))
        assert told(*row, ALWAYS, others) == row


class TestTerse:
    def test_function_words_go_and_values_stay_whole(self) -> None:
        question = "Could you please tell me what was decided in Reves v. Ernst & Young and whether it is on notes?"
        text = held("Reves v. Ernst & Young and whether it")
        assert told(question, text, TERSE) == ("decided Reves v. Ernst & Young and whether it notes", text)

    def test_a_value_at_the_beginning_keeps_its_capital(self) -> None:
        question = "Rule 144: what does it say?"
        assert told(question, read("Rule 144"), TERSE)[0] == "Rule 144: say"

    def test_the_mark_behind_a_value_goes_and_the_values_own_stays(self) -> None:
        assert told(f"What was held in {CASE}.?", held(f"{CASE}."), TERSE)[0] == f"held {CASE}."

    def test_a_question_of_function_words_alone_stays(self) -> None:
        row = ("What is it?", answer("no_tool"))
        assert told(*row, TERSE) == row

    def test_an_exchanged_value_is_no_shorter_for_it(self) -> None:
        case = "In the Matter of the Ark"
        how = Augmentation(exchange=1.0, terse=1.0, left_out=1.0)
        augmenter = Augmenter([(f"What was held in {case}?", held(case))], how, seed=0)
        assert augmenter.again(f"What did {CASE} hold?", held(CASE)) == (f"{case} hold", held(case))


def test_nothing_changes_unless_asked() -> None:
    row = ("What does Rule 144 require of the seller?", read("Rule 144"))
    others = [("What does 17 CFR 229.303 require?", read("17 CFR 229.303"))]
    assert told(*row, Augmentation(), others) == row


def test_the_seed_decides() -> None:
    rules = "Rule 144", "Rule 10b-5", "Rule 501"
    rows = [(f"Please read {rule} to me for the meeting.", read(rule)) for rule in rules]
    how = Augmentation(exchange=0.5, terse=0.5)

    def pass_over(seed: int) -> list[tuple[str, str]]:
        augmenter = Augmenter(rows, how, seed)
        return [augmenter.again(*row) for row in rows * 4]

    assert pass_over(1) == pass_over(1) != pass_over(2)


@pytest.mark.parametrize("value", [-0.1, 1.5])
def test_a_share_out_of_range_is_named(value: float) -> None:
    tree = {"training_config": {"max_steps": 1, "global_batch_size": 1, "optim_config": {"lr": 0.1},
                                "augmentation": {"terse": value}}}  # fmt: skip
    with pytest.raises(RecipeInvalid, match=r"training_config\.augmentation\.terse: .* from 0 to 1"):
        settings.sft(tree)
