"""The real clock."""

import time


class SystemClock:
    """Seconds since 1970, and real waiting."""

    def now(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)
