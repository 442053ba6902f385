from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone

from frontend.models import Notebook
from tenants.scoping import TenantScopedAdmin


@admin.register(Notebook)
class NotebookAdmin(TenantScopedAdmin[Notebook]):
    """Enough to find notebooks and bring them back. Their content is their owner's: it is not shown here."""

    list_display = ("title", "tenant", "owner", "pool", "updated_at", "deleted_at")
    list_filter = ("pool", ("deleted_at", admin.EmptyFieldListFilter))
    ordering = ("-updated_at", "id")
    search_fields = ("title", "owner__username", "id")
    readonly_fields = ("id", "tenant", "owner", "version", "created_at", "updated_at", "opened_at", "waits_for_a_place")
    fields = ("title", "pool", "deleted_at", *readonly_fields)
    show_full_result_count = False

    @admin.display(description="Cells that wait for a place")
    def waits_for_a_place(self, notebook: Notebook) -> str:
        rows = notebook.waiting_runs.waiting()
        first = rows.first()
        return f"{rows.count()}, since {timezone.localtime(first.asked_at):%Y-%m-%d %H:%M}" if first else "none"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False
