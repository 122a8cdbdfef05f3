"""The reward of questions without labels: what running the calls and the plan's rules can tell, and no more."""

import json

import pytest

from toolsmith import catalog, teaching, tools
from toolsmith.grading import grade_samples, parse_answer
from toolsmith.grading.checks import grade_by_facts, read_facts

LAW = {"laws": [{"text": "17 CFR 230.506(b)", "found": True}], "cases": [], "clauses": []}
NO_LAW = {"laws": [{"text": "17 CFR 230.537", "found": False}], "cases": [], "clauses": []}
BOTH = {**LAW, "cases": [{"text": "SEC v. Ralston Purina Co.", "found": True}]}
WORDS = "the offering was made to twelve keen anglers"
ALL = {**BOTH, "clauses": [{"text": WORDS, "found": True}]}


def plan(category, *calls):
    return json.dumps({"category": category, "calls": [{"name": n, "arguments": a} for n, a in calls]})


def statute(regulation="17 CFR 230.506(b)"):
    return "statute_retrieval", {"regulation": regulation}


def search(query="SEC v. Ralston Purina Co."):
    return "case_law_search", {"query": query}


def checker(query, clause=None, regulation=None, case=None):
    given = {"query": query, "edgar_check": clause, "regulation": regulation, "case_interpretation_check": case}
    return "compliance_checker", given


def graded(answer, facts, question):
    return grade_by_facts(parse_answer(answer), read_facts({"facts": facts}), question)


ANGLERS = "17 CFR 230.506(b) anglers"
CROSS = f'17 CFR 230.506(b) and SEC v. Ralston Purina Co. vs Acme "{WORDS}" offering to anglers'
RIGHT = [
    (plan("regulatory_definition", statute()), LAW, "17 CFR 230.506(b) accredited investors"),
    (plan("regulatory_definition", statute("Rule 506(b)")), LAW, "17 CFR 230.506(b) accredited investors"),
    (plan("judicial_interpretation", search()), {**BOTH, "laws": []}, "SEC v. Ralston Purina Co. holding"),
    (plan("citation_verification", ("citation_validator", {"query": "17 CFR 230.537"})), NO_LAW,
     "does 17 CFR 230.537 exist anglers"),
    (plan("regulatory_compliance_analysis", statute(), checker("sale of rods", regulation="17 CFR 230.506(b)")), LAW,
     "17 CFR 230.506(b) rule text, sale of rods compliant"),
    (plan("citation_verification", ("citation_validator", {"query": "17 CFR 230.537"})), NO_LAW,
     "verify 17 CFR 230.537, anglers"),
    (plan("regulatory_definition", statute()), LAW, "17 CFR 230.506(b) covered anglers"),
    (plan("regulatory_definition", statute()), LAW, "definition of catch measure 17 CFR 230.506(b)"),
    (plan("regulatory_compliance_analysis", statute(), checker("sale of legal rods", regulation="17 CFR 230.506(b)")),
     LAW, "17 CFR 230.506(b) rule text, sale of legal rods compliant"),
    (plan("regulatory_compliance_analysis", statute(), checker("filing of the order", regulation="17 CFR 230.506(b)")),
     LAW, "17 CFR 230.506(b) rule text, filing of the order in order"),
    (plan("regulatory_compliance_analysis", statute(), checker("sale of rods", regulation="17 CFR 230.506(b)")),
     LAW, "verify that Acme's sale of rods complies with 17 CFR 230.506(b)"),
    (plan("cross_document_analysis", statute(), search(),
          checker("offering to anglers", WORDS, "17 CFR 230.506(b)", "SEC v. Ralston Purina Co.")), ALL, CROSS),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "facts", "question"), RIGHT)
def test_a_plan_that_runs_and_keeps_the_rules_earns_everything(answer, facts, question):
    found = graded(answer, facts, question)
    assert (found.score, found.reason) == (1.0, "ok")


WRONG = [
    ("an invented rule", plan("regulatory_definition", statute("17 CFR 230.507")), LAW, ANGLERS, 0.0),
    ("a rule that is not there", plan("regulatory_definition", statute("17 CFR 230.537")), NO_LAW, "17 CFR 230.537",
     0.6),
    ("a case as a rule", plan("regulatory_definition", statute("SEC v. Ralston Purina Co.")), BOTH, "x", 0.0),
    ("a check nobody asked for",
     plan("regulatory_compliance_analysis", statute(), checker("keen anglers", regulation="17 CFR 230.506(b)")), LAW,
     "17 CFR 230.506(b) keen anglers", 0.8),
    ("no check although asked", plan("regulatory_definition", statute()), LAW, "17 CFR 230.506(b) sale compliant", 0.8),
    ("another category", plan("citation_verification", statute()), LAW, ANGLERS, 0.7),
    ("the case left out", plan("regulatory_definition", statute()), BOTH,
     "17 CFR 230.506(b) SEC v. Ralston Purina Co.", 0.8),
    ("the same call twice", plan("regulatory_definition", statute(), statute()), LAW, ANGLERS, 0.5),
    ("a source of another kind",
     plan("regulatory_definition", ("statute_retrieval", {"regulation": "17 CFR 230.506(b)", "query": "x"})), LAW,
     ANGLERS, 0.0),
    ("the question copied",
     plan("regulatory_compliance_analysis", statute(),
          checker("17 CFR 230.506(b) rule text, sale of rods compliant", regulation="17 CFR 230.506(b)")), LAW,
     "17 CFR 230.506(b) rule text, sale of rods compliant", 0.75),
    ("one word that says something",
     plan("regulatory_compliance_analysis", statute(), checker("of rods", regulation="17 CFR 230.506(b)")), LAW,
     "17 CFR 230.506(b) rule text, sale of rods compliant", 0.75),
    ("words of nobody",
     plan("regulatory_compliance_analysis", statute(), checker("two happy dogs", regulation="17 CFR 230.506(b)")), LAW,
     "17 CFR 230.506(b) rule text, sale of rods compliant", 0.75),
    ("a company's name carried along",
     plan("regulatory_compliance_analysis", statute(), checker("sale of rods Acme", regulation="17 CFR 230.506(b)")),
     LAW, "17 CFR 230.506(b) sale of rods Acme Tackle Inc. compliant", 0.8),
    ("the end of a company's name",
     plan("regulatory_compliance_analysis", statute(), checker("Inc. sale of rods", regulation="17 CFR 230.506(b)")),
     LAW, "17 CFR 230.506(b) and Acme Tackle, Inc. sale of rods compliant", 0.8),
    ("the beginning of a company's name",
     plan("regulatory_compliance_analysis", statute(), checker("Acme Tackle", regulation="17 CFR 230.506(b)")),
     LAW, "17 CFR 230.506(b) Acme Tackle Works Inc. sale of rods compliant", 0.8),
    ("a quotation mark carried along",
     plan("regulatory_compliance_analysis", statute(),
          checker('sale of "bamboo rods"', regulation="17 CFR 230.506(b)")),
     LAW, '17 CFR 230.506(b) sale of "bamboo rods" compliant', 0.8),
    ("cut short before a word that begins no question",
     plan("regulatory_compliance_analysis", statute(), checker("sale of new", regulation="17 CFR 230.506(b)")),
     LAW, "17 CFR 230.506(b) rule text, sale of new measure rods compliant", 0.8),
    ("verified although a check is asked for",
     plan("citation_verification", ("citation_validator", {"query": "17 CFR 230.506(b)"})), LAW,
     "verify that the sale of rods complies with 17 CFR 230.506(b)", 0.5),
    ("begun in the middle",
     plan("regulatory_compliance_analysis", statute(), checker("bamboo rods", regulation="17 CFR 230.506(b)")), LAW,
     "17 CFR 230.506(b) sale of the bamboo rods compliant", 0.8),
    ("cut short",
     plan("regulatory_compliance_analysis", statute(), checker("sale of new", regulation="17 CFR 230.506(b)")), LAW,
     "17 CFR 230.506(b) rule text, sale of new rods compliant", 0.8),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "facts", "question", "most"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_what_is_amiss_costs(answer, facts, question, most):
    assert graded(answer, facts, question).score <= most


def test_a_step_towards_the_right_plan_never_costs():
    """Whoever learns from this must not be held at the short plan that is easily got right."""
    law = "17 CFR 230.506(b)"
    asked = f"{law} rule text, sale of new rods compliant"
    steps = [plan("regulatory_definition", statute())] + [
        plan("regulatory_compliance_analysis", statute(), checker(words, regulation=law))
        for words in ("nothing of the kind", "sale of new rods compliant", "sale of new rods")
    ]
    scores = [graded(answer, LAW, asked).score for answer in steps]
    assert scores == sorted(scores) and len(set(scores)) == len(scores) and scores[-1] == 1.0

    asked = f"{law} interpretation SEC v. Ralston Purina Co."
    steps = [plan("regulatory_definition", statute())] + [
        plan("regulatory_interpretation_research", statute(), search(case))
        for case in ("SEC v. Nobody", "SEC v. Ralston Purina Co.")
    ]
    scores = [graded(answer, BOTH, asked).score for answer in steps]
    assert scores == sorted(scores) and len(set(scores)) == len(scores) and scores[-1] == 1.0


def test_no_error_earns_more_than_it_would_without():
    named = (WORDS, "17 CFR 230.506(b)", "SEC v. Ralston Purina Co.")
    good = [statute(), search(), checker("offering to anglers", *named)]
    bad = [(name, {key: value and "an invented one" for key, value in given.items()}) for name, given in good]
    scores = [
        graded(plan("cross_document_analysis", *bad[:broken], *good[broken:]), ALL, CROSS).score
        for broken in (3, 2, 1, 0)
    ]
    assert scores == sorted(scores) and scores[-1] == 1.0


@pytest.mark.parametrize("answer", ["", "no plan", plan("no_tool"), '{"category":1,"calls":[{"name":3}]}'])
def test_no_plan_earns_nothing(answer):
    assert graded(answer, LAW, ANGLERS).score == 0.0


def test_one_answer_for_every_question_earns_little():
    constant = plan("regulatory_definition", statute("Rule 506(b)"))
    laws = [f"17 CFR 230.{number}" for number in range(500, 510)]
    facts = [{**LAW, "laws": [{"text": law, "found": True}]} for law in laws]
    scores = [graded(constant, known, f"{law} anglers").score for known, law in zip(facts, laws, strict=True)]
    assert sum(scores) / len(scores) <= 0.2


def sample(reference, answer):
    messages = [{"role": "user", "content": "17 CFR 230.506(b) anglers"}, {"role": "assistant", "content": answer}]
    return {"id": "1", "messages": messages, "reference_answer": reference}


def test_the_reward_function_reads_facts_in_place_of_a_reference():
    answer = plan("regulatory_definition", statute())
    right, broken = grade_samples([sample({"facts": LAW}, answer), sample({"facts": {"laws": [1]}}, answer)])
    assert right["aggregate_reward_score"] == 1.0
    metrics = {m["name"]: m["value"] for m in broken["metrics_list"]}
    assert (broken["aggregate_reward_score"], metrics["grader_error"]) == (0.0, 1.0)


def test_facts_are_what_the_tools_find_for_the_words_of_a_question():
    canon = teaching.load_canon(catalog.load_catalog())
    chunk = {"id": "a-0-0", "document": "a", "part": 0, "section": "", "start": 0, "end": 90, "source": "filing",
             "group": "cik:1", "facts": {"company": "Acme Tackle Inc."},
             "text": f"Acme relied on 17 CFR 230.506(b). It is said that {WORDS} of the north."}  # fmt: skip
    read = teaching.question_facts(tools.CorpusIndex.build([chunk], canon))
    asked = f'Is "{WORDS}" in order under 17 CFR 230.506(b), 17 CFR 230.999 and Nobody v. Noone?'
    assert read(asked) == {
        "laws": [{"text": "17 CFR 230.506(b)", "found": True}, {"text": "17 CFR 230.999", "found": False}],
        "cases": [{"text": "Nobody v. Noone", "found": False}],
        "clauses": [{"text": WORDS, "found": True}],
    }


def test_a_company_joined_to_a_case_by_and_is_no_part_of_its_name():
    canon = teaching.load_canon(catalog.load_catalog())
    opinion = {"id": "b-0-0", "document": "b", "part": 0, "section": "", "start": 0, "end": 40, "source": "opinion",
               "group": "case:b", "facts": {"case": "Hale v. Corrick Mills and Acme Tackle Inc."},
               "text": "The complaint is dismissed."}  # fmt: skip
    read = teaching.question_facts(tools.CorpusIndex.build([opinion], canon))

    def named(question):
        return [case["text"] for case in read(question)["cases"]]

    known = canon.tables["known"]["cases"][0]["say"]
    assert named(f"{known} and Acme Tackle, Inc. sale of rods in order") == [known]
    joined = "Hale v. Corrick Mills and Acme Tackle Inc."
    assert named(f"{joined} sale of rods in order") == [joined]
    assert named("Nobody v. Noone and Acme Tackle, Inc. sale of rods") == ["Nobody v. Noone and Acme Tackle, Inc."]
