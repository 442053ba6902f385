"""Who calls: a bearer token, or a browser's cookie with its CSRF header."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from ninja.security import HttpBearer
from ninja.utils import check_csrf

from interpreters.sessions import problems, standing
from tenants import quotas, request_rates
from tenants.audit import Action, record
from tenants.authentication import Actor, aauthenticate
from tenants.threads import in_thread


class Request(HttpRequest):
    """What a view is given."""

    auth: Actor


class Caller(HttpBearer):
    """Puts the Actor into `request.auth`. Only a cookie needs CSRF: no page can make a browser send a token."""

    csrf = True  # the documentation's page sends the header

    async def __call__(self, request: HttpRequest) -> Actor:
        actor: Actor = await aauthenticate(request)
        if actor.token is None and await in_thread(check_csrf)(request):  # its page of refusal asks the database
            raise problems.NotAllowed(
                "Send the cookie's CSRF token in the header X-CSRFToken, or use an API token.", "csrf_failed"
            )
        await _count(request, actor)
        return actor

    async def authenticate(self, request: HttpRequest, token: str) -> Actor:
        actor: Actor = await aauthenticate(request)
        return actor


async def _count(request: HttpRequest, actor: Actor) -> None:
    """Raises Problem, 429, where the tenant or the caller has sent as many requests in this minute as they may."""
    limits = request_rates.limits_of(actor)
    if not limits:
        return
    rates = request.rates = await request_rates.count(limits)  # type: ignore[attr-defined]
    over = rates.exceeded
    if over is None:
        return
    whose = f"{actor.tenant} may" if over.name == "tenant" else "This token may" if actor.token else "You may"
    message = (
        f"{whose} send {over.most} API requests a minute: wait {rates.resets_in} s, or ask your operator for more."
    )
    about = rates.standing(over)
    if over.count == over.most + 1:
        await _refused(actor, about, message)
    raise problems.Full(message, "rate_limited", retry_after=rates.resets_in, about=about.told())


@in_thread
def _refused(actor: Actor, about: quotas.Standing, message: str) -> None:
    """The first of a minute: the others are not written down."""
    record(Action.QUOTA_REFUSED, tenant=actor.tenant, about=actor.tenant, name=about.quota, why=message)
    if about.quota == "max_requests":
        quotas.note(actor.tenant, about, refused=True)


def still(request: Request, find: Callable[[Actor], object]) -> Callable[[], Actor]:
    """For what goes on for long: who asks, looked up anew, who must still `find` it. Raises Problem."""
    scope: Any = getattr(request, "scope", {"headers": ()})

    def look() -> Actor:
        actor = standing.identify(scope, request.auth.tenant.slug)
        find(actor)
        return actor

    return look
