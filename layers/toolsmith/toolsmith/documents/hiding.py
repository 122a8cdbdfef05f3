"""Drop what a reader cannot see: from each hiding tag to the tag that closes it."""

from collections.abc import Iterator

from toolsmith.documents.tags import GONE, HIDE, NAME, RAWTEXT


def without_hidden(values: list[str], pieces: list[str], texts: list[str], gone: dict[str, str]) -> bool:
    """Blank in `values` what each HIDE hides, in place; False where a script or title seems to hold tags.

    pieces: what stands after each "<", beginning with the tag. texts: what follows each tag, or [] where that is
    the rest of its piece. gone: the hiding tags and their names. A hiding tag that nothing closes hides nothing.
    """
    if not gone:
        return True
    closings, sound = _Closings(pieces), True
    for at in _hidden(values):
        tag = pieces[at] if texts else pieces[at][: pieces[at].index(">") + 1]
        name = gone[tag]
        end = closings.of(at, name)
        if name in RAWTEXT and end != at + 1:
            sound = False
        if end is None:
            values[at] = texts[at] if texts else pieces[at][len(tag) :]
        else:
            values[at:end] = [""] * (end - at)
    return sound


def _hidden(values: list[str]) -> Iterator[int]:
    """Where `values` holds HIDE, read while what is hidden is blanked."""
    at = -1
    while True:
        try:
            at = values.index(HIDE, at + 1)
        except ValueError:
            return
        yield at


class _Closings:
    """Finds the tag that ends an element. Looks ahead at first; after one search in vain it matches all at once."""

    def __init__(self, pieces: list[str]) -> None:
        self._pieces = pieces
        self._all: dict[int, int] | None = None

    def of(self, at: int, name: str) -> int | None:
        """The index of the tag that ends the element opened at `at`, or None."""
        if self._all is None:
            end = self._ahead(at, name)
            if end is not None:
                return end
            self._all = self._matched()
        return self._all.get(at)

    def _ahead(self, at: int, name: str) -> int | None:
        depth = 1
        for end in range(at + 1, len(self._pieces)):
            step = _step(self._pieces[end], name)
            if step > 0 and name == "p":
                return end
            if step > 0 and name in GONE:
                continue
            depth += step
            if not depth:
                return end
        return None

    def _matched(self) -> dict[int, int]:
        """Every element's index and that of the tag that ends it, by a stack for each name."""
        ends: dict[int, int] = {}
        stacks: dict[str, list[int]] = {}
        for at, piece in enumerate(self._pieces):
            found = NAME(piece)
            if not found:
                continue
            name = found[1].lower()
            step, stack = _step(piece, name), stacks.setdefault(name, [])
            if stack and (step < 0 or step > 0 and name == "p"):
                ends[stack.pop()] = at
                while stack and name in GONE:
                    ends[stack.pop()] = at
            if step > 0:
                stack.append(at)
        return ends


def _step(piece: str, name: str) -> int:
    """1 where a piece opens an element called `name`, -1 where it closes one, else 0."""
    shut = piece[:1] == "/"
    after = shut + len(name)
    if piece[shut:after].lower() != name or piece[after : after + 1] not in _AFTER_NAME:
        return 0
    if shut:
        return -1
    return 0 if piece[piece.find(">") - 1] == "/" else 1


# What can stand after an element's name: a space, the end of the tag, or nothing where the tag is cut.
_AFTER_NAME = frozenset(["", " ", "\t", "\r", "\n", "\x0b", "\x0c", "/", ">"])
