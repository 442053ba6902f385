"""Signing in, and one's own account. django-allauth does the work; these are what it lacks or asks for."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account.views import LoginView
from allauth.mfa.base.views import IndexView
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.views import ConnectionsView
from allauth.usersessions.internal.flows.sessions import end_sessions
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from tenants.accounts import limits
from tenants.accounts.second_factor import admin_needs_one
from tenants.models import IdentityProvider


def by_oneself(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """For who signed in by themselves: a tenant's provider speaks for nobody's password, passkeys or other sign-ins."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.user.is_authenticated and limits.is_limited(request):
            return render(request, "account/by_provider.html", status=403)
        return view(request, *args, **kwargs)

    return checked


class SignInView(LoginView):
    template_name = "account/login.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        slug = self.request.GET.get("tenant", "").strip()[:63].replace("\0", "")
        providers = IdentityProvider.objects.filter(tenant__slug=slug, enabled=True).select_related("tenant")
        context: dict[str, Any] = super().get_context_data(**kwargs)
        return {**context, "demo": settings.DEMO_LOGIN, "slug": slug, "providers": providers.order_by("name")}


@login_required
def account(request: HttpRequest) -> HttpResponse:
    user = request.user
    factors = Authenticator.objects.filter(user=user.pk).values_list("type", flat=True)
    context = {
        "limited": limits.is_limited(request),
        "factors": set(factors),
        "passkeys": list(factors).count(Authenticator.Type.WEBAUTHN),
        "identities": SocialAccount.objects.filter(user=user.pk).count(),
        "providers": _connectable(request).exists(),
    }
    return render(request, "account/account.html", context)


class SecondFactorView(IndexView):
    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        wanted = getattr(self.request, "refusal", "") == "second_factor_required" or admin_needs_one(self.request)
        return {**super().get_context_data(**kwargs), "wanted": wanted}


def _connectable(request: HttpRequest) -> Any:
    mine = limits.reachable(request).values("tenant")
    return IdentityProvider.objects.filter(tenant__in=mine, enabled=True).select_related("tenant").order_by("name")


class IdentitiesView(ConnectionsView):
    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**kwargs)
        accounts = list(SocialAccount.objects.filter(user=self.request.user.pk).order_by("date_joined"))
        rows = IdentityProvider.objects.select_related("tenant")
        found = {str(row.pk): row for row in rows.filter(pk__in=[account.provider for account in accounts])}
        identities = [(account, found.get(account.provider)) for account in accounts]
        providers = [row for row in _connectable(self.request) if str(row.pk) not in found]
        return {**context, "identities": identities, "providers": providers}


# --- Where one is signed in ---


def _sign_ins(request: HttpRequest) -> Any:
    """Those that this one may see: one by a provider sees its own kind."""
    rows = UserSession.objects.filter(user=request.user.pk)
    provider = limits.provider_of(request.session)
    return rows.filter(data__provider=provider) if provider else rows


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def sign_ins(request: HttpRequest) -> HttpResponse:
    """The list; a POST ends all but this one."""
    if request.method == "POST":
        others = [found for found in _sign_ins(request) if not found.is_current()]
        end_sessions(request, others)
        messages.success(request, "Everything else was signed out.")
        return redirect("usersessions_list")
    rows = [row for row in _sign_ins(request).order_by("-created_at") if not row.purge()]
    return render(request, "usersessions/usersession_list.html", {"sign_ins": rows})


@login_required
@require_POST
def end_sign_in(request: HttpRequest, pk: int) -> HttpResponse:
    ended = get_object_or_404(_sign_ins(request), pk=pk)
    current = ended.is_current()
    end_sessions(request, [ended])
    return redirect("account_login" if current else "usersessions_list")
