"""`{% assets "src/notebook.tsx" %}`: the tags for one entry of the front end."""

from collections.abc import Iterable

from django import template
from django.http import HttpRequest
from django.templatetags.static import static
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe

from frontend.assets import files_of
from tenants.accounts import limits
from tenants.models import Tenant
from tenants.scoping import administers_any

register = template.Library()


@register.simple_tag
def assets(entry: str) -> SafeString:
    script, imported, styles = files_of(entry)
    return mark_safe(  # noqa: S308  every part is escaped by format_html_join
        format_html_join("", '<link rel="stylesheet" href="{}">', ((_url(name),) for name in styles))
        + format_html_join("", '<link rel="modulepreload" href="{}">', ((_url(name),) for name in imported))
        + format_html_join("", '<script type="module" src="{}"></script>', [(_url(script),)])
    )


@register.simple_tag
def tenants_of(request: HttpRequest) -> Iterable[Tenant]:
    """The tenants that a person may switch between. The 404 page asks too, so a request may lack a user."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return ()
    return Tenant.objects.filter(pk__in=limits.reachable(request).values("tenant")).order_by("name")


@register.filter
def has_admin(request: HttpRequest) -> bool:
    """Whether the person runs a tenant, or the installation. The 404 page asks too, as above."""
    return bool(getattr(request, "user", None)) and administers_any(request)


def _url(name: str) -> str:
    return static(f"frontend/dist/{name}")
