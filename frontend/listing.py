"""The list of somebody's notebooks: what is searched, in which order, a page at a time."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Q
from django.db.models.functions import Coalesce, Lower
from django.utils import timezone
from django.utils.timesince import timesince

from frontend.models import Notebook
from frontend.models.notebook import NotebookQuerySet
from interpreters.models import Session
from tenants.models import Tenant

PER_PAGE = 50
MOST_SHARED = 200
SORTS = {"opened": "Last opened", "name": "Name"}


@dataclass(frozen=True, slots=True)
class Row:
    notebook: Notebook
    language: str
    when: str
    live: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person asked of the list; anything strange counts as not asked."""

    words: str
    sort: str
    page: str

    @classmethod
    def read(cls, query: Any) -> "Wanted":
        words = " ".join(query.get("q", "").replace("\x00", "").split())[:200]
        sort = query.get("sort", "")
        return cls(words, sort if sort in SORTS else "opened", query.get("page", "1"))


@dataclass(frozen=True, slots=True)
class Listing:
    wanted: Wanted
    page: Page
    rows: list[Row]


def list_notebooks(tenant: Tenant, user: Any, wanted: Wanted, languages: dict[str, str]) -> Listing:
    """`languages`: the name of a pool → its language, for the search and for the rows."""
    found = _search(Notebook.objects.of(tenant, user).defer("document"), wanted.words, languages)
    page = Paginator(_order(found, wanted.sort), PER_PAGE).get_page(wanted.page)
    live = _live(tenant, page.object_list)
    rows = [
        Row(one, languages.get(one.pool, one.pool), _opened(one), one.identifier in live) for one in page.object_list
    ]
    return Listing(wanted, page, rows)


def shared_with(tenant: Tenant, user: Any, languages: dict[str, str]) -> list[dict[str, Any]]:
    """What others share with this person, changed last first."""
    theirs = Notebook.objects.shared_with(tenant, user).select_related("owner").defer("document")
    return [
        {
            "notebook": one,
            "language": languages.get(one.pool, one.pool),
            "owner": one.owner.get_full_name() or one.owner.get_username(),
        }
        for one in theirs.order_by("-updated_at", "pk")[:MOST_SHARED]
    ]


def _search(notebooks: NotebookQuerySet, words: str, languages: dict[str, str]) -> NotebookQuerySet:
    """Those that have each of the words in their title, or as the name of their language."""
    for word in words.split():
        pools = [pool for pool, language in languages.items() if word.lower() == language.lower()]
        notebooks = notebooks.filter(Q(title__icontains=word) | Q(pool__in=[*pools, word]))
    return notebooks


def _order(notebooks: NotebookQuerySet, sort: str) -> NotebookQuerySet:
    # By the key at last, so that no row is on two pages.
    if sort == "name":
        return notebooks.order_by(Lower("title"), "pk")
    return notebooks.order_by(Coalesce("opened_at", "updated_at").desc(), "pk")


def _live(tenant: Tenant, notebooks: Any) -> set[str]:
    """Identifiers of those that have a session now."""
    names = [notebook.identifier for notebook in notebooks]
    return set(Session.objects.open().filter(tenant=tenant, identifier__in=names).values_list("identifier", flat=True))


def _opened(notebook: Notebook) -> str:
    """When it was opened, for people: “opened 3 hours ago”."""
    if notebook.opened_at is None:
        return "not opened yet"
    if timezone.now() - notebook.opened_at < timedelta(minutes=1):
        return "opened just now"
    return f"opened {timesince(notebook.opened_at, depth=1)} ago"
