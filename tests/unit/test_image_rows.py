"""How the row of an image stands while workers come, go and die; and what housekeeping does without an engine."""

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from interpreters import tasks
from interpreters.images import acquire as acquiring
from interpreters.images import housekeeping, pulling
from interpreters.images.events import BuildFailed
from interpreters.images.facts import facts
from interpreters.images.guard import disk_of
from interpreters.images.pulling import Layers, Platform
from interpreters.images.record import KEPT_LINES, Record
from interpreters.images.tags import upload_tag
from interpreters.models import FormerImage, InterpreterImage, RegistryCredential
from interpreters.models.uploads import remove_abandoned, store, upload_path
from interpreters.runtime import RuntimeUnavailable

pytestmark = pytest.mark.django_db


@pytest.fixture
def image(acme: Any) -> InterpreterImage:
    made: InterpreterImage = InterpreterImage.objects.create(
        tenant=acme, name="app", kind="custom", origin="registry", registry_reference="ghcr.io/app"
    )
    return made


def wanted() -> list[str]:
    return [image.name for image in InterpreterImage.objects.wanted()]


# --- Asking, taking up, ending ---


def test_one_worker_takes_up_what_is_wanted_and_nobody_else(image: InterpreterImage) -> None:
    assert wanted() == []
    image.request()
    assert wanted() == ["app"]
    assert InterpreterImage.objects.claim_wanted() == image
    assert wanted() == []
    assert InterpreterImage.objects.claim_wanted() is None
    assert not InterpreterImage.objects.get().begin()


def test_what_is_asked_for_while_it_is_made_is_made_again(image: InterpreterImage) -> None:
    image.begin()
    image.request()
    image.succeeded(reference="r1", stored_as="r1")
    assert wanted() == ["app"]
    image.begin()
    image.succeeded(reference="r2", stored_as="r2")
    assert wanted() == []


def test_a_tenant_keeps_one_worker_busy_and_no_more(image: InterpreterImage, other: Any) -> None:
    second = InterpreterImage.objects.create(tenant=image.tenant, name="second", origin="registry")
    theirs = InterpreterImage.objects.create(tenant=other, name="theirs", origin="registry")
    for each in (image, second, theirs):
        each.request()
    assert InterpreterImage.objects.claim_wanted() == image
    assert wanted() == ["theirs"]
    InterpreterImage.objects.get(pk=image.pk).begin(take_over=True)
    assert wanted() == ["theirs"]


def test_who_was_taken_over_is_not_believed(image: InterpreterImage) -> None:
    image.begin()
    late = InterpreterImage.objects.get()
    time.sleep(0.001)
    image.begin(take_over=True)
    assert not late.succeeded(reference="old", stored_as="old")
    assert not late.report(progress="old")
    assert image.succeeded(reference="new", stored_as="new")
    assert InterpreterImage.objects.get().reference == "new"


def test_a_failed_refresh_leaves_what_there_was(image: InterpreterImage) -> None:
    image.begin()
    image.succeeded(reference="r1", stored_as="r1")
    image.begin()
    assert InterpreterImage.objects.get().usable
    image.failed("no such tag")
    found = InterpreterImage.objects.get()
    assert (found.state, found.error, found.reference, found.usable) == ("failed", "no such tag", "r1", True)
    image.begin()
    assert InterpreterImage.objects.get().error == ""


def test_work_of_a_worker_that_died_fails_with_words(image: InterpreterImage) -> None:
    image.begin()
    assert InterpreterImage.objects.give_up_stuck() == 0
    InterpreterImage.objects.update(started_at=timezone.now() - timedelta(hours=2))
    assert InterpreterImage.objects.give_up_stuck() == 1
    found = InterpreterImage.objects.get()
    assert found.state == "failed"
    assert "worker" in found.error
    assert not image.succeeded(reference="late", stored_as="late")


def test_what_a_row_gives_up_is_remembered(image: InterpreterImage) -> None:
    image.begin()
    image.succeeded(reference="r1", stored_as="r1")
    image.begin()
    image.succeeded(reference="r2", stored_as="r2")
    assert [former.name for former in FormerImage.objects.all()] == ["r1"]
    assert image.tenant
    image.tenant.delete()
    assert {former.name for former in FormerImage.objects.all()} == {"r1", "r2"}


# --- The worker's part ---


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (BuildFailed("no such tag"), "no such tag"),
        (RuntimeUnavailable("Docker does not answer"), "Docker does not answer"),
        (BuildFailed("it said hush-hush"), "it said ***"),
        (ZeroDivisionError("hush-hush"), "Something unforeseen"),
    ],
)
def test_whatever_goes_wrong_the_row_says_so(
    image: InterpreterImage, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    image.credential = RegistryCredential.objects.create(registry="ghcr.io", username="r", secret="hush-hush")
    image.save()

    def fail(*_: Any) -> str:
        raise error

    monkeypatch.setattr(acquiring, "_make", fail)
    image.request()
    tasks.acquire_images()
    found = InterpreterImage.objects.get()
    assert found.state == "failed"
    assert found.error.startswith(words)
    assert "hush" not in found.error + found.build_log
    assert wanted() == [], "a failure is not tried again by itself"


def test_a_secret_that_cannot_be_read_fails_with_what_to_do(image: InterpreterImage, settings: Any) -> None:
    image.credential = RegistryCredential.objects.create(registry="ghcr.io", username="r", secret="s")
    image.save()
    image.request()
    settings.SECRET_KEY = "another key of fifty characters, or nearly as many"
    tasks.acquire_images()
    assert "SECRET_KEY_FALLBACKS" in InterpreterImage.objects.get().error


def test_an_engine_that_is_away_fails_in_words(image: InterpreterImage, settings: Any, short_dir: Path) -> None:
    settings.DOCKER_HOST = f"unix://{short_dir}/nobody.sock"
    image.request()
    tasks.acquire_images()
    assert "Docker does not answer" in InterpreterImage.objects.get().error
    tasks.look_after_images()  # says so in the log, and no more


def test_nothing_is_waited_for_where_all_slots_are_taken(
    image: InterpreterImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks._image_slots, "acquire", lambda blocking: False)
    image.request()
    tasks.acquire_images()
    assert wanted() == ["app"]


def test_a_log_is_bounded_and_not_written_at_every_line(
    image: InterpreterImage, django_assert_max_num_queries: Any
) -> None:
    image.begin()
    record = Record(image)
    with django_assert_max_num_queries(3):
        for number in range(1000):
            record.line(f"line {number}")
            record.progress(f"{number}")
    lines = record.log.splitlines()
    assert (len(lines), lines[0], lines[-1]) == (KEPT_LINES + 1, "… lines before this are left out …", "line 999")
    record.line("x" * 10_000_000)
    assert len(record.log) < 200_000


def test_progress_is_added_up_over_layers() -> None:
    layers = Layers()
    assert str(layers) == "pulling"
    for layer, current in (("a", 1_000_000), ("b", 2_000_000), ("a", 5_000_000)):
        detail = {"current": current, "total": 10_000_000}
        layers.see({"status": "Downloading", "id": layer, "progressDetail": detail})
    assert str(layers) == "pulling: 7 of 20 MB"
    layers.see({"status": "Download complete", "id": "a"})
    layers.see({"status": "Extracting", "id": "a", "progressDetail": {"current": 1, "total": 2}})
    assert str(layers) == "pulling: 12 of 20 MB"
    layers.see({"status": "Downloading", "id": "c", "progressDetail": {"current": 3_000_000, "total": -1}})
    assert layers.total == 23_000_000


def test_what_an_image_says_of_itself_is_bounded() -> None:
    config = {
        "ExposedPorts": {"8080/tcp": {}, "90/tcp": {}, "53/udp": {}, "x/tcp": {}, "99999/tcp": {}, "0/tcp": {}},
        "User": "u" * 500,
        "Volumes": {f"/{number}": {} for number in range(500)},
    }
    found = facts({"Id": "sha256:x", "Size": 7, "Config": config})
    assert (found["exposed_port"], len(found["image_user"]), len(found["volumes"])) == (90, 100, 32)
    assert facts({"Id": "sha256:x", "Size": 7, "Config": None})["exposed_port"] is None


def test_a_platform_is_read_from_the_engines_words() -> None:
    platform = Platform.of({"OSType": "linux", "Architecture": "x86_64"})
    assert str(platform) == "linux/amd64"
    assert platform.runs("linux", "amd64")
    assert not platform.runs("windows", "amd64")
    assert Platform.of({"Architecture": "aarch64"}).runs("linux", "arm64")


def test_two_installations_on_one_engine_have_names_of_their_own(image: InterpreterImage, settings: Any) -> None:
    settings.INSTALLATION = "Blue_1"
    assert upload_tag(image, "abc") == f"thermae-upload/blue-1/{image.pk}:abc"


# --- Housekeeping ---


@pytest.fixture
def removed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    gone: list[str] = []

    def remove(name: str) -> bool:
        if name.startswith("busy"):
            return False
        gone.append(name)
        FormerImage.objects.filter(name=name).delete()
        return True

    monkeypatch.setattr(housekeeping, "remove", remove)
    return gone


@pytest.fixture
def former() -> None:
    for name in ("one", "busy", "two", "three"):
        FormerImage.remember(name)
    FormerImage.objects.update(since=F("since") - timedelta(hours=2))


def test_the_oldest_go_first_until_there_is_room(
    former: None, removed: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(housekeeping, "used_share", lambda disk: 0.95 - 0.05 * len(removed))
    assert housekeeping.remove_former(tmp_path) == 2
    assert removed == ["one", "two"], "a container needs one between them; 85 % is enough"
    assert {each.name for each in FormerImage.objects.all()} == {"busy", "three"}


def test_what_a_row_needs_again_is_kept(
    former: None, removed: list[str], image: InterpreterImage, settings: Any
) -> None:
    InterpreterImage.objects.update(stored_as="one", reference="one")
    settings.IMAGE_DISK_WATERMARK = 0.0
    housekeeping.remove_former(Path("/"))
    assert removed == ["two", "three"]
    assert not FormerImage.objects.filter(name="one").exists()


def test_where_no_disk_is_seen_unused_images_go_after_a_day(former: None, removed: list[str]) -> None:
    housekeeping.remove_former(None)
    assert removed == []
    FormerImage.objects.filter(name="two").update(since=timezone.now() - timedelta(days=2))
    housekeeping.remove_former(None)
    assert removed == ["two"]


def test_what_may_be_on_its_way_is_left_alone(removed: list[str], settings: Any) -> None:
    FormerImage.remember("new")
    settings.IMAGE_DISK_WATERMARK = 0.0
    housekeeping.remove_former(Path("/"))
    assert removed == []


def test_the_disk_is_the_engines_where_it_can_be_seen(settings: Any, tmp_path: Path) -> None:
    assert disk_of({"DockerRootDir": str(tmp_path)}) == tmp_path
    assert disk_of({"DockerRootDir": "/no/such/folder"}) is None
    settings.DOCKER_HOST = "tcp://elsewhere:2376"
    assert disk_of({"DockerRootDir": str(tmp_path)}) is None, "a folder of that name here is not the engine's"
    settings.IMAGE_DISK_PATH = "/var"
    assert disk_of({}) == Path("/var")


def test_uploads_that_no_row_names_go_after_a_day(settings: Any, tmp_path: Path) -> None:
    settings.UPLOAD_DIR = tmp_path
    old, young, kept = store([b"1"]), store([b"2"]), store([b"3"])
    for name in (old, kept):
        os.utime(upload_path(name), (1, 1))
    assert remove_abandoned({kept}) == 1
    assert {path.name for path in tmp_path.iterdir()} == {young, kept}
    with pytest.raises(ValueError, match="no upload"):
        upload_path("../../etc/passwd")


def test_a_name_in_use_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from interpreters.runtime.docker import APIError

    class Engine:
        def __init__(self, status: int) -> None:
            self.status = status

        def remove_image(self, name: str) -> None:
            response = type("Response", (), {"status_code": self.status, "reason": "x"})
            raise APIError("no", response=response, explanation="no")  # type: ignore[arg-type]

    FormerImage.remember("name")
    monkeypatch.setattr(pulling, "connect", lambda timeout: Engine(409))
    assert not pulling.remove("name")
    assert FormerImage.objects.exists()
    monkeypatch.setattr(pulling, "connect", lambda timeout: Engine(404))
    assert pulling.remove("name")
    assert not FormerImage.objects.exists()
