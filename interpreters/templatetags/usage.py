"""Amounts of usage in words."""

from django import template

register = template.Library()


@register.filter
def amount(value: float) -> str:
    """Without digits that say nothing."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if value % 1 else f"{value:.0f}"


@register.filter
def hours(seconds: float) -> str:
    return f"{seconds / 3600:.2f}"


@register.filter
def gib_hours(mib_seconds: float) -> str:
    return f"{mib_seconds / 1024 / 3600:.2f}"
