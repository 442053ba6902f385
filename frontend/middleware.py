"""The Content-Security-Policy of our pages. A view that needs another sets its own header."""

from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

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
            "frame-src 'self'",
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
