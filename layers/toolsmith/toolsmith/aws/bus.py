"""The stack's event bus: an entry that it does not take is sent again."""

import json
import random
import time
from collections.abc import Mapping
from typing import Any

from toolsmith.errors import EventRefused
from toolsmith.events import SOURCE

# A bus that takes nothing for these few seconds is down: whoever called the function calls it again later.
SENDS = 4
FIRST_PAUSE_SECONDS = 0.2


class Bus:
    """One EventBridge bus."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name

    def tell(self, detail_type: str, detail: Mapping[str, Any]) -> None:
        """Put one event. Raises EventRefused with the bus's own words when it was refused SENDS times.

        PutEvents answers 200 although it did not take an entry; an answer that does not say so was cut off on its way,
        and the event is sent again too: consumers meet events twice anyway.
        """
        entry = {
            "EventBusName": self._name,
            "Source": SOURCE,
            "DetailType": detail_type,
            "Detail": json.dumps(detail),
        }
        for sent in range(1, SENDS + 1):
            said = self._client.put_events(Entries=[entry])
            if said.get("FailedEntryCount") == 0:
                return
            if sent < SENDS:
                time.sleep(random.uniform(0, FIRST_PAUSE_SECONDS * 2**sent))
        raise EventRefused(f"the bus {self._name} did not take {detail_type!r}: {_reason(said)}")


def _reason(said: Mapping[str, Any]) -> str:
    entry = (said.get("Entries") or [{}])[0]
    return f"{entry.get('ErrorCode', 'no answer')}: {entry.get('ErrorMessage', 'its answer was cut off')}"
