"""Builds interpreter images: a base, then one image per language, each tagged by the hash of all that is in it.

Only the last two layers hold the agent, so that a change of it rebuilds seconds' worth. A CA bundle
(BUILD_CA_BUNDLE) is used in stages that are thrown away: no image contains it.
"""

import io
import os
import time
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings

from interpreters.images import debian, sources
from interpreters.images.events import BuildFailed, Progress, Stopped, answering, follow
from interpreters.images.facts import MEMORY_LABEL
from interpreters.models import InterpreterImage
from interpreters.models.image import SOURCE_TIMEOUT
from interpreters.runtime.base import RuntimeUnavailable
from interpreters.runtime.docker import connect

__all__ = ["BuildFailed", "base_tag", "build", "build_source"]

DEBIAN = "debian:bookworm-slim"
PULL_PATIENCE = 15.0  # seconds without a word from the registry
PULL_TIMEOUT = 300.0
BUILD_PATIENCE = 600.0  # seconds without a line from a build step
BUILD_TIMEOUT = SOURCE_TIMEOUT
KEPT_LOG_LINES = 400
# Handed on to the build as the engine's predefined arguments: they stay out of the image and of its history.
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "FTP_PROXY", "ALL_PROXY")


def build(image: InterpreterImage, progress: Progress, *, force: bool = False) -> None:
    """Build an image's source and keep the row true: READY with its tag, or FAILED with the reason and last lines.

    Raises BuildFailed or RuntimeUnavailable after the row says so.
    """
    log: deque[str] = deque(maxlen=KEPT_LOG_LINES)

    def keep(line: str) -> None:
        log.append(line)
        progress(line)

    image.begin(take_over=True)
    try:
        reference = build_source(image.source, keep, force=force)
        about = _describe(reference)
    except (BuildFailed, RuntimeUnavailable, sources.UnknownSource) as error:
        image.failed(str(error), build_log="\n".join([*log, str(error)]))
        raise
    what = {"reference": reference, "stored_as": reference, "digest": about["Id"], "size": about["Size"]}
    image.succeeded(**what, least_memory=sources.load(image.source).least_memory, build_log="\n".join(log))


def build_source(name: str, progress: Progress, *, force: bool = False) -> str:
    """Build the folder `name` unless its image is there already; returns the tag."""
    source = sources.load(name)
    base = base_tag(progress, force=force)
    files = sources.image_files(name)
    tag = f"thermae/{name}:{sources.content_hash(files, base)}"
    _build(tag, files, base, progress, force=force, labels={MEMORY_LABEL: str(source.least_memory)})
    return tag


def base_tag(progress: Progress, *, force: bool = False) -> str:
    """The common base, built unless it is there already; returns the tag."""
    files = sources.base_files()
    debian_id = _ensure_debian(progress)
    tag = f"thermae/base:{sources.content_hash(files, debian_id)}"
    _build(tag, files, DEBIAN, progress, force=force)
    return tag


def _build(
    tag: str,
    files: Mapping[str, bytes],
    base: str,
    progress: Progress,
    *,
    force: bool,
    labels: Mapping[str, str] | None = None,
) -> None:
    if not force and _find(tag):
        progress(f"{tag} is up to date")
        return
    progress(f"Building {tag}")
    started = time.monotonic()
    bundle = Path(settings.BUILD_CA_BUNDLE).read_bytes() if settings.BUILD_CA_BUNDLE else b""
    proxies = {name: os.environ[name] for name in PROXY_VARIABLES if name in os.environ}
    with answering():
        events = connect(BUILD_PATIENCE).build(
            fileobj=io.BytesIO(sources.build_context(files, bundle)),
            custom_context=True,
            decode=True,
            tag=tag,
            buildargs={**proxies, "BASE": base},
            labels={"thermae.image": tag, **(labels or {})},
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
        with answering():
            events = connect(PULL_PATIENCE).pull(DEBIAN, stream=True, decode=True)
            _follow(events, progress, time.monotonic() + PULL_TIMEOUT)
    except (BuildFailed, RuntimeUnavailable) as error:
        progress(f"It cannot be pulled ({str(error).strip().splitlines()[-1]}): making it with debootstrap")
        _make_debian(progress)
    return str(_describe(DEBIAN)["Id"])


def _make_debian(progress: Progress) -> None:
    repository, _, tag = DEBIAN.partition(":")
    try:
        with debian.bootstrapped(progress) as tar, answering():
            connect(BUILD_PATIENCE).import_image(src=tar, repository=repository, tag=tag)
    except debian.CannotBootstrap as error:
        raise BuildFailed(f"{DEBIAN} is not here, and cannot be pulled or made. {error}") from error
    progress(f"Made {DEBIAN}")


def _follow(events: Iterable[Mapping[str, Any]], progress: Progress, deadline: float) -> None:
    """Pass on what the engine says of a build or pull, a line at a time, until it is done. Raises BuildFailed."""

    def in_time() -> None:
        if time.monotonic() > deadline:
            raise Stopped("It took too long: see BUILD_TIMEOUT.")

    follow(events, progress, in_time)


def _find(reference: str) -> Mapping[str, Any] | None:
    with answering():
        found = connect().images(name=reference)
    return found[0] if found else None


def _describe(reference: str) -> Mapping[str, Any]:
    with answering():
        description: Mapping[str, Any] = connect().inspect_image(reference)  # type: ignore[no-untyped-call]
    return description
