"""The people of an organisation: for everybody who is in it and as what, for who runs it invitations and changes."""

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Case, IntegerField, Value, When
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from frontend.access import MemberRequest, member_required
from frontend.models import Notebook
from tenants.accounts.limits import reachable
from tenants.models import CannotInvite, Invitation, Membership, PeopleRefusal, Role, Tenant
from tenants.models.invitation import LIFETIME, LONGEST
from tenants.roles import ADMINISTERS, IN_WORDS, Ability, may_give

ON_A_PAGE = 100
LONGEST_NOTE = 200


@require_GET
@member_required
def page(request: MemberRequest) -> HttpResponse:
    return _shown(request)


@require_POST
@member_required
def invite(request: MemberRequest) -> HttpResponse:
    """The answer is the only page that has the link."""
    _needs(request, Ability.INVITE)
    days, note = request.POST.get("days", ""), " ".join(request.POST.get("note", "").replace("\0", "").split())
    lifetime = timedelta(days=int(days)) if days.isascii() and days.isdigit() and len(days) < 5 else LIFETIME
    try:
        invitation, secret = Invitation.issue(
            request.tenant,
            request.POST.get("role", ""),
            by=request.user,
            note=note[:LONGEST_NOTE],
            lifetime=lifetime,
        )
    except CannotInvite as refusal:
        messages.error(request, str(refusal))
        return redirect("organisation")
    link = request.build_absolute_uri(reverse("open_invitation", args=[secret]))
    response = _shown(request, made=invitation, link=link)
    response["Cache-Control"] = "no-store"
    return response


@require_POST
@member_required
def revoke(request: MemberRequest, invitation_id: int) -> HttpResponse:
    _needs(request, Ability.INVITE)
    invitation = get_object_or_404(Invitation, tenant=request.tenant, pk=invitation_id)
    if invitation.revoke():
        messages.success(request, "The invitation is revoked: its link opens nothing any more.")
    else:
        messages.warning(request, "This invitation was accepted or revoked before.")
    return redirect("organisation")


@require_POST
@member_required
def change_role(request: MemberRequest, member_id: int) -> HttpResponse:
    _needs(request, Ability.PEOPLE_CHANGE)
    member = _member(request, member_id)
    try:
        member.change_role(request.POST.get("role", ""), by=request.user)
    except PeopleRefusal as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"{_name(member.user)} is {Role(member.role).label.lower()} now.")
    return redirect("organisation")


@require_http_methods(["GET", "POST"])
@member_required
def remove(request: MemberRequest, member_id: int) -> HttpResponse:
    member = _member(request, member_id)
    if member.user_id == request.user.pk:
        return redirect("leave_organisation")
    _needs(request, Ability.PEOPLE_CHANGE)
    return _part_with(request, member, f"{_name(member.user)} is no longer a member of {request.tenant}.")


@require_http_methods(["GET", "POST"])
@member_required
def leave(request: MemberRequest) -> HttpResponse:
    member = get_object_or_404(Membership, tenant=request.tenant, user=request.user)
    return _part_with(request, member, f"You have left {request.tenant}.")


def _part_with(request: MemberRequest, member: Membership, done: str) -> HttpResponse:
    """Ask who gets the notebooks, then do it."""
    try:
        member.check_removal(request.user)
        if request.method == "POST":
            member.remove(by=request.user, heir=_chosen(request, member))
            messages.success(request, done)
            return redirect("notebooks" if request.user == member.user else "organisation")
    except PeopleRefusal as refusal:
        messages.error(request, str(refusal))
        return redirect("organisation")
    context: dict[str, Any] = {
        "member": member,
        "name": _name(member.user),
        "leaving": member.user_id == request.user.pk,
        "notebooks": Notebook.objects.filter(tenant=request.tenant, owner=member.user).count(),
        "heirs": [(one.user, _name(one.user), one.role) for one in member.heirs],
        "heir": member.heir_of(by=request.user),
    }
    return render(request, "frontend/part_with.html", context)


def _chosen(request: MemberRequest, member: Membership) -> Any:
    """The user that the form names: of this tenant, or it says nothing of them."""
    wanted = request.POST.get("heir", "")
    if not wanted:
        return None
    key = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 19 else 0
    found = member.heirs.filter(user=key).first()
    if found is None:
        raise PeopleRefusal("Choose somebody from the list, who gets the notebooks.")
    return found.user


def _shown(request: MemberRequest, made: Invitation | None = None, link: str = "") -> HttpResponse:
    tenant, actor = request.tenant, request.actor
    given = may_give(tenant.standing_of(request.user)) if actor.can(Ability.PEOPLE_CHANGE) else ()
    ranks = Case(*(When(role=role, then=Value(n)) for n, role in enumerate(Role)), output_field=IntegerField())
    members = tenant.memberships.select_related("user").annotate(rank=ranks).order_by("rank", "user__username")
    listed = Paginator(members, ON_A_PAGE).get_page(request.GET.get("page"))
    rows = [
        {
            "member": member,
            "name": _name(member.user),
            "me": member.user_id == request.user.pk,
            "role": Role(member.role).label,
            "theirs": member.role in given,
        }
        for member in listed
    ]
    runs = tenant.memberships.filter(role__in=ADMINISTERS, user__is_active=True).select_related("user")
    mine = reachable(request).values("tenant")
    context: dict[str, Any] = {
        "rows": rows,
        "listed": listed,
        "role": Role(actor.role).label,
        "role_words": IN_WORDS[Role(actor.role)],
        "given": [(role.value, role.label, IN_WORDS[role]) for role in reversed(given)],
        "ask": [_name(one.user) for one in runs.annotate(rank=ranks).order_by("rank", "user__username")[:5]],
        "others": Tenant.objects.filter(pk__in=mine).exclude(pk=tenant.pk).order_by("name"),
        "made": made,
        "link": link,
        "days": LIFETIME.days,
        "most_days": LONGEST.days,
    }
    if actor.can(Ability.INVITE):
        invitations = tenant.invitations.open().select_related("tenant", "invited_by").order_by("-created_at")
        context["invitations"] = [(one, _name(one.invited_by) if one.invited_by else "") for one in invitations]
        context["may_invite"] = True
    return render(request, "frontend/organisation.html", context)


def _member(request: MemberRequest, member_id: int) -> Membership:
    return get_object_or_404(Membership.objects.select_related("tenant", "user"), tenant=request.tenant, pk=member_id)


def _needs(request: MemberRequest, ability: Ability) -> None:
    if not request.actor.can(ability):
        raise PermissionDenied(f"As {request.actor.role} of {request.tenant} you may not {ability.label}.")


def _name(user: Any) -> str:
    return str(user.get_full_name() or user.get_username())
