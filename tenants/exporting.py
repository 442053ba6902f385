"""Making an archive: a zip with a table for each kind, the files that kinds have, and a manifest with digests."""

import hashlib
import json
import logging
import shutil
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.dispatch import Signal
from django.utils import timezone

from tenants.audit import Action, record
from tenants.models import Archive, Tenant
from tenants.owned import Subject, kinds
from tenants.owning import archive_path

logger = logging.getLogger(__name__)

FORMAT, VERSION = "thermae-archive", 1
CHUNK = 1 << 20
# So long after its row a file may be left: whoever made it has died.
PART = ".part"


# Bytes of the disk that an archive must find free.
LEAST_ROOM = 1 << 30
# Sent after commit: there is an archive to make.
asked = Signal()


class NoRoom(Exception):
    def __init__(self) -> None:
        super().__init__("The disk for archives is full: ask your operator.")


class Stopped(Exception):
    """Somebody else is at it, or it is not wanted any more."""


def ask(tenant: Tenant, *, by: Any, user: Any = None) -> Archive:
    """A new archive of the tenant, or of a person in it; or the one that is being made. Raises NoRoom."""
    folder = Path(settings.ARCHIVE_DIR)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if shutil.disk_usage(folder).free < LEAST_ROOM:
        raise NoRoom
    with transaction.atomic():
        try:
            with transaction.atomic():
                made = Archive.objects.create(tenant=tenant, user=user, asked_by=by.get_username())
        except IntegrityError:
            return Archive.objects.filter(tenant=tenant, user=user, finished_at=None).latest("created_at")
        record(Action.ARCHIVE_ASKED, tenant=tenant, about=made, name=str(made))
        transaction.on_commit(lambda: asked.send_robust(Archive))
    return made


def opened(archive: Archive) -> IO[bytes]:
    """Its file, for somebody who takes it away. Raises FileNotFoundError."""
    if archive.state != Archive.State.READY:
        raise FileNotFoundError
    file = archive_path(archive).open("rb")
    record(Action.ARCHIVE_DOWNLOADED, tenant=archive.tenant, about=archive, name=str(archive))
    return file


def make(archive: Archive) -> None:
    """Of a claimed one. It is under its name only when it is whole."""
    path = archive_path(archive)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f"{path.name}.{archive.claim}{PART}")
    try:
        with part.open("xb") as file:
            part.chmod(0o600)
            _write(file, archive)
        size = part.stat().st_size
        part.rename(path)
        expires = timezone.now() + timedelta(days=settings.ARCHIVE_DAYS)
        ready: dict[str, Any] = {"state": Archive.State.READY, "finished_at": timezone.now(), "expires_at": expires}
        if not archive.tell("", size=size, **ready):
            raise Stopped
        _take_place(archive, size)
    except Stopped:
        logger.info("archive %s is left to another", archive.pk)
    except Exception as error:
        logger.exception("archive %s could not be made", archive.pk)
        archive.tell(f"It could not be made: {type(error).__name__}.", state=Archive.State.FAILED)
    finally:
        part.unlink(missing_ok=True)


def _take_place(made: Archive, size: int) -> None:
    """Of the former of the same; and of people's, which may be many, the oldest go that are too much together.

    Bounded, and neither refused nor counted as stored: who is at a quota can leave, and fills nobody else's by it.
    """
    others = Archive.objects.filter(tenant=made.tenant_id).exclude(pk=made.pk)
    for former in others.filter(user=made.user_id, state__in=(Archive.State.READY, Archive.State.FAILED)):
        remove(former)
    if made.user_id is None:
        return
    left = settings.ARCHIVE_TENANT_QUOTA - size
    for other in others.filter(state=Archive.State.READY).exclude(user=None).order_by("-finished_at"):
        left -= other.size
        if left < 0:
            remove(other)


def _write(file: IO[bytes], archive: Archive) -> None:
    subject = Subject(archive.tenant, archive.user)
    of: dict[str, Any] = {"kind": "tenant" if subject.user is None else "person", "tenant": archive.tenant.slug}
    if subject.user is not None:
        of["person"] = subject.user.get_username()
    manifest: dict[str, Any] = {"format": FORMAT, "version": VERSION, "of": of, "made_at": timezone.now().isoformat()}
    manifest |= {"tables": {}, "files": []}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as packed:
        for kind in kinds():
            if not kind.exported:
                continue
            _tell(archive, kind.name)
            rows = _Lines(kind.table(subject), lambda: _tell(archive, kind.name))  # noqa: B023
            _add(packed, manifest, f"{kind.name}.jsonl", rows)
            manifest["tables"][kind.name] = rows.count
            for path, content in kind.files(subject) if kind.files else ():
                _tell(archive, path)
                _add(packed, manifest, path, _chunks(content))
        packed.writestr("manifest.json", json.dumps(manifest, indent=1, ensure_ascii=False))


def _tell(archive: Archive, what: str) -> None:
    if not archive.tell(what):
        raise Stopped


class _Lines:
    """Rows as lines of JSON, counted."""

    def __init__(self, rows: Iterator[dict[str, Any]], heard: Callable[[], None]) -> None:
        self._rows, self._heard, self.count = rows, heard, 0

    def __iter__(self) -> Iterator[bytes]:
        for row in self._rows:
            self.count += 1
            if self.count % 5000 == 0:
                self._heard()
            yield (json.dumps(row, default=str, ensure_ascii=False) + "\n").encode(errors="replace")


def _chunks(content: "bytes | IO[bytes]") -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with content:
        while chunk := content.read(CHUNK):
            yield chunk


def _add(packed: zipfile.ZipFile, manifest: dict[str, Any], path: str, chunks: Any) -> None:
    digest, size = hashlib.sha256(), 0
    with packed.open(path, "w", force_zip64=True) as entry:
        for chunk in chunks:
            digest.update(chunk)
            size += len(chunk)
            entry.write(chunk)
    manifest["files"].append({"path": path, "size": size, "sha256": digest.hexdigest()})


# --- Their end ---


def remove(archive: Archive) -> None:
    """The file first: a row without a file is asked for anew, a file without a row is nobody's to delete."""
    archive_path(archive).unlink(missing_ok=True)
    archive.delete()


def sweep() -> int:
    """Remove what has expired, and what a dead worker left."""
    removed = 0
    for archive in Archive.objects.expired():
        remove(archive)
        removed += 1
    folder = Path(settings.ARCHIVE_DIR)
    known = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    wanted = {archive.file for archive in Archive.objects.all()}
    at_work = {
        str(claim) for claim in Archive.objects.filter(state=Archive.State.WORKING).values_list("claim", flat=True)
    }
    for name in known - wanted:
        if not any(claim in name for claim in at_work):
            (folder / name).unlink(missing_ok=True)
            removed += 1
    return removed
