"""The assistant's page in a real browser: asked by keyboard, read in both themes and at 400 pixels."""

import pytest

from local.cli.failures import Failed
from local.cli.page import Page

SOURCE = {"number": 1, "document": "d" * 32, "title": "17 CFR Part 240", "section": "§ 240.16b-3 Transactions",
          "part": 0, "start": 9322, "end": 9350, "text": "An acquisition is exempt <b>if"}  # fmt: skip
LONG = "averyveryveryverylongwordthatmustbebrokensomewhere" * 4
REPLY = {
    "question": "q", "model": "arn:aws:bedrock:us-east-1:000000000000:custom-model-deployment/abc", "plan": "{}",
    "category": "statute", "reason": "ok", "answer": f"It says: “exempt” [1]\n{LONG}",
    "steps": [{"name": "statute_retrieval", "arguments": {"regulation": "17 CFR 240.16b-3", "query": None},
               "result": {"ok": True, "status": "found"}, "sources": [SOURCE]},
              {"name": "citation_validator", "arguments": {"query": LONG}, "result": {"ok": False, "status": "unknown"},
               "sources": []}],
}  # fmt: skip


def answer(question):
    if question == "fail":
        raise Failed("the place is gone")
    return {**REPLY, "question": question}


@pytest.fixture(scope="module")
def address():
    page = Page(answer).start()
    yield page.address
    page.close()


@pytest.fixture(params=[("light", 1200), ("dark", 1200), ("light", 400), ("dark", 400)], ids=str)
def asked(request, browser, address):
    """The page after one question, asked by keyboard alone, with everything the console said."""
    scheme, width = request.param
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    page = context.new_page()
    page.said = []
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.goto(address)
    page.keyboard.type("What does it say?")
    page.keyboard.press("Enter")
    page.wait_for_selector(".told")
    yield page
    context.close()


def test_a_question_shows_answer_calls_and_sources_without_a_word_on_the_console(asked):
    assert asked.said == []
    assert "exempt" in asked.text_content(".told")
    calls = [call.text_content() for call in asked.query_selector_all("h3")]
    assert calls == ["statute_retrieval", "citation_validator"]
    assert asked.text_content("blockquote") == SOURCE["text"]
    assert "characters 9322 to 9350" in asked.text_content(".where")
    assert asked.text_content("dt") == "regulation" and len(asked.query_selector_all("dt")) == 4


def test_nothing_scrolls_sideways(asked):
    assert asked.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_the_keyboard_reaches_the_source_and_the_next_question(asked):
    assert asked.evaluate("document.activeElement.id") == "question"
    for _ in range(12):
        asked.keyboard.press("Tab")
        if asked.evaluate("document.activeElement.tagName") == "A":
            break
    asked.keyboard.press("Enter")
    assert asked.evaluate("document.activeElement.id") == "source-0-1"


def test_a_failure_is_told_where_the_answer_would_stand(asked):
    asked.keyboard.type("fail")
    asked.keyboard.press("Enter")
    asked.wait_for_selector(".wrong")
    assert asked.text_content(".wrong") == "the place is gone"
    assert asked.text_content("#send") == "Ask" and asked.is_enabled("#send")


def test_axe_finds_nothing(asked, axe):
    found = asked.evaluate(axe + "; axe.run()")["violations"]
    assert [(rule["id"], [node["target"] for node in rule["nodes"]]) for rule in found] == []
