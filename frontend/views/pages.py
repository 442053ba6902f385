"""Pages around the notebooks: the frame for outputs, and the statement on accessibility."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.http import require_GET

# Whatever a cell printed as HTML runs in here: in an origin of its own that reaches neither us nor the network.
FRAME_POLICY = "; ".join(
    (
        "sandbox allow-scripts",
        "default-src 'none'",
        "script-src 'unsafe-inline' 'unsafe-eval'",
        "style-src 'unsafe-inline'",
        "img-src data: blob:",
        "font-src data:",
        "media-src data: blob:",
        "worker-src blob:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'self'",
    )
)


@require_GET
@xframe_options_exempt
def output_frame(request: HttpRequest) -> HttpResponse:
    """The empty document that the page fills with a cell's HTML by postMessage. The same for everybody: cached."""
    response = render(request, "frontend/output_frame.html")
    response["Content-Security-Policy"] = FRAME_POLICY
    response["Cache-Control"] = "public, max-age=3600"
    return response


@require_GET
def accessibility(request: HttpRequest) -> HttpResponse:
    """For everybody, also who is not signed in."""
    return render(request, "frontend/accessibility.html")


@require_GET
def favicon(request: HttpRequest) -> HttpResponse:
    """Where browsers look for a sign unless a page names one, as the admin's do not."""
    return redirect(static("frontend/icon.svg"))
