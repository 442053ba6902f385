"""Figures in the admin that change by themselves: written into the page, and refreshed by a script where there is one.

A column made by `refreshed` is told anew as JSON at `figures` below the address of its page, for the same rows and by
the same rules as the page itself.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, JsonResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html


def refreshed(description: str = "", ordering: str = "") -> Callable[[Callable[[Any, Any], str]], Any]:
    """A column whose text is refreshed."""

    def decorate(text: Callable[[Any, Any], str]) -> Any:
        name = text.__name__

        @admin.display(description=description or name.replace("_", " "), ordering=ordering or None)
        def shown(self: Any, row: Any) -> str:
            return format_html('<span data-figure="{}.{}">{}</span>', row.pk, name, text(self, row))

        shown.text = text  # type: ignore[attr-defined]
        return shown

    return decorate


class LiveFigures(admin.ModelAdmin[Any]):
    """Has `figures` beside its list and each of its rows."""

    class Media:
        js = ("interpreters/live.js",)

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        view = self.admin_site.admin_view
        return [
            path("figures", view(self.list_figures), name=f"{name}_list_figures"),
            path("<path:object_id>/change/figures", view(self.row_figures), name=f"{name}_figures"),
            *super().get_urls(),
        ]

    def list_figures(self, request: HttpRequest) -> JsonResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            rows = self.get_changelist_instance(request).result_list
        except IncorrectLookupParameters as error:
            raise Http404 from error
        return self._told(rows, self.get_list_display(request))

    def row_figures(self, request: HttpRequest, object_id: str) -> JsonResponse:
        row = self.get_object(request, unquote(object_id))
        if row is None or not self.has_view_permission(request, row):
            raise Http404
        return self._told([row], self.get_readonly_fields(request, row))

    def _told(self, rows: Iterable[Any], columns: Iterable[Any]) -> JsonResponse:
        texts = {name: column.text for name in columns if (column := _live_column(type(self), name))}
        told = {f"{row.pk}.{name}": str(text(self, row)) for row in rows for name, text in texts.items()}
        return JsonResponse({"figures": told})


def _live_column(owner: type, name: Any) -> Any:
    column = getattr(owner, name, None) if isinstance(name, str) else None
    return column if hasattr(column, "text") else None


def span(since: datetime | None, until: datetime | None = None) -> str:
    """How long it is, in the two largest units."""
    if since is None:
        return ""
    seconds = max(0, int(((until or timezone.now()) - since).total_seconds()))
    parts = [(seconds // 86400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s")]
    first = next((n for n, (number, _) in enumerate(parts) if number), len(parts) - 1)
    return " ".join(f"{number} {unit}" for number, unit in parts[first : first + 2] if number) or "0 s"
