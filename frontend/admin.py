from django.contrib import admin

from frontend.models import Notebook


@admin.register(Notebook)
class NotebookAdmin(admin.ModelAdmin):
    """Enough to find, hand over and bring back notebooks. Their content is their owner's: it is not shown here."""

    list_display = ("title", "tenant", "owner", "pool", "updated_at", "deleted_at")
    list_filter = ("tenant", "pool", ("deleted_at", admin.EmptyFieldListFilter))
    search_fields = ("title", "owner__username", "id")
    readonly_fields = ("id", "version", "created_at", "updated_at", "opened_at")
    fields = ("title", "tenant", "owner", "pool", "deleted_at", *readonly_fields)
    autocomplete_fields = ("owner",)
    show_full_result_count = False

    def has_add_permission(self, request: object) -> bool:
        return False
