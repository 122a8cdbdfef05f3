"""What can never become a document: empty or binary files, archives, bombs, block pages. Each has a reason."""

import re
import zlib

from toolsmith.errors import DocumentRejected

# An iXBRL filing of 4 MB compresses 21 times; real text never comes near this.
MAX_RATIO = 64
MAX_INFLATED = 256 * 1024 * 1024
_BINARY = (
    (b"%PDF", "pdf", "PDF is not read; give the text or HTML version"),
    (b"PK\x03\x04", "archive", "zip archives are not opened; give the files in it"),
    (b"PK\x05\x06", "archive", "zip archives are not opened; give the files in it"),
    (b"\xffWPC", "word_processor", "WordPerfect is not read; give the text or HTML version"),
    (b"\xd0\xcf\x11\xe0", "word_processor", "old Office files are not read; give the text or HTML version"),
    (b"{\\rtf", "word_processor", "RTF is not read; give the text or HTML version"),
    (b"\x89PNG", "image", "images hold no text"),
    (b"\xff\xd8\xff", "image", "images hold no text"),
    (b"GIF8", "image", "images hold no text"),
    (b"BZh", "archive", "bzip2 is not opened; give the file itself"),
    (b"\x1f\x9d", "archive", "compress (.Z) is not opened; give the file itself"),
)
_BLOCK_TITLE = re.compile(
    rb"<title>\s*SEC\.gov \|\s*(?:Request Rate Threshold Exceeded|Your Request Originates from an Undeclared"
    rb"|Undeclared Automated)|Undeclared Automated Tool|Request Rate Threshold Exceeded",
    re.I,
)
_ERROR_PAGE = re.compile(
    rb"<title>\s*(?:(?:40[0-9]|429|50[0-4])\b|SEC\.gov \| File Unavailable)|AkamaiNetStorage", re.I
)
_ERROR_XML = re.compile(rb"^\s*(?:<\?xml[^>]*>\s*)?<Error>\s*<Code>(\w+)", re.I)


def unwrapped(data: bytes) -> bytes:
    """The bytes to parse, gunzipped under a cap if need be. Raises DocumentRejected with the reason."""
    if not data or not data.strip(b"\x00 \t\r\n\x0c\x0b"):
        raise DocumentRejected("empty", f"{len(data)} bytes and no text")
    if data.startswith(b"\x1f\x8b"):
        return unwrapped(_gunzip(data))
    for mark, reason, remedy in _BINARY:
        if data.startswith(mark):
            raise DocumentRejected(reason, remedy)
    if data[257:262] == b"ustar":
        raise DocumentRejected("archive", "tar archives are not opened; give the files in it")
    _refuse_pages_of_refusal(data)
    return data


def _refuse_pages_of_refusal(data: bytes) -> None:
    head = data[:8192]
    if len(data) < 65536 and _BLOCK_TITLE.search(head):
        raise DocumentRejected("block_page", "the SEC's rate or user-agent page stands where a document was expected")
    error = _ERROR_XML.match(head[:400])
    if error:
        raise DocumentRejected("http_error", f"an error body ({error[1].decode()}), not a document")
    if len(data) < 16384 and _ERROR_PAGE.search(head):
        raise DocumentRejected("http_error", "an HTTP error page, not a document")


def _gunzip(data: bytes) -> bytes:
    cap = min(MAX_INFLATED, max(len(data) * MAX_RATIO, 1 << 20))
    pieces, size, rest = [], 0, data
    while rest.startswith(b"\x1f\x8b"):
        engine = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            piece = engine.decompress(rest, cap - size + 1)
        except zlib.error as error:
            raise DocumentRejected("gzip_corrupt", str(error)) from error
        size += len(piece)
        if size > cap:
            raise DocumentRejected("compression_bomb", f"more than {cap} bytes from {len(data)}")
        if not engine.eof:
            raise DocumentRejected("gzip_truncated", f"the gzip stream ends early after {size} bytes of text")
        pieces.append(piece)
        rest = engine.unused_data
    return b"".join(pieces)


def refuse_binary(data: bytes) -> None:
    """Raise DocumentRejected when bytes that claim to be text are mostly not."""
    head = data[:65536]
    wide = head[:2] in (b"\xff\xfe", b"\xfe\xff") or head[:400].count(0) > len(head[:400]) // 3
    odd = len(head) - len(head.translate(None, bytes(range(0, 9)) + bytes(range(14, 32)) + b"\x7f"))
    if not wide and odd > len(head) // 10:
        raise DocumentRejected("binary", f"{odd} control bytes in the first {len(head)}")
