"""Who calls: a bearer token, or a browser's cookie with its CSRF header."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from ninja.security import HttpBearer
from ninja.utils import check_csrf

from interpreters.sessions import problems, standing
from tenants.authentication import Actor, aauthenticate


class Request(HttpRequest):
    """What a view is given."""

    auth: Actor


class Caller(HttpBearer):
    """Puts the Actor into `request.auth`. Only a cookie needs CSRF: no page can make a browser send a token."""

    csrf = True  # the documentation's page sends the header

    async def __call__(self, request: HttpRequest) -> Actor:
        actor: Actor = await aauthenticate(request)
        if actor.token is None and check_csrf(request):
            raise problems.NotAllowed(
                "Send the cookie's CSRF token in the header X-CSRFToken, or use an API token.", "csrf_failed"
            )
        return actor

    async def authenticate(self, request: HttpRequest, token: str) -> Actor:
        actor: Actor = await aauthenticate(request)
        return actor


def still(request: Request, find: Callable[[Actor], object]) -> Callable[[], Actor]:
    """For what goes on for long: who asks, looked up anew, who must still `find` it. Raises Problem."""
    scope: Any = getattr(request, "scope", {"headers": ()})

    def look() -> Actor:
        actor = standing.identify(scope, request.auth.tenant.slug)
        find(actor)
        return actor

    return look
