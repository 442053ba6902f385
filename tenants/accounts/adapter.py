"""What django-allauth asks of an application about accounts.

Lock-out: attempts that fail are counted by address and by account, and the answer is the same whether an account is
there or not. So that nobody can lock somebody else out for as long as they keep trying, a browser in which an
account has signed in before has a count of its own (a "device cookie"), and passkeys have none: what an attacker uses
up is the count of unknown browsers.
"""

import secrets
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.core import signing
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.utils.http import url_has_allowed_host_and_scheme

from tenants.accounts import limits
from tenants.addresses import client_of_request
from tenants.audit import Action, Who, record

DEVICE_COOKIE = "known"
DEVICE_SALT = "thermae: a browser in which somebody has signed in"
MOST_KNOWN = 5  # people who share a browser
DEVICE_SECONDS = 180 * 24 * 3600


class AccountAdapter(DefaultAccountAdapter):
    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "username_password_mismatch": "That name and password do not match. Both are case-sensitive.",
        "too_many_login_attempts": "Too many attempts failed. Wait five minutes, or sign in with a passkey.",
        "incorrect_password": "That is not your password.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        # A proxy on a Unix socket that names nobody: all are one address, as they are to everything else.
        return client_of_request(request.META) or "0.0.0.0"  # noqa: S104

    def is_safe_url(self, url: str) -> bool:
        """Only our own pages: what else is trusted to post forms is no place to send people to."""
        request = self.request or _request()
        return url_has_allowed_host_and_scheme(url, {request.get_host()}, require_https=request.is_secure())

    # --- Lock-out ---

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        name = str(credentials.get("username") or "")
        device = _device(request, name)
        return f"device {device} {name}" if device else f"account {name}"

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        try:
            super().pre_authenticate(request, **credentials)
        except ValidationError:
            name = str(credentials.get("username") or "")
            who = Who(name=f"{name[:3]}…", address=client_of_request(request.META))
            record(Action.SIGN_IN_FAILED, who=who, why="too many attempts")
            raise

    # --- Signing in ---

    def login(self, request: HttpRequest, user: Any) -> None:
        super().login(request, user)
        request.session[limits.SESSION_KEY] = limits.NOTHING  # until post_login knows how it was done

    def post_login(
        self, request: HttpRequest, user: Any, *, signal_kwargs: dict[str, Any] | None, **options: Any
    ) -> HttpResponse:
        sociallogin = (signal_kwargs or {}).get("sociallogin")
        provider = sociallogin.account.provider if sociallogin is not None else ""
        request.session[limits.SESSION_KEY] = provider
        response: HttpResponse = super().post_login(request, user, signal_kwargs=signal_kwargs, **options)
        UserSession.objects.filter(session_key=request.session.session_key).update(data={"provider": provider})
        if not provider:
            _remember_device(request, response, user.get_username())
        return response


def _request() -> HttpRequest:
    from allauth.core import context

    return context.request  # type: ignore[no-any-return]


def _known(request: HttpRequest) -> dict[str, str]:
    """Who signed in here before, and the browser's word for each."""
    try:
        known = signing.loads(request.COOKIES.get(DEVICE_COOKIE, ""), salt=DEVICE_SALT, max_age=DEVICE_SECONDS)
    except signing.BadSignature:
        return {}
    return {str(name): str(word) for name, word in known.items()} if isinstance(known, dict) else {}


def _device(request: HttpRequest, name: str) -> str:
    return _known(request).get(name, "")


def _remember_device(request: HttpRequest, response: HttpResponse, name: str) -> None:
    known = _known(request)
    known[name] = known.pop(name, "") or secrets.token_urlsafe(9)
    latest = dict(list(known.items())[-MOST_KNOWN:])
    response.set_cookie(
        DEVICE_COOKIE, signing.dumps(latest, salt=DEVICE_SALT), max_age=DEVICE_SECONDS, httponly=True, samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
    )  # fmt: skip
