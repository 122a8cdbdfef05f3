"""What can go wrong with a source. The class names are the ErrorEquals of the crawl machine."""

from toolsmith.errors import ToolsmithError


class SourceUnavailable(ToolsmithError):
    """The source cannot be asked now (throttled, blocked, down): come back after `wait_seconds`."""

    def __init__(self, source: str, reason: str, wait_seconds: float = 0.0) -> None:
        super().__init__(f"{source}: {reason}; try again in {wait_seconds:.0f} s")
        self.source, self.reason, self.wait_seconds = source, reason, wait_seconds


class UrlRefused(ToolsmithError):
    """An address outside the allow-list: never asked, never retried. reason: machine-readable."""

    def __init__(self, reason: str, url: str) -> None:
        super().__init__(f"{reason}: {url[:300]}")
        self.reason = reason


class BodyRefused(ToolsmithError):
    """A response beyond the source's limits. reason: "too_large", "gzip_ratio", "gzip_corrupt", "redirects"."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class BodyCut(ToolsmithError):
    """The connection ended, or the time was up, before the body did: worth another try."""
