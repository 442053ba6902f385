"""Builds interpreter images: a base, then one image per language, each tagged by the hash of all that is in it.

Only the last two layers hold the agent, so that a change of it rebuilds seconds' worth. A CA bundle
(BUILD_CA_BUNDLE) is used in stages that are thrown away: no image contains it.
"""

import io
import os
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from interpreters.images import debian, sources
from interpreters.models import InterpreterImage
from interpreters.runtime.base import RuntimeUnavailable
from interpreters.runtime.docker import APIError, asking, connect

Progress = Callable[[str], None]

DEBIAN = "debian:bookworm-slim"
PULL_PATIENCE = 15.0  # seconds without a word from the registry
PULL_TIMEOUT = 300.0
BUILD_PATIENCE = 600.0  # seconds without a line from a build step
BUILD_TIMEOUT = 3600.0
KEPT_LOG_LINES = 400
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")
# Handed on to the build as the engine's predefined arguments: they stay out of the image and of its history.
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "FTP_PROXY", "ALL_PROXY")


class BuildFailed(Exception):
    """An image could not be built; the message ends with the last lines of the build."""


def build(image: InterpreterImage, progress: Progress, *, force: bool = False) -> None:
    """Build an image's source and keep the row true: READY with its tag, or FAILED with the reason and last lines.

    Raises BuildFailed or RuntimeUnavailable after the row says so.
    """
    log: deque[str] = deque(maxlen=KEPT_LOG_LINES)

    def keep(line: str) -> None:
        log.append(line)
        progress(line)

    _save(image, state=InterpreterImage.State.BUILDING, build_log="")
    try:
        reference = build_source(image.source, keep, force=force)
        about = _describe(reference)
    except (BuildFailed, RuntimeUnavailable, sources.UnknownSource) as error:
        _save(image, state=InterpreterImage.State.FAILED, build_log="\n".join([*log, str(error)]))
        raise
    _save(
        image,
        state=InterpreterImage.State.READY,
        reference=reference,
        digest=about["Id"],
        size=about["Size"],
        build_log="\n".join(log),
        built_at=timezone.now(),
    )


def build_source(name: str, progress: Progress, *, force: bool = False) -> str:
    """Build the folder `name` unless its image is there already; returns the tag."""
    sources.load(name)
    base = _build_base(progress, force=force)
    files = sources.image_files(name)
    tag = f"thermae/{name}:{sources.content_hash(files, base)}"
    _build(tag, files, base, progress, force=force)
    return tag


def _build_base(progress: Progress, *, force: bool) -> str:
    files = sources.base_files()
    debian_id = _ensure_debian(progress)
    tag = f"thermae/base:{sources.content_hash(files, debian_id)}"
    _build(tag, files, DEBIAN, progress, force=force)
    return tag


def _build(tag: str, files: Mapping[str, bytes], base: str, progress: Progress, *, force: bool) -> None:
    if not force and _find(tag):
        progress(f"{tag} is up to date")
        return
    progress(f"Building {tag}")
    started = time.monotonic()
    bundle = Path(settings.BUILD_CA_BUNDLE).read_bytes() if settings.BUILD_CA_BUNDLE else b""
    proxies = {name: os.environ[name] for name in PROXY_VARIABLES if name in os.environ}
    with _answering():
        events = connect(BUILD_PATIENCE).build(
            fileobj=io.BytesIO(sources.build_context(files, bundle)),
            custom_context=True,
            decode=True,
            tag=tag,
            buildargs={**proxies, "BASE": base},
            labels={"thermae.image": tag},
            network_mode="host",
            nocache=force,
            rm=True,
            forcerm=True,
        )
        _follow(events, progress, started + BUILD_TIMEOUT)
    progress(f"Built {tag} in {time.monotonic() - started:.0f} s")


def _ensure_debian(progress: Progress) -> str:
    """The id of Debian's image: here already, or pulled, or made."""
    if found := _find(DEBIAN):
        return str(found["Id"])
    progress(f"Pulling {DEBIAN}")
    try:
        with _answering():
            events = connect(PULL_PATIENCE).pull(DEBIAN, stream=True, decode=True)
            _follow(events, progress, time.monotonic() + PULL_TIMEOUT)
    except (BuildFailed, RuntimeUnavailable) as error:
        progress(f"It cannot be pulled ({str(error).strip().splitlines()[-1]}): making it with debootstrap")
        _make_debian(progress)
    return str(_describe(DEBIAN)["Id"])


def _make_debian(progress: Progress) -> None:
    repository, _, tag = DEBIAN.partition(":")
    try:
        with debian.bootstrapped(progress) as tar, _answering():
            connect(BUILD_PATIENCE).import_image(src=tar, repository=repository, tag=tag)
    except debian.CannotBootstrap as error:
        raise BuildFailed(f"{DEBIAN} is not here, and cannot be pulled or made. {error}") from error
    progress(f"Made {DEBIAN}")


def _follow(events: Iterator[Mapping[str, Any]], progress: Progress, deadline: float) -> None:
    """Pass on what the engine says of a build or pull, a line at a time, until it is done. Raises BuildFailed."""
    last: deque[str] = deque(maxlen=10)
    # Leaving the loop early drops the connection, and the engine ends a build that nobody listens to.
    for event in events:
        if "error" in event:
            raise BuildFailed("\n".join([*last, _plain(str(event["error"])).strip()]))
        if time.monotonic() > deadline:
            raise BuildFailed("\n".join([*last, "It took too long: see BUILD_TIMEOUT."]))
        for line in _lines(event):
            last.append(line)
            progress(line)


def _lines(event: Mapping[str, Any]) -> list[str]:
    """An event as lines for people; the bars of a pull, which come many times a second, are left out."""
    if event.get("progressDetail"):
        return []
    text = event.get("stream") or event.get("status") or ""
    return [line.rstrip() for line in _plain(str(text)).splitlines() if line.strip()]


def _plain(text: str) -> str:
    """Without colours and other control sequences: a log is shown in terminals and in the admin."""
    return CONTROL.sub("", text)


def _find(reference: str) -> Mapping[str, Any] | None:
    with _answering():
        found = connect().images(name=reference)
    return found[0] if found else None


def _describe(reference: str) -> Mapping[str, Any]:
    with _answering():
        description: Mapping[str, Any] = connect().inspect_image(reference)  # type: ignore[no-untyped-call]
    return description


@contextmanager
def _answering() -> Iterator[None]:
    """Turn an error of the engine into BuildFailed, and its silence into RuntimeUnavailable."""
    try:
        with asking():
            yield
    except APIError as error:
        raise BuildFailed(str(error.explanation or error)) from error


def _save(image: InterpreterImage, **fields: object) -> None:
    for name, value in fields.items():
        setattr(image, name, value)
    image.save(update_fields=list(fields))
