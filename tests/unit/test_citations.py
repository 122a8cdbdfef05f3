"""The citation canon: one law, whatever its spelling; another law, however alike."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolsmith.grading import reward
from toolsmith.grading.authorities import authority_similarity, case_similarity, clause_similarity
from toolsmith.grading.citations import citation_of, citation_similarity, read_citations

# Facts of 17 CFR and 15 U.S.C., not taken from citations.json: what a lawyer would write for the same law.
SAME = [
    ["17 CFR 230.501", "Rule 501", "rule 501", "RULE 501", "SEC Rule 501", "Rule 501 of Regulation D",
     "Reg. D Rule 501", "Regulation D, Rule 501", "17 C.F.R. § 230.501", "17 C.F.R. 230.501",
     "17 CFR § 230.501", "§ 230.501",
     "Section 230.501", "230.501", "17 CFR Section 230.501", "Rule 501 under the Securities Act of 1933",
     "Securities Act Rule 501", "Rule 501 (17 CFR 230.501)", "17 CFR 230.501.", "17\u00a0CFR\u00a0230.501"],
    ["17 CFR 230.501(a)", "Rule 501(a)", "Rule 501 (a)", "17 C.F.R. § 230.501(a)", "Rule 501(a) of Regulation D"],
    ["17 CFR 230.506(b)(2)(ii)", "Rule 506(b)(2)(ii)", "rule 506 (b) (2) (ii)"],
    ["17 CFR 240.10b-5", "Rule 10b-5", "Rule 10b\u20115", "Exchange Act Rule 10b-5", "17 C.F.R. §240.10b-5",
     "SEC Rule 10b-5 under the Securities Exchange Act of 1934"],
    ["17 CFR 240.14a-8(i)(7)", "Rule 14a-8(i)(7)"],
    ["17 CFR 240.10b5-1(c)", "Rule 10b5-1(c)"],
    ["17 CFR 240.16a-1(f)", "Rule 16a-1(f)"],
    ["17 CFR 230.144A", "Rule 144A", "rule 144a"],
    ["17 CFR 242.105", "Rule 105 of Regulation M", "Regulation M Rule 105"],
    ["17 CFR 243.100", "Rule 100 of Regulation FD", "Reg FD Rule 100"],
    ["17 CFR 229.303(a)", "Item 303(a) of Regulation S-K", "Regulation S-K Item 303(a)", "Reg. S-K, Item 303(a)"],
    ["17 CFR 227.201", "Rule 201 of Regulation Crowdfunding"],
    ["17 CFR 239.11", "Form S-1"],
    ["17 CFR 239.13", "Form S-3"],
    ["17 CFR 239.31", "Form F-1"],
    ["17 CFR 270.2a-7", "Rule 2a-7", "Rule 2a-7 under the Investment Company Act of 1940"],
    ["17 CFR 275.206(4)-8", "Rule 206(4)-8", "Rule 206(4)-8 under the Advisers Act"],
    ["15 USC 77e", "Section 5", "Section 5 of the Securities Act", "Section 5 of the Securities Act of 1933",
     "15 U.S.C. § 77e", "15 U.S.C. 77e", "15 U.S.C.A. § 77e", "Securities Act § 5", "Sec. 5 of the 1933 Act"],
    ["15 USC 77d(a)(2)", "Section 4(a)(2)", "Section 4(a)(2) of the Securities Act of 1933"],
    ["15 USC 77k", "Section 11", "Section 11 of the Securities Act"],
    ["15 USC 77l(a)(2)", "Section 12(a)(2)"],
    ["15 USC 77q(a)", "Section 17(a) of the Securities Act", "Section 17(a)"],
    ["15 USC 78j(b)", "Section 10(b)", "Section 10(b) of the Exchange Act",
     "§ 10(b) of the Securities Exchange Act of 1934"],
    ["15 USC 78m(d)", "Section 13(d)", "Exchange Act Section 13(d)"],
    ["15 USC 78n(a)", "Section 14(a) of the Exchange Act"],
    ["15 USC 78p", "Section 16 of the Exchange Act", "Section 16"],
    ["15 USC 7241", "Section 302 of the Sarbanes-Oxley Act", "Section 302 of SOX"],
    ["29 CFR 1910.120(a)", "29 C.F.R. § 1910.120(a)"],
]  # fmt: skip
EVERY = [spelling for group in SAME for spelling in group]


@pytest.mark.parametrize("spelling", EVERY)
def test_a_spelling_names_one_law_and_nothing_else(spelling):
    assert citation_of(spelling) is not None, read_citations(spelling)


@pytest.mark.parametrize("group", SAME, ids=lambda group: group[0])
def test_spellings_of_one_law_are_equal_and_others_are_not(group):
    keys = {citation_of(spelling) for spelling in group}
    assert len(keys) == 1
    assert all(citation_of(other) not in keys for other in EVERY if other not in group)


def test_the_canonical_spelling_reads_back():
    for spelling in EVERY:
        citation = citation_of(spelling)
        assert citation is not None and citation_of(citation.canonical()) == citation


@pytest.mark.parametrize(
    ("given", "accepted", "similarity"),
    [
        ("Rule 501", "17 CFR 230.501", 1.0),
        ("Rule 105", "17 CFR 230.501", 0.0),
        ("Rule 510", "17 CFR 230.501", 0.0),
        ("17 CFR 230.105", "17 CFR 230.501", 0.0),
        ("17 CFR 240.501", "17 CFR 230.501", 0.0),
        ("16 CFR 230.501", "17 CFR 230.501", 0.0),
        ("15 USC 77e", "15 USC 78e", 0.0),
        ("Section 5 of the Exchange Act", "Section 5 of the Securities Act", 0.0),
        ("Rule 10b-5", "Rule 10b5-1", 0.0),
        ("17 CFR 230.501; 17 CFR 230.502", "17 CFR 230.501", 0.0),
        ("Rule 501 or Rule 506", "Rule 501", 0.0),
        ("not Rule 501", "Rule 501", 0.0),
        ("What does Rule 501 say about accredited investors?", "Rule 501", 0.0),
        ("17 CFR", "Rule 501", 0.0),
        ("17 CFR Part 230", "Rule 501", 0.0),
        ("", "Rule 501", 0.0),
    ],
)
def test_another_law_earns_nothing(given, accepted, similarity):
    assert citation_similarity(given, accepted) == similarity


def test_nearby_law_earns_some():
    exact, paragraph, regulation = (
        citation_similarity(given, "Rule 501(a)") for given in ("Rule 501(a)", "Rule 501(b)", "Rule 506")
    )
    assert exact == 1.0 > paragraph > regulation > 0.0
    assert citation_similarity("Rule 144", "Rule 501(a)") == 0.0


@pytest.mark.parametrize(
    ("text", "one_law"),
    [
        ("17 CFR 230.501(a) of Regulation D under the Securities Act of 1933", True),
        ("Rule 100 of Regulation FD under the Exchange Act", True),
        ("17 CFR 243.100, Regulation FD", True),
        ("Form D under Regulation D", True),
        ("15 U.S.C. 78j(b), Section 10(b) of the Securities Exchange Act of 1934", True),
        ("17 CFR 230.501(a), Regulation S-K", False),
        ("17 CFR 230.501(a), Regulation D or Regulation S", False),
        ("17 CFR 240.13a-15(f) under the Investment Advisers Act of 1940", False),
        ("15 U.S.C. 77e of the Exchange Act", False),
        ("Regulation FD, Regulation S-K", False),
    ],
)
def test_acts_and_regulations_beside_a_law_must_be_its_own(text, one_law):
    assert (citation_of(text) is not None) is one_law


@given(st.integers(100, 999), st.integers(100, 999))
def test_two_rules_are_one_law_only_if_their_numbers_are(left, right):
    same = citation_of(f"Rule {left}") == citation_of(f"Rule {right}")
    assert same is (left == right)


@given(st.text(max_size=200))
def test_any_text_can_be_read(text):
    reading = read_citations(text)
    assert len(set(reading.citations)) == len(reading.citations)


@pytest.mark.parametrize(
    ("given", "accepted"),
    [
        ("SEC v. Ralston Purina Co., 346 U.S. 119 (1953)", "Securities and Exchange Commission v. Ralston Purina"),
        ("346 U.S. 119", "SEC v. Ralston Purina Co., 346 US 119, 124-25 (1953)"),
        ("Basic, Inc. vs. Levinson", "Basic Inc. v. Levinson"),
        ("In re Enron Corp.", "In the Matter of Enron Corporation"),
        ("217 Cal. Rptr. 3d 704", "217 Cal.Rptr.3d 704"),
        ("Doe v. Roe Corp. (2d Cir. 1968)", "Doe v. Roe"),
        ("Doe v. Roe (S.D.N.Y. Mar. 3, 2003)", "Doe v. Roe (U.S.)"),
    ],
)
def test_one_opinion_in_several_spellings(given, accepted):
    assert case_similarity(given, accepted) == authority_similarity(given, accepted) == 1.0


@pytest.mark.parametrize(
    ("given", "accepted"),
    [
        ("SEC v. Howey", "SEC v. Ralston Purina Co."),
        ("Levinson v. Basic", "Basic v. Levinson"),
        ("346 U.S. 120", "346 U.S. 119"),
        ("346 F.2d 119", "346 U.S. 119"),
        ("SEC v. Ralston Purina Co. or SEC v. Howey", "SEC v. Ralston Purina Co."),
        ("not SEC v. Ralston Purina Co.", "SEC v. Ralston Purina Co."),
    ],
)
def test_another_opinion_is_not_the_same(given, accepted):
    assert case_similarity(given, accepted) <= 0.5


@pytest.mark.parametrize("aside", ["(or any opinion)", "(en banc) (see Roe v. Doe)", "(1968, and 17 CFR 240.14a-9)"])
def test_brackets_that_say_more_than_court_and_date_cost(aside):
    for said in (f"Doe v. Roe {aside}", f"Doe v. Roe, 346 U.S. 119 {aside}"):
        assert case_similarity(said, "Doe v. Roe, 346 U.S. 119 (1968)") <= 0.5


def test_clauses_are_their_numbers():
    assert clause_similarity("§ 5.2 (a)", "Section 5.2(a)") == 1.0
    assert clause_similarity("Sec. 5.2(a)", "section 5.2(a)") == 1.0
    for other in ("Section 5.2(b)", "Section 5.2", "Section 2.5(a)", "Article 5.2(a)", "Section 5.2(a) and Section 6"):
        assert clause_similarity(other, "Section 5.2(a)") == 0.0, other
    words = "the indemnification clause of Section 9"
    assert clause_similarity("Indemnification clause, Section 9", words) == 1.0
    assert 0.0 < clause_similarity("Indemnification clause, Section 8", words) < 1.0


def test_spelling_variants_earn_the_same_reward():
    for group in SAME:
        reference = {"category": "regulatory_definition",
                     "calls": [{"name": "statute_retrieval", "arguments": {"regulation": group[0]}}]}  # fmt: skip
        for spelling in group:
            calls = [{"name": "statute_retrieval", "arguments": {"regulation": spelling}}]
            assert reward({**reference, "calls": calls}, reference).score == 1.0, spelling
