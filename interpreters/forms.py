"""The forms of what the operator may offer: pools and images. Of a pool's secrets only the names come out."""

from typing import Any, ClassVar

from django import forms

from interpreters.models import SessionPool
from interpreters.models.custom import merged_secrets
from interpreters.models.offering import check_offer
from tenants.models import Tenant

# What an empty field stands for.
EMPTY: dict[str, Any] = {"environment": {}, "command": [], "args": [], "probes": {}, "writable_paths": []}


class WriteOnly(forms.Textarea):
    """Shows nothing of its value, not even to who has just sent it in a form with a fault elsewhere."""

    def format_value(self, value: Any) -> str:
        return ""


class OfferedForm(forms.ModelForm[Any]):
    """Who may not offer has no such fields in the form."""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if "offered_to" in self.fields:
            check_offer(
                cleaned.get("tenant", self.instance.tenant),
                cleaned.get("offered_to_all", True),
                cleaned.get("offered_to") or (),
            )
        return cleaned


class PoolForm(OfferedForm):
    secrets = forms.JSONField(
        required=False, widget=WriteOnly(attrs={"rows": 3, "autocomplete": "off", "spellcheck": "false"})
    )

    class Meta:
        model = SessionPool
        fields = "__all__"  # noqa: DJ007 - the admin's fieldsets say which
        labels: ClassVar = {"cpu": "CPU", "pids": "Processes", "oci_runtime": "OCI runtime", "args": "Arguments"}
        help_texts: ClassVar = {"environment": 'Variables of its programs, as {"NAME": "value"}. They are no secrets.'}
        widgets: ClassVar = {name: forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}) for name in EMPTY}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Not opened, so that who keeps them changes nothing.
        self.stored, self.kept_secrets = self.instance.__dict__.get("secrets"), False
        self.known: dict[str, str] = self.instance.readable_secrets if self.instance.pk else {}
        self.unreadable = bool(self.instance.pk) and not self.instance.secrets_readable
        if "secrets" in self.fields:
            names = f"Set: {', '.join(sorted(self.known))}. " if self.known else "None is set. "
            self.fields["secrets"].help_text = (
                f'{names}Leave empty to keep them. As {{"NAME": "value"}}: sets these, and keeps the others; null '
                f"removes one. They are in the container's environment, and are never shown again."
            )
            self.initial["secrets"] = None

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        tenant = cleaned.get("tenant") or self.instance.tenant
        if tenant is not None:
            # One change at a time of what a tenant has, as through the API: the admin saves in a transaction.
            Tenant.objects.hold(tenant.pk)
        return {name: EMPTY[name] if value is None and name in EMPTY else value for name, value in cleaned.items()}

    def save(self, commit: bool = True) -> SessionPool:
        if self.kept_secrets:
            self.instance.__dict__["secrets"] = self.stored
        pool: SessionPool = super().save(commit)
        return pool

    def clean_secrets(self) -> dict[str, Any]:
        change = self.cleaned_data.get("secrets")
        if change in (None, ""):
            if self.unreadable:
                raise forms.ValidationError("The key of what is set was lost: enter all of them again.")
            self.kept_secrets = True
            return self.known
        if not isinstance(change, dict):
            raise forms.ValidationError('Give secrets as {"NAME": "value"}.')
        return merged_secrets(self.known, change)
