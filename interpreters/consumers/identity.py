"""Which pages may open a WebSocket."""

from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import validate_host
from django.utils.http import is_same_domain

from interpreters.sessions import problems
from interpreters.sessions.standing import Scope, header
from tenants.authentication import NotAllowed, token_in_scope


def check_origin(scope: Scope) -> None:
    """A browser sends its cookie wherever a page asks it to: only pages of our own origin may. Raises Problem.

    Who brings a token needs no origin: no page can make a browser add one.
    """
    try:
        if token_in_scope(scope) is not None:
            return
    except NotAllowed as refusal:
        raise problems.of_tenants(refusal) from refusal
    if not _is_ours(header(scope, b"origin"), header(scope, b"host")):
        raise problems.NotAllowed(
            "This page may not open connections here: use our own page, a token, or set THERMAE_TRUSTED_ORIGINS.",
            "foreign_origin",
        )


def _is_ours(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or not parts.netloc or not parts.hostname:
        return False
    if origin.lower() in settings.CSRF_TRUSTED_ORIGINS or _is_trusted_subdomain(parts.scheme, parts.netloc):
        return True
    secure = parts.scheme == "https" or not settings.SESSION_COOKIE_SECURE
    return secure and parts.netloc.lower() == host.lower() and validate_host(parts.hostname, settings.ALLOWED_HOSTS)


def _is_trusted_subdomain(scheme: str, netloc: str) -> bool:
    """As Django's CSRF check reads `https://*.example.org`."""
    wildcards = (urlsplit(trusted) for trusted in settings.CSRF_TRUSTED_ORIGINS if "*" in trusted)
    return any(w.scheme == scheme and is_same_domain(netloc.lower(), w.netloc.lstrip("*")) for w in wildcards)
