"""Put a document's text together line by line while recording where its sections lie."""

from toolsmith.documents.encoding import clean
from toolsmith.documents.model import Document, Section
from toolsmith.documents.sections import divided


class Writer:
    """Collects lines; each `section` opens one that lasts until the next, so that sections cover the text."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._length = 0
        self._heads: list[tuple[int, str, str, tuple[str, ...]]] = []

    def line(self, text: str) -> None:
        """Add a line (or several); empty text adds nothing."""
        text = clean(text).strip()
        if text:
            self._lines.append(text)
            self._length += len(text) + 1

    def section(self, title: str, number: str = "", flags: tuple[str, ...] = ()) -> None:
        """Begin a section here and write its title as a line."""
        title = clean(title).strip()
        self._heads.append((self._length, title, number, flags))
        self.line(title)

    def mark(self, title: str) -> None:
        """Begin a section here without writing its title."""
        self._heads.append((self._length, title, "", ()))

    @property
    def empty(self) -> bool:
        return not self._lines

    def document(
        self, kind: str, sequence: str, filename: str, facts: dict[str, str] | None = None, whole: bool = False
    ) -> Document:
        """The document written so far; sections that take most of the text are cut unless they stay `whole`."""
        text = "\n".join(self._lines)
        sections = self._sections(len(text))
        return Document(
            kind, sequence, filename, text, sections if whole else divided(text, sections), facts=facts or {}
        )

    def _sections(self, total: int) -> tuple[Section, ...]:
        heads = [one for one in self._heads if one[0] < total]
        if not heads or heads[0][0]:
            heads.insert(0, (0, "", "", ()))
        ends = [one[0] for one in heads[1:]] + [total]
        return tuple(
            Section(title, start, end, flags, number)
            for (start, title, number, flags), end in zip(heads, ends, strict=True)
            if end > start
        )
