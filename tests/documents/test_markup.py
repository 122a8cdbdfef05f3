"""HTML and inline XBRL to lines."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolsmith.documents import parse
from toolsmith.documents.markup import lines_of_html, text_of_fragment
from toolsmith.documents.tags import BREAK


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<p>One</p><p>Two</p>", "One\nTwo"),
        ("<div>One<br>Two<br/>Three</div>", "One\nTwo\nThree"),
        ("<p>bro\nken   by\r\nthe\tsource</p>", "bro ken by the source"),
        ("<pre>kept\n  lines</pre>", "kept\nlines"),
        ("<p>1 &lt; 2 &amp;amp; x&nbsp;y &#8212; &sect;</p>", "1 < 2 &amp; x y — §"),
        ("<p>&#150; &#x80; R&D AT&T</p>", "– € R&D AT&T"),
        ('<p>a<img alt="5 > 4">b</p>', "ab"),
        ("<p>5 < 6 and 7 > 3</p>", "5 < 6 and 7 > 3"),
        ("<p>a<!-- no > comment -->b</p>", "ab"),
        ("<p>less than <180> days</p>", "less than <180> days"),
        ("<P ALIGN=CENTER>Upper</P>", "Upper"),
        ("<p>up<sup>th</sup></p>", "upth"),
        ("<p>1,234<sup>1</sup></p>", "1,234 1"),
        ("<script>if (a<b) x('</p>')</script><p>after</p>", "after"),
        ("<style>p > a { }</style><p>after</p><script>y</script>", "after"),
        ("<p title='it''s'>odd quotes</p><p>next</p>", "odd quotes\nnext"),
        ("<p><span style=\"font: 'x; never closed</span>lost one tag</p><p>next</p>", "lost one tag\nnext"),
        ("<p>cut in a <spa", "cut in a"),
        ("<!-- <title> --><p>a comment names a tag</p>", "a comment names a tag"),
        ("<script>a<!-- b</script><p>one</p><!-- c --><p>two</p>", "one\ntwo"),
    ],
)
def test_text(source: str, text: str):
    assert text_of_fragment(source) == text


@pytest.mark.parametrize(
    "hidden",
    [
        '<div style="display:none">X</div>',
        '<div style="DISPLAY: NONE;">X</div>',
        '<p style="visibility:hidden">X</p>',
        '<span style="font-size:0pt">X</span>',
        "<span hidden>X</span>",
        '<div hidden="">X</div>',
        '<div style="display:none"><div>X</div>X<div>X</div></div>',
        "<ix:header><ix:hidden>X</ix:hidden></ix:header>",
        "<ix:exclude>X</ix:exclude>",
        '<p style="color:#ffffff;background:#fff">X</p>',
        "<template>X</template>",
        '<div style="position:absolute;left:-9999px">X</div>',
        "<title>X</title>",
        "<noscript>X</noscript>",
        "<DIV STYLE='Display : None'>X</DIV >",
        '<div style="display:none">X<div/>X</div>',
        '<span style="display:none">X<span>X</span>X</span>',
        "<title>X <b>X</b></title>",
    ],
)
def test_hidden_text_is_dropped_and_what_follows_is_kept(hidden: str):
    assert text_of_fragment(f"<p>before</p>{hidden}<p>after</p>") == "before\nafter"


@pytest.mark.parametrize(
    "shown",
    [
        '<div style="border:none">X</div>',
        '<p style="font-size:0.8em">X</p>',
        '<p style="margin-left:-24px">X</p>',
        '<td style="background-color:#ffffff">X</td>',
        '<p class="hidden-print">X</p>',
        '<p style="color:#ffffff">X</p>',
        '<ix:nonNumeric name="dei:EntityRegistrantName">X</ix:nonNumeric>',
        '<p data-x="hidden">X</p>',
    ],
)
def test_shown_text_is_kept(shown: str):
    assert text_of_fragment(f"<p>before</p>{shown}<p>after</p>").split("\n")[1] == "X"


def test_a_row_is_a_line_whatever_its_cells_hold():
    source = (
        "<table><tr><td><p>Net</p><p>sales</p></td><td>$</td><td>1,234</td><td></td><td>&nbsp;</td><td>(5</td>"
        "<td>)</td></tr><tr><td>Cost</td><td>2</td></tr></table>"
    )
    assert lines_of_html(source) == ["Net sales\t$\t1,234\t(5\t)", "Cost\t2"]


def test_a_layout_table_keeps_its_paragraphs():
    source = "<table><tr><td><p>First.</p><p>Second.</p></td></tr></table>"
    assert lines_of_html(source) == ["First.", "Second."]


def test_nested_tables_keep_inner_rows_whole():
    source = (
        "<table><tr><td>Out</td><td><table><tr><td>a</td><td>1</td></tr><tr><td>b</td><td>2</td></tr></table></td>"
        "<td>after</td></tr></table>"
    )
    lines = lines_of_html(source)
    assert "a\t1" in lines and "b\t2" in lines
    assert lines[0] == "Out" and lines[-1] == "after"


def test_unclosed_rows_and_cells():
    assert lines_of_html("<table><tr><td>a<td>1<tr><td>b<td>2</table><p>end") == ["a\t1", "b\t2", "end"]


def test_an_element_that_nothing_closes_hides_nothing():
    source = '<p>a</p><div style="display:none"><p>b</p><span style="display:none">X</span><p>c</p>'
    assert lines_of_html(source) == ["a", "b", "c"]


def test_many_unclosed_hidden_elements_take_linear_time():
    source = "".join(f'<b{at % 5000} style="display:none">word ' for at in range(40_000))
    began = time.process_time()
    assert len(lines_of_html(source)[0].split()) == 40_000
    assert time.process_time() - began < 2


def test_page_borders_are_marked():
    assert BREAK in lines_of_html("<p>x</p><hr><p>y</p>")
    assert BREAK in lines_of_html('<p>x</p><div style="page-break-before:always">y</div>')


def test_large_documents_are_read_in_pieces_with_the_same_result():
    block = "<div><p>Paragraph of text &amp; more.</p><table><tr><td>Row</td><td>1</td></tr></table></div>"
    header = "<ix:header>" + "<xbrli:context>hidden</xbrli:context>" * 200_000 + "</ix:header>"
    lines = lines_of_html(header + block * 20_000)
    assert lines == ["Paragraph of text & more.", "Row\t1"] * 20_000


@given(st.text(alphabet="<>/\"'=!-ptdr &;x1 \n", max_size=200))
def test_no_markup_breaks_the_reader(source: str):
    for line in lines_of_html(source):
        assert "\n" not in line and line == line.strip()


@given(st.lists(st.text(alphabet="abc é§–.,", min_size=1, max_size=20), min_size=1, max_size=20))
def test_words_survive(words: list[str]):
    source = "<table>" + "".join(f"<tr><td>{one}</td><td><b>x</b></td></tr>" for one in words) + "</table>"
    assert " ".join("\n".join(lines_of_html(source)).split()) == " ".join(" ".join(f"{one} x" for one in words).split())


def test_inline_xbrl_facts_name_the_company():
    source = (
        '<html><body><ix:header><ix:hidden><ix:nonNumeric name="dei:EntityCentralIndexKey" contextRef="c">0000320193'
        '</ix:nonNumeric></ix:hidden></ix:header><p><ix:nonNumeric contextRef="c" name="dei:EntityRegistrantName">'
        "Tools &amp; Smiths Inc.</ix:nonNumeric></p></body></html>"
    )
    parsed = parse(source.encode(), "x.htm")
    assert parsed.documents[0].text == "Tools & Smiths Inc."
    assert (parsed.provenance.cik, parsed.provenance.company) == ("320193", "Tools & Smiths Inc.")
