"""Files that the admin hands out while they are read."""

from collections.abc import Iterator

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse

from tenants.threads import in_parts


def download(request: HttpRequest, parts: Iterator[str], name: str, content_type: str) -> StreamingHttpResponse:
    """The parts as a file of this name, which no cache keeps.

    Under ASGI, Django would collect them all before it sends the first. Each part is taken in a thread, and minutes may
    pass between two: a part is a query of its own, not a cursor that is held open.
    """
    response = StreamingHttpResponse(
        in_parts(parts) if isinstance(request, ASGIRequest) else parts, content_type=content_type
    )
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response
