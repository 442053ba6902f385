"""Pages around the notebooks: the front door, and the frame for outputs. Errors are templates: 403, 404, 500."""

from django.conf import settings
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
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


class SignInView(LoginView):
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: object) -> dict[str, object]:
        return super().get_context_data(demo=getattr(settings, "DEMO_LOGIN", ""), **kwargs)


@require_GET
@xframe_options_exempt
def output_frame(request: HttpRequest) -> HttpResponse:
    """The empty document that the page fills with a cell's HTML by postMessage. The same for everybody: cached."""
    response = render(request, "frontend/output_frame.html")
    response["Content-Security-Policy"] = FRAME_POLICY
    response["Cache-Control"] = "public, max-age=3600"
    return response
