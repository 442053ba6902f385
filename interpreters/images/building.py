"""Builds an image from a tenant's Dockerfile: from allowed and pinned images only, bounded, without a network.

Every image that the Dockerfile names is brought here first as any other is (allowed, by its tenant's own login, for
this platform, not too large) and then named by digest: the build finds it, and what another tenant may have pulled is
no way around its registry's login. The engine's logins, proxies and certificates stay out of it.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from django.conf import settings

from interpreters import references
from interpreters.images import builder, contexts, dockerfile, sources
from interpreters.images.events import BuildFailed, answering, follow
from interpreters.images.guard import Guard
from interpreters.images.pulling import Platform, describe, pull, remove, too_large
from interpreters.images.record import Record
from interpreters.images.steps import Steps
from interpreters.images.tags import build_label, build_tag
from interpreters.images.tarball import BadArchive
from interpreters.models import FormerImage, InterpreterImage
from interpreters.runtime.docker import connect

OURS = "thermae/"
MIB = 1024 * 1024


def build(image: InterpreterImage, path: Path, platform: Platform, record: Record, guard: Guard) -> str:
    """Returns the image's tag. Raises BuildFailed or RuntimeUnavailable."""
    record.progress("looking through the context")
    try:
        content = contexts.read_dockerfile(path, settings.MAX_IMAGE_UPLOAD_BYTES, guard.check)
        recipe = dockerfile.parse(content)
        pinned = {name: _brought(image, name, platform, record, guard) for name in recipe.images}
        for name in pinned.values():
            _check_triggers(name)
    except FileNotFoundError:
        raise BuildFailed("The context is not kept any more: upload it again.") from None
    except (BadArchive, dockerfile.BadDockerfile, references.BadReference) as error:
        raise BuildFailed(str(error)) from error
    written = recipe.written(pinned, build_label()).encode()
    tag = build_tag(image, hashlib.sha256(f"{image.started_at}".encode() + written).hexdigest()[:12])
    FormerImage.remember(tag)
    _run(tag, path, {contexts.DOCKERFILE: written, **_lent(image)}, record, guard)
    about = describe(tag)
    if about is None:
        raise BuildFailed("The engine ended the build without an image: try again.")
    if about["Size"] > settings.MAX_IMAGE_BYTES:
        remove(tag)
        raise BuildFailed(too_large(about["Size"]))
    return tag


def _run(tag: str, path: Path, files: Mapping[str, bytes], record: Record, guard: Guard) -> None:
    record.progress("building")
    client = connect(settings.IMAGE_TIMEOUT, anonymous=True)
    memory = settings.BUILD_MEMORY * MIB
    with Steps(memory, guard) as steps, answering():
        events = client.build(
            fileobj=contexts.rewritten(path, files, guard.check),  # type: ignore[arg-type]
            custom_context=True,
            decode=True,
            tag=tag,
            network_mode=settings.BUILD_NETWORK,
            container_limits={"memory": memory, "memswap": memory, "cpushares": 256},
            rm=True,
            forcerm=True,
        )
        follow(events, record.line, steps.check, steps.see)


def _brought(image: InterpreterImage, name: str, platform: Platform, record: Record, guard: Guard) -> str:
    """The name by content of an image that the Dockerfile names, after it was brought to the engine."""
    if name.startswith(OURS):
        return _own(image, name.removeprefix(OURS), record)
    record.line(f"Bringing {name}")
    return pull(image, references.parse(name), platform, record, guard)


def _own(image: InterpreterImage, name: str, record: Record) -> str:
    """One of ours as a base: the common one, or a language's as it is now."""
    if name == sources.BASE:
        return builder.base_tag(record.line)
    rows = InterpreterImage.objects.filter(tenant=None, origin=InterpreterImage.Origin.SOURCE, source=name)
    row = (rows.usable_by(image.tenant) if image.tenant else rows).first()
    if row is None or not row.usable or describe(row.reference) is None:
        raise BuildFailed(f"{OURS}{name} is not here: begin with thermae/base or a language of this installation.")
    return row.reference


def _check_triggers(name: str) -> None:
    about = describe(name) or {}
    dockerfile.check_triggers([str(each) for each in (about.get("Config") or {}).get("OnBuild") or []])


def _lent(image: InterpreterImage) -> dict[str, bytes]:
    """What an image for code is made with besides its own files: the agent, as our own languages have it."""
    if image.kind != InterpreterImage.Kind.CODE:
        return {}
    return {**sources.lent_files(), "ca.pem": b""}
