"""A list of destinations as a field: stored as JSON, written by people one to a line, checked and made canonical."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models

from tenants.egress import BadEntry, Entry, parse_entries


class EntriesField(models.JSONField):
    """A list of texts, each an entry of `tenants.egress`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"default": list, "blank": True, **kwargs})

    def clean(self, value: Any, model_instance: models.Model | None) -> Any:
        return [str(entry) for entry in _parse(super().clean(value, model_instance))]

    def formfield(self, **kwargs: Any) -> Any:
        return models.Field.formfield(self, **{"form_class": EntryLines, **kwargs})


class Lines(forms.CharField):
    """A list of texts, written one to a line."""

    widget = forms.Textarea(attrs={"rows": 4, "cols": 40})

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"required": False, **kwargs})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(str, value)) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        lines = value if isinstance(value, list) else str(value or "").splitlines()
        return [line.strip() for line in lines if line.strip()]

    def clean(self, value: Any) -> Any:
        return self.to_python(value)

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(initial) != self.to_python(data))


class EntryLines(Lines):
    def clean(self, value: Any) -> Any:
        return [str(entry) for entry in _parse(self.to_python(value))]


def _parse(value: object) -> tuple[Entry, ...]:
    try:
        return parse_entries(value)
    except BadEntry as error:
        raise ValidationError(str(error)) from None
