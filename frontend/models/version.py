"""Versions of a notebook: what its document was, to look at, to compare, and to come back to.

A version is a list of its cells' digests, and each cell's content is kept once for all versions of the notebook: a
hundred versions of a large notebook cost what was changed between them. Outputs are no part of it: they belong to
cells, and come back with them.
"""

import json
import zlib
from datetime import timedelta
from hashlib import blake2b
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import Sum
from django.utils import timezone

from frontend.models.notebook import Notebook
from frontend.thinning import surplus
from tenants import storage

MOST_NAMED = 200


class TooMuchKept(Exception):
    """No further version can be kept on purpose; the message says what to do."""


class VersionQuerySet(models.QuerySet["NotebookVersion"]):
    def due(self, notebook: Notebook) -> bool:
        """Whether the last version is old enough for another that is made by itself."""
        since = timezone.now() - timedelta(seconds=settings.VERSION_INTERVAL)
        return not self.filter(notebook=notebook, created_at__gt=since).exists()

    def keep(self, notebook: Notebook, why: str, **more: Any) -> "NotebookVersion | None":
        """Keep the notebook's document as it is in the object; None where the last version is the same already.

        Call it in a transaction that holds the notebook's row: versions of one notebook are kept one after another.
        """
        of_it = self.filter(notebook=notebook)
        digests, bodies = _parts(notebook.document)
        frame = _pack({**notebook.document, "cells": digests})
        newest = of_it.order_by("-pk").first()
        if why != NotebookVersion.Why.NAMED and newest is not None and bytes(newest.frame) == frame:
            return None
        have = set(VersionPart.objects.filter(notebook=notebook).values_list("digest", flat=True))
        fresh = [VersionPart(notebook=notebook, digest=key, body=bodies[key]) for key in bodies.keys() - have]
        for part in fresh:
            part.size = len(part.body)
        VersionPart.objects.bulk_create(fresh, batch_size=500)
        made = self.create(
            notebook=notebook, number=notebook.version, why=why, frame=frame, cells=len(digests),
            saved_at=notebook.updated_at, **more,
        )  # fmt: skip
        _prune(notebook, made)
        _measure(notebook)
        return made


class NotebookVersion(models.Model):
    class Why(models.TextChoices):
        AUTOMATIC = "automatic", "kept by itself"
        NAMED = "named", "named"
        RESTORE = "restore", "before a version was restored"
        CONFLICT = "conflict", "before a tab's edits replaced it"
        GAVE_WAY = "gave_way", "edits that were never saved, and gave way to others"

    notebook = models.ForeignKey(Notebook, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField(help_text="The notebook's version at the time.")
    why = models.CharField(max_length=10, choices=Why.choices)
    name = models.CharField(max_length=100, blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    # When this state was the newest: a version is often kept only before the next change.
    saved_at = models.DateTimeField()
    cells = models.PositiveIntegerField()
    frame = models.BinaryField()

    objects = VersionQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["notebook", "-created_at"])]

    def __str__(self) -> str:
        return self.name or f"version {self.number}"

    def document(self) -> dict[str, Any]:
        """The notebook as it was, without outputs."""
        frame = _unpack(self.frame)
        parts = VersionPart.objects.filter(notebook=self.notebook_id).values_list("digest", "body")
        wanted = set(frame["cells"])
        bodies = {digest: body for digest, body in parts.iterator() if digest in wanted}
        return {**frame, "cells": [_unpack(bodies[digest]) for digest in frame["cells"]]}


class VersionPart(models.Model):
    """One cell as it was in one or more versions."""

    notebook = models.ForeignKey(Notebook, models.CASCADE, related_name="version_parts")
    digest = models.CharField(max_length=32)
    body = models.BinaryField()
    size = models.PositiveIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["notebook", "digest"], name="version_part_once")]

    def __str__(self) -> str:
        return self.digest


def keep_named(notebook: Notebook, name: str, by: Any) -> NotebookVersion:
    """Keep the notebook as it is, under a name. Raises TooMuchKept, StorageFull."""
    with storage.room_for(notebook.tenant), transaction.atomic():
        held = Notebook.objects.select_for_update().get(pk=notebook.pk)
        _check_number(held.versions.all())
        made = NotebookVersion.objects.keep(held, NotebookVersion.Why.NAMED, name=name, by=by)
        if made is None or _bytes_of(held) > settings.MAX_VERSION_BYTES:
            raise TooMuchKept("The named versions of this notebook take all the room there is: delete one first.")
        return made


def name_kept(version: NotebookVersion, name: str) -> None:
    """Give a version a name, or another one, after which it stays. Raises TooMuchKept."""
    with transaction.atomic():
        held = Notebook.objects.select_for_update().get(pk=version.notebook_id)
        _check_number(held.versions.exclude(pk=version.pk))
        version.name, version.why = name, NotebookVersion.Why.NAMED
        version.save(update_fields=["name", "why"])


def keep_edits(notebook: Notebook, document: dict[str, Any], by: Any) -> NotebookVersion | None:
    """Keep edits that the notebook will not have, as others were chosen over them; None if they are kept already.

    Raises StorageFull.
    """
    with storage.room_for(notebook.tenant), transaction.atomic():
        held = Notebook.objects.select_for_update().get(pk=notebook.pk)
        held.document, held.updated_at = document, timezone.now()  # of the object, and never saved
        return NotebookVersion.objects.keep(held, NotebookVersion.Why.GAVE_WAY, by=by)


def forget(version: NotebookVersion) -> None:
    """Delete a version, and what only it held."""
    with transaction.atomic():
        notebook = Notebook.objects.select_for_update().get(pk=version.notebook_id)
        version.delete()
        _drop_unused(notebook)
        _measure(notebook)


def _check_number(others: VersionQuerySet) -> None:
    """Whether one more may have a name beside these. Raises TooMuchKept."""
    if others.filter(why=NotebookVersion.Why.NAMED).count() >= MOST_NAMED:
        raise TooMuchKept(f"A notebook has at most {MOST_NAMED} named versions: delete one first.")


def _prune(notebook: Notebook, newest: NotebookVersion) -> None:
    others = notebook.versions.exclude(why=NotebookVersion.Why.NAMED).order_by("-pk")
    rows = list(others.values_list("pk", "created_at"))
    now = timezone.now()
    doomed = surplus([(now - at).total_seconds() for _, at in rows], settings.MAX_NOTEBOOK_VERSIONS)
    if doomed:
        notebook.versions.filter(pk__in=[rows[index][0] for index in doomed]).delete()
        _drop_unused(notebook)
    while _bytes_of(notebook) > settings.MAX_VERSION_BYTES:
        oldest = others.exclude(pk=newest.pk).last()
        if oldest is None:
            return
        oldest.delete()
        _drop_unused(notebook)


def _drop_unused(notebook: Notebook) -> None:
    used = {digest for frame in notebook.versions.values_list("frame", flat=True) for digest in _unpack(frame)["cells"]}
    parts = VersionPart.objects.filter(notebook=notebook)
    unused = [pk for pk, digest in parts.values_list("pk", "digest") if digest not in used]
    for start in range(0, len(unused), 500):
        parts.filter(pk__in=unused[start : start + 500]).delete()


def _bytes_of(notebook: Notebook) -> int:
    return VersionPart.objects.filter(notebook=notebook).aggregate(total=Sum("size"))["total"] or 0


def _parts(document: dict[str, Any]) -> tuple[list[str], dict[str, bytes]]:
    """The digest of each cell in order, and what each digest stands for."""
    digests, bodies = [], {}
    for cell in document.get("cells", []):
        raw = _dump(cell)
        digest = blake2b(raw, digest_size=16).hexdigest()
        digests.append(digest)
        if digest not in bodies:
            bodies[digest] = zlib.compress(raw)
    return digests, bodies


def _dump(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _pack(value: Any) -> bytes:
    return zlib.compress(_dump(value))


def _unpack(packed: bytes | memoryview) -> Any:
    return json.loads(zlib.decompress(packed))


def _measure(notebook: Notebook) -> None:
    from frontend.models.size import measure_kept  # which counts versions too

    measure_kept(notebook.pk)
