"""The four tools over a small corpus of a filing, a regulation and two opinions."""

import random

import pytest

from toolsmith.catalog import load_catalog
from toolsmith.errors import InvalidInput
from toolsmith.grading import citations
from toolsmith.teaching import load_canon
from toolsmith.tools import CorpusIndex, LayeredIndex, find_cases, read_case, run_call, same_case, same_law
from toolsmith.tools.index import sections_of
from toolsmith.tools.text import fold, visible, words


def chunk(key, source, text, heading="", **facts):
    document = key.split("-")[0]
    return {"id": key, "document": document, "source": source, "text": text, "section": heading, "facts": facts}


CHUNKS = [
    chunk(
        "filing-0-0", "filing",
        "Item 1A. Risk Factors. Our largest customer\u2019s orders fell by 12%.  We sold notes under Rule 144A.",
        "Item 1A. Risk Factors", company="Quillfeather Mining Corp.", form="10-K",
    ),
    chunk("filing-0-1", "filing", "Item 2. Properties. The Company owns a mine.", "Item 2. Properties",
          company="Quillfeather Mining Corp.", form="10-K"),
    chunk("reg-0-0", "regulation", "Accredited investor shall mean (a) any bank. (b) An affiliate controls.",
          "§ 230.501 Definitions", title="17", cfr_part="230", section="230.501"),
    chunk("reg-0-1", "regulation", "§ 304.9 Fees. (a) The agency charges for copies.", "§ 304.9 Fees.", title="1",
          cfr_part="304", section="304.9"),
    chunk("case-0-0", "opinion",
          "We follow Tellabs, Inc. v. Makor Issues & Rights, Ltd., 551 U.S. 308, on scienter and strong inference "
          "under Section 10(b) of the Exchange Act.", case="Harlow v. Pinecrest Bancorp", citations=["639 F.3d 44"]),
    chunk("case2-0-0", "opinion", "The lease was void for want of a signature.", case="In re Marlowe Shipping"),
]  # fmt: skip


@pytest.fixture(scope="module")
def canon():
    return load_canon(load_catalog())


@pytest.fixture(scope="module")
def index(canon):
    return CorpusIndex.build(CHUNKS, canon)


def regulation(part, group, **facts):
    text = f"§ {part}.9 Fees. (a) The agency charges for copies."
    return {"source": "regulation", "text": text, "section": f"§ {part}.9 Fees.", "group": group,
            "facts": {"cfr_part": part, "section": f"{part}.9", **facts}}  # fmt: skip


@pytest.mark.parametrize(
    ("chunk_", "expected"),
    [
        (regulation("304", "cfr:1-304"), ["1 CFR 304.9"]),
        (regulation("304", "cfr:0-304"), []),
        (regulation("304", "cfr:0-304", title="1"), ["1 CFR 304.9"]),
        (regulation("230", "cfr:0-230"), ["17 CFR 230.9"]),
        (regulation("230", "cfr:12-230"), ["12 CFR 230.9"]),
    ],
)
def test_a_section_is_indexed_under_the_title_that_is_known_and_under_none_otherwise(canon, chunk_, expected):
    assert sections_of(chunk_, canon) == expected


def status(index, name, **arguments):
    return run_call({"name": name, "arguments": arguments}, index)["status"]


@pytest.mark.parametrize(
    ("citation", "expected"),
    [
        ("Rule 501", "found"), ("17 C.F.R. § 230.501(a)", "found"), ("Rule 501(b) of Regulation D", "found"),
        ("Rule 501(z)", "unknown"), ("1 CFR 304.9", "found"), ("Rule 144A", "cited"), ("15 U.S.C. 78j(b)", "cited"),
        ("Section 5 of the Securities Act", "known"), ("Rule 599", "absent"), ("17 CFR 240.99z-9", "unknown"),
        ("the accredited investor rule", "malformed"), ("Rule 501 and Rule 502", "malformed"), ("639 F.3d 44", "found"),
    ],
)  # fmt: skip
def test_statute_retrieval_resolves_what_exists(index, citation, expected):
    assert status(index, "statute_retrieval", regulation=citation) == expected


def test_an_index_travels_as_bytes_and_answers_the_same(index, canon):
    copy = CorpusIndex.from_bytes(index.to_bytes(), canon)
    assert len(copy) == len(index) == len(CHUNKS)
    call = {"name": "case_law_search", "arguments": {"query": "strong inference of scienter"}}
    assert run_call(call, copy) == run_call(call, index)
    for wrong in (b"", b"not an index", b"SQLite format 3\0" + b"x" * 500):
        with pytest.raises(InvalidInput):
            CorpusIndex.from_bytes(wrong, canon)


def test_statute_retrieval_returns_the_stored_text(index):
    result = run_call({"name": "statute_retrieval", "arguments": {"regulation": "Rule 501(a)"}}, index)
    assert result["ok"] and result["sections"][0]["text"].startswith("Accredited investor")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("Harlow v. Pinecrest Bancorp", "found"), ("Jane Harlow v. Pinecrest Bancorp, Inc.", "found"),
        ("Tellabs v. Makor Issues & Rights", "cited"), ("Basic Inc. v. Levinson", "known"),
        ("In re Marlowe Shipping", "found"), ("Harlow v. Oakcrest Bancorp", "unknown"),
        ("Pinecrest Bancorp v. Harlow", "unknown"), ("strong inference of scienter", "found"),
        ("penguin migration habits", "unknown"), ("the holding of Harlow v. Pinecrest Bancorp", "found"),
    ],
)  # fmt: skip
def test_case_law_search_finds_opinions(index, query, expected):
    assert status(index, "case_law_search", query=query) == expected


@pytest.mark.parametrize(
    ("edgar", "regulation", "case", "expected"),
    [
        ("Our largest customer's orders fell by 12%", None, None, "found"),
        ("our LARGEST customer's  orders", None, None, "found"),
        ("Our smallest customer's orders", None, None, "unknown"),
        ("Item 1A of Quillfeather Mining Corp.'s 10-K", None, None, "found"),
        ("Item 7 of Quillfeather Mining Corp.'s 10-K", None, None, "unknown"),
        ("Item 1A of Harborlight's 10-K", None, None, "unknown"),
        (None, "Rule 501", "Harlow v. Pinecrest Bancorp", "found"),
        (None, "Rule 501", "Basic Inc. v. Levinson", "known"),
        (None, "Rule 599", "Harlow v. Pinecrest Bancorp", "absent"),
        (None, None, None, "malformed"),
    ],
)
def test_compliance_checker_is_as_good_as_its_weakest_source(index, edgar, regulation, case, expected):
    arguments = {"edgar_check": edgar, "regulation": regulation, "case_interpretation_check": case}
    assert status(index, "compliance_checker", query="orders", **arguments) == expected


def test_compliance_checker_says_where_the_clause_stands(index):
    arguments = {"query": "x y z", "edgar_check": "Our largest customer's orders fell", "regulation": None,
                 "case_interpretation_check": None}  # fmt: skip
    result = run_call({"name": "compliance_checker", "arguments": arguments}, index)
    span = result["sources"]["edgar_check"]["spans"][0]
    assert CHUNKS[0]["text"][span["start"] : span["end"]] == "Our largest customer\u2019s orders fell"


@pytest.mark.parametrize(
    ("query", "well_formed", "exists"),
    [("Rule 501", True, True), ("Rule 599", True, False), ("17 CFR 240.99z-9", True, None), ("banana", False, False),
     ("485 U.S. 224", True, True), ("Harlow v. Pinecrest Bancorp", True, True), ("Foo v. Bar", True, None)],
)  # fmt: skip
def test_citation_validator_tells_form_from_existence(index, query, well_formed, exists):
    result = run_call({"name": "citation_validator", "arguments": {"query": query}}, index)
    assert (result["well_formed"], result["exists"]) == (well_formed, exists)


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ({"name": "web_search", "arguments": {}}, "unknown_tool"),
        ({"name": "statute_retrieval", "arguments": {"query": "Rule 501"}}, "missing_argument"),
        ({"name": "statute_retrieval", "arguments": {"regulation": "Rule 501", "year": "1"}}, "unknown_argument"),
        ({"name": "statute_retrieval", "arguments": {"regulation": 501}}, "argument_type"),
        ({"name": "statute_retrieval", "arguments": {"regulation": None}}, "argument_type"),
        ({"name": "statute_retrieval", "arguments": {"regulation": "N/A"}}, "not_null"),
        ({"name": "statute_retrieval", "arguments": {"regulation": "x" * 81}}, "argument_length"),
        ({"name": "statute_retrieval", "arguments": ["Rule 501"]}, "call_shape"),
        ({"name": ["x"], "arguments": {}}, "call_shape"),
        ({"name": "statute_retrieval"}, "call_shape"),
        ("statute_retrieval", "call_shape"),
        (None, "call_shape"),
    ],
)
def test_calls_bind_by_name_and_bad_ones_come_back_invalid(index, call, code):
    result = run_call(call, index)
    assert not result["ok"] and result["status"] == "invalid"
    assert result["errors"][0].startswith(code)


def test_the_order_of_arguments_means_nothing(index):
    arguments = {"query": "orders", "edgar_check": None, "regulation": "Rule 501", "case_interpretation_check": None}
    reversed_ = dict(reversed(arguments.items()))
    run = [run_call({"name": "compliance_checker", "arguments": a}, index) for a in (arguments, reversed_)]
    assert run[0] == run[1]


def test_an_index_file_is_the_same_whatever_the_order(tmp_path, canon):
    shuffled = list(CHUNKS)
    random.Random(3).shuffle(shuffled)
    for name, chunks in (("a", CHUNKS), ("b", shuffled + CHUNKS[:2])):
        CorpusIndex.build(chunks, canon, tmp_path / name).close()
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    opened = CorpusIndex.open(tmp_path / "a", canon)
    assert len(opened) == len(CHUNKS)
    assert status(opened, "statute_retrieval", regulation="Rule 501") == "found"


def test_what_is_no_index_says_so(tmp_path, canon):
    (tmp_path / "x").write_text("nonsense" * 200)
    for name in ("x", "absent"):
        with pytest.raises(InvalidInput, match=name):
            CorpusIndex.open(tmp_path / name, canon)
    with pytest.raises(InvalidInput, match="text"):
        CorpusIndex.build([{"id": "1", "document": "d", "source": "filing"}], canon)


def test_layers_answer_for_each_other(canon, index):
    own = CorpusIndex.build([chunk("new-0-0", "filing", "A fresh clause on hedging.", company="Newco")], canon)
    both = LayeredIndex(own, index)
    arguments = {"query": "hedging", "edgar_check": "A fresh clause on hedging", "regulation": "Rule 501",
                 "case_interpretation_check": "Harlow v. Pinecrest Bancorp"}  # fmt: skip
    assert status(both, "compliance_checker", **arguments) == "found"
    assert status(index, "compliance_checker", **arguments) == "unknown"


@pytest.mark.parametrize(
    "text",
    ["Rule 506(b) of Regulation D", "17 C.F.R. § 230.501(a)(1)", "Section 10(b) of the Exchange Act",
     "15 U.S.C. § 78j(b)",
     "Item 303 of Regulation S-K", "Rule 10b-5", "Rule 144A", "Section 4(a)(2) of the Securities Act", "Regulation FD"],
)  # fmt: skip
def test_citations_in_running_text_are_spelled_as_the_grader_spells_them(canon, text):
    found = canon.find(f"As a result, {text}, as amended, applies in 2021.")
    assert [c.text for c in found] == [text]
    assert found[0].canonical == citations.citation_of(text).canonical()


@pytest.mark.parametrize(
    "text",
    ["Section 7 of this Agreement", "Rule of thumb", "in 2021 U.S. sales", "Item 7 of the report", "Act 5, scene 2"],
)
def test_what_is_no_citation_is_left_alone(canon, text):
    assert canon.find(f"See {text} for more.") == ()


def test_rules_of_procedure_are_not_the_commissions(canon):
    text = "dismissed under Rule 12(b)(6) and NYSE Rule 452; see Fed. R. Civ. P. 9(b)"
    assert [c.canonical for c in canon.find(text)] == ["Rule 12(b)(6)", "NYSE Rule 452", "Fed. R. Civ. P. 9(b)"]


def test_a_paragraph_belongs_to_its_section_only():
    assert same_law("17 CFR 230.501", "17 CFR 230.501(a)")
    assert not same_law("17 CFR 230.501(b)", "17 CFR 230.501(a)")
    assert not same_law("17 CFR 230.50", "17 CFR 230.501")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("See Basic Inc. v. Levinson, 485 U.S. 224 (1988).", ["Basic Inc. v. Levinson"]),
        ("How did SEC v. W. J. Howey Co. define it?", ["SEC v. W. J. Howey Co."]),
        ("Under In re Cabletron Sys., Inc., 311 F.3d 11", ["In re Cabletron Sys., Inc."]),
        ("Tellabs, Inc. v. Makor Issues & Rights, Ltd.'s test", ["Tellabs, Inc. v. Makor Issues & Rights, Ltd."]),
        ("Doe v. Roe. The court", ["Doe v. Roe"]),
        ("version v. 2 of the form", []),
        ("Search for Mgmt. Bd. v. Altair Fund and say more", ["Mgmt. Bd. v. Altair Fund"]),
    ],
)
def test_case_names_are_cut_where_they_end(text, names):
    assert [case.text for case in find_cases(text)] == names


def test_names_of_one_case_agree():
    assert same_case("SEC v. W.J. Howey Co.", "Securities and Exchange Commission v. W. J. Howey Company")
    assert not same_case("SEC v. Howey", "SEC v. Ralston Purina Co.")
    assert read_case("Bennett et al v. Fidelity Management Company et al")
    assert read_case("a lease v. sale question about Doe v. Roe") is None


def test_folding_keeps_the_way_back():
    draw = random.Random(5)
    alphabet = "ab \n\t\u200b\u00ad\u2019\u201c\u2014\u00a0Z\U000e0041"
    for _ in range(300):
        text = "".join(draw.choice(alphabet) for _ in range(draw.randrange(1, 40)))
        folded = fold(text)
        assert words(visible(text)) == words(text)
        start, end = draw.randrange(len(text)), len(text)
        piece = fold(text[start:end]).text
        if piece and (span := folded.find(piece)):
            assert fold(text[span[0] : span[1]]).text == piece


def test_opinions_on_the_same_matter_are_offered_by_a_name_that_reads(canon):
    corpus = [
        chunk("o1-0-0", "opinion", "bankruptcy trustee fraudulent conveyance", case="Vane Corp.. v. Lark"),
        chunk("o2-0-0", "opinion", "fraudulent conveyance bankruptcy trustee", case="some-file-html"),
        chunk("o3-0-0", "opinion", "maritime collision and salvage", case="Roe v. Wade"),
    ]
    related = CorpusIndex.build(corpus, canon).related_opinions(
        "A fraudulent conveyance came before the bankruptcy court", 3
    )
    assert related == ["Vane Corp. v. Lark"]
