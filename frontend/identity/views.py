"""To a tenant's provider, and back from it."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from allauth.core import ratelimit
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView
from django.core.exceptions import ImproperlyConfigured
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST
from requests import RequestException

from frontend.identity.oidc import TenantOIDC, find_provider
from tenants.encryption import CannotDecrypt

# What comes of answers of any shape. What they hold is looked at by code that expects what the standard says.
NONSENSE = (RequestException, OAuth2Error, ImproperlyConfigured, LookupError, TypeError, ValueError, AttributeError)

View = Callable[[HttpRequest, UUID], HttpResponse]


def _with_provider(view: View) -> View:
    """For a provider that is there and on: any other is a 404. What it answers wrongly is told in words."""

    @wraps(view)
    def found(request: HttpRequest, provider_id: UUID) -> HttpResponse:
        provider = find_provider(provider_id)
        if provider is None or not provider.enabled:
            raise Http404
        try:
            return view(request, provider_id)
        except CannotDecrypt:
            words = f"The secret of {provider.name} cannot be read: who runs {provider.tenant} must enter it again."
        except NONSENSE:
            words = f"{provider.name} does not answer as a provider of OpenID Connect should. Try again later."
        return render(request, "account/refused.html", {"words": words}, status=502)

    return found


@never_cache
@require_POST
@_with_provider
def start(request: HttpRequest, provider_id: UUID) -> HttpResponse:
    """A page that leads on. A redirect would be one of the form, and those stay with us (form-action)."""
    if limited := ratelimit.consume_or_429(request, action="login"):
        return limited  # type: ignore[no-any-return]
    view: Any = OAuth2LoginView.adapter_view(TenantOIDC(request, str(provider_id)))
    answer: HttpResponse = view(request)
    address = answer.get("Location", "")
    if not address.startswith("https://"):
        return answer
    return render(request, "account/leave.html", {"address": address, "host": urlsplit(address).hostname})


@never_cache
@require_GET
@_with_provider
def back(request: HttpRequest, provider_id: UUID) -> HttpResponse:
    view: Any = OAuth2CallbackView.adapter_view(TenantOIDC(request, str(provider_id)))
    return view(request)  # type: ignore[no-any-return]
