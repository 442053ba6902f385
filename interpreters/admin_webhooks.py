"""Webhooks and what they were told, for who administers a tenant."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from interpreters.lifecycle.events import EVENTS
from interpreters.models import WebhookDelivery, WebhookEndpoint
from interpreters.webhooks import outbox
from tenants.fields import Lines
from tenants.scoping import TenantScopedAdmin

# How long a former secret signs too, when it is rotated here.
OVERLAP = timedelta(days=1)
BY_TENANT = ("tenant", admin.RelatedOnlyFieldListFilter)


class WebhookForm(forms.ModelForm[WebhookEndpoint]):
    events = forms.MultipleChoiceField(
        choices=[(name, f"{name}: {words}") for name, words in EVENTS.items()], widget=forms.CheckboxSelectMultiple
    )
    pools = Lines(help_text="Names of the only pools it is told of, one to a line. Empty: all. Quotas are of none.")

    class Meta:
        model = WebhookEndpoint
        fields = ("tenant", "url", "description", "events", "pools", "enabled")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        tenant = cleaned.get("tenant")
        if self.instance._state.adding and tenant and tenant.webhooks.count() >= settings.MAX_WEBHOOKS_PER_TENANT:
            raise ValidationError(f"A tenant may have {settings.MAX_WEBHOOKS_PER_TENANT} webhooks: delete one.")
        return cleaned


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(TenantScopedAdmin[WebhookEndpoint]):
    form = WebhookForm
    list_display = ("url", "tenant", "description", "enabled", "last_answer", "last_attempt_at", "failing_since")
    list_filter = ("enabled", ("failing_since", admin.EmptyFieldListFilter), BY_TENANT)
    list_select_related = ("tenant",)
    search_fields = ("url", "description")
    actions = ("send_test", "rotate")
    change_form_template = "admin/interpreters/webhookendpoint/change_form.html"
    state_fields = ("state", "last_answer", "last_attempt_at", "failing_since", "former_until", "created_at")

    def get_fields(self, request: HttpRequest, obj: WebhookEndpoint | None = None) -> tuple[str, ...]:
        made = ("tenant", "url", "description", "events", "pools", "enabled")
        return made if obj is None else (*made, *self.state_fields)

    def get_readonly_fields(self, request: HttpRequest, obj: WebhookEndpoint | None = None) -> tuple[str, ...]:
        return () if obj is None else ("tenant", *self.state_fields)

    @admin.display
    def state(self, endpoint: WebhookEndpoint) -> str:
        if endpoint.enabled:
            return "fails" if endpoint.failing_since else "on"
        return f"off: {endpoint.disabled_why}" if endpoint.disabled_why else "off"

    @admin.display(description="last answer")
    def last_answer(self, endpoint: WebhookEndpoint) -> str:
        return " ".join(filter(None, (str(endpoint.last_status or ""), endpoint.last_error)))

    def response_add(
        self, request: HttpRequest, obj: WebhookEndpoint, post_url_continue: str | None = None
    ) -> HttpResponse:
        return self._show(request, [obj])

    def response_change(self, request: HttpRequest, obj: WebhookEndpoint) -> HttpResponse:
        """The page's two further buttons: what was changed on it is saved first."""
        rows = WebhookEndpoint.objects.filter(pk=obj.pk)
        if "_test" in request.POST:
            self.send_test(request, rows)
        elif "_rotate" in request.POST:
            return self.rotate(request, rows)
        else:
            return super().response_change(request, obj)
        return HttpResponseRedirect(request.path)

    @admin.action(description="Send a test event to the selected webhooks", permissions=["change"])
    def send_test(self, request: HttpRequest, endpoints: QuerySet[WebhookEndpoint]) -> None:
        for endpoint in endpoints.select_related("tenant"):
            if endpoint.enabled:
                outbox.write_test(endpoint)
                self.message_user(request, f"A test is on its way to {endpoint}: see Webhook deliveries.")
            else:
                self.message_user(request, f"{endpoint} is off: turn it on first.", messages.ERROR)

    @admin.action(description="Rotate the secret: the former one signs too for a day", permissions=["change"])
    def rotate(self, request: HttpRequest, endpoints: QuerySet[WebhookEndpoint]) -> HttpResponse:
        made = list(endpoints)
        for endpoint in made:
            endpoint.rotate(OVERLAP)
        return self._show(request, made)

    def _show(self, request: HttpRequest, made: Sequence[WebhookEndpoint]) -> HttpResponse:
        """In no message: those go through cookies."""
        context = {**self.admin_site.each_context(request), "opts": self.opts, "made": made, "title": "Copy it now"}
        response = render(request, "admin/interpreters/webhookendpoint/secret.html", context)
        response["Cache-Control"] = "no-store"
        return response


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(TenantScopedAdmin[WebhookDelivery]):
    tenant_path = "endpoint__tenant"
    list_display = ("created_at", "type", "endpoint", "tenant", "state", "attempts", "last", "next_at")
    list_filter = ("state", "type", ("endpoint", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("endpoint__tenant",)
    search_fields = ("=event", "endpoint__url")
    search_help_text = "An event's id without evt_, or a part of a webhook's URL."
    date_hierarchy = "created_at"
    show_full_result_count = False
    actions = ("send_again",)
    fields = (
        *("created_at", "message_id", "type", "endpoint", "state", "attempts", "next_at", "finished_at"),
        *("tries", "payload"),
    )
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(ordering="endpoint__tenant")
    def tenant(self, delivery: WebhookDelivery) -> str:
        return str(delivery.endpoint.tenant)

    @admin.display(description="webhook-id")
    def message_id(self, delivery: WebhookDelivery) -> str:
        return delivery.message_id

    @admin.display(description="last answer")
    def last(self, delivery: WebhookDelivery) -> str:
        return _words(delivery.log[-1]) if delivery.log else ""

    @admin.display(description="attempts")
    def tries(self, delivery: WebhookDelivery) -> SafeString:
        lines = ((attempt["at"][:19], _words(attempt), attempt["seconds"]) for attempt in delivery.log)
        return format_html("<ol>{}</ol>", format_html_join("", "<li>{} {} ({} s)</li>", lines))

    @admin.action(description="Send the selected deliveries again", permissions=["change"])
    def send_again(self, request: HttpRequest, deliveries: QuerySet[WebhookDelivery]) -> None:
        sent = sum(delivery.again() for delivery in deliveries)
        outbox.tell_written()
        self.message_user(request, f"{sent} are sent again; what is still being tried is left to it.")


def _words(attempt: dict[str, Any]) -> str:
    return " ".join(filter(None, (str(attempt["status"] or ""), attempt["error"])))
