"""All that can keep a verb from being done, named for who must act, with what each edge says of it.

| who acts | problem | HTTP | WebSocket |
|---|---|---|---|
| the caller, on the request | BadRequest, TooLarge | 400, 413 | 4400, 4413 |
| the caller, on who it is | NotSignedIn, NotAllowed | 401, 403 | 4401, 4403 |
| the caller, on what it names | NotFound, Conflict, Ended | 404, 409 | 4404, 4409 |
| nobody: it passes | Full, Unavailable | 429, 503 | 4409 |
| the tenant, on what it keeps | NoRoom | 507 | 4409 |
| the caller, on the server in its sandbox | BadGateway | 502 | 4409 |
| nobody: the session is being ended | Misbehaved | 502 | 4409 |
"""

from collections.abc import Mapping
from typing import Any

from interpreters.client import AgentRefused
from interpreters.models import BadIdentifier, NoInstance, PoolFull, QuotaReached
from tenants import authentication
from tenants.storage import StorageFull


class Problem(Exception):
    """`code` is for programs, `message` says what to do, `retry_after` after how many seconds it may have passed.

    `about`: further fields of the answer.
    """

    status, close = 500, 4400
    code = "error"
    position = 0  # in a line, where there is one

    def __init__(
        self, message: str, code: str = "", *, retry_after: int | None = None, about: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.message, self.retry_after, self.about = message, retry_after, about or {}
        self.code = code or self.code


class BadRequest(Problem):
    status, close, code = 400, 4400, "bad_request"


class TooLarge(Problem):
    status, close, code = 413, 4413, "too_large"


class NotSignedIn(Problem):
    status, close, code = 401, 4401, "not_signed_in"


class NotAllowed(Problem):
    status, close, code = 403, 4403, "not_allowed"


class NotFound(Problem):
    status, close, code = 404, 4404, "not_found"


class Conflict(Problem):
    status, close, code = 409, 4409, "conflict"


class Ended(Problem):
    """The session has ended, or is ending; the message says why."""

    status, close, code = 409, 4409, "session_ended"


class Full(Problem):
    status, close, code = 429, 4409, "pool_full"


class NoRoom(Problem):
    """The tenant keeps as much as its operator allows."""

    status, close, code = 507, 4409, "quota_reached"


class Unavailable(Problem):
    status, close, code = 503, 4409, "unavailable"


class Misbehaved(Problem):
    status, close, code = 502, 4409, "sandbox_misbehaved"


class BadGateway(Problem):
    """The server that the caller started in the sandbox is not there, or answers what nobody understands."""

    status, close, code = 502, 4409, "bad_gateway"


REFUSED = {
    400: BadRequest,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    416: BadRequest,
    502: BadGateway,
    507: TooLarge,
}


def of_agent(refusal: AgentRefused) -> Problem:
    """What an agent refused, as if we had: its words are for the caller."""
    if refusal.status == 503:
        return Unavailable(refusal.message, refusal.code, retry_after=1)
    return REFUSED.get(refusal.status, Conflict)(refusal.message, refusal.code)


def of_tenants(refusal: authentication.NotAllowed) -> Problem:
    kind = NotSignedIn if isinstance(refusal, authentication.Unauthenticated) else NotAllowed
    return kind(refusal.message, refusal.code)


def of_storage(full: StorageFull) -> Problem:
    return NoRoom(full.message, about=full.standing.told())


def of_pool(refusal: BadIdentifier | NoInstance) -> Problem:
    if isinstance(refusal, NoInstance):
        if isinstance(refusal, QuotaReached):
            about = refusal.standing.told() if refusal.standing else None
            return Full(refusal.message, "quota_reached", retry_after=refusal.retry_after, about=about)
        kind = Full if isinstance(refusal, PoolFull) else Unavailable
        problem = kind(refusal.message, retry_after=refusal.retry_after)
        problem.position = refusal.position if isinstance(refusal, PoolFull) else 0
        return problem
    return BadRequest(str(refusal), "bad_identifier")
