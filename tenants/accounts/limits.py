"""What a sign-in may reach.

Whoever signs in by a tenant's own provider is whoever that provider says, and so whoever the tenant's admins want: the
sign-in counts for that tenant and for nothing else, whatever else the account may do. The key of the provider stays
in the session, so one that is turned off or deleted counts no more from the next request on.
"""

import hashlib
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest

from tenants.models import Membership

SESSION_KEY = "identity_provider"
# A sign-in that is not finished: it reaches nothing.
NOTHING = str(UUID(int=0))


def provider_of(session: Mapping[str, Any] | Any) -> str:
    """The key of the provider that a browser signed in by; empty for a password or a passkey."""
    return str(session.get(SESSION_KEY) or "")


def is_limited(request: HttpRequest) -> bool:
    return bool(provider_of(getattr(request, "session", {})))


def memberships(user: Any, provider: str) -> "QuerySet[Membership]":
    """Of a person, as far as a sign-in by this provider (empty: by themselves) reaches them."""
    found = Membership.objects.filter(user=user.pk)
    if provider:
        found = found.filter(tenant__identity_providers__pk=provider, tenant__identity_providers__enabled=True)
    return found


def reachable(request: HttpRequest) -> "QuerySet[Membership]":
    return memberships(request.user, provider_of(request.session))


def cache_key(key: str, prefix: str, version: int) -> str:
    """Of one length whatever is in it: names of accounts, and what a provider sent."""
    return hashlib.sha256(f"{prefix}:{version}:{key}".encode(errors="surrogatepass")).hexdigest()
