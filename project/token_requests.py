"""Requests of programs: a token, no cookie, no page. They take a shorter way through Django than a browser's.

Of the middleware only what guards every answer applies: the rest looks after cookies, forms and pages, and each of its
hooks is a trip to a thread. Nor does a request get a thread of its own, which would open its own connection to the
database: all share the one that WebSockets use, where the connection stays.
"""

from typing import Any

from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest, HttpResponseBase

from frontend.middleware import content_security_policy
from tenants import request_rates

PREFIX = "/api/"
GUARDS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def brings_token(scope: Any) -> bool:
    """Whether a request is for the API, by a token: then its cookies do not count, whatever they are."""
    return scope["path"].startswith(PREFIX) and any(name == b"authorization" for name, _ in scope["headers"])


class TokenRequestHandler(ASGIHandler):
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.handle(scope, receive, send)

    def load_middleware(self, is_async: bool = False) -> None:
        self._view_middleware: list[Any] = []
        self._template_response_middleware: list[Any] = []
        self._exception_middleware: list[Any] = []
        guarded = content_security_policy(self._get_response_async)  # type: ignore[attr-defined]

        async def respond(request: HttpRequest) -> HttpResponseBase:
            request.get_host()  # raises DisallowedHost, which is a 400
            response: Any = await guarded(request)  # type: ignore[misc]
            for name, value in GUARDS.items():
                response.setdefault(name, value)
            request_rates.tell(request, response)
            if not response.streaming:
                response.setdefault("Content-Length", str(len(response.content)))
            return response  # type: ignore[no-any-return]

        self._middleware_chain = convert_exception_to_response(respond)
