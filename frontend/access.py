"""Who may see a page, and what a person may do with a notebook."""

import re
from collections.abc import Callable
from enum import IntEnum
from functools import wraps
from typing import Any, Concatenate, ParamSpec, cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, Subquery
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render

from frontend.models import Collaborator, Notebook
from tenants.authentication import Actor
from tenants.models import Tenant
from tenants.roles import Ability
from tenants.storage import StorageFull

P = ParamSpec("P")
LOOKS_ON = "As viewer of this organisation you may look at notebooks, and change and run none: ask its administrator."


class MemberRequest(HttpRequest):
    """A request that `member_required` let through."""

    user: User
    tenant: Tenant
    actor: Actor


def member_required(
    view: Callable[Concatenate[MemberRequest, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Ask strangers to sign in, people without a second factor for one where it is wanted; tell those without a tenant
    whom to ask, and what a tenant has no room for."""

    def checked(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if getattr(request, "refusal", "") == "second_factor_required":
            return redirect("mfa_index")
        if getattr(request, "tenant", None) is None:
            return render(request, "frontend/no_tenant.html", status=403)
        try:
            return view(cast(MemberRequest, request), *args, **kwargs)
        except StorageFull as full:
            return no_room(request, full)

    return login_required(wraps(view)(checked))


def no_room(request: HttpRequest, full: StorageFull) -> HttpResponse:
    """507 for a page's script, which tries again; for a form its words on the list."""
    if request.accepts("text/html"):
        messages.error(request, full.message)
        return redirect("notebooks")
    answer = {**full.standing.told(), "error": "quota_reached", "message": full.message}
    return JsonResponse(answer, status=507)


class Right(IntEnum):
    """What a person may do with a notebook; each includes those before it."""

    NOTHING = 0
    VIEW = 1
    EDIT = 2  # and run
    OWN = 3  # share, delete

    @property
    def word(self) -> str:
        return self.name.lower()


def right_to(notebook: Notebook, actor: Actor) -> Right:
    mine = notebook.owner_id == actor.user.pk
    role = None if mine else notebook.collaborators.filter(user=actor.user.pk).values_list("role", flat=True).first()
    return _right(notebook, actor, role)


def _right(notebook: Notebook, actor: Actor, role: str | None) -> Right:
    """The one place that says so. Whoever only looks on in a tenant looks on at their own notebooks too.

    `role`: of a collaborator; None for who is none.
    """
    if notebook.tenant_id != actor.tenant.pk:
        return Right.NOTHING
    most = Right.OWN if actor.can(Ability.NOTEBOOKS_WRITE) else Right.VIEW
    if notebook.owner_id == actor.user.pk:
        return most
    if role == Collaborator.Role.EDITOR:
        return min(Right.EDIT, most)
    return Right.VIEW if role is not None or notebook.open_to_tenant else Right.NOTHING


def find_notebook(actor: Actor, notebook_id: UUID) -> tuple[Notebook, Right] | None:
    """A notebook that is not deleted and that this person may at least see."""
    notebook = Notebook.objects.filter(tenant=actor.tenant, pk=notebook_id, deleted_at=None).first()
    right = right_to(notebook, actor) if notebook else Right.NOTHING
    return (notebook, right) if notebook and right else None


def may_create(actor: Actor) -> bool:
    return actor.can(Ability.NOTEBOOKS_WRITE)


def notebook_for(request: MemberRequest, notebook_id: UUID, needed: Right) -> Notebook:
    """The notebook, if this person may do with it what is `needed`. What they may not even see is a 404."""
    found = find_notebook(request.actor, notebook_id)
    if found is None:
        raise Http404
    if found[1] < needed:
        what = "change" if needed == Right.EDIT else "share or delete"
        raise PermissionDenied(f"You may look at this notebook, but not {what} it: ask its owner, {found[0].owner}.")
    return found[0]


def own_notebook(request: MemberRequest, notebook_id: UUID) -> Notebook:
    return notebook_for(request, notebook_id, Right.OWN)


def trashed_notebook(request: MemberRequest, notebook_id: UUID) -> Notebook:
    """One that this person has in the trash. Raises Http404."""
    return get_object_or_404(Notebook.objects.in_trash_of(request.tenant, request.user), pk=notebook_id)


IDENTIFIER = re.compile(r"notebook-([0-9a-f-]{36})-(\d{1,18})")


def usable_sessions(actor: Actor, identifiers: set[str]) -> set[str]:
    """Names of sessions in which a person may run code. Where one is a notebook's, that is who may run the notebook."""
    owners = {each: owner for each in identifiers if (owner := _named(each))}
    mine = Collaborator.objects.filter(notebook=OuterRef("pk"), user=actor.user.pk).values("role")
    rows = Notebook.objects.filter(tenant=actor.tenant, pk__in={notebook for notebook, _ in owners.values()})
    found = {row.pk: row for row in rows.defer("document").annotate(role=Subquery(mine))}

    def usable(identifier: str) -> bool:
        notebook, owner = owners.get(identifier, (None, 0))
        row: Any = notebook and found.get(notebook)
        if row is None:
            return True
        return _right(row, actor, row.role) >= Right.EDIT or actor.user.pk == owner == row.owner_id

    return {identifier for identifier in identifiers if usable(identifier)}


def _named(identifier: str) -> tuple[UUID, int] | None:
    """The notebook, and its owner, that a session is named for."""
    match = IDENTIFIER.fullmatch(identifier)
    try:
        return (UUID(match[1]), int(match[2])) if match else None
    except ValueError:
        return None
