"""Bytes to clean text: the encodings found in the wild, and the characters that have no place in text."""

import re
import unicodedata

_UTF16 = ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
# C1 controls stand for cp1252 characters wherever a file was mislabelled as Latin-1 (the HTML standard's table).
_C1 = {code: bytes([code]).decode("cp1252", "ignore") for code in range(0x80, 0xA0)}
# What `plain_unicode` changes, NBSP apart: C1 controls, odd spaces (figure and ideographic among them), soft hyphens,
# zero-width characters, direction marks, tag characters (U+E0000), byte-order marks, lone surrogates.
_ODD = re.compile(
    "[\x80-\x9f\u00ad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180e\u2000-\u200f\u202a-\u202f\u205f-\u206f"
    "\u3000\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff\ud800-\udfff]"
)
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f]")
# Double-encoded UTF-8 as cp1252 shows it: "â€œ", "Â§", "Ã©".
_TWICE = re.compile("(?:â€[\u0080-\u2122œž™˜š›]|Â[\u00a0-\u00bf]|Ã[\u0080-\u00bf])+")


def decode(data: bytes) -> tuple[str, str]:
    """Text and the encoding found. The bytes decide, not the declaration, which is often wrong.

    Valid UTF-8 is UTF-8; UTF-16 by its mark or its zeros; the rest is cp1252 line by line, keeping lines
    that are UTF-8.
    """
    for mark, name in _UTF16:
        if data.startswith(mark):
            return data[2:].decode(name, "ignore"), name
    wide = _unmarked_utf16(data[:512])
    if wide:
        return data.decode(wide, "ignore"), wide
    try:
        return undo_double(data.decode("utf-8-sig")), "utf-8"
    except UnicodeDecodeError as error:
        if error.start >= len(data) - 3 and error.reason == "unexpected end of data":
            return data[: error.start].decode("utf-8-sig"), "utf-8"
    if not _multibyte_line(data):
        return _cp1252(data), "cp1252"
    return "\n".join(_line(one) for one in data.split(b"\n")), "mixed utf-8 and cp1252"


def _unmarked_utf16(head: bytes) -> str:
    if len(head) < 8 or head.count(0) < len(head) // 3:
        return ""
    return "utf-16-be" if head[0::2].count(0) > head[1::2].count(0) else "utf-16-le"


def _multibyte_line(data: bytes) -> bool:
    return re.search(rb"[\xc2-\xf4][\x80-\xbf]", data) is not None


def _line(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return _cp1252(line)


def _cp1252(data: bytes) -> str:
    return data.decode("cp1252", "ignore")


def clean(text: str) -> str:
    """Plain spaces, no unseen or control characters (tab, line feed, form feed stay), cp1252 for C1, NFC."""
    if _CONTROL.search(text):
        text = _CONTROL.sub("", text)
    return plain_unicode(text)


def plain_unicode(text: str) -> str:
    """`clean` for text whose ASCII controls mean something to the caller."""
    if text.isascii():
        return text
    text = text.replace("\xa0", " ")
    if _ODD.search(text):
        text = _ODD.sub(_plain, text)
    return unicodedata.normalize("NFC", text)


def _plain(found: re.Match[str]) -> str:
    character = found[0]
    return _C1.get(ord(character), " " if character.isspace() else "")


def undo_double(text: str) -> str:
    """Undo UTF-8 that was read as cp1252 and written as UTF-8 again, where a run of it decodes cleanly."""
    if text.isascii() or not ("Ã" in text or "â€" in text or "Â" in text):
        return text
    return _TWICE.sub(_undone, text)


def _undone(found: re.Match[str]) -> str:
    run = "".join(c if c not in _C1.values() else bytes([_BACK[c]]).decode("latin-1") for c in found[0])
    try:
        return run.encode("latin-1").decode("utf-8")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return found[0]


_BACK = {shown: code for code, shown in _C1.items() if shown}
