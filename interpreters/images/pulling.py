"""Pulls an image from a registry: allowed, by digest, for this engine's platform, and no larger than may be.

Only the engine speaks to a registry. It is told a login with each request and keeps none; the logins of the user
that this worker runs as are never used.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from interpreters.images.events import BuildFailed, Stopped, answering, follow
from interpreters.images.explain import explain
from interpreters.images.guard import Guard
from interpreters.images.record import Record
from interpreters.models import FormerImage, InterpreterImage
from interpreters.references import Reference
from interpreters.runtime.docker import APIError, asking, connect

PATIENCE = 60.0  # seconds without a word from the registry
MB = 1e6


@dataclass(frozen=True, slots=True)
class Platform:
    """What an engine runs, in the words of registries."""

    os: str
    architecture: str

    @classmethod
    def of(cls, info: Mapping[str, Any]) -> "Platform":
        names = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
        machine = str(info.get("Architecture", ""))
        return cls(str(info.get("OSType", "linux")), names.get(machine, machine))

    def runs(self, os: str, architecture: str) -> bool:
        return (os or self.os, architecture or self.architecture) == (self.os, self.architecture)

    def __str__(self) -> str:
        return f"{self.os}/{self.architecture}"


@dataclass(slots=True)
class Layers:
    """The bytes of a pull, added up over its layers."""

    fetched: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)

    def see(self, event: Mapping[str, Any]) -> None:
        detail, layer = event.get("progressDetail") or {}, str(event.get("id", ""))
        if event.get("status") == "Downloading":
            self.fetched[layer] = int(detail.get("current") or 0)
            self.sizes[layer] = max(int(detail.get("total") or 0), self.fetched[layer])
        elif event.get("status") in ("Download complete", "Pull complete") and layer in self.sizes:
            self.fetched[layer] = self.sizes[layer]

    @property
    def total(self) -> int:
        return sum(self.sizes.values())

    def __str__(self) -> str:
        if not self.total:
            return "pulling"
        return f"pulling: {sum(self.fetched.values()) / MB:.0f} of {self.total / MB:.0f} MB"


def pull(image: InterpreterImage, wanted: Reference, platform: Platform, record: Record, guard: Guard) -> str:
    """Bring what is wanted to the engine; returns its name by digest. Raises BuildFailed or RuntimeUnavailable."""
    if not image.may_come_from(wanted.host):
        raise BuildFailed(image.refusal(wanted.host))
    login = image.login_for(wanted.host)
    record.progress(f"asking {wanted.host}")
    digest = _digest(wanted, login, platform)
    pinned = wanted.pinned(digest)
    present = _size(pinned)
    # Remembered first: whatever happens to us, what is on the engine's disk can be found and removed.
    FormerImage.remember(pinned)
    _fetch(wanted, digest, login, record, guard)
    size = _size(pinned) or 0
    if size > settings.MAX_IMAGE_BYTES:
        if present is None:
            remove(pinned)
        raise BuildFailed(too_large(size))
    return pinned


def too_large(size: int) -> str:
    return (
        f"The image is too large: {size / MB:.0f} MB, and {settings.MAX_IMAGE_BYTES / MB:.0f} MB are allowed. "
        "Make it smaller, or ask the operator."
    )


def _digest(wanted: Reference, login: Mapping[str, str], platform: Platform) -> str:
    """What it means now, if it runs here. Asked even of what the engine has: the registry knows who may have it."""
    with asking():
        try:
            told = connect(PATIENCE).inspect_distribution(  # type: ignore[no-untyped-call]
                wanted.engine_name, auth_config=dict(login)
            )
        except APIError as error:
            raise BuildFailed(explain(str(error.explanation or error), wanted, login=bool(login))) from error
    found = told.get("Platforms") or []
    names = [(str(each.get("os", "")), str(each.get("architecture", ""))) for each in found]
    if names and not any(platform.runs(*name) for name in names):
        made_for = ", ".join(sorted({"/".join(name) for name in names}))[:200]
        raise BuildFailed(f"{wanted} is made for {made_for}, and this engine runs {platform}: choose another.")
    return wanted.digest or str(told["Descriptor"]["digest"])


def _fetch(wanted: Reference, digest: str, login: Mapping[str, str], record: Record, guard: Guard) -> None:
    layers = Layers()

    def see(event: Mapping[str, Any]) -> None:
        layers.see(event)
        # Compressed bytes: the image is larger still.
        if layers.total > settings.MAX_IMAGE_BYTES:
            raise Stopped(too_large(layers.total))
        record.progress(str(layers))

    try:
        with answering():
            events = connect(PATIENCE).pull(wanted.name, tag=digest, stream=True, decode=True, auth_config=dict(login))
            follow(events, record.line, guard.check, see)
    except Stopped:
        raise
    except BuildFailed as error:
        raise BuildFailed(explain(str(error), wanted, login=bool(login))) from error


def _size(reference: str) -> int | None:
    about = describe(reference)
    return int(about["Size"]) if about else None


def describe(reference: str) -> Mapping[str, Any] | None:
    """The engine's own description of an image; None if it has none."""
    with answering():
        try:
            about: Mapping[str, Any] = connect().inspect_image(reference)  # type: ignore[no-untyped-call]
        except APIError as error:
            if error.status_code == 404:
                return None
            raise
    return about


def remove(name: str) -> bool:
    """Take a name off the engine, and the image with its last one. False if a container, or another image, needs it."""
    with answering():
        try:
            connect(PATIENCE).remove_image(name)
        except APIError as error:
            if error.status_code == 409:
                return False
            if error.status_code != 404:
                raise
    FormerImage.objects.filter(name=name).delete()
    return True
