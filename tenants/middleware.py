"""`request.actor` and `request.tenant` for pages: who is signed in, and for which tenant; None for a stranger, with
the code of why in `request.refusal`.

Only a cookie is looked up here, because pages ask in synchronous templates. Whoever serves tokens calls
`tenants.authentication`, which also finds what was found here.
"""

from collections.abc import Callable
from typing import Any, cast

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from tenants import request_rates
from tenants.accounts import limits
from tenants.audit import Who, acts
from tenants.authentication import NotAllowed, authenticate


@sync_and_async_middleware
def TenantMiddleware(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    if not iscoroutinefunction(get_response):

        def respond(request: HttpRequest) -> HttpResponseBase:
            _find_actor(request)
            response = cast(HttpResponseBase, get_response(request))
            request_rates.tell(request, response)
            return response

        return respond

    async def arespond(request: HttpRequest) -> HttpResponseBase:
        # A thread only where the database must be asked: the way of a token stays short.
        if _has_cookie(request):
            await sync_to_async(_find_actor)(request)
        else:
            _nobody(request)
        response = cast(HttpResponseBase, await get_response(request))
        request_rates.tell(request, response)
        return response

    return arespond


def _has_cookie(request: HttpRequest) -> bool:
    return settings.SESSION_COOKIE_NAME in request.COOKIES and "Authorization" not in request.headers


def _nobody(request: HttpRequest) -> None:
    request.actor = request.tenant = None  # type: ignore[attr-defined]
    request.refusal = ""  # type: ignore[attr-defined]


def _find_actor(request: HttpRequest) -> None:
    _nobody(request)
    if limits.is_limited(request) and request.user.is_superuser:
        logout(request)  # made an operator meanwhile: a tenant's provider speaks for none
    acts(Who.of(request))
    if not _has_cookie(request):
        return
    try:
        request.actor = authenticate(request)  # type: ignore[attr-defined]
        request.tenant = request.actor.tenant  # type: ignore[attr-defined]
    except NotAllowed as refusal:
        # A page says what to do: sign in, ask to be added to a tenant, or set up a second factor.
        request.refusal = refusal.code  # type: ignore[attr-defined]
