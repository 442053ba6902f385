"""What a share link opens: a frozen copy that runs nothing. The address is a secret: no cache, no search engine and no
other site is to learn it."""

import json
from collections.abc import Callable
from functools import wraps

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_GET, require_POST

from frontend import exporting
from frontend.access import LOOKS_ON, may_create, no_room
from frontend.copies import copy_of
from frontend.models import ShareLink
from tenants.accounts.limits import reachable
from tenants.audit import Action, Who, record
from tenants.storage import StorageFull

LONGEST_TOKEN = 100
View = Callable[[HttpRequest, ShareLink, str], HttpResponse]


def with_link(view: View) -> Callable[[HttpRequest, str], HttpResponse]:
    """Find what a token opens, for who may see it. Nobody learns whether a token that is not for them exists."""

    @wraps(view)
    def found(request: HttpRequest, token: str) -> HttpResponse:
        link = ShareLink.by_token(token) if len(token) <= LONGEST_TOKEN else None
        response = _refused(request, link) or view(request, link, token)  # type: ignore[arg-type]
        response["Cache-Control"] = "no-store"
        # Not `no-referrer`, with which a browser says of its forms that they come from nowhere.
        response["Referrer-Policy"] = "strict-origin"
        response["X-Robots-Tag"] = "noindex, nofollow"
        return response

    return found


def _refused(request: HttpRequest, link: ShareLink | None) -> HttpResponse | None:
    public = link is not None and link.public and settings.PUBLIC_LINKS
    if not public:
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        if link is None or not reachable(request).filter(tenant=link.tenant).exists():
            return render(request, "frontend/link_over.html", {"why": "unknown"}, status=404)
    assert link
    if not link.usable:
        over = "revoked" if link.revoked_at or link.notebook.deleted_at else "expired"
        return render(request, "frontend/link_over.html", {"why": over, "link": link}, status=410)
    return None


@require_GET
@with_link
def page(request: HttpRequest, link: ShareLink, token: str) -> HttpResponse:
    link.count_view()
    actor = getattr(request, "actor", None)
    context = {
        "link": link,
        "token": token,
        "document": link.document,
        "settings": {"title": link.title, "language": link.language},
        "may_copy": actor is not None and may_create(actor),
    }
    return render(request, "frontend/shared.html", context)


@require_GET
@with_link
def download(request: HttpRequest, link: ShareLink, token: str) -> HttpResponse:
    who = Who.of(request)
    record(Action.FILE_DOWNLOADED, who=who, tenant=link.tenant, about=link, name=link.title, why="by a share link")
    text = json.dumps(link.document, indent=1, ensure_ascii=False)
    response = HttpResponse(text, content_type="application/x-ipynb+json")
    name = exporting.file_name(link.title, "ipynb")
    response["Content-Disposition"] = str(content_disposition_header(as_attachment=True, filename=name))
    return response


@require_POST
@with_link
def copy(request: HttpRequest, link: ShareLink, token: str) -> HttpResponse:
    actor = getattr(request, "actor", None)
    if actor is None:
        return redirect_to_login(request.get_full_path().removesuffix("copy"))
    if not may_create(actor):
        messages.error(request, LOOKS_ON)
        return redirect("notebooks")
    title = f"Copy of {link.title}"
    try:
        made = copy_of(link.document, title, tenant=actor.tenant, owner=actor.user, pool=link.notebook.pool)
    except StorageFull as full:
        return no_room(request, full)
    if made is None:
        messages.error(request, f"There is no {link.language} in {actor.tenant}: ask its administrator for a pool.")
        return redirect("notebooks")
    return redirect("notebook", made.pk)
