"""The WebSocket routes. Channels' router hands a connection to an ASGI application, where Django's has a view."""

from typing import Any

from django.urls import path, re_path

from interpreters.consumers.channels import Channels
from interpreters.consumers.terminal import Shell


async def nowhere(scope: Any, receive: Any, send: Any) -> None:
    """What answers an address that is none."""
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": 4404, "reason": "There is no such WebSocket."})


websocket_urlpatterns = [
    path("ws/sessions/<uuid:session>/channels", Channels.app, name="channels"),  # type: ignore[arg-type]
    path("ws/sessions/<uuid:session>/terminals/<str:name>", Shell.app, name="terminal"),  # type: ignore[arg-type]
    re_path(r"", nowhere, name="nowhere"),  # type: ignore[arg-type]
]
