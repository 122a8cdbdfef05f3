"""Dropped files become documents: parse bytes to text with sections, cut the text into chunks. Pure, no I/O."""

from toolsmith.documents.chunking import Chunk, characters_for_tokens, chunk, chunks_of
from toolsmith.documents.model import Document, Parsed, Provenance, Section, SetAside
from toolsmith.documents.parsing import parse

__all__ = [
    "Chunk",
    "Document",
    "Parsed",
    "Provenance",
    "Section",
    "SetAside",
    "characters_for_tokens",
    "chunk",
    "chunks_of",
    "parse",
]
