"""Chunks: exact offsets, a hard maximum, the overlap asked for, borders where the text has them."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolsmith.documents import (
    Chunk,
    Document,
    Parsed,
    Provenance,
    Section,
    characters_for_tokens,
    chunk,
    chunks_of,
    parse,
)
from toolsmith.errors import InvalidInput

WORDS = st.one_of(
    st.sampled_from(
        ["the", "issuer", "shall", "disclose", "§", "230.501(a)", "$ 1,234", "Ünïcode", "👩‍👩‍👧", "e\u0301" * 3]
    ),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40),
)
GAPS = st.sampled_from([" ", " ", " ", ". ", "\n", "\n\n", "\t", "; ", ""])
TEXTS = st.lists(st.tuples(WORDS, GAPS), max_size=200).map(lambda pairs: "".join(word + gap for word, gap in pairs))


@st.composite
def documents(draw: st.DrawFn) -> Document:
    text = draw(TEXTS)
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(text) - 1)), max_size=6))) if len(text) > 1 else []
    borders = [0, *cuts, len(text)]
    sections = tuple(Section(f"S{at}", at, end) for at, end in zip(borders, borders[1:], strict=False) if end > at)
    return Document("10-K", "1", "x.htm", text, sections)


@st.composite
def sizes(draw: st.DrawFn) -> tuple[int, int]:
    size = draw(st.integers(1, 300))
    return size, draw(st.integers(0, size - 1))


@given(documents(), sizes())
def test_chunks_minus_overlaps_are_the_text(document: Document, asked: tuple[int, int]):
    pieces = chunk(document, *asked)
    done, rebuilt = 0, ""
    for one in pieces:
        assert one.start <= done < one.end
        rebuilt += one.text[done - one.start :]
        done = one.end
    assert rebuilt == document.text


@given(documents(), sizes())
def test_lengths_offsets_and_titles(document: Document, asked: tuple[int, int]):
    done = 0
    for one in chunk(document, *asked):
        assert 0 < len(one.text) <= asked[0]
        assert one.text == document.text[one.start : one.end]
        assert one.section == next(section.title for section in document.sections if section.end > done)
        done = one.end


@given(documents(), sizes())
def test_overlap_is_at_least_half_of_what_was_asked(document: Document, asked: tuple[int, int]):
    size, overlap = asked
    pieces = chunk(document, size, overlap)
    for before, after in zip(pieces, pieces[1:], strict=False):
        assert before.end - after.start >= overlap / 2
        assert before.start < after.start or not overlap


@given(documents(), st.integers(40, 300))
def test_no_word_is_cut_at_an_end_where_there_is_a_space(document: Document, size: int):
    text, done, borders = document.text, 0, {one.end for one in document.sections}
    for one in chunk(document, size, size // 10):
        fresh = text[done : one.end]
        if one.end < len(text) and one.end not in borders and not text[one.end].isspace() and not fresh[-1].isspace():
            assert not any(character.isspace() for character in fresh)
        done = one.end


def test_half_the_overlap_wins_over_a_border_that_comes_too_early():
    text = "the 0000 "
    first, second = chunk(Document("", "1", "", text), 8, 7)
    assert first.end - second.start >= 4


def prose(words: int) -> str:
    return "".join(f"{'word' * (at % 4 + 1)}{at}{'. ' if at % 17 == 16 else ' '}" for at in range(words))


@pytest.mark.parametrize(("size", "overlap"), [(4000, 200), (1500, 150), (500, 100), (300, 20)])
def test_prose_gets_nearly_the_overlap_asked_and_no_cut_word(size: int, overlap: int):
    text = prose(8000)
    pieces = chunk(Document("", "1", "", text), size, overlap)
    achieved = [before.end - after.start for before, after in zip(pieces, pieces[1:], strict=False)]
    assert statistics.median(achieved) >= 0.9 * overlap
    assert all(text[one.start - 1] == " " for one in pieces[1:])
    assert all(text[one.end - 1] == " " for one in pieces)


def test_chunks_end_with_sections_and_sentences():
    text = prose(400)
    cut = text.index(". ", 900) + 2
    document = Document("", "1", "", text, (Section("A", 0, cut), Section("B", cut, len(text))))
    pieces = chunk(document, 600, 60)
    assert cut in {one.end for one in pieces}
    assert all(one.text.endswith(". ") for one in pieces[:-1])


@pytest.mark.parametrize(
    ("size", "overlap", "says"),
    [
        (0, 0, "size must be at least 1"),
        (-5, 0, "size must be at least 1"),
        (10, 10, "must be smaller than size"),
        (10, 11, "must be smaller than size"),
        (10, -1, "overlap must be 0 or more"),
    ],
)
def test_impossible_sizes_are_refused(size: int, overlap: int, says: str):
    with pytest.raises(InvalidInput, match=says):
        chunk(Document("", "1", "", "some text"), size, overlap)
    with pytest.raises(InvalidInput, match=says):
        chunks_of(Parsed((), Provenance("filing")), "d" * 32, size, overlap)


def test_graphemes_stay_whole_where_they_can():
    text = "👍🏽" * 50
    assert all(len(one.text) % 2 == 0 for one in chunk(Document("", "1", "", text), 11, 0)[:-1])


def test_tokens_are_estimated_low():
    assert 3000 <= characters_for_tokens(1000) <= 4000


def filing(text: str, **more: str) -> Parsed:
    return Parsed(
        (Document("10-K", "1", "a.htm", text, (Section("Item 1", 0, len(text), (), "1"),)),),
        Provenance("filing", name="a.htm", **more),
    )


def test_chunk_lines_carry_what_later_steps_need():
    digest = "0123456789abcdef" * 2
    lines = chunks_of(
        filing(prose(300), cik="320193", company="Apple Inc.", form="10-K", filed="2024-11-01"), digest, 800, 80
    )
    assert [line["id"] for line in lines[:2]] == ["0123456789abcdef-0-0", "0123456789abcdef-0-1"]
    assert set(lines[0]) == {"id", "document", "part", "section", "start", "end", "text", "source", "group", "facts"}
    assert lines[0]["document"] == digest and lines[0]["section"] == "Item 1" and lines[0]["source"] == "filing"
    assert lines[0]["facts"]["company"] == "Apple Inc." and lines[0]["facts"]["date"] == "2024-11-01"
    assert {line["group"] for line in lines} == {"cik:320193"}


def test_groups():
    assert (
        chunks_of(filing("Some words.", company="Foo & Bar, Inc."), "d" * 32, 80, 8)[0]["group"]
        == "company:foo-bar-inc"
    )
    opinion = Parsed((Document("opinion", "1", "o", "Held."),), Provenance("opinion", case="Basic Inc. v. Levinson"))
    assert chunks_of(opinion, "d" * 32, 80, 8)[0]["group"] == "case:basic-inc-v-levinson"
    part = Document("17 CFR 230", "1", "r", "Text.", facts={"title": "17", "cfr_part": "230"})
    assert chunks_of(Parsed((part,), Provenance("regulation")), "d" * 32, 80, 8)[0]["group"] == "cfr:17-230"


def test_a_regulations_chunk_holds_one_section_only():
    text = "§ 1.1 First.\nAlpha.\n§ 1.2 Second.\nBeta."
    cut = text.index("§ 1.2")
    part = Document(
        "17 CFR 1",
        "1",
        "r",
        text,
        (Section("§ 1.1 First.", 0, cut, (), "1.1"), Section("§ 1.2 Second.", cut, len(text), (), "1.2")),
    )
    lines = chunks_of(Parsed((part,), Provenance("regulation")), "d" * 32, 100, 50)
    assert [(line["facts"]["section"], line["text"].strip()) for line in lines] == [
        ("1.1", "§ 1.1 First.\nAlpha."),
        ("1.2", "§ 1.2 Second.\nBeta."),
    ]
    assert [text[line["start"] : line["end"]] for line in lines] == [line["text"] for line in lines]


def test_chunks_without_words_are_left_out():
    text = "Words here. " + "- " * 200 + "More words."
    lines = chunks_of(filing(text), "d" * 32, 60, 6)
    assert all(any(character.isalnum() for character in line["text"]) for line in lines)
    assert len(lines) < len(chunk(filing(text).documents[0], 60, 6))


def test_same_bytes_give_the_same_chunks():
    source = b"<html><body><p>Item 1. Business</p><p>" + b"We sell things. " * 400 + b"</p></body></html>"
    first, second = (chunks_of(parse(source, "a.htm"), "d" * 32, 900, 90) for _ in range(2))
    assert first == second and isinstance(chunk(parse(source, "a.htm").documents[0], 900, 90)[0], Chunk)
