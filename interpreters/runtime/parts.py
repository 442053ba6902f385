"""Containers as the engine lists them, put together to sandboxes. Pure: the engine's words in, ours out.

A sandbox of code is one container; a custom one is two, the relay and the application, and lives while both do.
"""

import logging
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from interpreters.runtime.base import Sandbox

logger = logging.getLogger(__name__)

PREFIX, APPLICATION = "thermae-", "-app"
# `created`: made and not yet started, as a worker leaves it that dies between the two.
ALIVE = ("running", "created", "paused", "restarting")
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
LONGEST_LINE, LONGEST_LOG = 1000, 16_000


@dataclass(frozen=True, slots=True)
class Part:
    """One container of ours."""

    id: str
    session: UUID
    pool: int
    role: str  # sandbox | relay | app
    alive: bool
    created: float
    status: str
    exit_code: int | None = None
    out_of_memory: bool = False

    @classmethod
    def of(cls, summary: Mapping[str, Any]) -> "Part | None":
        """From an entry of `GET /containers/json`; None if it carries our label but was not made by us."""
        labels = summary["Labels"]
        try:
            session, pool = UUID(labels["thermae.session"]), int(labels["thermae.pool"])
        except (KeyError, ValueError):
            logger.warning("container %s carries our label but names no session: left alone", summary["Id"][:12])
            return None
        return cls(
            id=summary["Id"],
            session=session,
            pool=pool,
            role=labels.get("thermae.part", "sandbox"),
            alive=summary["State"] in ALIVE,
            created=summary["Created"],
            status=summary.get("Status", ""),
        )

    def ended(self, exit_code: int | None, out_of_memory: bool) -> "Part":
        return replace(self, exit_code=exit_code, out_of_memory=out_of_memory)

    @property
    def told_exit_code(self) -> int | None:
        """What the list itself says, where nothing better can be had."""
        told = re.match(r"Exited \((\d+)\)", self.status)
        return int(told[1]) if told else None


def handle_of(session: UUID) -> str:
    return f"{PREFIX}{session}"


def session_of(handle: str) -> UUID:
    """The session in a handle. Raises ValueError for a name that is not one of ours: it is never removed."""
    if not handle.startswith(PREFIX):
        raise ValueError(f"{handle!r} is not the handle of a sandbox.")
    return UUID(handle.removeprefix(PREFIX))


def sandboxes(parts: Iterable[Part]) -> list[Sandbox]:
    by_session: dict[UUID, dict[str, Part]] = {}
    for part in parts:
        by_session.setdefault(part.session, {})[part.role] = part
    return [_sandbox(roles) for roles in by_session.values()]


def _sandbox(roles: Mapping[str, Part]) -> Sandbox:
    any_part = next(iter(roles.values()))
    main, relay = roles.get("sandbox") or roles.get("app"), roles.get("relay")
    whole = "sandbox" in roles or {"relay", "app"} <= set(roles)
    return Sandbox(
        handle=handle_of(any_part.session),
        session=any_part.session,
        pool=any_part.pool,
        # Of a pair that has lost a part, or not got it yet, nobody can say that it runs; nor that it has ended.
        running=whole and all(part.alive for part in roles.values()),
        age=max(0.0, time.time() - min(part.created for part in roles.values())),
        exit_code=main.exit_code if main else None,
        out_of_memory=any(part.out_of_memory for part in roles.values() if part.role != "relay"),
        relay_exit=relay.exit_code if relay else None,
    )


def without_secrets(description: Mapping[str, Any]) -> dict[str, Any]:
    """The engine's description of a container, its variables by name only: secrets of an application are among them."""
    config = dict(description.get("Config") or {})
    config["Env"] = [f"{str(entry).partition('=')[0]}=•••" for entry in config.get("Env") or ()]
    return {**description, "Config": config}


def readable(log: bytes, lines: int) -> str:
    """What a container printed, fit for a page and for a terminal: bounded, and without control sequences."""
    text = CONTROL.sub("", log[-4 * LONGEST_LOG :].decode(errors="replace"))
    kept = [line[:LONGEST_LINE].rstrip() for line in text.splitlines()[-lines:]]
    return "\n".join(kept)[-LONGEST_LOG:]
