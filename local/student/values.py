"""Values of the pretraining curriculum: invented names, codes, titles and phrases, with words that may name them."""

import functools
from pathlib import Path
from random import Random

SMALL = ("of", "the", "the", "in", "to", "a", "for", "and", "by", "is", "no", "its", "that", "has", "or", "with", "was")
LEXICON = Path(__file__).with_name("lexicon")
SYLLABLES = [
    "ba",
    "ne",
    "ti",
    "ro",
    "ku",
    "la",
    "mi",
    "so",
    "ve",
    "da",
    "po",
    "xi",
    "gu",
    "fe",
    "zo",
    "ha",
    "je",
    "wy",
    "nor",
    "tel",
    "mar",
    "quin",
    "dex",
    "ster",
    "bol",
    "fin",
    "cra",
    "plu",
    "ond",
    "ack",
    "ish",
    "ord",
    "ump",
    "elt",
    "ain",
    "oor",
    "eck",
    "ust",
]
PREPOSITIONS = [
    "of",
    "for",
    "from",
    "in",
    "with",
    "by",
    "on",
    "at",
    "about",
    "under",
    "against",
    "to",
    "within",
    "after",
    "before",
    "near",
]
MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]


def read_lines(name: str) -> list[list[str]]:
    """The word lists of lexicon/`name`, one list a line, comments left out."""
    lines = (LEXICON / name).read_text(encoding="utf-8").splitlines()
    return [line.split() for line in lines if line and not line.startswith("#")]


@functools.cache
def ideas() -> tuple[tuple[str, ...], ...]:
    """Groups of words that stand for one idea; the first words may become names."""
    return tuple(tuple(line) for line in read_lines("cues.txt"))


@functools.cache
def words() -> tuple[str, ...]:
    """All plain words, each once."""
    return tuple(sorted({word for line in read_lines("words.txt") for word in line}))


class Words:
    """Makes words; `pieces` are the tokenizer's alphabetic tokens, so that every one is copied at times."""

    def __init__(self, rng: Random, pieces: tuple[str, ...] = ()) -> None:
        self.rng = rng
        self.pieces = pieces
        self.large = tuple(p for p in pieces if p.isupper() and len(p) > 1)

    def word(self) -> str:
        draw = self.rng.random()
        if self.pieces and draw < 0.35:
            return "".join(self.rng.choice(self.pieces) for _ in range(self.rng.choice((1, 1, 2))))
        if draw < 0.75:
            return self.rng.choice(words())
        return "".join(self.rng.choice(SYLLABLES) for _ in range(self.rng.randint(1, 3)))

    def name(self) -> str:
        made = self.word()
        return made[0].upper() + made[1:]

    def letters(self, most: int = 4) -> str:
        if self.large and most > 1 and self.rng.random() < 0.5:
            return self.rng.choice(self.large)
        return self.word().upper()[: self.rng.randint(1, most)]


def organisation(w: Words) -> str:
    r = w.rng
    tail = r.choice(
        [
            "Clinic",
            "School",
            "Bakery",
            "Club",
            "Farm",
            "Hotel",
            "Bros",
            "Studio",
            "Port",
            "House",
            "Works",
            "Foods",
            "Motors",
            "Media",
            "Shop",
            "Inc.",
            "Co.",
        ]
    )
    text = " ".join(w.name() for _ in range(r.choice((1, 1, 2, 2, 3))))
    if r.random() < 0.1:
        text = f"{w.letters(1)}. {w.letters(1)}. {text}"
    if r.random() < 0.6:
        text += r.choice((" ", ", ")) + tail if tail.endswith(".") else " " + tail
    return text


def _paragraphs(r: Random) -> str:
    parts = [r.choice(("(a)", "(b)", "(c)", "(d)", "(e)", "(f)")), f"({r.randint(1, 9)})", "(ii)"]
    return "".join(parts[: r.choice((0, 0, 1, 1, 2, 3))])


def _dotted(w: Words, count: int) -> str:
    return ".".join(w.letters(1) for _ in range(count))


def code(w: Words) -> str:
    """A reference by numbers: `12 QEX 230.501(a)`, `Norm 10b-5`, `KX-4.2`."""
    r = w.rng
    number, letter = r.randint(1, 999), r.choice("abcdefghk")
    shapes = (
        f"{r.randint(1, 99)} {w.letters()} {number}.{r.randint(1, 999)}{_paragraphs(r)}",
        f"{r.randint(1, 99)} {w.letters()} {number}.{r.randint(1, 30)}{letter}-{r.randint(1, 40)}{_paragraphs(r)}",
        f"{w.name()} {number}{_paragraphs(r)}",
        f"{w.name()} {r.randint(1, 40)}{letter}-{r.randint(1, 40)}{_paragraphs(r)}",
        f"{r.randint(1, 99)} {_dotted(w, r.randint(2, 3))}. {r.randint(1, 99)}{letter}{_paragraphs(r)}",
        f"{w.name()} {w.letters(1)}-{w.letters(1)} {w.name()} {number}",
        f"{w.letters()}-{r.randint(1, 99)}.{r.randint(1, 99)}",
        f"part {number} of {w.name()} {w.letters(1)}",
    )
    if r.random() < 0.3:
        tail = f"{number}.{r.randint(1, 999)}{_paragraphs(r)}"
        shapes = (
            f"{r.randint(1, 99)} {_dotted(w, 3)}. \u00a7 {tail}",
            f"{r.randint(1, 99)} {w.letters()} part {number}",
            f"{w.letters()} {w.name()} {r.randint(1, 999)}{_paragraphs(r)}",
            f"{w.name()} {number} of {w.name()} {w.letters(1)}-{w.letters(1)}",
        )
    return r.choice(shapes)


def title(w: Words) -> str:
    """A pair or a work: `Alden v. Corrick Foods, 12 Q.R.2d 40`, `In re Hale`, `The Lamp of Ro`."""
    r = w.rng
    one = " ".join(w.name() for _ in range(r.choice((1, 1, 2))))
    if r.random() < 0.1:
        one = f"{w.letters(1)}. {w.letters(1)}. {one}"  # the full stop comes twice: what followed it once is not enough
    two = organisation(w) if r.random() < 0.5 else " ".join(w.name() for _ in range(r.choice((1, 2))))
    text = r.choice(
        (
            f"{one} v. {two}",
            f"{one} v. {two}",
            f"{one} & {two}",
            f"In re {two}",
            f"The {one} of {two}",
            f"{one} vs. {w.name()}",
            f"{w.letters(3)} v. {two}",
            f"Matter of {two}",
        )
    )
    if r.random() < 0.2:
        text += f", {r.randint(1, 999)} {_dotted(w, 2)}.{r.choice(('', '2d', '3d'))} {r.randint(1, 999)}"
    if r.random() < 0.12:
        text += f" ({r.randint(1930, 2030)})"
    return text


def part(w: Words) -> str:
    """A place inside a thing: `Page 3A`, `Row 7.2(b) of the Halden ledger`."""
    r = w.rng
    head = r.choice(("Page", "Part", "Unit", "Row", "Block", "Item", "Section", w.name()))
    number = r.choice(
        (f"{r.randint(1, 30)}", f"{r.randint(1, 30)}{r.choice('ABC')}", f"{r.randint(1, 20)}.{r.randint(0, 20):02d}")
    )
    text = f"{head} {number}{_paragraphs(r) if r.random() < 0.3 else ''}"
    if r.random() < 0.55:
        kind = r.choice((w.word(), f"{r.randint(1, 20)}-{w.letters(1)}", f"{w.word()} {w.word()}"))
        owner = organisation(w)
        text = r.choice(
            (
                f"{text} of the {owner} {kind}",
                f"{text} of {owner}'s {kind}",
                f"{owner}'s {kind}",
                f"the {kind} of {owner}",
                f"{text} in the {kind}",
                f"the {r.randint(1990, 2030)} {kind} of {owner}",
            )
        )
    return text


def phrase(w: Words) -> str:
    """Two to eight lower-case words, joined now and then by a small word."""
    r = w.rng
    chosen = [w.word() for _ in range(r.choice((2, 2, 3, 3, 4, 5, 6, 8)))]
    for at in range(1, len(chosen) - 1):
        if r.random() < 0.25:
            chosen[at] = r.choice(("of", "the", "in", "to", "a", "for", "and", "by"))
    return " ".join(chosen)


def subject(w: Words) -> str:
    """What is done to a thing: `handling of the green ledger`, `sale of two boats`."""
    r = w.rng
    head = r.choice(("making", "sale", "use", "handling", "storage", "reading", "delivery", "planning", w.word()))
    return f"{head} of {r.choice(('', '', 'the ', 'a '))}{' '.join(w.word() for _ in range(r.choice((1, 2, 2, 3))))}"


def sentence(w: Words) -> str:
    """A stretch of running text, as somebody would paste it: five to fifteen words, commas, numbers, names."""
    r = w.rng
    chosen = [w.word() for _ in range(r.randint(5, 15))]
    for at in range(1, len(chosen)):
        draw = r.random()
        if draw < 0.3:
            chosen[at] = r.choice(SMALL)
        elif draw < 0.4:
            chosen[at] = r.choice((w.name(), f"{w.name()} {w.name()}", w.letters(), "Inc."))
        elif draw < 0.46:
            chosen[at] = r.choice(
                (f"{r.randint(1, 999)}", f"${r.randint(1, 99)} million", f"{r.randint(1, 99)},{r.randint(0, 999):03d}")
            )
        if draw > 0.92 and at + 1 < len(chosen):
            chosen[at] += r.choice((",", ",", ":", ";", "."))
    text = " ".join(chosen)
    return text[0].upper() + text[1:]


def person(w: Words) -> str:
    return f"{w.name()} {w.name()}" if w.rng.random() < 0.7 else f"{w.letters(1)}. {w.name()}"


def date(w: Words) -> str:
    r = w.rng
    return r.choice(
        (
            f"{r.choice(MONTHS)} {r.randint(1, 28)}, {r.randint(1980, 2035)}",
            str(r.randint(1980, 2035)),
            f"{r.choice(MONTHS)} {r.randint(1980, 2035)}",
        )
    )


def place(w: Words) -> str:
    return w.rng.choice(
        (
            w.name(),
            f"{w.name()} {w.rng.choice(('Hall', 'City', 'Bay', 'Hill'))}",
            f"{w.letters(1)}.{w.letters(1)}. {w.name()}",
        )
    )


# kind of value -> how it is made, and the words that may name a parameter of this kind
KINDS = {
    "organisation": (organisation, ["client", "owner", "supplier", "firm", "brand", "host", "vendor", "company"]),
    "code": (code, ["code", "rule", "norm", "number", "permit", "standard", "reference"]),
    "title": (title, ["title", "book", "film", "match", "story", "suit", "case"]),
    "part": (part, ["page", "part", "row", "unit", "excerpt", "passage", "place_in_text"]),
    "sentence": (sentence, ["wording", "statement", "extract", "line", "claim", "quote_check"]),
    "subject": (subject, ["query", "task", "issue", "act", "text"]),
    "phrase": (phrase, ["query", "topic", "subject", "theme", "text", "matter"]),
    "person": (person, ["person", "guest", "name", "driver", "author"]),
    "date": (date, ["date", "day", "season", "start", "year"]),
    "place": (place, ["place", "city", "town", "area"]),
}
