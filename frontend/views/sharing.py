"""The share dialog of a notebook: with whom, and links to frozen copies. For its owner."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse, JsonResponse
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from frontend.access import MemberRequest, member_required, own_notebook
from frontend.executions import filled_document
from frontend.models import Collaborator, Notebook, ShareLink
from frontend.notices import notebook_changed
from frontend.pools import pool_cards
from tenants.models import Membership

MOST_LINKS, LONGEST_DAYS, MOST_MEMBERS, LONGEST_BODY = 50, 365, 500, 10_000


class BadRequest(Exception):
    """The message says what to do."""


@require_GET
@member_required
def sharing(request: MemberRequest, notebook_id: UUID) -> HttpResponse:
    return _told(request, own_notebook(request, notebook_id))


@require_http_methods(["PUT"])
@member_required
def share(request: MemberRequest, notebook_id: UUID) -> HttpResponse:
    """`{"user": "<user name>", "role": "viewer" or "editor" or null}`: null takes it back."""
    notebook = own_notebook(request, notebook_id)
    try:
        body = _body(request)
        role = body.get("role")
        if role is not None and role not in Collaborator.Role.values:
            raise BadRequest("Share it with a person as viewer or as editor.")
        name = str(body.get("user", "")).strip()[:200]
        member = Membership.objects.filter(tenant=request.tenant, user__username=name).select_related("user").first()
        if member is None and role is not None:
            raise BadRequest(f"“{name}” is no member of {request.tenant}: take a name from the list.")
        if member is not None and member.user_id == notebook.owner_id:
            raise BadRequest("The notebook is yours already.")
    except BadRequest as error:
        return _refuse(str(error))
    if role is None:
        notebook.collaborators.filter(user__username=name).delete()
    elif member is not None:
        notebook.collaborators.update_or_create(user=member.user, defaults={"role": role})
    notebook_changed(notebook.pk, notebook.version)
    return _told(request, notebook)


@require_http_methods(["PUT"])
@member_required
def open_to_tenant(request: MemberRequest, notebook_id: UUID) -> HttpResponse:
    """`{"view": true}`: every member may look at it."""
    notebook = own_notebook(request, notebook_id)
    try:
        view = _body(request).get("view")
    except BadRequest as error:
        return _refuse(str(error))
    notebook.open_to_tenant = view is True
    notebook.save(update_fields=["open_to_tenant"])
    notebook_changed(notebook.pk, notebook.version)
    return _told(request, notebook)


@require_POST
@member_required
def new_link(request: MemberRequest, notebook_id: UUID) -> HttpResponse:
    """`{"public": bool, "days": n or null}`: the answer is the only one that has the address."""
    notebook = own_notebook(request, notebook_id)
    try:
        body = _body(request)
        public, days = body.get("public") is True, body.get("days")
        if public and not settings.PUBLIC_LINKS:
            raise BadRequest("Links for everybody are switched off here: the operator sets THERMAE_PUBLIC_LINKS.")
        whole = isinstance(days, int) and not isinstance(days, bool) and 1 <= days <= LONGEST_DAYS
        if days is not None and not whole:
            raise BadRequest(f"A link may be valid for 1 to {LONGEST_DAYS} days, or until you revoke it.")
        if notebook.links.filter(revoked_at=None).count() >= MOST_LINKS:
            raise BadRequest(f"This notebook has {MOST_LINKS} links: revoke one first.")
    except BadRequest as error:
        return _refuse(str(error))
    document = filled_document(notebook).document
    link, token = ShareLink.issue(
        lifetime=timedelta(days=days) if days else None,
        notebook=notebook,
        public=public,
        created_by=request.user,
        title=notebook.title,
        language=_language(request, notebook),
        document=document,
    )
    address = request.build_absolute_uri(reverse("shared", args=[token]))
    return JsonResponse({"address": address, **_link(link)}, status=201, headers={"Cache-Control": "no-store"})


@require_POST
@member_required
def change_link(request: MemberRequest, notebook_id: UUID, link_id: int) -> HttpResponse:
    """`{"do": "update" or "revoke"}`."""
    notebook = own_notebook(request, notebook_id)
    link = notebook.links.filter(pk=link_id, revoked_at=None).first()
    if link is None:
        return JsonResponse({"error": "not_found", "message": "This link is revoked already."}, status=404)
    try:
        wish = _body(request).get("do")
    except BadRequest as error:
        return _refuse(str(error))
    if wish == "revoke":
        link.revoke()
    elif wish == "update":
        document = filled_document(notebook).document
        link.update_copy(notebook.title, document)
    else:
        return _refuse("A link can be updated or revoked.")
    return _told(request, notebook)


def _told(request: MemberRequest, notebook: Notebook) -> JsonResponse:
    members = Membership.objects.filter(tenant=request.tenant).exclude(user=notebook.owner).select_related("user")
    people = notebook.collaborators.select_related("user").order_by("user__username")
    answer = {
        "tenant": request.tenant.name,
        "open_to_tenant": notebook.open_to_tenant,
        "public_links": settings.PUBLIC_LINKS,
        "people": [{**_person(one.user), "role": one.role} for one in people],
        "members": [_person(one.user) for one in members.order_by("user__username")[:MOST_MEMBERS]],
        "links": [_link(link) for link in notebook.links.defer("document").order_by("-created_at")[: 2 * MOST_LINKS]],
    }
    return JsonResponse(answer, headers={"Cache-Control": "no-store"})


def _person(user: Any) -> dict[str, str]:
    return {"user": user.get_username(), "name": user.get_full_name() or user.get_username()}


def _link(link: ShareLink) -> dict[str, Any]:
    def seconds(moment: Any) -> float | None:
        return moment.timestamp() if moment else None

    return {
        "id": link.pk,
        "public": link.public,
        "usable": link.usable,
        "revoked": link.revoked_at is not None,
        "created_at": seconds(link.created_at),
        "expires_at": seconds(link.expires_at),
        "taken_at": seconds(link.taken_at),
        "views": link.views,
        "opened_at": seconds(link.opened_at),
    }


def _language(request: MemberRequest, notebook: Notebook) -> str:
    card = next((card for card in pool_cards(request.tenant) if card.name == notebook.pool), None)
    return card.language if card else notebook.pool


def _body(request: MemberRequest) -> dict[str, Any]:
    try:
        body = json.loads(request.read(LONGEST_BODY))
    except (ValueError, RecursionError) as error:
        raise BadRequest("The body is not JSON.") from error
    if not isinstance(body, dict):
        raise BadRequest("Send a JSON object.")
    return body


def _refuse(message: str) -> JsonResponse:
    return JsonResponse({"error": "bad_request", "message": message}, status=400)
