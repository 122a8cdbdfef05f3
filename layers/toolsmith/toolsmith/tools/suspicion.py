"""Parts of a document that talk to the reader's model: instructions, answers and tool calls planted in the text."""

import re
from functools import lru_cache

from toolsmith.tools.text import PLAIN, fold

INSTRUCTION = re.compile(
    r"\b(?:ignore|disregard|forget|override|bypass)\b.{0,40}\b(?:instruction|prompt|guideline|direction|message|context)s?\b"
    r"|\b(?:system|developer|hidden)\s+(?:prompt|message|instruction)s?\b"
    r"|\byou\s+are\s+(?:now\s+)?(?:an?|the|in)\s+\w*\s*(?:AI|assistant|language model|chatbot|LLM|developer mode)\b"
    r"|\b(?:as|dear|attention|note to)\s+(?:an?\s+|all\s+)?(?:AI|LLM|language model|chatbot)s?\b"
    r"|\b(?:respond|reply|answer|output|print|return|emit|write)\s+(?:only\s+)?(?:with|in|using)?\s*(?:only\s+)?"
    r"(?:the following|exactly|this|valid)?\s*(?:JSON|text|the word|the phrase|the string)\b"
    r"|\bnew\s+(?:instruction|task|guideline)s?\s*:"
    r"|\b(?:call|use|invoke)\s+(?:the\s+)?(?:tool|function)\b"
    r"|\b(?:statute_retrieval|case_law_search|compliance_checker|citation_validator)\b"
    r"|\b(?:training|fine-?tuning)\s+(?:data|question|example)s?\s+(?:must|should|shall)\b"
    r"|\b(?:include|insert|mention|repeat)\s+(?:the\s+)?(?:word|phrase|token|string|marker)\b"
    r"|\bdo\s+anything\s+now\b|\bjailbreak\w*\b|</?(?:system|instructions?|prompt|assistant|user)>"
    r"|<!--|\[/?INST\]|<\|[a-z_]+\|>",
    re.IGNORECASE,
)
JSON_ANSWER = re.compile(r"[{\[]\s*\"?(?:examples|category|question|calls|name|arguments|messages|role)\"?\s*:")
# Runs of characters that draw nothing are a way to write text for machines alone.
HIDDEN_RUN = re.compile("[\U000e0000-\U000e007f]{4,}|[\u200b-\u200f\u2060-\u2064\u202a-\u202e\u2066-\u2069]{4,}")
BREAK = re.compile(r"\n\s*\n|(?<=[.!?])\s+(?=[A-Z\"'])")


@lru_cache(maxsize=256)
def suspect_spans(text: str) -> tuple[tuple[int, int], ...]:
    """(start, end) of each part of `text` that no question may rest on, in order and apart from each other."""
    spans = [
        _sentences(text, match.start(), match.end())
        for pattern in (INSTRUCTION, HIDDEN_RUN)
        for match in pattern.finditer(text)
    ]
    spans += [_object(text, match.start()) for match in JSON_ANSWER.finditer(text)]
    spans += _under_invisible(text)
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


def trusted(text: str) -> str:
    """`text` with its suspect parts blanked; places stay."""
    for start, end in suspect_spans(text):
        text = text[:start] + " " * (end - start) + text[end:]
    return text


def echoes(text: str) -> str | None:
    """The words of a question or quote that speak to a model rather than to a reader, or None."""
    match = INSTRUCTION.search(fold(text).text) or JSON_ANSWER.search(text)
    return match.group() if match else None


def _sentences(text: str, start: int, end: int) -> tuple[int, int]:
    """From the sentence that holds the match to the end of the paragraph, at most 600 characters on."""
    before = [match.end() for match in BREAK.finditer(text, max(0, start - 400), start)]
    close = re.search(r"\n\s*\n|-->", text[end : end + 600])
    return (before[-1] if before else max(0, start - 400), end + close.end() if close else min(len(text), end + 600))


def _object(text: str, start: int) -> tuple[int, int]:
    """From an opening bracket to the one that closes it, or 2,000 characters on."""
    depth = 0
    for offset, char in enumerate(text[start : start + 2000]):
        depth += (char in "{[") - (char in "}]")
        if depth == 0:
            return start, start + offset + 1
    return start, min(len(text), start + 2000)


def _under_invisible(text: str) -> list[tuple[int, int]]:
    """Sentences whose words are broken up by invisible characters, when they read as instructions without them."""
    if len(text.translate(PLAIN)) == len(text):
        return []
    folded = fold(text)
    return [
        _sentences(text, folded.places[match.start()], folded.places[match.end() - 1] + 1)
        for match in INSTRUCTION.finditer(folded.text)
    ]
