"""The Content-Security-Policy of our pages, where a view sets none of its own; and the door of the admin."""

from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.decorators import sync_and_async_middleware

from tenants.accounts.second_factor import admin_needs_one

HEADER = "Content-Security-Policy"


def policy(host: str) -> str:
    """Only our own scripts, styles and sockets; nobody may frame us.

    Inline styles are allowed because editors and terminals write them; inline scripts never are.
    """
    return "; ".join(
        (
            "default-src 'self'",
            "script-src 'self'",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            # Not every browser takes 'self' to mean a WebSocket of the same host.
            f"connect-src 'self' ws://{host} wss://{host}" if host else "connect-src 'self'",
            # The document for outputs alone: a frame that sends itself to another of our addresses asks nothing of it.
            # A policy cannot name hosts that are written as IPv6 addresses.
            f"frame-src {host}/output-frame" if host and not host.startswith("[") else "frame-src 'self'",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


def _protect(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    if HEADER not in response:
        try:
            host = request.get_host()
        except DisallowedHost:
            host = ""
        response[HEADER] = policy(host)
    return response


@sync_and_async_middleware
def content_security_policy(
    get_response: Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]],
) -> Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]]:
    if iscoroutinefunction(get_response):

        async def respond_async(request: HttpRequest) -> HttpResponse:
            return _protect(request, await get_response(request))

        return respond_async

    def respond(request: HttpRequest) -> HttpResponse:
        return _protect(request, get_response(request))  # type: ignore[arg-type]

    return respond


@sync_and_async_middleware
def second_factor_first(
    get_response: Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]],
) -> Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]]:
    """The admin opens only with a second factor, where one is wanted. Other pages ask by `member_required`."""
    if iscoroutinefunction(get_response):

        async def respond_async(request: HttpRequest) -> HttpResponse:
            if _is_admin(request) and await sync_to_async(admin_needs_one)(request):
                return redirect("mfa_index")
            return await get_response(request)  # type: ignore[no-any-return]

        return respond_async

    def respond(request: HttpRequest) -> HttpResponse:
        if _is_admin(request) and admin_needs_one(request):
            return redirect("mfa_index")
        return get_response(request)  # type: ignore[return-value]

    return respond


def _is_admin(request: HttpRequest) -> bool:
    return request.path_info.startswith("/admin/")
