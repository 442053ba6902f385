"""Who may sign in by a tenant's provider. The provider may be hostile: it is whatever a tenant's admin says it is.

So its word makes accounts of its own tenant and nothing more: it is never matched with an account that is there, by
e-mail or by name; only a person who is signed in by themselves may connect an identity to theirs; an operator is never
signed in by it; and what such a sign-in reaches is limited to the tenant (`tenants.accounts.limits`).
"""

import re
import secrets
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialLogin
from allauth.socialaccount.providers.base.constants import AuthProcess
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.shortcuts import render

from frontend.identity.fetching import GuardedSession
from tenants.accounts import limits
from tenants.addresses import client_of_request
from tenants.audit import Action, Who, acting, record
from tenants.models import IdentityProvider, Membership, PeopleRefusal

ENDPOINTS = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")
LONGEST_WORD = 191
# People that one provider may bring: a bound for a hostile one, not a quota.
MOST_PEOPLE = 10_000
ASK = "Ask who runs your organisation."


class TenantOIDC(OpenIDConnectOAuth2Adapter):
    @property
    def openid_config(self) -> dict[str, Any]:
        """What the provider says of itself, if it is the one that was named."""
        config = super().openid_config
        if not isinstance(config, dict) or config.get("issuer") != self.get_provider().app.settings["issuer"]:
            raise OAuth2Error("It names another issuer.")
        for name in ENDPOINTS:
            if not str(config.get(name, "")).startswith("https://"):
                raise OAuth2Error(f"Its {name} is no https address.")
        return config

    def complete_login(self, request: HttpRequest, app: SocialApp, token: Any, **kwargs: Any) -> SocialLogin:
        if not isinstance(kwargs["response"].get("id_token"), str):
            raise OAuth2Error("It gave no ID token.")
        return super().complete_login(request, app, token, **kwargs)


class TenantProvider(OpenIDConnectProvider):
    oauth2_adapter_class = TenantOIDC

    def serialize(self) -> dict[str, Any]:
        # By our key: two tenants may have the same client id.
        return {"id": self.app.provider_id}

    def get_auth_params_from_request(self, request: HttpRequest, action: str) -> dict[str, Any]:
        return self.get_auth_params()  # type: ignore[no-any-return]  # and nothing that a link adds

    def get_scope_from_request(self, request: HttpRequest) -> list[str]:
        return self.get_scope()  # type: ignore[no-any-return]

    def redirect(
        self, request: HttpRequest, process: str, next_url: str | None = None, data: Any = None, **kwargs: Any
    ) -> Any:
        nonce = secrets.token_urlsafe(24)
        process = AuthProcess.CONNECT if process == AuthProcess.CONNECT else AuthProcess.LOGIN
        kwargs["auth_params"] = {**self.get_auth_params(), "nonce": nonce}
        return super().redirect(request, process, next_url, data, **kwargs, nonce=nonce)

    # Of what the provider says, `id_token` was given to us; `userinfo` must be of the same person.

    def extract_uid(self, data: Mapping[str, Any]) -> str:
        subject = data["id_token"]["sub"]
        if not _is_word(subject) or data["userinfo"]["sub"] != subject:
            raise OAuth2Error("It tells of two people, or of none.")
        return str(subject)

    def extract_extra_data(self, data: Mapping[str, Any]) -> dict[str, str]:
        """What is kept, beside the account."""
        return {name: _text(_claims(data).get(name)) for name in ("email", "name", "preferred_username")}

    def extract_email_addresses(self, data: Mapping[str, Any]) -> list[Any]:
        return []  # its word for an address proves nothing to anybody else

    def extract_common_fields(self, data: Mapping[str, Any]) -> dict[str, str]:
        claims = _claims(data)
        names = {"name": "name", "first_name": "given_name", "last_name": "family_name"}
        return {field: _text(claims.get(claim)) for field, claim in names.items()}

    def sociallogin_from_response(self, request: HttpRequest, response: Mapping[str, Any]) -> SocialLogin:
        login = super().sociallogin_from_response(request, response)
        login.claims, login.nonce = _claims(response), response["id_token"].get("nonce")
        return login


def _claims(data: Mapping[str, Any]) -> dict[str, Any]:
    return {**data["id_token"], **data["userinfo"]}


def _is_word(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_WORD and value.isprintable()


def _text(value: object) -> str:
    return "".join(filter(str.isprintable, value))[:150] if isinstance(value, str) else ""


class IdentityAdapter(DefaultSocialAccountAdapter):
    def get_requests_session(self) -> GuardedSession:
        return GuardedSession()

    def list_apps(self, request: Any, provider: Any = None, client_id: Any = None) -> list[SocialApp]:
        row = find_provider(provider)
        return [_as_app(row)] if row is not None else []

    def can_authenticate_by_email(self, login: SocialLogin, email: str) -> bool:
        return False

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return True  # decided in pre_social_login

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        row = find_provider(sociallogin.account.provider)
        if row is None or not row.enabled:
            raise ImmediateHttpResponse(_trouble(request, "This way to sign in was turned off."))
        if not sociallogin.nonce or sociallogin.nonce != sociallogin.state.get("nonce"):
            why, say = "its answer is not for this request", "That answer was not for you. Sign in again."
        elif objection := row.objection(sociallogin.claims):
            why, say = objection, f"{row.tenant} lets only some of the people of {row.name} in. {ASK}"
        elif sociallogin.state.get("process") == AuthProcess.CONNECT:
            why, say = _objection_to_connect(request, row)
        else:
            why, say = _objection_to_login(row, sociallogin)
        if why:
            name = f"{row.name}: {sociallogin.account.uid}"
            who = Who(name=name, address=client_of_request(request.META))
            record(Action.IDENTITY_REFUSED, who=who, tenant=row.tenant_id, about=row, name=name, why=why)
            raise ImmediateHttpResponse(_trouble(request, say))

    def save_user(self, request: HttpRequest, sociallogin: SocialLogin, form: Any = None) -> Any:
        """A first sign-in: an account of its own, a member of that tenant, named within the tenant's own names."""
        row = find_provider(sociallogin.account.provider)
        assert row is not None
        user = sociallogin.user
        user.set_unusable_password()
        address = client_of_request(request.META)
        try:
            with transaction.atomic():
                user.username = _free_name(row, sociallogin.account.extra_data)
                sociallogin.save(request)
                user.email = sociallogin.account.extra_data["email"][:254]
                user.save(update_fields=["email"])
                with acting(Who(user, address=address)):
                    Membership.objects.create(tenant=row.tenant, user=user, role=row.default_role)
        except PeopleRefusal as refusal:  # it is being erased, and its provider was turned off meanwhile
            raise ImmediateHttpResponse(_trouble(request, str(refusal))) from None
        except IntegrityError:
            raise ImmediateHttpResponse(
                _trouble(request, "Somebody took your place just now. Sign in again.")
            ) from None
        return user


def find_provider(key: object) -> IdentityProvider | None:
    try:
        wanted = UUID(str(key))
    except ValueError:
        return None
    return IdentityProvider.objects.select_related("tenant").filter(pk=wanted).first()


def _as_app(row: IdentityProvider) -> SocialApp:
    issuer = row.issuer
    server = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    return SocialApp(
        provider=OpenIDConnectProvider.id, provider_id=str(row.pk), name=row.name, client_id=row.client_id,
        secret=row.secret, settings={"server_url": server, "issuer": issuer, "oauth_pkce_enabled": True},
    )  # fmt: skip


def _objection_to_connect(request: HttpRequest, row: IdentityProvider) -> tuple[str, str]:
    if not request.user.is_authenticated or limits.is_limited(request):
        return "not signed in by themselves", "Sign in with your password or a passkey first."
    if request.user.is_superuser:
        return "an operator", "An operator signs in with a password or a passkey only."
    if not limits.reachable(request).filter(tenant=row.tenant_id).exists():
        return "no member", f"You are no member of {row.tenant}. {ASK}"
    return "", ""


def _objection_to_login(row: IdentityProvider, sociallogin: SocialLogin) -> tuple[str, str]:
    if sociallogin.is_existing:
        user = sociallogin.user
        if user.is_superuser:
            return "an operator", "An operator signs in with a password or a passkey only."
        if not Membership.objects.filter(tenant=row.tenant_id, user=user.pk).exists():
            return "no member", f"You are no member of {row.tenant} any more. {ASK}"
        return "", ""
    if not row.creates_members:
        say = f"Nobody in {row.tenant} has connected this identity: sign in with your password, and connect it there."
        return "nobody's identity", say
    if SocialAccount.objects.filter(provider=str(row.pk)).count() >= MOST_PEOPLE:
        return "too many people", f"{row.name} has brought too many people. {ASK}"
    return "", ""


def _free_name(row: IdentityProvider, said: Mapping[str, str]) -> str:
    """Within names of the tenant's own: so none that somebody else has, or might want, is taken or told of."""
    wish = said["preferred_username"] or said["email"].partition("@")[0] or "person"
    base = f"{row.tenant.slug}.{re.sub(r'[^A-Za-z0-9_.-]', '', wish)[:60] or 'person'}"
    alike = get_user_model()._default_manager.filter(username__istartswith=base)
    taken = {name.lower() for name in alike.values_list("username", flat=True)}
    numbers = (f"{base}{number}" for number in range(2, len(taken) + 3))
    return next(name for name in (base, *numbers) if name.lower() not in taken)


def _trouble(request: HttpRequest, words: str) -> Any:
    return render(request, "account/refused.html", {"words": words}, status=403)


__all__ = ["IdentityAdapter", "TenantOIDC", "TenantProvider", "find_provider"]
