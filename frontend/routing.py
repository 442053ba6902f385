"""The WebSocket routes of notebooks."""

from django.urls import path

from frontend.consumers.notebook import Live
from frontend.consumers.watching import Watch

websocket_urlpatterns = [
    path("ws/notebooks/<uuid:notebook_id>", Live.app, name="live"),  # type: ignore[arg-type]
    path("ws/notebooks/<uuid:notebook_id>/session", Watch.app, name="watch"),  # type: ignore[arg-type]
]
