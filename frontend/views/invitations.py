"""What an invitation's link opens: who invites to what, for who is signed in, has an account, or makes one.

The link's secret is in no page, form or address but the link itself: opening it keeps in the browser's session which
invitation it is, and goes on at an address that is the same for all. What cannot be accepted is one page, whatever the
reason: expired, used, revoked, or never made.
"""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods

from frontend.sign_up import SignUpForm, is_open, sign_up
from frontend.throttling import SECONDS, count_wrong, too_many_wrong
from tenants.accounts import limits
from tenants.audit import Who, acting
from tenants.models import Invitation
from tenants.roles import IN_WORDS, Role

KEY = "invitation"


@require_GET
def open_link(request: HttpRequest, secret: str) -> HttpResponse:
    request.session.pop(KEY, None)
    if too_many_wrong(request, KEY):
        return _over(request, 429)
    invitation = Invitation.by_secret(secret)
    if invitation is None:
        count_wrong(request, KEY)
    else:
        request.session[KEY] = invitation.hashed
    return _private(redirect("invitation"))


@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("password1", "password2")
def page(request: HttpRequest) -> HttpResponse:
    hashed = str(request.session.get(KEY, ""))
    invitation = Invitation.by_hash(hashed) if hashed else None
    if invitation is None:
        return _over(request)
    if request.method == "POST":
        return _join(request, invitation) if request.user.is_authenticated else _sign_up(request, invitation)
    return _shown(request, invitation, SignUpForm() if is_open() else None)


def _join(request: HttpRequest, invitation: Invitation) -> HttpResponse:
    if limits.is_limited(request):
        raise PermissionDenied(
            "You are signed in through your organisation, which counts there alone: sign in by an account of your own."
        )
    if invitation.accept(request.user) is None:
        return redirect("invitation")  # which says what there is now
    return _welcomed(request, invitation)


def _sign_up(request: HttpRequest, invitation: Invitation) -> HttpResponse:
    if not is_open():
        return redirect("invitation")
    if too_many_wrong(request, KEY):
        return _over(request, 429)
    form = SignUpForm(request.POST)
    if not form.is_valid():
        count_wrong(request, KEY)  # of which names are taken, too
        return _shown(request, invitation, form)

    def welcome(user: Any) -> bool:
        with acting(Who(user, address=Who.of(request).address)):
            return invitation.accept(user) is not None

    if sign_up(request, form, welcome) is None:
        return _shown(request, invitation, form) if form.errors else redirect("invitation")
    return _welcomed(request, invitation)


def _welcomed(request: HttpRequest, invitation: Invitation) -> HttpResponse:
    request.session.pop(KEY, None)
    request.session["tenant"] = invitation.tenant.slug
    messages.success(request, f"Welcome to {invitation.tenant}: you are its {Role(invitation.role).label.lower()}.")
    return redirect("notebooks")


def _shown(request: HttpRequest, invitation: Invitation, form: SignUpForm | None) -> HttpResponse:
    by = invitation.invited_by
    mine = limits.reachable(request).filter(tenant=invitation.tenant_id).first()
    context = {
        "invitation": invitation,
        "by": (by.get_full_name() or by.get_username()) if by else "The operator of this installation",
        "role_words": IN_WORDS[Role(invitation.role)],
        "mine": mine,
        "form": form,
        "sign_in": f"{reverse('login')}?next={reverse('invitation')}",
    }
    return _private(render(request, "frontend/invitation.html", context, status=400 if form and form.errors else 200))


def _over(request: HttpRequest, status: int = 404) -> HttpResponse:
    response = render(request, "frontend/invitation_over.html", {"status": status}, status=status)
    if status == 429:
        response["Retry-After"] = str(SECONDS)
    return _private(response)


def _private(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "no-store"
    # Not `no-referrer`, with which a browser says of its forms that they come from nowhere.
    response["Referrer-Policy"] = "strict-origin"
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response
