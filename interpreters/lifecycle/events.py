"""What tenants are told of by webhooks, and how a receiver checks that: the one declaration. Pure."""

from collections.abc import Mapping
from typing import Any

VERSION = 1
SESSION_OPENED, SESSION_ENDED, SESSION_FAILED = "session.opened", "session.ended", "session.failed"
POOL_DEGRADED, POOL_RECOVERED = "pool.degraded", "pool.recovered"
QUOTA_NEAR, QUOTA_REACHED = "quota.near", "quota.reached"
TEST = "webhook.test"

# What an endpoint may choose, each with words for it.
EVENTS: Mapping[str, str] = {
    SESSION_OPENED: "A session was given to an identifier; it may still be starting.",
    SESSION_ENDED: "A session ended as sessions do: closed, idle for too long, at its hard end.",
    SESSION_FAILED: "A session could not be started, or died.",
    POOL_DEGRADED: "Sandboxes of a pool that the tenant may use fail again and again.",
    POOL_RECOVERED: "A pool that was degraded is no longer.",
    QUOTA_NEAR: "Little is left of one of the tenant's quotas.",
    QUOTA_REACHED: "Something was refused because of one of the tenant's quotas.",
}
EVENT_CHOICES = [*((name, name) for name in EVENTS), (TEST, TEST)]


# --- JSON schemas of what is sent, for the documentation, for receivers and for tests ---


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_TEXT, _NUMBER, _MOMENT = {"type": "string"}, {"type": "number"}, {"type": "string", "format": "date-time"}
_UUID = {"type": "string", "format": "uuid"}
_SESSION = {"session": _UUID, "pool": _TEXT, "identifier": _TEXT, "user": {"type": ["string", "null"]}}
_ENDED = _object(**_SESSION, reason=_TEXT, message=_TEXT, opened_at={**_MOMENT, "type": ["string", "null"]})
_POOL = {"pool": _TEXT, "shared": {"type": "boolean"}}
_QUOTA = _object(quota=_TEXT, limit={"type": ["number", "null"]}, used={"type": ["number", "null"]}, message=_TEXT)
DATA: Mapping[str, dict[str, Any]] = {
    SESSION_OPENED: _object(**_SESSION, state={"enum": ["starting", "leased"]}),
    SESSION_ENDED: _ENDED,
    SESSION_FAILED: _ENDED,
    POOL_DEGRADED: _object(**_POOL, failures=_NUMBER, since=_MOMENT),
    POOL_RECOVERED: _object(**_POOL, since=_MOMENT),
    QUOTA_NEAR: _QUOTA,
    QUOTA_REACHED: _QUOTA,
    TEST: _object(message=_TEXT),
}


def schema(event: str) -> dict[str, Any]:
    """Of the whole body of one type of event."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_object(type={"const": event}, version={"const": VERSION}, timestamp=_MOMENT, tenant=_TEXT, data=DATA[event]),
    }
