"""The assistant over really parsed samples: what its calls find, where it lies, and what the answer may say."""

import json
from pathlib import Path

import pytest

from tests.unit.memory import MemoryStore
from toolsmith import assistant, documents, teaching
from toolsmith.assistant.corpus import title_of
from toolsmith.assistant.sources import LONGEST, passage
from toolsmith.catalog import load_catalog
from toolsmith.errors import InvalidInput
from toolsmith.pipeline.ingest import digest_of

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
FILES = ("regulations/ECFR-title17-part240.xml", "caselaw/cl_9900119.json", "edgar/0009900020-23-000009.txt")
CATALOG = load_catalog()
CANON = teaching.load_canon(CATALOG)


@pytest.fixture(scope="module")
def parsed():
    """The sample documents as (digest, parsed document)."""
    found = {}
    for name in FILES:
        data = (SAMPLES / name).read_bytes()
        found[name] = (digest_of(data), documents.parse(data, Path(name).name))
    return found


@pytest.fixture(scope="module")
def work(parsed):
    store = MemoryStore()
    for digest, document in parsed.values():
        store.write_lines(f"documents/{digest}/chunks.jsonl", documents.chunks_of(document, digest, 1000, 100))
    return store


@pytest.fixture(scope="module")
def corpus(work, tmp_path_factory):
    with_places = assistant.open_corpus(work, tmp_path_factory.mktemp("corpus"), CANON)
    yield with_places
    with_places.close()


class Scripted:
    """A model that answers with what it was given, and keeps what it was told."""

    arn = "arn:aws:bedrock:us-east-1:000000000000:custom-model-deployment/x"

    def __init__(self, *blocks):
        self.blocks, self.told = list(blocks), []

    def say(self, system, question, tools):
        self.told.append((system, question, tools))
        return self.blocks


def plan(category, *calls):
    listed = [{"name": name, "arguments": arguments} for name, arguments in calls]
    return {"text": json.dumps({"category": category, "calls": listed})}


def ask(corpus, question, *blocks):
    return assistant.ask(question, Scripted(*blocks), corpus, CATALOG)


def test_a_rule_is_quoted_from_where_it_stands(corpus, parsed):
    question = "What does 17 CFR 240.16b-3(d) say about an acquisition from the issuer approved by the board?"
    reply = ask(corpus, question, plan("statute", ("statute_retrieval", {"regulation": "17 CFR 240.16b-3(d)"})))
    (step,) = reply.steps
    assert step.result["status"] == "found"
    digest, document = parsed[FILES[0]]
    for source in step.sources:
        assert source.document == digest
        assert document.documents[source.part].text[source.start : source.end] == source.text
    assert step.sources[0].title == "17 CFR Part 240"
    assert "approved in advance by the board" in " ".join(reply.answer.split()) and "[1]" in reply.answer


def test_an_opinion_is_named_by_its_case(corpus):
    name = "Castellane v. Orrery Semiconductor Holdings Inc"
    reply = ask(corpus, f"What did {name} hold?", plan("case", ("case_law_search", {"query": name})))
    assert reply.steps[0].result["status"] == "found"
    assert reply.steps[0].sources[0].title.startswith("Castellane v. Orrery")
    assert "912 F.4th 66" in reply.steps[0].sources[0].title


def test_the_passage_that_bears_on_the_question_comes_first(corpus):
    name = "Castellane v. Orrery Semiconductor Holdings Inc"
    question = f"What did {name} hold about advance approval that names the insider, the amount and the timing?"
    reply = ask(corpus, question, plan("case", ("case_law_search", {"query": name})))
    first = " ".join(reply.steps[0].sources[0].text.split())
    assert "We hold that advance approval under Rule 16b-3(d) is specific enough" in first
    assert min(source.start for source in reply.steps[0].sources) < reply.steps[0].sources[0].start


def test_sources_are_numbered_through_all_calls(corpus):
    calls = [("statute_retrieval", {"regulation": "17 CFR 240.16b-3"})] * 2
    reply = ask(corpus, "Which acquisitions are exempt?", plan("x", *calls))
    numbers = [source.number for step in reply.steps for source in step.sources]
    assert len(reply.steps) == 2 and numbers == list(range(1, len(numbers) + 1))


def test_compliance_quotes_every_source_and_judges_nothing(corpus):
    clause = "we, our officers and the sponsor have agreed to a lock-up of 120 days"
    arguments = {"query": "lock-up", "edgar_check": clause, "regulation": "17 CFR 240.16b-3",
                 "case_interpretation_check": None}  # fmt: skip
    reply = ask(corpus, "Does the lock-up comply?", plan("compliance", ("compliance_checker", arguments)))
    titles = [source.title for source in reply.steps[0].sources]
    assert any("CFR" in title for title in titles) and any("CFR" not in title for title in titles)
    assert "for a person to judge" in reply.answer


@pytest.mark.parametrize(
    ("query", "said"),
    [("17 CFR 240.16b-3", "exists"), ("17 CFR 240.99zz-9", "neither"), ("the moon", "“the moon” does not exist")],
)
def test_a_citation_is_said_to_exist_only_where_something_speaks_for_it(corpus, query, said):
    reply = ask(corpus, f"Is {query} right?", plan("citation", ("citation_validator", {"query": query})))
    assert said in reply.answer


def test_a_law_that_is_not_here_is_not_quoted(corpus):
    reply = ask(corpus, "What is it?", plan("statute", ("statute_retrieval", {"regulation": "17 CFR 999.1"})))
    assert reply.steps[0].sources == () and "“" not in reply.answer


@pytest.mark.parametrize("block", [{"text": "I don't know."}, {"text": ""}, {"text": '{"category":"none","calls":[]}'}])
def test_an_answer_without_calls_looks_nothing_up(corpus, block):
    reply = ask(corpus, "hi", block)
    assert reply.steps == () and "nothing was looked up" in reply.answer


def test_a_call_that_does_not_bind_says_why(corpus):
    reply = ask(corpus, "hi", plan("x", ("statute_retrieval", {"regulations": "17 CFR 240.16b-3"})))
    assert reply.steps[0].result["status"] == "invalid"
    missing, unknown = "statute_retrieval needs regulation", "statute_retrieval has no 'regulations'"
    assert reply.answer == f"A call that the model planned could not be run: {missing}; {unknown}."


def test_a_tool_that_does_not_exist_is_said_in_words(corpus):
    reply = ask(corpus, "hi", plan("x", ("17 CFR 240.16b-3", {})))
    assert reply.answer.startswith("A call that the model planned could not be run: '17 CFR 240.16b-3' is none of ")


def test_tool_use_blocks_count_as_calls(corpus):
    used = {"toolUse": {"toolUseId": "1", "name": "statute_retrieval", "input": {"regulation": "17 CFR 240.16b-3"}}}
    reply = ask(corpus, "What does it say?", {"text": "Let me look."}, used)
    assert [step.name for step in reply.steps] == ["statute_retrieval"] and reply.steps[0].result["ok"]


def test_the_model_is_told_what_it_was_trained_with(corpus):
    model = Scripted({"text": ""})
    assistant.ask("  What now?  ", model, corpus, CATALOG)
    ((system, question, tools),) = model.told
    assert question == "What now?" and "statute_retrieval" in system
    assert {tool["toolSpec"]["name"] for tool in tools["tools"]} == set(CATALOG.tools)


@pytest.mark.parametrize("question", ["", "   ", "a" * 2001])
def test_a_question_must_say_something_and_not_everything(corpus, question):
    with pytest.raises(InvalidInput, match="characters"):
        ask(corpus, question)


def test_the_index_is_kept_until_the_set_of_documents_changes(work, tmp_path):
    store = MemoryStore(objects=dict(work.objects))
    reads = []
    store.read_lines = lambda key: reads.append(key) or MemoryStore.read_lines(store, key)
    assistant.open_corpus(store, tmp_path, CANON).close()
    assert len(reads) == len(FILES)
    assistant.open_corpus(store, tmp_path, CANON).close()
    assert len(reads) == len(FILES)
    del store.objects[sorted(store.objects)[0]]
    smaller = assistant.open_corpus(store, tmp_path, CANON)
    assert len(reads) == 2 * len(FILES) - 1 and len(list(tmp_path.iterdir())) == 1
    smaller.close()


def test_an_empty_corpus_answers_too(tmp_path):
    empty = assistant.open_corpus(MemoryStore(), tmp_path, CANON)
    reply = ask(empty, "What?", plan("statute", ("statute_retrieval", {"regulation": "17 CFR 999.1"})))
    assert reply.steps[0].sources == ()


def test_a_passage_is_whole_sentences_of_the_text_that_bear_on_the_question():
    text = "The board met. The lock-up lasts 180 days after closing. Dinner was late. Nobody spoke."
    start, end = passage(text, "How many days does the lock-up last after closing?")
    assert text[start:end].startswith("The lock-up lasts 180 days")
    start, end = passage("word " * 400, "word")
    assert 0 < end - start <= LONGEST


@pytest.mark.parametrize(
    ("source", "facts", "title"),
    [
        ("regulation", {"title": "17", "cfr_part": "230"}, "17 CFR Part 230"),
        ("opinion", {"case": "A v. B", "citations": ["1 U.S. 2"]}, "A v. B, 1 U.S. 2"),
        ("filing", {"form": "10-Q", "company": "Oxbow, Inc.", "date": "2009-05-11"}, "10-Q of Oxbow, Inc., 2009-05-11"),
        ("filing", {}, "company:oxbow"),
    ],
)
def test_documents_are_called_what_people_call_them(source, facts, title):
    assert title_of({"source": source, "facts": facts, "group": "company:oxbow", "document": "d"}) == title
