"""Uploaded archives and Dockerfiles against a real engine: what is hostile reaches nothing of anybody else's."""

import io
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from interpreters.images import builder, sources
from interpreters.images.acquire import acquire
from interpreters.images.housekeeping import remove_cache
from interpreters.images.tags import build_label
from interpreters.models import InterpreterImage
from interpreters.models.uploads import store, upload_path
from interpreters.runtime.docker import connect
from tests.archives import saved, tar_of

# What a build looks at runs in a thread of its own, which must see the rows.
pytestmark = [pytest.mark.docker, pytest.mark.timeout(1500), pytest.mark.django_db(transaction=True)]

LAYER = tar_of({"hello": b"salve"})


@pytest.fixture
def engine(settings: Any, short_dir: Path) -> Iterator[Any]:
    settings.UPLOAD_DIR = short_dir / "uploads"
    client = connect(60)
    yield client
    for image in client.images():
        for tag in image["RepoTags"] or []:
            if tag.startswith(("thermae-build/test-", "thermae-upload/test-", "thermae-victim:")):
                client.remove_image(tag, force=True)
    for stage in client.images(filters={"dangling": True, "label": build_label()}):
        client.remove_image(stage["Id"], force=True)


@pytest.fixture
def make(acme: Any, engine: Any) -> Callable[..., InterpreterImage]:
    """Upload something and let a worker make an image of it."""

    def made(origin: str, content: bytes, **fields: Any) -> InterpreterImage:
        about = {"kind": "custom"} | fields
        row = InterpreterImage.objects.create(
            tenant=acme, name=f"i{InterpreterImage.objects.count()}", origin=origin, upload=store([content]), **about
        )
        row.request()
        claimed = InterpreterImage.objects.claim_wanted()
        assert claimed is not None
        acquire(claimed)
        return InterpreterImage.objects.get(pk=row.pk)

    return made


def run(reference: str, *command: str) -> str:
    words = ["docker", "run", "--rm", "--network", "none", "--entrypoint", command[0], reference, *command[1:]]
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout


# --- Archives ---


def test_an_archive_is_loaded_under_a_name_of_ours_and_takes_over_no_other(make: Any, engine: Any) -> None:
    (told,) = [e for e in engine.load_image(io.BytesIO(saved(LAYER, tags=["thermae-victim:1"]))) if "stream" in e]
    assert "thermae-victim:1" in told["stream"]
    before = engine.inspect_image("thermae-victim:1")["Id"]
    image = make("archive", saved(tar_of({"evil": b"x"}), tags=["thermae-victim:1", "debian:bookworm-slim"]))
    assert (image.state, image.error) == ("ready", "")
    assert engine.inspect_image("thermae-victim:1")["Id"] == before != image.reference
    about = engine.inspect_image(image.reference)
    assert about["RepoTags"] == [image.stored_as]
    assert image.stored_as.startswith(f"thermae-upload/test-{os.environ['THERMAE_INSTALLATION'][5:]}/{image.pk}:")
    assert image.reference == about["Id"] == image.digest
    assert image.upload == "", "the engine has it: it is kept once"


def test_what_the_engine_itself_saved_is_taken(make: Any, engine: Any) -> None:
    list(engine.load_image(io.BytesIO(saved(LAYER, tar_of({"more": b"x"}), tags=["thermae-victim:2"]))))
    reference = "thermae-victim:2"
    image = make("archive", b"".join(engine.get_image(reference)))
    assert (image.state, image.error) == ("ready", "")
    assert image.reference == engine.inspect_image(reference)["Id"]


def test_a_hostile_archive_never_reaches_the_engine(make: Any) -> None:
    image = make("archive", saved(LAYER, **{"manifest.json": b"[{}, {}]"}))
    assert (image.state, image.reference) == ("failed", "")
    assert "exactly one image" in image.error


# --- Dockerfiles ---


def test_a_dockerfile_is_built_on_ours_with_its_log_and_without_a_network(make: Any, engine: Any) -> None:
    builder.base_tag(print)
    text = b"""FROM thermae/base
COPY greeting /greeting
RUN cat /greeting && ls /sys/class/net
RUN curl --max-time 5 -s http://127.0.0.1:1/ || echo "curl ended with $?"
RUN env | grep -ci -e proxy -e THERMAE || true
EXPOSE 8080
USER 1000
"""
    image = make("dockerfile", tar_of({"Dockerfile": text, "greeting": b"salve\n"}))
    assert (image.state, image.error) == ("ready", "")
    assert (image.exposed_port, image.image_user) == (8080, "1000")
    assert "\nsalve\n" in image.build_log
    assert "\nlo\n" in image.build_log
    assert "eth0" not in image.build_log
    assert run(image.reference, "cat", "/greeting") == "salve\n"
    about = engine.inspect_image(image.reference)
    assert about["Config"]["Labels"]["thermae.build"].startswith("test-")
    assert upload_path(image.upload).exists(), "kept: it can be built again"


def test_a_step_that_fails_leaves_its_last_lines(make: Any) -> None:
    builder.base_tag(print)
    image = make("dockerfile", b"FROM thermae/base\nRUN echo before && echo the reason >&2 && exit 3\n")
    assert image.state == "failed"
    assert "the reason" in image.build_log
    assert "returned a non-zero code: 3" in image.error


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("FROM evil.example/app", "may not be taken from evil.example"),
        ("ARG R=evil.example\nFROM ${R}/app", "may not be taken from evil.example"),
        ("FROM scratch\nCOPY --from=evil.example/app /a /b", "may not be taken from evil.example"),
        ("FROM thermae-upload/other/1:abc", "own images"),
        ("FROM thermae/base:latest", "is not here"),
        ("FROM scratch\nADD http://127.0.0.1:1/x /x", "no addresses"),
    ],
)
def test_a_dockerfile_begins_with_what_is_allowed_only(make: Any, settings: Any, text: str, words: str) -> None:
    settings.ALLOWED_REGISTRIES = ["docker.io"]
    image = make("dockerfile", text.encode())
    assert image.state == "failed"
    assert words in image.error


def test_anothers_image_that_the_engine_has_is_no_base(make: Any, settings: Any) -> None:
    """By its id the engine would find it."""
    theirs = make("archive", saved(LAYER))
    settings.ALLOWED_REGISTRIES = ["*"]
    for name in (theirs.reference, theirs.reference[7:], theirs.reference[7:19], theirs.stored_as):
        image = make("dockerfile", f"FROM {name}\n".encode())
        assert image.state == "failed", name
        assert image.reference == ""


def test_a_step_without_an_end_is_ended_at_the_time(make: Any, settings: Any, engine: Any) -> None:
    builder.base_tag(print)
    settings.IMAGE_TIMEOUT = 4.0
    settings.BUILD_MEMORY = 777
    began = time.monotonic()
    image = make("dockerfile", b"FROM thermae/base\nRUN echo begun && sleep 300\n")
    assert time.monotonic() - began < 30
    assert "It took longer than 4 s" in image.error
    assert "begun" in image.build_log
    assert [c for c in engine.containers(all=True) if "sleep 300" in c["Command"]] == []


def test_a_step_is_bounded_in_processes_and_memory(make: Any, settings: Any, engine: Any) -> None:
    builder.base_tag(print)
    settings.BUILD_MEMORY = 333
    seen: list[dict[str, Any]] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.2):
            for container in engine.containers():
                about = engine.inspect_container(container["Id"])["HostConfig"]
                if about["Memory"] == 333 * 1024 * 1024:
                    seen.append(about)

    watcher = threading.Thread(target=watch)
    watcher.start()
    image = make("dockerfile", b"FROM thermae/base\nRUN sleep 2\n")
    over.set()
    watcher.join()
    assert image.state == "ready"
    assert {about["PidsLimit"] for about in seen} & {512}
    assert {(about["NetworkMode"], about["MemorySwap"]) for about in seen} == {("none", 333 * 1024 * 1024)}


def test_an_image_for_code_takes_our_agent_along(make: Any) -> None:
    text = b"""ARG BASE
FROM ${BASE}
COPY agent /opt/agent/app/agent
COPY pip-install.sh ca.pem /tmp/
"""
    image = make("dockerfile", text, kind="code", language="Toy", kernel="toy")
    assert (image.state, image.error) == ("ready", "")
    assert "__main__.py" in run(image.reference, "ls", "/opt/agent/app/agent")
    assert run(image.reference, "cat", "/tmp/ca.pem") == "", "no certificate of the host's"
    assert set(sources.lent_files()) >= {"agent/__main__.py", "pip-install.sh"}


def test_an_image_that_grew_too_large_is_refused_and_removed(make: Any, settings: Any, engine: Any) -> None:
    builder.base_tag(print)
    settings.MAX_IMAGE_BYTES = 10_000_000
    image = make("dockerfile", b"FROM thermae/base\nRUN true\n")
    assert "too large" in image.error
    assert [t for i in engine.images() for t in i["RepoTags"] or [] if t.startswith("thermae-build/test-")] == []


def test_what_a_replaced_build_left_goes_when_the_disk_is_short(make: Any, settings: Any, engine: Any) -> None:
    """And nothing else that is untagged."""
    builder.base_tag(print)
    others = {each["Id"] for each in engine.images(filters={"dangling": True})}
    make("dockerfile", b"FROM thermae/base AS a\nRUN echo left behind\nFROM scratch\nCOPY --from=a /etc/hostname /\n")
    left = [each["Id"] for each in engine.images(filters={"dangling": True, "label": build_label()})]
    assert left
    remove_cache(Path("/"))
    assert engine.images(filters={"dangling": True, "label": build_label()}), "there is room"
    settings.IMAGE_DISK_WATERMARK = 0.0
    remove_cache(Path("/"))
    assert engine.images(filters={"dangling": True, "label": build_label()}) == []
    assert others - {each["Id"] for each in engine.images(filters={"dangling": True})} <= set(left)
