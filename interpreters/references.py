"""What people write to name an image in a registry, read as the engine reads it. Pure."""

import re
from dataclasses import dataclass

from tenants.registries import DOCKER_HUB, BadRegistry, normalised

PATH = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*", re.ASCII)
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
IMAGE_ID = re.compile(r"(?:sha256:)?[0-9a-f]{64}", re.ASCII)
LONGEST = 255
# Names under which the engine keeps images that were made here: nothing that is pulled may bear one.
OWN = ("thermae", "thermae-upload", "thermae-build")


class BadReference(ValueError):
    """This names no image; the message says what to correct."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An image in a registry."""

    host: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        return f"{self.host}/{self.path}"

    @property
    def engine_name(self) -> str:
        """With a tag or a digest, never both: engines differ in what they make of that."""
        return self.pinned(self.digest) if self.digest else f"{self.name}:{self.tag}"

    def pinned(self, digest: str) -> str:
        return f"{self.name}@{digest}"

    def __str__(self) -> str:
        return self.name + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def parse(text: str) -> Reference:
    """Raises BadReference. Without a host it is Docker Hub's, without tag and digest it is `latest`."""
    text = text.strip()
    if not text or len(text) > LONGEST + 80:
        raise BadReference("Name an image, as registry.example.org/team/app:1.2.")
    if "://" in text:
        raise BadReference("Leave out the https:// before the registry's host.")
    if IMAGE_ID.fullmatch(text):
        raise BadReference("That is the id of an image on an engine: name it as its registry does.")
    name, at, digest = text.partition("@")
    if at and not DIGEST.fullmatch(digest):
        raise BadReference("A digest is written @sha256: and 64 hexadecimal digits.")
    name, tag = _tag_of(name)
    host, path = _host_of(name)
    if not tag and not digest:
        tag = "latest"
    return _checked(Reference(host, path, tag, digest))


def _tag_of(name: str) -> tuple[str, str]:
    head, slash, last = name.rpartition("/")
    last, colon, tag = last.partition(":")
    if not slash and last.startswith("["):  # an address of version 6 without a path, which is no image
        return name, ""
    if colon and not TAG.fullmatch(tag):
        raise BadReference(f"{tag[:100]!r} is no tag: at most 128 letters, digits and _.-.")
    return head + slash + last, tag


def _host_of(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    # As the engine decides whether a first part is a host: by its look.
    if not slash or not (set(".:[") & set(first) or first == "localhost" or first != first.lower()):
        return DOCKER_HUB, name if slash else f"library/{name}"
    try:
        host = normalised(first)
    except BadRegistry as error:
        raise BadReference(str(error)) from None
    return host, f"library/{rest}" if host == DOCKER_HUB and "/" not in rest else rest


def _checked(reference: Reference) -> Reference:
    parts = reference.path.split("/")
    if reference.path != reference.path.lower():
        raise BadReference(f"Write {reference.path.lower()[:200]!r}: names of images are in small letters.")
    if not all(PATH.fullmatch(part) for part in parts):
        raise BadReference(f"{reference.path[:200]!r} is no name of an image: use small letters, digits and . _ -.")
    if len(reference.name) > LONGEST:
        raise BadReference(f"The name of an image has at most {LONGEST} characters.")
    if reference.host == DOCKER_HUB and parts[0] in OWN:
        raise BadReference(f"{reference.path!r} is a name of this installation's own images.")
    return reference
