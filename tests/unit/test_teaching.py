"""The lesson of one chunk: what is asked, how replies are read, what is sent back, how it ends."""

import json
import re
import shutil
from collections import Counter

import pytest

from toolsmith import recipes
from toolsmith.catalog import SlotError, load_catalog
from toolsmith.errors import InvalidInput, RecipeInvalid, TeacherThrottled, TeacherTimeout, TeacherUnavailable
from toolsmith.teaching import (
    Axes,
    ChunkOutcome,
    Prompt,
    TeacherReply,
    build_prompt,
    load_canon,
    make_nonce,
    resume_chunk,
    sample,
    teach_chunk,
    verify,
)

TEXT = (
    "Item 5. In March 2021 Northwind Paper Inc. sold 400,000 shares of common stock to twelve accredited investors in "
    "reliance on Rule 506(b) of Regulation D. No general solicitation was used in the offering."
)
GOOD = {
    "category": "regulatory_definition",
    "question": "What does Rule 506(b) require of a sale to accredited investors?",
    "calls": [{"name": "statute_retrieval", "arguments": {"regulation": "Rule 506(b)"}}],
    "quote": "to twelve accredited investors in reliance on Rule 506(b)",
}
OTHER = {
    "category": "citation_verification",
    "question": "Is Rule 506(b) of Regulation D, relied on for accredited investors, a citation that exists?",
    "calls": [{"name": "citation_validator", "arguments": {"query": "17 CFR 230.506(b)"}}],
    "quote": "to twelve accredited investors in reliance on Rule 506(b)",
}
BAD = {**GOOD, "quote": "this sentence does not stand in the document"}


@pytest.fixture(scope="module")
def catalog():
    return load_catalog()


def chunk(key="d-0-0", text=TEXT, source="filing", **facts):
    facts = facts or {"form": "10-K", "company": "Northwind Paper Inc."}
    return {"id": key, "document": key.split("-")[0], "part": 0, "section": "Item 5", "start": 0, "end": len(text),
            "text": text, "source": source, "group": "company:northwind", "facts": facts}  # fmt: skip


def answer(*examples):
    return TeacherReply(json.dumps({"examples": list(examples)}), input_tokens=100, output_tokens=10)


class Script:
    """A teacher that says its lines in order, raises those that are errors, and remembers what it was asked."""

    def __init__(self, *lines):
        self.lines, self.prompts = list(lines), []

    def __call__(self, prompt):
        self.prompts.append(prompt)
        line = self.lines.pop(0)
        if isinstance(line, Exception):
            raise line
        return line


# --- what is asked


def test_the_order_depends_on_the_chunk_and_the_seed_alone(catalog):
    canon = load_canon(catalog)
    orders = [sample(catalog, canon, chunk(f"d{n}-0-0"), seed) for n in range(40) for seed in (1, 2)]
    assert orders == [sample(catalog, canon, chunk(f"d{n}-0-0"), seed) for n in range(40) for seed in (1, 2)]
    axes = Axes.of(catalog)
    assert {o.persona for o in orders} == set(axes.personas)
    assert {o.register for o in orders} == set(axes.registers)
    assert {o.difficulty for o in orders} == set(axes.difficulties)
    assert all(len(o.categories) == axes.questions for o in orders)


def weighted(folder, weights):
    shutil.copytree(recipes.path("securities"), folder)
    axes = json.loads((folder / "diversity.json").read_text(encoding="utf-8"))
    (folder / "diversity.json").write_text(json.dumps(axes | {"register_weights": weights}), encoding="utf-8")
    return load_catalog(folder)


def test_registers_come_up_by_their_weights(catalog, tmp_path):
    first, *others = Axes.of(catalog).registers
    heavy = weighted(tmp_path / "heavy", {first: 30.0, others[0]: 0.0})
    canon = load_canon(heavy)
    drawn = Counter(sample(heavy, canon, chunk(f"d{n}-0-0"), 1).register for n in range(80))
    assert drawn[first] > 50 and not drawn[others[0]]


def test_a_weight_of_no_register_is_refused(tmp_path):
    with pytest.raises(RecipeInvalid, match="'shouting', which is no register"):
        Axes.of(weighted(tmp_path / "wrong", {"shouting": 1.0}))


@pytest.mark.parametrize("source", ["filing", "regulation", "opinion"])
def test_every_category_of_a_source_gets_its_turn_and_no_other(catalog, source):
    canon = load_canon(catalog)
    facts = {"case": "Harlow v. Pinecrest Bancorp"} if source == "opinion" else {"company": "Northwind", "title": "17"}
    text = f"{TEXT} Basic Inc. v. Levinson is cited for material misleading statements to every investor."
    orders = [sample(catalog, canon, chunk(f"d{n}-0-0", text, source, **facts), 1) for n in range(60)]
    assert set(Counter(c for o in orders for c in o.categories)) == set(catalog.categories_for(source))
    offered = len(catalog.categories_for(source))
    assert all(len(set(o.categories)) == min(len(o.categories), offered) for o in orders), "twice before all had a turn"


def test_a_category_without_a_source_at_hand_is_not_asked_for(catalog):
    bare = chunk(text="The annual picnic was a success, and the staff enjoyed it.", company="Northwind")
    order = sample(catalog, load_canon(catalog), bare, 1)
    assert set(order.categories) == {"compliance_validation"}


def test_named_authorities_exist(catalog):
    canon = load_canon(catalog)
    for row in canon.tables["known"]["regulations"]:
        assert canon.canonical(row["say"]), row
        assert not canon.absent(canon.canonical(row["say"])), row


def test_the_chunk_stands_last_and_is_not_searched_for_slots(catalog):
    odd = chunk(text="{{wanted}} {{nonce}} {chunk} <<<end x>>> " + TEXT)
    nonce = make_nonce(odd, 3, 1)
    prompt = build_prompt(catalog, odd, 3, nonce)
    assert prompt.user.endswith(f"<<<document {nonce}>>>\n{odd['text']}\n<<<end {nonce}>>>\n")
    assert "{{" not in prompt.system and "{{" not in prompt.user.replace(odd["text"], "")


def test_the_system_text_is_the_same_for_every_chunk_and_the_digest_is_not(catalog):
    one, two = (build_prompt(catalog, chunk(k), 3, "0" * 16) for k in ("d-0-0", "e-0-0"))
    assert one.system == two.system
    assert one.sha256 != build_prompt(catalog, chunk(), 4, "0" * 16).sha256
    assert re.fullmatch("[0-9a-f]{64}", one.sha256)
    assert Prompt.of("ab", "c").sha256 != Prompt.of("a", "bc").sha256


def test_a_nonce_is_never_in_the_chunk_and_differs_by_attempt(catalog):
    first = make_nonce(chunk(), 3, 1)
    with_nonce = chunk(text=f"{TEXT} {first}")
    assert make_nonce(with_nonce, 3, 1) not in with_nonce["text"]
    assert make_nonce(chunk(), 3, 2) != first
    with pytest.raises(InvalidInput, match="nonce"):
        build_prompt(catalog, with_nonce, 3, first)


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("{{chunk}}", "{chunk}", SlotError),
        ("{{chunk}}", "", SlotError),
        ("{{tools}}", "{{tolls}}", SlotError),
        ("{{wanted}}", "{{ wanted }}", SlotError),
        ("# Repair message", "# Repairs", RecipeInvalid),
    ],
)
def test_a_prompt_file_whose_slots_do_not_fit_is_an_error(tmp_path, old, new, error):
    folder = tmp_path / "domain"
    shutil.copytree(recipes.path("securities"), folder)
    file = folder / "teacher_prompt.md"
    file.write_text(file.read_text().replace(old, new))
    broken = load_catalog(folder)
    with pytest.raises(error, match=r"teacher_prompt\.md"):
        build_prompt(broken, chunk(), 1, "0" * 16)


def test_the_few_shot_examples_pass_their_own_verifier(catalog):
    for number, example in enumerate(json.loads(catalog.text("teacher_examples.json"))["examples"]):
        shown = {**example["chunk"], "id": f"s{number}", "document": f"s{number}"}
        checked = verify(json.dumps(example["answer"]), shown, catalog)
        assert checked.rejected == []
        assert [e["category"] for e in checked.kept] == example["wanted"]["categories"]


# --- how replies are read


def converse(**changes):
    whole = {
        "output": {"message": {"role": "assistant", "content": [{"text": "hello"}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 7, "outputTokens": 3, "totalTokens": 10},
    }
    return {key: value for key, value in {**whole, **changes}.items() if value is not None}


def message(*blocks, role="assistant"):
    return {"message": {"role": role, "content": list(blocks)}}


def test_a_whole_reply_is_read():
    reply = TeacherReply.from_converse(converse())
    assert (reply.text, reply.input_tokens, reply.output_tokens, reply.rejection) == ("hello", 7, 3, None)
    thinking = message({"reasoningContent": {"reasoningText": {"text": "hm"}}}, {"text": "a"}, {"text": "b"})
    assert TeacherReply.from_converse(converse(output=thinking)).text == "ab"


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (None, "malformed"),
        ({}, "malformed"),
        ([], "malformed"),
        (converse(output=None), "malformed"),
        (converse(output={"message": None}), "malformed"),
        (converse(stopReason=None), "malformed"),
        (converse(stopReason="tool_use"), "malformed"),
        (converse(stopReason=7), "malformed"),
        (converse(output=message()), "malformed"),
        (converse(output=message({"text": " "})), "malformed"),
        (converse(output=message({"text": 5})), "malformed"),
        (converse(output=message("text")), "malformed"),
        (converse(output=message({"toolUse": {}})), "malformed"),
        (converse(output=message({"text": "x"}, role="user")), "malformed"),
        (converse(stopReason="max_tokens"), "truncated"),
        (converse(stopReason="max_tokens", output=message()), "truncated"),
        (converse(stopReason="guardrail_intervened"), "refused"),
        (converse(stopReason="content_filtered"), "refused"),
    ],
)
def test_a_broken_reply_is_a_reason_and_never_an_exception(catalog, response, reason):
    reply = TeacherReply.from_converse(response)
    assert reply.rejection[0] == reason
    outcome = teach_chunk(chunk(), lambda prompt: reply, catalog)
    assert (outcome.status, outcome.reason, outcome.examples) == ("rejected", reason, [])


@pytest.mark.parametrize("usage", [None, {}, {"inputTokens": "7"}, {"inputTokens": -1, "outputTokens": True}])
def test_missing_usage_counts_nothing(usage):
    reply = TeacherReply.from_converse(converse(usage=usage))
    assert (reply.input_tokens, reply.output_tokens, reply.rejection) == (0, 0, None)


# --- how a lesson goes


def test_a_good_answer_is_kept_with_its_provenance(catalog):
    teacher = Script(answer(GOOD, OTHER))
    outcome = teach_chunk(chunk(), teacher, catalog, seed=5, teacher="model-x")
    assert (outcome.status, outcome.calls, outcome.input_tokens, outcome.output_tokens) == ("kept", 1, 100, 10)
    first, second = outcome.examples
    assert TEXT[first["evidence"]["start"] : first["evidence"]["end"]] == first["evidence"]["quote"] == GOOD["quote"]
    origin = {"teacher": "model-x", "prompt_sha256": teacher.prompts[0].sha256, "seed": 5}
    assert first["provenance"] == origin
    assert first["id"] != second["id"]
    # The canonical form was given; the question's own words are stored, so that a plan can be copied out of it.
    assert second["calls"][0]["arguments"]["query"] == "Rule 506(b) of Regulation D"
    assert ChunkOutcome.from_dict(json.loads(json.dumps(outcome.to_dict()))) == outcome


def test_what_fails_goes_back_with_the_reason(catalog):
    teacher = Script(answer(GOOD, BAD | {"category": "citation_verification"}), answer(OTHER))
    outcome = teach_chunk(chunk(), teacher, catalog)
    assert (outcome.status, outcome.calls) == ("repaired", 2)
    assert [e["attempts"] for e in outcome.examples] == [1, 2]
    repair = teacher.prompts[1].user
    assert outcome.rejections[0]["reason"] in repair and outcome.rejections[0]["detail"] in repair
    assert repair.rstrip().endswith(">>>") and TEXT in repair
    assert teacher.prompts[0].system == teacher.prompts[1].system


def test_repairs_end_after_two(catalog):
    teacher = Script(*[answer(BAD)] * 9)
    outcome = teach_chunk(chunk(), teacher, catalog)
    assert (outcome.status, outcome.reason, outcome.calls) == ("rejected", "quote_not_in_chunk", 3)
    assert [r["attempt"] for r in outcome.rejections] == [1, 2, 3]
    assert teach_chunk(chunk(), Script(answer(BAD)), catalog, max_repairs=0).calls == 1


def test_a_question_given_twice_is_kept_once(catalog):
    outcome = teach_chunk(chunk(), Script(answer(GOOD, GOOD), answer(GOOD), answer()), catalog)
    assert len(outcome.examples) == 1
    assert {r["reason"] for r in outcome.rejections} == {"repeated_question"}


def test_more_than_was_asked_for_is_refused(catalog):
    many = [GOOD | {"question": f"What does Rule 506(b) require of accredited investors in {w}?"}
            for w in ("plain words", "brief", "detail", "essence", "practice", "general")]  # fmt: skip
    outcome = teach_chunk(chunk(), Script(answer(*many), answer(), answer()), catalog)
    assert len(outcome.examples) == Axes.of(catalog).questions
    assert {r["reason"] for r in outcome.rejections} == {"too_many"}


def test_nothing_to_ask_is_an_outcome_of_its_own(catalog):
    assert teach_chunk(chunk(), Script(answer()), catalog).status == "empty"


def test_a_refusal_is_not_asked_again(catalog):
    outcome = teach_chunk(chunk(), Script(TeacherReply("I'm sorry, I cannot help with that.")), catalog)
    assert (outcome.status, outcome.reason, outcome.calls) == ("rejected", "refused", 1)


def test_a_timeout_is_tried_once_more_and_then_fails_the_chunk(catalog):
    assert teach_chunk(chunk(), Script(TeacherTimeout(), answer(GOOD)), catalog).status == "kept"
    outcome = teach_chunk(chunk(), Script(TeacherTimeout(), TeacherTimeout()), catalog)
    assert (outcome.status, outcome.reason, outcome.calls) == ("failed", "timeout", 2)


def test_a_timeout_of_a_repair_keeps_what_was_good(catalog):
    outcome = teach_chunk(chunk(), Script(answer(GOOD, BAD), TeacherTimeout(), TeacherTimeout()), catalog)
    assert (outcome.status, len(outcome.examples), outcome.calls) == ("kept", 1, 3)


@pytest.mark.parametrize("error", [TeacherThrottled, TeacherUnavailable])
def test_what_the_state_machine_must_decide_goes_through(catalog, error):
    with pytest.raises(error):
        teach_chunk(chunk(), Script(error("x")), catalog)


def test_rounds_of_a_batch_end_where_a_conversation_ends(catalog):
    lines = [answer(GOOD, BAD | {"category": "citation_verification"}), answer(OTHER)]
    spoken = teach_chunk(chunk(), Script(*lines), catalog, seed=9)
    answers, rounds = {}, 0
    while isinstance(pending := resume_chunk(chunk(), answers, catalog, seed=9), Prompt):
        answers[pending.sha256] = lines[rounds]
        rounds += 1
    assert rounds == 2
    assert pending == spoken


def test_every_chunk_ends_in_one_status_when_a_fifth_of_the_calls_go_wrong(catalog):
    faults = [TeacherTimeout(), TeacherReply("", "max_tokens"), TeacherReply('{"examples": [{"cat'),
              TeacherReply("I cannot assist."), TeacherReply("", "malformed", fault="cut off")]  # fmt: skip
    statuses = Counter()
    for number in range(60):
        bad = faults[number % len(faults)]
        lines = [bad, bad, *[answer(GOOD, OTHER)] * 4] if number % 5 == 0 else [answer(GOOD, OTHER)]
        outcome = teach_chunk(chunk(f"d{number}-0-0"), Script(*lines), catalog)
        statuses[outcome.status] += 1
        assert len({e["id"] for e in outcome.examples}) == len(outcome.examples)
    assert sum(statuses.values()) == 60
    assert statuses["kept"] >= 48
