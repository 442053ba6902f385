"""A person's own API tokens: account → tokens. What may be done with them is `tenants.issuing`'s to say."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET, require_POST

from frontend.access import MemberRequest, member_required
from frontend.pools import pool_cards
from tenants import issuing
from tenants.authentication import NotAllowed
from tenants.issuing import BadWish, Wish
from tenants.models import ApiToken, CannotRotate, Scope, default_scopes
from tenants.roles import SCOPES_OF_ROLE, Role

# Days for which a token can be made; 0: for ever.
LIFETIMES = {7: "A week", 30: "30 days", 90: "90 days", 365: "A year", 0: "It does not expire"}
USUAL = 90
# How long a token that is rotated still works: for whoever uses it to be told the new one.
OVERLAP = timedelta(days=1)


@require_GET
@member_required
@ensure_csrf_cookie
@never_cache
def page(request: MemberRequest) -> HttpResponse:
    return _page(request)


@require_POST
@member_required
@never_cache
def create(request: MemberRequest) -> HttpResponse:
    """The answer is the page with the secret: this is the only place where it ever is."""
    given = request.POST
    try:
        made, secret = issuing.issue(request.actor, _wish(request))
    except (BadWish, NotAllowed) as refusal:
        return _page(request, status=400, fault=refusal.message, given=given)
    return _page(request, made=made, secret=secret)


@require_POST
@member_required
@never_cache
def rotate(request: MemberRequest, token_id: UUID) -> HttpResponse:
    try:
        made, secret = issuing.rotate(request.actor, _own(request, token_id), OVERLAP)
    except (CannotRotate, NotAllowed) as refusal:
        return _page(request, status=409, fault=str(refusal))
    return _page(request, made=made, secret=secret, rotated=True)


@require_POST
@member_required
def revoke(request: MemberRequest, token_id: UUID) -> HttpResponse:
    token = _own(request, token_id)
    what = "and its successor are" if token.revoke() else "is"
    messages.success(request, f"“{token.name}” {what} revoked: whoever uses it is refused from now on.")
    return redirect("tokens")


def _own(request: MemberRequest, token_id: UUID) -> ApiToken:
    found = issuing.visible(request.actor).filter(user=request.user, pk=token_id).first()
    if found is None:
        raise Http404
    return found


def _wish(request: MemberRequest) -> Wish:
    days = request.POST.get("days", str(USUAL))
    if days not in {str(each) for each in LIFETIMES}:
        raise BadWish("Choose for how long it is to be valid.")
    ends = timezone.now() + timedelta(days=int(days)) if int(days) else None
    networks = [line.strip() for line in request.POST.get("networks", "").splitlines() if line.strip()]
    return Wish(
        request.POST.get("name", ""), request.POST.getlist("scopes"), request.POST.getlist("pools"), networks, ends
    )


def _page(request: MemberRequest, *, status: int = 200, given: Any = None, **more: Any) -> HttpResponse:
    chosen = given.getlist("scopes") if given is not None else default_scopes()
    allowed = [scope for scope in Scope if scope in SCOPES_OF_ROLE[Role(request.actor.role)]]
    wanted = given.getlist("pools") if given is not None else []
    own = issuing.visible(request.actor).filter(user=request.user)
    context = {
        "rows": issuing.valid(own).order_by("-created_at"),
        "scopes": [{"value": scope.value, "words": scope.label, "on": scope.value in chosen} for scope in allowed],
        "pools": [{"name": card.name, "on": card.name in wanted} for card in pool_cards(request.tenant)],
        "lifetimes": [{"days": days, "words": words, "on": days == USUAL} for days, words in LIFETIMES.items()],
        "given": {"name": given.get("name", ""), "networks": given.get("networks", "")} if given is not None else {},
        "now": timezone.now(),
    }
    return render(request, "frontend/tokens.html", {**context, **more}, status=status)
