"""Questions that no tool can answer: how the recipe is read, how they join a dataset, that nothing else gives way."""

import json
import random
import shutil
from collections import Counter

import pytest

from tests.unit.memory import MemoryStore
from tests.unit.test_datasets import SMALL, corpus, example, resolves
from toolsmith import recipes
from toolsmith.catalog import full_tools_prompt, load_catalog, student_system_prompt
from toolsmith.datasets import DatasetConfig, abstention, assemble, check_all, check_sft, leaks
from toolsmith.datasets.export import STYLES
from toolsmith.datasets.similarity import near_pairs
from toolsmith.errors import DatasetTooSmall, InvalidInput, RecipeInvalid, SmokeTestFailed
from toolsmith.grading import reward, talk_score
from toolsmith.grading.attacks import ATTACKS
from toolsmith.grading.settings import settings
from toolsmith.pipeline import finish
from toolsmith.pipeline.customize import attack_scores

CATALOG = load_catalog()
POOL = abstention.read(CATALOG)


@pytest.fixture(scope="module")
def dataset():
    return assemble(corpus(), resolves, SMALL)


@pytest.fixture
def folder(tmp_path):
    copy = tmp_path / "domain"
    shutil.copytree(recipes.path("securities"), copy)
    return copy


def untaught(examples):
    return [item for item in examples if item["category"] == "no_tool"]


def rows(dataset, name):
    return [json.loads(line) for line in dataset.files[name].splitlines()]


def test_the_recipe_has_many_questions_of_both_kinds_and_no_two_are_near_copies():
    kinds = Counter(item["provenance"]["kind"] for item in POOL)
    assert set(kinds) == set(abstention.KINDS) and min(kinds.values()) >= 70
    assert near_pairs({item["id"]: [(item["id"], item["question"])] for item in POOL}) == []


def test_the_recipe_asks_in_every_register_that_students_have_labels_for():
    registers = set(json.loads(CATALOG.text("diversity.json"))["registers"])
    for kind in abstention.KINDS:
        asked = {item["register"] for item in POOL if item["provenance"]["kind"] == kind}
        assert asked == registers - {"terse, as typed into a search box"}


def test_every_question_says_where_it_comes_from(folder):
    before = {item["provenance"]["sha256"] for item in POOL}
    (folder / abstention.FILE).write_text((folder / abstention.FILE).read_text().replace("Lisbon", "Porto"))
    after = {item["provenance"]["sha256"] for item in abstention.read(load_catalog(folder))}
    assert len(before) == len(after) == 1 and before != after


def test_the_prompts_tell_what_to_say_when_no_tool_can_answer():
    name = settings().abstain_category
    for prompt in (student_system_prompt(CATALOG), full_tools_prompt(CATALOG)):
        (line,) = [line for line in prompt.splitlines() if line.startswith(f"{name}: ")]
        assert "no calls" in line


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda r: r.pop("missing_document"), r'no missing_document questions; write "missing_document"'),
        (lambda r: r.update(small_talk={}), "'small_talk' is no kind of question; write out_of_scope"),
        (lambda r: r["difficulty"].pop("out_of_scope"), "difficulty, out_of_scope: None; write .* a fraction"),
        (lambda r: r["difficulty"].update(out_of_scope=True), "difficulty, out_of_scope: True"),
        (lambda r: r["difficulty"].update(out_of_scope=4), "difficulty, out_of_scope: 4"),
        (lambda r: r.update(difficulty=[]), "difficulty, out_of_scope"),
        (lambda r: r["out_of_scope"].update(loud=["Eh?"]), "out_of_scope: 'loud' is no register of diversity.json"),
        (lambda r: r["out_of_scope"].update(brisk=[]), "'brisk': no questions; list some or remove"),
        (lambda r: r["out_of_scope"].update(brisk="Eh?"), "'brisk': no questions"),
        (lambda r: r["out_of_scope"]["brisk"].append(" "), "'brisk', question 16: ' ' is no question"),
        (lambda r: r["out_of_scope"]["brisk"].append(7), "question 16: 7 is no question"),
        (
            lambda r: r["missing_document"]["brisk"].append("buy or sell  Redfern Energy"),
            "missing_document, 'brisk', question 16: .* stands under out_of_scope, 'brisk' already; remove one",
        ),
        (lambda r: r["out_of_scope"]["brisk"].append("User: hi"), "question 16: the reserved word 'User:'"),
        (lambda r: r["out_of_scope"]["brisk"].append("Is 123-45-6789 me?"), "question 16: it holds a social security"),
    ],
)
def test_a_wrong_recipe_names_the_entry_and_the_remedy(folder, change, says):
    file = folder / abstention.FILE
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    with pytest.raises(RecipeInvalid, match=says) as error:
        abstention.read(load_catalog(folder))
    assert abstention.FILE in str(error.value)


@pytest.mark.parametrize(("text", "says"), [("{\n,", "line 2: not JSON"), ("[]", "difficulty")])
def test_a_recipe_that_is_no_object_is_refused(folder, text, says):
    (folder / abstention.FILE).write_text(text)
    with pytest.raises(RecipeInvalid, match=f"{abstention.FILE}.*{says}"):
        abstention.read(load_catalog(folder))


def test_each_split_has_its_share_of_both_kinds(dataset):
    for name, examples in dataset.splits.items():
        found = untaught(examples)
        assert abs(len(found) / len(examples) - 0.06) <= 0.5 / len(examples)
        kinds = Counter(item["provenance"]["kind"] for item in found)
        assert abs(kinds["out_of_scope"] - kinds["missing_document"]) <= 1, name
        assert [item["id"] for item in examples] == sorted(item["id"] for item in examples)


def test_the_share_is_a_setting_and_none_switches_the_questions_off(dataset):
    without = assemble(corpus(), resolves, DatasetConfig(least=SMALL.least, abstention=0))
    assert without.manifest["counts"]["abstention"] == {}
    for name, examples in without.splits.items():
        assert examples == [item for item in dataset.splits[name] if item["category"] != "no_tool"]
    more = assemble(corpus(), resolves, DatasetConfig(least=SMALL.least, abstention=0.1))
    assert len(untaught(more.splits["train"])) == round(len(without.splits["train"]) / 9)


def test_another_seed_takes_other_questions_or_puts_them_elsewhere():
    def taken(seed):
        splits = {name: [example_of(n, name) for n in range(60)] for name in ("train", "validation", "test")}
        joined, _ = abstention.join(splits, POOL, 0.06, seed, SMALL.fractions, 0.8)
        return {item["id"]: name for name, examples in joined.items() for item in untaught(examples)}

    assert taken(0) == taken(0) != taken(1)
    assert len({question for seed in range(20) for question in taken(seed)}) > 2 / 3 * len(POOL)


def example_of(number, split):
    return {"id": f"{split}-{number}", "question": f"{split} {number:b}", "category": "x", "calls": [{}]}


def test_no_question_stands_in_two_splits_however_the_pool_is_used_up():
    splits = {name: [example_of(n, name) for n in range(4000)] for name in ("train", "validation", "test")}
    joined, _ = abstention.join(splits, POOL, 0.06, 0, SMALL.fractions, 0.8)
    found = {name: untaught(examples) for name, examples in joined.items()}
    assert leaks(found) == []
    assert sorted(item["id"] for examples in found.values() for item in examples) == sorted(i["id"] for i in POOL)
    said = abstention.shortfalls(joined, 0.06)
    assert len(said) == 3 and all(abstention.FILE in sentence for sentence in said)


def test_a_near_copy_of_a_taught_question_is_left_out_and_the_taught_one_stays():
    copied = POOL[0]["question"]
    twin = example(random.Random(4), "company:copy", "filing", "compliance_validation", question=copied)
    config = DatasetConfig(least=SMALL.least, abstention=0.3)
    dataset = assemble([*corpus(), twin], resolves, config)
    kept = [item for examples in dataset.splits.values() for item in examples if item["question"] == copied]
    assert [item["id"] for item in kept] == [twin["id"]]
    assert {drop.id: drop.reason for drop in dataset.dropped} == {POOL[0]["id"]: "near_duplicate"}


def test_a_split_without_enough_taught_questions_is_not_filled_up_with_these():
    taught = assemble(corpus(), resolves, SMALL).manifest["counts"]["split"]["train"]
    with pytest.raises(DatasetTooSmall):
        assemble(corpus(), resolves, DatasetConfig(least={"train": taught}))


def test_registers_without_labels_are_passed_over():
    config = DatasetConfig(least=SMALL.least, unlabelled=("brisk",))
    registered = [item | {"register": "formal"} for item in corpus()]
    found = assemble(registered, resolves, config, facts=lambda question: {"laws": []})
    asked = [item for examples in found.splits.values() for item in untaught(examples)]
    assert asked and "brisk" not in {item["register"] for item in asked}


def test_rows_with_native_calls_stand_in_a_file_of_their_own():
    dataset = assemble(corpus(), resolves, DatasetConfig(style="native", least=SMALL.least))
    for name in ("sft/train.jsonl", "sft/validation.jsonl"):
        answers = [row["messages"][1]["content"] for row in rows(dataset, name)]
        assert answers and all("toolUse" in answer[0] for answer in answers)
    plans = assemble(corpus(), resolves, DatasetConfig(least=SMALL.least)).files["sft/train.jsonl"]
    native = dataset.files["sft/train.jsonl"]
    (finding,) = check_sft("sft/train.jsonl", native + plans.splitlines(keepends=True)[0])
    assert (finding.line, finding.problem) == (native.count(b"\n") + 1, "no toolUse, unlike in line 1")


@pytest.mark.parametrize("style", [style for style in STYLES if style != "native"])
def test_the_exports_say_in_every_style_that_nothing_is_called(style):
    dataset = assemble(corpus(), resolves, DatasetConfig(style=style, least=SMALL.least))
    assert check_all(dataset.files, {"rft/validation.jsonl": 1}) == []
    found = rows(dataset, "sft/train.jsonl")
    answers = {row["messages"][0]["content"][0]["text"]: row["messages"][1]["content"] for row in found}
    asked = untaught(dataset.splits["train"])
    assert asked and all("no_tool" in row["system"][0]["text"] for row in found)
    for item in asked:
        assert reward(answers[item["question"]], {"category": "no_tool", "calls": []}, item["question"]).score == 1.0


def test_jobs_and_the_evaluation_get_the_same_reference(dataset):
    for name in ("eval/gen_qa.jsonl", "eval_tools/gen_qa.jsonl"):
        asked = {row["metadata"]: row for row in rows(dataset, name)}
        for item in untaught(dataset.splits["test"]):
            assert json.loads(asked[item["id"]]["response"]) == {"category": "no_tool", "calls": []}
    references = {row["id"]: row for row in rows(dataset, "eval/references.jsonl")}
    prompts = {row["id"]: row for row in rows(dataset, "rft/train.jsonl")}
    for item in untaught(dataset.splits["test"]):
        assert references[item["id"]]["reference"] == {"category": "no_tool", "calls": [], "accept": []}
        assert references[item["id"]]["labelled"]
    for item in untaught(dataset.splits["train"]):
        assert prompts[item["id"]]["reference_answer"] == {"category": "no_tool", "calls": [], "accept": []}


def test_they_are_counted_openly_and_apart_from_documents_and_teachers(dataset):
    manifest, card = dataset.manifest, dataset.files["card.md"].decode()
    held = {name: len(untaught(examples)) for name, examples in dataset.splits.items()}
    by_kind = manifest["counts"]["abstention"]
    assert {name: sum(by_kind[kind][name] for kind in by_kind) for name in held} == held
    assert manifest["counts"]["category"]["no_tool"] == held == manifest["counts"]["source"]["recipe"]
    assert manifest["documents"] == 36 and manifest["teachers"] == ["test"]
    assert not [group for groups in manifest["groups"].values() for group in groups if group.startswith("recipe")]
    assert f"{sum(held.values())} questions that no tool can answer" in card
    assert f"{manifest['counts']['examples'] - sum(held.values())} questions about 36 documents" in card
    assert "| missing_document |" in card and "**no_tool** (nothing)" in card


def test_the_attack_suite_is_measured_on_questions_that_want_calls(dataset):
    references = rows(dataset, "eval/references.jsonl")
    scores = attack_scores(references)
    assert scores == attack_scores([row for row in references if row["reference"]["calls"]])
    assert max(attack["score"] for attack in scores if attack["imitates"] == "nothing") < 0.5


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_where_nothing_is_to_be_called_only_an_explicit_empty_plan_earns_anything(attack):
    question, reference = POOL[0]["question"], {key: POOL[0][key] for key in ("category", "calls", "accept")}
    answer = attack.make_answer(question, reference)
    graded = reward(answer, reference, question)
    assert graded.reason != "grader_error"
    if graded.score:
        assert graded.parts["extra_calls"] == 0 and ('"calls":[]' in answer.replace(" ", "") or answer == "[]")


class Voice:
    """A deployed model that greets, and answers every question with the same text; `heard` is what it was asked."""

    def __init__(self, text):
        self.text, self.heard = text, []

    def converse(self, messages, **_):
        self.heard.append(messages[0]["content"][0]["text"])
        return {"output": {"message": {"content": [{"text": "Hello." if self.heard == ["hi"] else self.text}]}}}


def test_the_smoke_test_asks_what_wants_calls(dataset):
    work = MemoryStore()
    nothing_first = sorted(rows(dataset, "sft/validation.jsonl"), key=lambda row: "no_tool" not in json.dumps(row))
    system = nothing_first[0]["system"][0]["text"]
    assert '"calls":[]' in nothing_first[0]["messages"][1]["content"][0]["text"] and "no_tool" in system
    work.write_json("runs/r/dataset.json", {"prefix": "d"})
    work.write_lines("d/sft/validation.jsonl", nothing_first)
    voice = Voice('{"category":"regulatory_definition","calls":[{"name":"statute_retrieval","arguments":{}}]}')
    finish.smoke(voice, work, CATALOG, "r", "deployment")
    assert voice.heard[1] not in {item["question"] for item in POOL}
    with pytest.raises(SmokeTestFailed):
        finish.smoke(Voice('{"category":"no_tool","calls":[]}'), work, CATALOG, "r", "deployment")


def test_the_published_score_counts_an_empty_plan_where_none_is_expected():
    reference = {"category": "no_tool", "calls": [], "accept": []}
    call = {"name": "statute_retrieval", "arguments": {"regulation": "Rule 144"}}
    assert talk_score('{"category":"no_tool","calls":[]}', reference) == 1.0
    assert talk_score({"category": "regulatory_definition", "calls": [call]}, reference) == 0.0
    assert talk_score("no idea", reference) == talk_score("", reference) == 0.0


@pytest.mark.parametrize("share", [-0.1, 1, 1.5])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(InvalidInput, match="abstention is a share"):
        DatasetConfig(abstention=share)
