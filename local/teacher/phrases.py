"""Finding words to ask about: sentences, noun phrases, actions and clauses of a chunk, without a parser.

The method for noun phrases is that of RAKE (Rose et al., 2010): runs of words between stop words and punctuation,
here kept only when they look like English nouns.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from local.teacher.grammar import word_list

STOP = word_list("stop")
ACTIONS = word_list("actions")
VERBS = word_list("verbs")
NOUNS_IN_AL = word_list("nouns in al")
MASS = word_list("mass")
FINITE = word_list("finite")
THIRD_PERSON = frozenset(verb for verb in VERBS if verb.endswith("s"))
CIRCUMSTANCE = word_list("circumstance")
ADJECTIVES = word_list("adjectives")
# "the material fact" and "the text message" would read as pointing at the document.
POINTING = frozenset(["material", "text", "document", "context", "passage", "excerpt"])
PLURAL_MODIFIERS = word_list("plural modifiers")
_CONNECT = frozenset(["of", "to", "in", "for", "by", "with", "from"])
_ARTICLES = frozenset(["the", "a", "an", "its", "any", "all", "certain", "each", "their"])
_NOUNY = re.compile(
    r"(?:tion|sion|ment|ity|ance|ence|ncy|ncies|ness|ship|ure|age|ees?|ers?|ors?|ists?|isms?|[^s]s|ies|als?|ings?|ants?|ents?|"
    r"acts?|debt|stock|fund|loan|bond|rate|price|value|plan|risk|cost|note|tax|law|test|duty|fraud|trust|lease|asset|"
    r"data|proxy|vote|share|board|notice|scheme|rules?|scienter|market|credit|income|loss|profit|cash|trade)$"
)
_NOT_LAST = re.compile(r"(?:ly|ed|ous|ive|ful|less|able|ible|ical|ward|wise|ular|iary)$")
_ADVERB = re.compile(r"(?<!fami)(?<!supp)(?<!month)(?<!quarter)(?<!dai)(?<!week)(?<!year)(?<!assemb)(?<!monopo)ly$")
_TOKEN = re.compile(r"\$?\d[\d,.]*%?|[A-Za-z]+(?:['\u2019-][A-Za-z]+)*|[^\sA-Za-z\d]")
_ABBREVIATION = re.compile(
    r"(?:\b(?:Inc|Corp|Co|Ltd|No|Nos|v|vs|Mr|Mrs|Ms|Dr|Sec|Secs|Art|Jr|Sr|St|cf|e\.g|i\.e|al|Cir|Supp|Stat|Rev|Fed|"
    r"App|Div|Ct|Dist|Ex|Exch|Bros|Assn|Jan|Feb|Mar|Apr|Aug|Sept|Oct|Nov|Dec|L\.L\.C|L\.P|R|P)|\b[A-Z])\.$"
)
_END = re.compile(r"[.?!][\"”’)\]]*\s+(?=[A-Z“\"(\[])|\n\s*\n|(?<=[.:;])\n")
MAX_SENTENCE = 1200
MAX_PASSAGE = 380


class Span(NamedTuple):
    """A stretch of the chunk: its place and its words with spaces run together."""

    start: int
    end: int
    text: str


def sentences(chunk: str) -> list[Span]:
    """The sentences of running text, in order; tables, headings and fragments are left out."""
    found, start = [], 0
    for end in [*_ends(chunk), len(chunk)]:
        raw = chunk[start:end]
        stripped = raw.strip()
        if stripped and _is_prose(stripped):
            first = start + raw.index(stripped)
            found += _pieces(chunk, first, first + len(stripped))
        start = end
    return found


def _pieces(chunk: str, start: int, end: int) -> Iterator[Span]:
    """A sentence short enough to quote, or its parts between commas and semicolons."""
    while end - start > MAX_PASSAGE:
        cut = max(chunk.rfind(mark, start + 40, start + MAX_PASSAGE) for mark in (";", ",", " "))
        if cut < 0:
            return
        yield Span(start, cut, " ".join(chunk[start:cut].split()))
        start = cut + 1 + len(chunk[cut + 1 : end]) - len(chunk[cut + 1 : end].lstrip())
    if end - start >= 40:
        yield Span(start, end, " ".join(chunk[start:end].split()))


def _ends(chunk: str) -> Iterator[int]:
    for match in _END.finditer(chunk):
        stop = match.start() + 1
        if match.group()[0] in "?!\n" or not _ABBREVIATION.search(chunk[max(0, stop - 12) : stop]):
            yield match.end()


def _is_prose(text: str) -> bool:
    if not 40 <= len(text) <= MAX_SENTENCE or "|" in text or "...." in text or "___" in text or "---" in text:
        return False
    letters = [char for char in text if char.isalpha()]
    upper = sum(char.isupper() for char in letters)
    digits = sum(char.isdigit() for char in text)
    words = text.split()
    plain = sum(word.lower().strip(",;.") in STOP for word in words)
    return len(letters) > 0.62 * len(text) and upper < 0.3 * len(letters) and digits < 0.12 * len(text) and plain >= 2


@lru_cache(maxsize=2048)
def topics(sentence: str) -> tuple[str, ...]:
    """Noun phrases of two to four lower-case words in one sentence, in order, each a stretch of it."""
    found = []
    for run in _runs(sentence):
        for phrase in _trimmed(run):
            if phrase not in found:
                found.append(phrase)
    return tuple(found)


def _runs(sentence: str) -> Iterator[list[str]]:
    run: list[str] = []
    for match in _TOKEN.finditer(sentence):
        word = match.group()
        joined = run and sentence[match.start() - 1] == " "
        usable = _usable(word)
        if usable and (not run or joined):
            if run and _begins(run[-1], word):
                yield run
                run = []
            run.append(word)
            continue
        if run:
            yield run
        run = [word] if usable else []
    if run:
        yield run


def _usable(word: str) -> bool:
    plain = word.isascii() and word.islower() and word.replace("-", "").isalpha()
    return plain and len(word) > 2 and word not in STOP and word not in VERBS and not _ADVERB.search(word)


def _begins(before: str, word: str) -> bool:
    """Whether a new phrase begins at `word`: a participle, or anything after a plural that is no modifier."""
    participle = word.endswith(("ed", "ing")) and not word.endswith("eed")
    plural = before.endswith("s") and not before.endswith(("ss", "us", "is")) and before not in PLURAL_MODIFIERS
    return participle or plural


def noun(word: str) -> bool:
    """Whether a word can end a noun phrase, judged by its ending."""
    if word.endswith("al"):
        return word in NOUNS_IN_AL
    return bool(_NOUNY.search(word)) and not _NOT_LAST.search(word) and word not in VERBS | ADJECTIVES


def with_article(topic: str) -> str:
    """The topic as it stands in a sentence: plurals and mass nouns bare, others with "the"."""
    last = topic.split()[-1]
    plural = last.endswith("s") and not last.endswith(("ss", "us", "is"))
    bare = plural or last in MASS or last.endswith(("ity", "ness", "ship", "ing", "ance", "ence"))
    return topic if bare or topic.split()[0] in POINTING else f"the {topic}"


def _trimmed(run: list[str]) -> Iterator[str]:
    words = run[-4:]
    while len(words) == 2 and words[0].endswith("ing"):
        words = words[1:]
    while len(words) > 1 and not noun(words[-1]):
        words = words[:-1]
    if len(words) >= 2 and noun(words[-1]):
        yield " ".join(words)


@lru_cache(maxsize=2048)
def actions(sentence: str) -> tuple[str, ...]:
    """Things done, as noun phrases: "sale of 400,000 shares of common stock"; each a stretch of the sentence."""
    tokens = list(_TOKEN.finditer(sentence))
    found = []
    for place, token in enumerate(tokens[:-2]):
        if token.group() in ACTIONS and tokens[place + 1].group() in _CONNECT:
            end = _action_end(sentence, tokens, place + 1)
            phrase = sentence[token.start() : end] if end else ""
            if phrase and phrase not in found:
                found.append(phrase)
    return tuple(found)


def _action_end(sentence: str, tokens: list[re.Match[str]], place: int) -> int | None:
    """Where the noun phrase that begins with an action ends: at most eight words on, never at a connecting word."""
    end, nouns, connected = None, 0, 0
    for token in tokens[place : place + 9]:
        word = token.group()
        connects = word in _CONNECT
        connected = connected + 1 if connects else connected
        numeric = word[0].isdigit() or word[0] == "$"
        plain = word.islower() and word.isascii() and len(word) > 1
        named = plain and word not in STOP and word not in VERBS
        if connected > 3 or not (connects or word in _ARTICLES or numeric or named):
            break
        if plain and not connects and word not in _ARTICLES:
            nouns += 1
            end = token.end() if noun(word) else end
        if numeric and not sentence[token.end() : token.end() + 1].isspace():
            break
    return end if nouns else None


def clause(sentence: str, least: int = 5, most: int = 13) -> str | None:
    """A statement of `least` to `most` words that makes sense alone: the beginning of a sentence, or of its main
    clause where the sentence begins with a circumstance. None where there is none."""
    words = sentence.split(" ")
    if words[0].lower().strip(",") in CIRCUMSTANCE:
        words = _main_clause(words)
    elif not sentence[0].isupper():
        return None
    chosen = _statement(words[:most], len(words)) if len(words) >= least else []
    shouted = sum(word.isupper() and len(word) > 3 for word in chosen)
    return " ".join(chosen).rstrip(",;:. ") if len(chosen) >= least and shouted < 2 else None


def _main_clause(words: list[str]) -> list[str]:
    """What follows the circumstance at the beginning of a sentence; [] where that is no clause of its own."""
    for place, word in enumerate(words[2:12], 2):
        after = words[place + 1 : place + 2]
        if word.endswith(",") and after and after[0][0].isalpha():
            return [] if after[0].lower() in CIRCUMSTANCE else words[place + 1 :]
    return []


def _statement(words: list[str], whole: int) -> list[str]:
    """The longest start of `words` that has a finite verb and ends where a noun phrase may end."""
    verb = next((place for place, word in enumerate(words) if _finite(word)), None)
    if not verb:
        return []
    for cut in range(len(words), verb + 1, -1):
        last = words[cut - 1].strip(",;:.")
        ends = (cut == whole or words[cut - 1][-1:] in ",;:") and (last in ACTIONS or not last.endswith("ing"))
        plain = last.islower() and last not in STOP and last not in VERBS
        if last and last.lower() not in STOP and (ends and last[-1].isalpha() or plain and noun(last)):
            return words[:cut]
    return []


def _finite(word: str) -> bool:
    return word in FINITE or word in THIRD_PERSON
