"""Who has a notebook open. Each socket says so every few seconds, and forgets who has not said so for a while."""

import time
from typing import Any
from uuid import UUID

from frontend.access import Right

SAY_EVERY, FORGET_AFTER = 5.0, 16.0
COLOURS = 8
MOST = 50  # people that a page is told of


def person(user: Any, tab: UUID, right: Right) -> dict[str, Any]:
    """A person at one tab, as pages show them."""
    name = user.get_full_name() or user.get_username()
    words = name.replace("_", " ").replace(".", " ").replace("-", " ").split() or ["?"]
    initials = (words[0][0] + (words[-1][0] if len(words) > 1 else "")).upper()
    return {
        "tab": str(tab),
        "user": user.pk,
        "name": name[:80],
        "initials": initials,
        "colour": user.pk % COLOURS,
        "right": right.word,
    }


class People:
    """As one socket knows them."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[float, dict[str, Any]]] = {}

    def here(self, one: dict[str, Any]) -> bool:
        """Whether it is news."""
        before = self._seen.get(one["tab"])
        self._seen[one["tab"]] = (time.monotonic(), one)
        return before is None or before[1] != one

    def gone(self, tab: str) -> bool:
        return self._seen.pop(tab, None) is not None

    def forget_silent(self) -> bool:
        limit = time.monotonic() - FORGET_AFTER
        silent = [tab for tab, (seen, _) in self._seen.items() if seen < limit]
        for tab in silent:
            del self._seen[tab]
        return bool(silent)

    def list(self) -> list[dict[str, Any]]:
        return sorted((one for _, one in self._seen.values()), key=lambda one: (one["name"], one["tab"]))[:MOST]
