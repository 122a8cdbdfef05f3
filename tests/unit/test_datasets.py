"""Datasets: what is left out, how sources are split, what a leak is, and that order never matters."""

import json
import random
from collections import Counter

import pytest

from toolsmith.catalog import load_catalog
from toolsmith.datasets import DatasetConfig, accepted, assemble, leaks
from toolsmith.datasets.select import normalised
from toolsmith.datasets.sensitive import sensitive, sensitive_example
from toolsmith.datasets.similarity import NearIndex, jaccard, words
from toolsmith.datasets.split import FRACTIONS, assign
from toolsmith.errors import DatasetLeaks, DatasetTooSmall, InvalidInput

CATALOG = load_catalog()
SMALL = DatasetConfig(least={"train": 1, "validation": 1, "test": 1})
SYLLABLES = [a + b for a in "bdklmnprst" for b in "aeiou"]
KINDS = {"filing": "company:{}", "regulation": "cfr:17-{}", "opinion": "case:{} v. sec"}


def noun(rng: random.Random) -> str:
    return "".join(rng.choice(SYLLABLES) for _ in range(3))


def example(rng: random.Random, group: str, source: str, category: str, **changes) -> dict:
    """One verified example about invented matter, worded from random nouns so that no two are near copies."""
    topic = " ".join(noun(rng) for _ in range(4))
    quote = " ".join(noun(rng) for _ in range(12))
    question = f"What does Rule 506(b) require of {topic}?"
    calls = [{"name": tool, "arguments": arguments(tool, topic)} for tool in CATALOG.categories[category].tools]
    made = {
        "id": f"{rng.getrandbits(64):016x}",
        "question": question,
        "category": category,
        "calls": calls,
        "evidence": {"quote": quote, "start": 0, "end": len(quote)},
        "document": f"doc-{group}",
        "group": group,
        "source": source,
        "chunk": f"{group}-0-0",
        "difficulty": rng.choice([0.2, 0.5, 0.8]),
        "persona": "paralegal",
        "register": "brisk",
        "provenance": {"teacher": "test", "prompt_sha256": "0" * 64, "seed": 1},
        "verdicts": {"format": "ok", "execution": "ok", "grounding": "ok"},
        "attempts": 1,
    }
    return made | changes


def arguments(tool: str, topic: str) -> dict:
    if tool == "statute_retrieval":
        return {"regulation": "Rule 506(b)"}
    if tool == "compliance_checker":
        return {"query": topic, "edgar_check": None, "regulation": "Rule 506(b)", "case_interpretation_check": None}
    return {"query": topic}


def corpus(seed: int = 0, groups: int = 12, size: int = 16) -> list[dict]:
    rng = random.Random(seed)
    made = []
    for kind, pattern in KINDS.items():
        for number in range(groups):
            group = pattern.format(f"{kind}{number}")
            for _ in range(rng.randint(size // 2, size)):
                made.append(example(rng, group, kind, rng.choice(list(CATALOG.categories))))
    return made


def resolves(_example) -> None:
    return None


def test_the_same_examples_in_any_order_give_the_same_bytes():
    examples = corpus()
    first = assemble(examples, resolves, SMALL)
    random.Random(1).shuffle(examples)
    second = assemble(reversed(examples), resolves, SMALL)
    assert first.digest == second.digest
    assert first.files == second.files


def test_another_example_gives_another_digest():
    examples = corpus()
    more = [*examples, example(random.Random(99), "company:new", "filing", "compliance_validation")]
    assert assemble(examples, resolves, SMALL).digest != assemble(more, resolves, SMALL).digest


def test_groups_stay_whole_and_sizes_come_close_to_the_fractions():
    dataset = assemble(corpus(groups=20), resolves, SMALL)
    where = {}
    for name, examples in dataset.splits.items():
        for item in examples:
            assert where.setdefault(item["group"], name) == name
    total = sum(map(len, dataset.splits.values()))
    for name, share in FRACTIONS.items():
        assert abs(len(dataset.splits[name]) / total - share) < 0.05


def test_every_split_has_every_source_and_category():
    for seed in range(5):
        dataset = assemble(corpus(seed, groups=5), resolves, DatasetConfig(seed=seed, least=SMALL.least))
        for examples in dataset.splits.values():
            assert {item["source"] for item in examples} == {*KINDS, "recipe"}
            assert {item["category"] for item in examples} == {*CATALOG.categories, "no_tool"}


def test_a_rare_category_is_carried_to_every_split_that_can_have_it():
    rng = random.Random(3)
    examples = [example(rng, f"company:{n}", "filing", "compliance_validation") for n in range(30) for _ in range(9)]
    rare = [example(rng, f"company:{n}", "filing", "cross_document_analysis") for n in (0, 1, 2)]
    placed = assign(examples + rare, seed=0)
    assert len({placed[item["group"]] for item in rare}) == 3


def test_the_seed_decides_the_split():
    examples = corpus()
    assert assign(examples, seed=1) == assign(list(reversed(examples)), seed=1)
    assert assign(examples, seed=1) != assign(examples, seed=2)


def test_repeated_questions_are_dropped_and_contradicting_ones_all():
    rng = random.Random(5)
    twin = example(rng, "company:a", "filing", "compliance_validation")
    again = twin | {"id": "ff", "question": twin["question"].upper()}
    torn = example(rng, "company:a", "filing", "regulatory_definition")
    other = torn | {"id": "ee", "category": "judicial_interpretation", "calls": []}
    dataset = assemble([*corpus(), twin, again, torn, other], resolves, SMALL)
    reasons = Counter(drop.reason for drop in dataset.dropped)
    assert reasons["duplicate"] == 1
    assert reasons["ambiguous"] == 2
    kept = {item["id"] for examples in dataset.splits.values() for item in examples}
    assert len(kept & {twin["id"], again["id"]}) == 1


def test_near_copies_are_found_behind_other_names_and_numbers():
    index = NearIndex()
    index.add("a", "Does Rule 506(b) allow Acme Paper Inc. to sell 4,000 shares to friends of its founder?")
    near = index.nearest("Does 17 CFR 230.144 allow Quux Holdings Corp. to sell 12 shares to friends of its founder?")
    assert near is not None and near[0] == "a"
    assert index.nearest("How did the court read scienter for vague optimism about loan growth?") is None


def test_similarity_ignores_names_but_not_matter():
    left = words("What did SEC v. Ralston hold about investment contracts?")
    assert jaccard(left, words("What did Harlow v. Pinecrest Bancorp hold about investment contracts?")) == 1.0
    assert jaccard(left, words("What did SEC v. Ralston hold about insider trading penalties?")) < 0.8


@pytest.mark.parametrize(
    "citation",
    ["Rule 506(b)", "17 C.F.R. § 230.506(b)", "15 USC 78j(b)", "485 U.S. 224 (1988)", "section 5", "§ 240.10b-5"],
)
def test_a_citation_is_one_word_to_the_comparison(citation):
    assert words(f"what does {citation} say of notes?") == {"what", "does", "cite", "say", "of", "notes"}


def test_near_copies_leave_training_rather_than_the_test():
    examples = corpus(groups=20)
    placed = assign(examples, SMALL.seed)
    in_test = next(item for item in examples if placed[item["group"]] == "test")
    train_group = next(item["group"] for item in examples if placed[item["group"]] == "train")
    copy = in_test | {
        "id": "00",
        "group": train_group,
        "document": f"doc-{train_group}",
        "question": in_test["question"].replace("506(b)", "144"),
    }
    dataset = assemble([*examples, copy], resolves, SMALL)
    gone = {drop.id: drop.reason for drop in dataset.dropped}
    assert gone.get("00") == "near_duplicate"
    assert in_test["id"] in {item["id"] for item in dataset.splits["test"]}


def test_a_passage_shared_by_two_documents_does_not_straddle_splits():
    examples = corpus(groups=20)
    placed = assign(examples, SMALL.seed)
    by_split = {name: next(e for e in examples if placed[e["group"]] == name) for name in FRACTIONS}
    by_split["train"]["evidence"] = dict(by_split["test"]["evidence"])
    dataset = assemble(examples, resolves, SMALL)
    assert {drop.id: drop.reason for drop in dataset.dropped} == {by_split["train"]["id"]: "shared_evidence"}


def test_what_does_not_resolve_is_left_out_with_its_reason():
    examples = corpus()
    bad = examples[7]["id"]
    dataset = assemble(examples, lambda e: "no such opinion" if e["id"] == bad else None, SMALL)
    assert [(d.id, d.reason, d.detail) for d in dataset.dropped] == [(bad, "unresolved", "no such opinion")]
    assert bad.encode() not in b"".join(dataset.files.values())


def test_reserved_words_never_reach_a_job():
    rng = random.Random(8)
    poisoned = example(rng, "company:p", "filing", "compliance_validation", question="Is the clause User: admin valid?")
    dataset = assemble([*corpus(), poisoned], resolves, SMALL)
    assert [d.reason for d in dataset.dropped] == ["reserved_word"]


@pytest.mark.parametrize(
    "secret",
    [
        "AKIA" + "ABCDEFGHIJKLMNOP",
        "aws_secret_access_key = " + "a1B2" * 10,
        "-----BEGIN RSA " + "PRIVATE KEY-----",
        "ghp_" + "a" * 36,
        "123-45-6789",
        "password: hunter22",
        "4111 1111 1111 1111",
    ],
)
@pytest.mark.parametrize("place", ["question", "quote", "argument"])
def test_secrets_and_personal_numbers_never_reach_a_file(secret, place):
    bad = example(random.Random(12), "company:s", "filing", "compliance_validation")
    if place == "question":
        bad["question"] += f" {secret}"
    elif place == "quote":
        bad["evidence"]["quote"] += f" {secret}"
    else:
        bad["calls"][0]["arguments"]["query"] = secret
    assert sensitive_example(bad)
    assert secret not in sensitive_example(bad)


@pytest.mark.parametrize(
    "harmless",
    [
        "0001104659-03-004925",
        "Commission file number 001-38048",
        "EIN 94-2404110",
        "(408) 996-1010",
        "1,234,567,890,123.00",
        "1234 5678 9012 3456",
        "17 CFR 240.10b-5",
        "000-12-3456",
    ],
)
def test_numbers_of_filings_are_not_taken_for_personal_ones(harmless):
    assert sensitive(f"It says {harmless} on the cover.") is None


def test_an_example_with_a_secret_is_left_out_and_counted():
    bad = example(random.Random(13), "company:s", "filing", "compliance_validation")
    bad["question"] += " 123-45-6789"
    dataset = assemble([*corpus(), bad], resolves, SMALL)
    assert dataset.manifest["dropped"]["sensitive"] == 1
    assert b"123-45-6789" not in b"".join(dataset.files.values())


@pytest.mark.parametrize("field", ["group", "chunk", "question", "quote"])
def test_the_leak_gate_sees_what_stands_in_two_splits(field):
    rng = random.Random(9)
    left = example(rng, "company:a", "filing", "compliance_validation")
    right = example(rng, "company:b", "filing", "compliance_validation")
    assert leaks({"train": [left], "test": [right]}) == []
    if field == "quote":
        right["evidence"] = left["evidence"]
    else:
        right[field] = left[field]
    found = leaks({"train": [left], "test": [right]})
    assert found and {"chunk": "document"}.get(field, field) in found[0]


def test_a_leak_fails_the_run():
    from toolsmith.datasets.gate import require_no_leak

    rng = random.Random(10)
    left = example(rng, "company:a", "filing", "compliance_validation")
    with pytest.raises(DatasetLeaks, match="group 'company:a' in test and train"):
        require_no_leak({"train": [left], "test": [left | {"document": "other"}]})


def test_too_few_examples_say_what_was_lost():
    with pytest.raises(DatasetTooSmall, match=r"train has \d+ of 5000.*unresolved"):
        assemble(corpus(), lambda e: "gone" if e["id"][0] == "a" else None, DatasetConfig(least={"train": 5000}))


def test_a_category_below_its_quota_is_named():
    examples = [e for e in corpus() if e["category"] != "citation_verification"]
    config = DatasetConfig(least=SMALL.least, quotas={"citation_verification": 60})
    dataset = assemble(examples, resolves, config)
    assert any(s.startswith("citation_verification: 0 of 60") for s in dataset.manifest["shortfalls"])
    assert "citation_verification: 0 of 60" in dataset.files["card.md"].decode()


def test_sft_labels_can_be_limited_while_rft_sees_all():
    config = DatasetConfig(least=SMALL.least, sft_limit=40)
    dataset = assemble(corpus(), resolves, config)
    assert dataset.files["sft/train.jsonl"].count(b"\n") == 40
    assert dataset.files["rft/train.jsonl"].count(b"\n") == len(dataset.splits["train"])
    rows = map(json.loads, dataset.files["sft/train.jsonl"].splitlines())
    answers = [row["messages"][1]["content"][0]["text"] for row in rows]
    assert {json.loads(answer)["category"] for answer in answers} == {*CATALOG.categories, "no_tool"}


def test_questions_without_labels_are_only_for_reinforcement_and_hold_no_plan():
    examples = [e | {"register": "terse" if at % 4 == 0 else "plain"} for at, e in enumerate(corpus())]
    config = DatasetConfig(least=SMALL.least, unlabelled=("terse",))
    dataset = assemble(examples, resolves, config, facts=lambda question: {"laws": [{"text": question, "found": True}]})
    terse = {e["question"] for e in dataset.splits["train"] if e["register"] == "terse"}
    prompts = [json.loads(line) for line in dataset.files["rft/train.jsonl"].splitlines()]
    labelled = [json.loads(line)["messages"] for line in dataset.files["sft/train.jsonl"].splitlines()]
    told = [messages[0]["content"][0]["text"] for messages in labelled]
    assert terse and not terse & set(told)
    assert len(dataset.splits["train"]) == len(told) + len(terse) == len(prompts)
    for prompt in prompts:
        question, answer = prompt["messages"][1]["content"], prompt["reference_answer"]
        assert ("calls" in answer) is (question not in terse)
        assert question not in terse or answer == {"facts": {"laws": [{"text": question, "found": True}]}}


@pytest.mark.parametrize(
    "wrong", [{"style": "prose"}, {"fractions": {"train": 0.5, "test": 0.5}}, {"near_threshold": 0}]
)
def test_a_wrong_configuration_is_refused(wrong):
    with pytest.raises(InvalidInput):
        DatasetConfig(**wrong)


def test_accepted_values_hold_the_canonical_citation_and_keep_null():
    arguments = {"query": "the sale", "regulation": "Rule 144", "edgar_check": None}
    calls = [{"name": "compliance_checker", "arguments": arguments}]
    canon = {"Rule 144": "17 CFR 230.144"}.get
    assert accepted(calls, canon) == [
        {
            "name": "compliance_checker",
            "arguments": {"query": ["the sale"], "regulation": ["17 CFR 230.144"], "edgar_check": [None]},
        }
    ]


def test_the_card_cannot_be_broken_by_a_question():
    rng = random.Random(11)
    question = "Is | <b>x</b> `y` [z](w)\n# fine at Oz?"
    odd = example(rng, "company:o", "filing", "compliance_validation", question=question)
    config = DatasetConfig(least=SMALL.least)
    card = assemble([odd, *[e for e in corpus() if e["category"] != "compliance_validation"]], resolves, config)
    text = card.files["card.md"].decode()
    assert "<b>" not in text and "\n# fine" not in text and "](w)" in text and "\\[z]" in text


def test_normalised_questions_ignore_case_space_and_final_marks():
    assert normalised("  What  is Rule 144? ") == normalised("what is rule 144")
