"""The ASGI application: HTTP to Django, WebSockets to the consumers, which check origin and identity themselves, and
before both what is for a server in a sandbox."""

import asyncio
import os
import sys
from typing import Any

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django_application = get_asgi_application()

# Only now: what they import needs Django to be set up.
from channels.layers import get_channel_layer  # noqa: E402
from django.urls import get_resolver  # noqa: E402

from frontend import routing as frontend_routing  # noqa: E402
from interpreters import notices  # noqa: E402
from interpreters import routing as interpreters_routing  # noqa: E402
from interpreters.proxy import in_front_of, is_proxied  # noqa: E402
from project.token_requests import TokenRequestHandler, brings_token  # noqa: E402

# Loads Redis' client and all views, which are large, before the first visitor waits for them.
get_channel_layer()
get_resolver().url_patterns  # noqa: B018
# Database threads hold the interpreter for at most this long while the event loop has output to pass on.
sys.setswitchinterval(0.001)

token_requests = TokenRequestHandler()


async def http(scope: Any, receive: Any, send: Any) -> None:
    handler = token_requests if brings_token(scope) else django_application
    await handler(scope, receive, send)


websockets = URLRouter([*frontend_routing.websocket_urlpatterns, *interpreters_routing.websocket_urlpatterns])
routes = in_front_of(ProtocolTypeRouter({"http": http, "websocket": websockets}))


finish = notices.finish

__all__ = ["application", "finish", "is_proxied"]


async def application(scope: Any, receive: Any, send: Any) -> None:
    notices.answer_first(asyncio.get_running_loop())
    await routes(scope, receive, send)
