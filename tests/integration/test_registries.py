"""Images from a real registry into a real engine: by digest, with logins, within limits, and with words when not."""

import io
import os
import tarfile
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from interpreters import tasks
from interpreters.images import pulling
from interpreters.images.acquire import acquire
from interpreters.images.housekeeping import look_after
from interpreters.models import FormerImage, InterpreterImage, RegistryCredential, SessionPool
from interpreters.models.uploads import store
from interpreters.runtime.docker import APIError, connect
from tests.archives import config_of, saved, tar_of
from tests.services import Registry, free_port

# What a build or pull looks at runs in threads of its own, which must see the rows.
pytestmark = [pytest.mark.docker, pytest.mark.registry, pytest.mark.django_db(transaction=True)]

Push = Callable[..., str]


@pytest.fixture(scope="module")
def public() -> Iterator[Registry]:
    with Registry() as running:
        yield running


@pytest.fixture(scope="module")
def private() -> Iterator[Registry]:
    with Registry(private=True) as running:
        yield running


@pytest.fixture
def engine() -> Iterator[Any]:
    """The engine; what a test brought to it under names of registries is taken off again."""
    client = connect(60)
    before = names_of_tests(client)
    yield client
    for name in names_of_tests(client) - before:
        client.remove_image(name, force=True)


def names_of_tests(client: Any) -> set[str]:
    names = {name for image in client.images() for name in [*(image["RepoTags"] or []), *(image["RepoDigests"] or [])]}
    return {name for name in names if name.startswith(("127.0.0.1:", "thermae-build/test-", "thermae-upload/test-"))}


@pytest.fixture
def push(engine: Any, settings: Any) -> Push:
    """Put an image into a registry, off the engine again: `push(public, "app:1", {"a": b"…"})`; its digest."""

    def make(registry: Registry, name: str, files: dict[str, bytes], architecture: str = "amd64", **config: Any) -> str:
        layer = tar_of(files)
        tag = f"{registry.host}/{name}"
        archive = saved(layer, tags=[tag], config=config_of(layer, architecture=architecture, **config))
        list(engine.load_image(io.BytesIO(archive)))
        told = list(engine.push(tag, stream=True, decode=True, auth_config=registry.login))
        (digest,) = [each["aux"]["Digest"] for each in told if "aux" in each]
        engine.remove_image(tag)
        settings.ALLOWED_REGISTRIES = [*settings.ALLOWED_REGISTRIES, registry.host]
        return str(digest)

    return make


@pytest.fixture
def wish(acme: Any) -> Callable[..., InterpreterImage]:
    def make(reference: str, **fields: Any) -> InterpreterImage:
        row: InterpreterImage = InterpreterImage.objects.create(
            tenant=acme, name="app", kind="custom", origin="registry", registry_reference=reference, **fields
        )
        return row

    return make


def done(image: InterpreterImage) -> InterpreterImage:
    """As a worker does it."""
    image.request()
    claimed = InterpreterImage.objects.claim_wanted()
    assert claimed == image
    assert claimed is not None
    acquire(claimed)
    return InterpreterImage.objects.get(pk=image.pk)


def test_an_image_is_pulled_by_digest_and_tells_of_itself(push: Push, public: Registry, wish: Any, engine: Any) -> None:
    config = {"ExposedPorts": {"8080/tcp": {}, "9/udp": {}}, "User": "1000", "Volumes": {"/data": {}}}
    digest = push(public, "team/app:1", {"hello": b"salve"}, **config)
    image = done(wish(f"{public.host}/team/app:1"))
    assert (image.state, image.error, image.digest) == ("ready", "", digest)
    assert image.reference == image.stored_as == f"{public.host}/team/app@{digest}"
    assert (image.exposed_port, image.image_user, image.volumes) == (8080, "1000", ["/data"])
    assert image.size
    assert engine.inspect_image(image.reference)["RepoTags"] == [], "no tag that could move is left on the engine"
    assert not FormerImage.objects.exists()


def test_a_private_image_needs_its_login_and_says_so(
    push: Push, private: Registry, wish: Any, acme: Any, caplog: Any
) -> None:
    push(private, "app:1", {"hello": b"salve"})
    image = done(wish(f"{private.host}/app:1"))
    assert (image.state, image.reference) == ("failed", "")
    assert "choose a credential" in image.error
    login = RegistryCredential(tenant=acme, registry=private.host, username=private.username, secret="wr0ng-Secret")
    login.save()
    InterpreterImage.objects.update(credential=login)
    image = done(image)
    assert "does not accept this username and secret" in image.error
    login.secret = private.password
    login.save()
    image = done(image)
    assert (image.state, image.error) == ("ready", "")
    assert "wr0ng-Secret" not in caplog.text
    assert private.password not in f"{caplog.text}{image.build_log}{image.progress}"


def test_what_one_tenant_pulled_is_no_way_in_for_another(push: Push, private: Registry, wish: Any, other: Any) -> None:
    """The engine has the image; the registry still decides who may have it."""
    push(private, "secret:1", {"hello": b"salve"})
    login = RegistryCredential.objects.create(registry=private.host, username="robot", secret=private.password)
    ours = done(wish(f"{private.host}/secret:1", credential=login))
    assert ours.state == "ready"
    for reference in (f"{private.host}/secret:1", ours.reference):
        theirs = InterpreterImage.objects.create(
            tenant=other, name=f"steal-{len(reference)}", kind="custom", origin="registry", registry_reference=reference
        )
        assert "choose a credential" in done(theirs).error


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("app:2", "has no app with the tag '2'"),
        ("app@sha256:" + "0" * 64, "has no app with the digest"),
        ("nothing:1", "has no"),
    ],
)
def test_what_is_not_there_is_told(push: Push, public: Registry, wish: Any, path: str, words: str) -> None:
    push(public, "app:1", {"hello": b"salve"})
    image = done(wish(f"{public.host}/{path}"))
    assert image.state == "failed"
    assert words in image.error


def test_a_registry_that_does_not_answer_is_told(wish: Any, settings: Any) -> None:
    host = f"127.0.0.1:{free_port()}"
    settings.ALLOWED_REGISTRIES = [host]
    assert f"The registry {host} does not answer" in done(wish(f"{host}/app:1")).error


def test_a_registry_that_is_no_longer_allowed_is_not_asked(
    push: Push, public: Registry, wish: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(public, "app:1", {"hello": b"salve"})
    settings.ALLOWED_REGISTRIES = ["docker.io"]
    monkeypatch.setattr(pulling, "connect", None)
    assert f"may not be taken from {public.host}" in done(wish(f"{public.host}/app:1")).error


def test_an_image_for_another_machine_is_refused(push: Push, public: Registry, wish: Any) -> None:
    push(public, "arm:1", {"hello": b"salve"}, architecture="s390x")
    assert "is made for linux/s390x, and this engine runs linux/" in done(wish(f"{public.host}/arm:1")).error


@pytest.mark.parametrize("content", [os.urandom(3_000_000), bytes(3_000_000)], ids=["as sent", "as unpacked"])
def test_an_image_above_the_limit_is_refused_and_leaves_nothing(
    push: Push, public: Registry, wish: Any, settings: Any, engine: Any, content: bytes
) -> None:
    digest = push(public, "large:1", {"data": content})
    settings.MAX_IMAGE_BYTES = 1_000_000
    image = done(wish(f"{public.host}/large:1"))
    assert "The image is too large: 3 MB, and 1 MB are allowed" in image.error
    with pytest.raises(APIError):
        engine.inspect_image(f"{public.host}/large@{digest}")


def test_a_pull_ends_at_its_time(push: Push, public: Registry, wish: Any, settings: Any) -> None:
    push(public, "app:1", {"hello": os.urandom(10)})
    settings.IMAGE_TIMEOUT = 0.0
    assert "longer than 0 s" in done(wish(f"{public.host}/app:1")).error


def test_a_new_digest_rolls_the_pool_and_the_former_image_goes_when_the_disk_is_short(
    push: Push, public: Registry, wish: Any, engine: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("celery.app.task.Task.apply_async", lambda task, args, **_: asked.append((task.name, args[0])))
    push(public, "app:latest", {"version": b"1"})
    image = done(wish(f"{public.host}/app"))
    pool = SessionPool.objects.create(name="app", image=image, tenant=image.tenant)
    first, revision = image.reference, pool.revision
    image = done(image)
    pool = SessionPool.objects.get()
    assert (image.reference, pool.revision) == (first, revision), "the same digest changes nothing"
    push(public, "app:latest", {"version": b"2"})
    tasks.build_image(image.pk)
    pool = SessionPool.objects.get()
    assert pool.image.reference != first
    assert pool.revision != revision
    assert ("interpreters.tasks.maintain_pool", pool.pk) in asked

    assert FormerImage.objects.get().name == first
    settings.IMAGE_TIMEOUT = 0.0  # nothing is on its way
    settings.IMAGE_DISK_WATERMARK = 100.0
    look_after()
    assert engine.inspect_image(first)
    settings.IMAGE_DISK_WATERMARK = 0.0
    container = engine.create_container(first, ["x"])
    look_after()
    assert engine.inspect_image(first), "a container needs it"
    engine.remove_container(container)
    out = StringIO()
    call_command("maintain_images", stdout=out)
    assert out.getvalue() == "Removed 1; 0 that nothing needs are kept while there is room.\n"
    with pytest.raises(APIError):
        engine.inspect_image(first)
    assert engine.inspect_image(pool.image.reference), "the row needs it"
    assert not FormerImage.objects.exists()


def test_an_image_that_somebody_removed_is_asked_for_again(
    push: Push, public: Registry, wish: Any, engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("celery.app.task.Task.apply_async", lambda *_, **__: None)
    push(public, "app:1", {"hello": b"salve"})
    image = done(wish(f"{public.host}/app:1"))
    look_after()
    assert not InterpreterImage.objects.wanted().exists()
    engine.remove_image(image.reference)
    tasks.look_after_images()
    assert InterpreterImage.objects.wanted().get() == image
    tasks.acquire_images()
    assert engine.inspect_image(image.reference)


def test_a_build_begins_with_pinned_images_that_its_own_login_may_have(
    push: Push, public: Registry, private: Registry, engine: Any, acme: Any, settings: Any, short_dir: Any
) -> None:
    settings.UPLOAD_DIR = short_dir / "uploads"
    base, tools = push(private, "base:1", {"base": b"1"}), push(public, "tools:1", {"tool": b"2"})
    text = f"ARG TAG=1\nFROM {private.host}/base:$TAG\nCOPY --from={public.host}/tools:1 /tool /tool\n".encode()
    login = RegistryCredential.objects.create(registry=private.host, username="robot", secret=private.password)
    about = {"tenant": acme, "kind": "custom", "origin": "dockerfile", "upload": store([text])}
    image = done(InterpreterImage.objects.create(name="built", credential=login, **about))
    assert (image.state, image.error) == ("ready", "")
    assert f"FROM {private.host}/base@{base}" in image.build_log
    assert f"--from={public.host}/tools@{tools}" in image.build_log
    container = engine.create_container(image.reference, ["x"])
    with tarfile.open(fileobj=io.BytesIO(b"".join(engine.get_archive(container, "/tool")[0]))) as tar:
        assert tar.extractfile("tool").read() == b"2"  # type: ignore[union-attr]
    engine.remove_container(container)
    # The engine has the base by now; who has no login for it does not.
    image = done(InterpreterImage.objects.create(name="stolen", **about))
    assert "choose a credential" in image.error


def test_a_base_whose_triggers_reach_further_is_refused(
    push: Push, public: Registry, acme: Any, settings: Any, short_dir: Any
) -> None:
    settings.UPLOAD_DIR = short_dir / "uploads"
    push(public, "trap:1", {"base": b"1"}, OnBuild=["COPY --from=thermae-upload/x/1:abc / /stolen"])
    upload = store([f"FROM {public.host}/trap:1\n".encode()])
    row = InterpreterImage.objects.create(tenant=acme, name="b", kind="custom", origin="dockerfile", upload=upload)
    assert "would run “COPY --from=thermae-upload/x/1:abc" in done(row).error
