"""`toolsmith parse` and `toolsmith chunk`: what ingest makes of one file."""

import json
import sys
from pathlib import Path

from local.cli.failures import Misused
from toolsmith import documents
from toolsmith.errors import DocumentRejected


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise Misused(f"{path} is no file")
    return path.read_bytes()


def run(arguments) -> int:
    data = _read(arguments.file)
    try:
        parsed = documents.parse(data, arguments.file.name)
    except DocumentRejected as rejection:
        _print_rejection(arguments, rejection)
        return 0
    if arguments.command == "parse":
        print(json.dumps(parsed.to_json(), ensure_ascii=False, indent=None if arguments.json else 2))
        return 0
    for number, document in enumerate(parsed.documents):
        for chunk in documents.chunk(document, arguments.size, arguments.overlap):
            line = {
                "document": number,
                "section": chunk.section,
                "start": chunk.start,
                "end": chunk.end,
                "text": chunk.text,
            }
            print(json.dumps(line, ensure_ascii=False))
    return 0


def _print_rejection(arguments, rejection: DocumentRejected) -> None:
    aside = [{"reason": rejection.reason, "detail": rejection.detail, "where": arguments.file.name}]
    if arguments.command == "parse":
        print(json.dumps({"documents": [], "provenance": {}, "set_aside": aside}, ensure_ascii=False))
    print(f"{arguments.file}: set aside, {rejection}", file=sys.stderr)
