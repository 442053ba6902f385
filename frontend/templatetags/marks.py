"""`{% mark pool.language %}`: the sign of a language, a few letters on a ground of its own."""

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

# Language → the class that colours it, and its letters. Others show how they begin.
MARKS = {
    "python": ("python", "Py"),
    "r": ("r", "R"),
    "typescript": ("typescript", "TS"),
    "javascript": ("typescript", "JS"),
    "bash": ("bash", "$_"),
    "sql": ("sql", "SQL"),
}


@register.simple_tag
def mark(language: str, size: str = "") -> SafeString:
    """Its name stands beside it: who listens hears it once."""
    kind, letters = MARKS.get(language.lower(), ("other", language[:2].title()))
    return format_html('<span class="mark {} {}" aria-hidden="true">{}</span>', kind, size, letters)
