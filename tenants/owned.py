"""What there is of a tenant and of a person: each application registers it, to be exported and erased.

A model with a foreign key to a tenant that nobody registered fails a test. Kinds are erased in their order: what others
hang on goes last, and a kind that takes time (sandboxes, files) says that it is not done, and is asked again.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any

from django.db import models
from django.db.models import Q

from tenants.encryption import EncryptedTextField
from tenants.models import Tenant


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose things: a tenant's, or those of one person in it."""

    tenant: Tenant
    user: Any = None


# A file of an archive: its path, and its bytes.
File = tuple[str, "bytes | IO[bytes]"]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """`tenant`, `person`: a lookup of the tenant, and of the user, whose row it is, or a condition made of either; no
    `person`: of no single one."""

    name: str  # of its table in an archive, and in a certificate
    model: type[models.Model]
    order: int
    tenant: "str | Callable[[Any], Q]" = "tenant"
    person: "str | Callable[[Any], Q] | None" = None
    # Fields that no archive shows: what is secret and not encrypted, and what is in files of its own.
    hidden: tuple[str, ...] = ()
    exported: bool = True
    # Further files of an archive; and what must be done before its rows go: it returns what is waited for, if anything.
    files: Callable[[Subject], Iterator[File]] | None = None
    prepare: Callable[[Subject], str] | None = None
    # Its rows are not deleted here but by who ends them in order: so they are counted when it begins.
    counted_first: bool = False
    stays: str = ""  # why it is not erased

    def rows(self, subject: Subject) -> "models.QuerySet[Any]":
        rows = self.model._base_manager.filter(_is(self.tenant, subject.tenant))
        if subject.user is None:
            return rows
        if self.person is None:
            return rows.none()
        return rows.filter(_is(self.person, subject.user))

    def table(self, subject: Subject) -> Iterator[dict[str, Any]]:
        """Its rows as plain values, without secrets."""
        shown = [name for name in _fields(self.model) if name not in self.hidden]
        return self.rows(subject).order_by("pk").values(*shown).iterator(500)


def _is(how: "str | Callable[[Any], Q]", whose: Any) -> Q:
    return Q(**{how: whose}) if isinstance(how, str) else how(whose)


_kinds: dict[str, Kind] = {}


def register(*kinds: Kind) -> None:
    _kinds.update({kind.name: kind for kind in kinds})


def kinds() -> Iterable[Kind]:
    return sorted(_kinds.values(), key=lambda kind: kind.order)


def _fields(model: type[models.Model]) -> Iterator[str]:
    for each in model._meta.concrete_fields:
        if not isinstance(each, EncryptedTextField | models.BinaryField):
            yield each.attname
