"""How images are named by their content, and how the builder keeps an image's row true. No engine is needed."""

import io
import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from interpreters.images import builder, debian, sources
from interpreters.models import InterpreterImage
from interpreters.runtime import RuntimeUnavailable
from interpreters.runtime.docker import APIError


class FakeEngine:
    """The few calls of the engine that a build makes."""

    def __init__(self) -> None:
        self.present: dict[str, dict[str, Any]] = {builder.DEBIAN: {"Id": "sha256:debian", "Size": 80_000_000}}
        self.built: list[str] = []
        self.contexts: list[dict[str, bytes]] = []
        self.arguments: list[dict[str, str]] = []
        self.events: list[dict[str, Any]] = [{"stream": "Step 1/2 : FROM x\n"}, {"stream": "Successfully built\n"}]
        self.pull_events: list[dict[str, Any]] = []
        self.imported: bytes | None = None

    def images(self, name: str) -> list[dict[str, Any]]:
        return [self.present[name]] if name in self.present else []

    def inspect_image(self, name: str) -> dict[str, Any]:
        return self.present[name]

    def build(self, *, fileobj: io.BytesIO, tag: str, **options: Any) -> Iterator[dict[str, Any]]:
        with tarfile.open(fileobj=fileobj) as tar:
            self.contexts.append({entry.name: tar.extractfile(entry).read() for entry in tar})  # type: ignore[union-attr]
        self.built.append(tag)
        self.arguments.append(options["buildargs"])
        yield from self.events
        self.present[tag] = {"Id": f"sha256:{tag}", "Size": 1_000_000}

    def pull(self, name: str, **options: Any) -> Iterator[dict[str, Any]]:
        yield from self.pull_events

    def import_image(self, src: Any, repository: str, tag: str) -> None:
        self.imported = src.read()
        self.present[f"{repository}:{tag}"] = {"Id": "sha256:made", "Size": 80_000_000}


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, settings: Any) -> FakeEngine:
    fake = FakeEngine()
    monkeypatch.setattr(builder, "connect", lambda timeout=None: fake)
    settings.BUILD_CA_BUNDLE = ""
    return fake


@pytest.fixture
def row(db: None) -> InterpreterImage:
    source = sources.load("python")
    return InterpreterImage.objects.create(
        name="python", language=source.language, source="python", kernel=source.kernel
    )


def quiet(line: str) -> None:
    """Progress that nobody reads."""


# --- sources -------------------------------------------------------------------------------------------------


def test_every_language_has_all_that_it_needs() -> None:
    assert sources.names() == ["bash", "deno", "python", "r", "sql"]
    assert sources.all_names() == ["bash", "deno", "octave", "python", "r", "sql"]
    for name in sources.all_names():
        source = sources.load(name)
        assert source.language
        assert source.warm_up
        assert 0 < source.idle_memory < source.least_memory
        assert f"/kernels/{source.kernel}/kernel.json" in sources.image_files(name)["Dockerfile"].decode()
        compile(sources.load("python").warm_up, "warm_up", "exec")


def test_an_unknown_language_is_refused_with_the_choices() -> None:
    with pytest.raises(sources.UnknownSource, match="bash, deno, octave, python, r, sql"):
        sources.load("../python")


def test_the_agent_is_in_every_context_and_its_bytecode_in_none() -> None:
    files = sources.image_files("bash")
    assert "agent/__main__.py" in files
    assert not [path for path in files if "__pycache__" in path]


def test_the_hash_changes_with_content_names_and_base_and_with_nothing_else() -> None:
    first = sources.content_hash({"a": b"1", "b": b"2"}, "base")
    assert first == sources.content_hash({"b": b"2", "a": b"1"}, "base")
    others = [
        sources.content_hash({"a": b"1", "b": b"3"}, "base"),
        sources.content_hash({"a": b"1", "c": b"2"}, "base"),
        sources.content_hash({"a": b"1", "b": b"2"}, "other"),
        sources.content_hash({"a": b"1b", "": b"2"}, "base"),
    ]
    assert len({first, *others}) == 5


# --- builds --------------------------------------------------------------------------------------------------


def test_a_build_makes_the_base_then_the_language_and_keeps_the_row(engine: FakeEngine, row: InterpreterImage) -> None:
    lines: list[str] = []
    builder.build(row, lines.append)
    row.refresh_from_db()
    assert [tag.split(":")[0] for tag in engine.built] == ["thermae/base", "thermae/python"]
    assert engine.arguments[1]["BASE"] == engine.built[0]
    assert (row.state, row.reference, row.size) == ("ready", engine.built[1], 1_000_000)
    assert row.digest == f"sha256:{engine.built[1]}"
    assert row.built_at is not None
    assert "Step 1/2 : FROM x" in lines
    assert "Step 1/2 : FROM x" in row.build_log


def test_what_is_unchanged_is_not_built_again(engine: FakeEngine, row: InterpreterImage) -> None:
    builder.build(row, quiet)
    lines: list[str] = []
    builder.build(row, lines.append)
    assert len(engine.built) == 2
    assert any("up to date" in line for line in lines)
    builder.build(row, quiet, force=True)
    assert len(engine.built) == 4


def test_a_changed_agent_rebuilds_the_language_and_not_the_base(
    engine: FakeEngine, row: InterpreterImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    builder.build(row, quiet)
    files = dict(sources.image_files("python"))
    monkeypatch.setattr(sources, "image_files", lambda name: {**files, "agent/new.py": b"1"})
    builder.build(row, quiet)
    assert [tag.split(":")[0] for tag in engine.built] == ["thermae/base", "thermae/python", "thermae/python"]


def test_a_ca_bundle_is_in_the_context_and_not_in_the_name(
    engine: FakeEngine, row: InterpreterImage, settings: Any, tmp_path: Path
) -> None:
    builder.build(row, quiet)
    (tmp_path / "ca.pem").write_bytes(b"certificate")
    settings.BUILD_CA_BUNDLE = str(tmp_path / "ca.pem")
    builder.build(row, quiet, force=True)
    assert engine.built[0:2] == engine.built[2:4]
    assert [context["ca.pem"] for context in engine.contexts] == [b"", b"", b"certificate", b"certificate"]


def test_a_proxy_is_handed_on(engine: FakeEngine, row: InterpreterImage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    builder.build(row, quiet)
    assert all(arguments["HTTPS_PROXY"] == "http://proxy:3128" for arguments in engine.arguments)


def test_a_failed_step_leaves_the_reason_and_the_last_lines(engine: FakeEngine, row: InterpreterImage) -> None:
    engine.events = [{"stream": f"line {n}\n"} for n in range(30)] + [{"error": "pip returned 1"}]
    with pytest.raises(builder.BuildFailed, match="pip returned 1"):
        builder.build(row, quiet)
    row.refresh_from_db()
    assert row.state == "failed"
    assert row.build_log.endswith("line 29\npip returned 1")
    assert row.reference == ""


def test_a_failed_rebuild_keeps_the_reference_of_the_last_good_one(engine: FakeEngine, row: InterpreterImage) -> None:
    builder.build(row, quiet)
    good = row.reference
    engine.events = [{"error": "no space left"}]
    with pytest.raises(builder.BuildFailed):
        builder.build(row, quiet, force=True)
    row.refresh_from_db()
    assert (row.state, row.reference) == ("failed", good)


def test_an_engine_that_does_not_answer_fails_the_build_in_words(
    row: InterpreterImage, settings: Any, short_dir: Path
) -> None:
    settings.DOCKER_HOST = f"unix://{short_dir}/nobody.sock"
    with pytest.raises(RuntimeUnavailable):
        builder.build(row, quiet)
    row.refresh_from_db()
    assert row.state == "failed"
    assert "Docker does not answer" in row.build_log


def test_a_build_without_an_end_is_given_up(
    engine: FakeEngine, row: InterpreterImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder, "BUILD_TIMEOUT", -1.0)
    with pytest.raises(builder.BuildFailed, match="too long"):
        builder.build(row, quiet)


# --- the base of the base ------------------------------------------------------------------------------------


def test_debian_is_pulled_when_it_can_be(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    del engine.present[builder.DEBIAN]
    lines: list[str] = []

    def pull(name: str, **options: Any) -> Iterator[dict[str, Any]]:
        yield {"status": "Downloading", "progressDetail": {"current": 1}}
        yield {"status": "Pull complete"}
        engine.present[name] = {"Id": "sha256:pulled", "Size": 1}

    monkeypatch.setattr(engine, "pull", pull)
    builder.build_source("bash", lines.append)
    assert "Pull complete" in lines
    assert "Downloading" not in lines


def test_debian_is_made_when_it_cannot_be_pulled(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    del engine.present[builder.DEBIAN]
    engine.pull_events = [{"error": "no route to host"}]
    monkeypatch.setattr(debian, "_run", _fake_debootstrap)
    monkeypatch.setattr(shutil, "which", lambda name, path: "/usr/sbin/debootstrap")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    lines: list[str] = []
    builder.build_source("bash", lines.append)
    assert any("no route to host" in line for line in lines)
    assert engine.imported is not None
    with tarfile.open(fileobj=io.BytesIO(engine.imported)) as tar:
        names = tar.getnames()
        assert all((entry.uname, entry.gname) == ("", "") for entry in tar)
    assert "./usr/bin/dpkg" in names
    assert "./usr/share/doc/dpkg/copyright" in names
    assert not {"./usr/share/doc/dpkg/README", "./var/lib/apt/lists/big", "./dev/null"} & set(names)


def _fake_debootstrap(command: list[str], progress: Any) -> None:
    root = Path(command[-2])
    for path in ("usr/bin/dpkg", "usr/share/doc/dpkg/copyright", "usr/share/doc/dpkg/README", "dev/null"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("x")
    for folder in ("var/lib/apt/lists", "etc/apt", "etc/dpkg/dpkg.cfg.d", "tmp"):
        (root / folder).mkdir(parents=True)
    (root / "var/lib/apt/lists/big").write_text("x")


def test_without_debootstrap_it_says_what_to_install(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    del engine.present[builder.DEBIAN]
    engine.pull_events = [{"error": "no route to host"}]
    monkeypatch.setattr(shutil, "which", lambda name, path: None)
    with pytest.raises(builder.BuildFailed, match="apt-get install debootstrap"):
        builder.build_source("bash", quiet)


def test_the_mirror_is_a_setting(tmp_path: Path, settings: Any) -> None:
    settings.DEBIAN_MIRROR = "http://mirror.example/debian/"
    for folder in ("etc/apt", "etc/dpkg/dpkg.cfg.d"):
        (tmp_path / folder).mkdir(parents=True)
    debian.slim(tmp_path)
    lines = (tmp_path / "etc/apt/sources.list").read_text()
    assert "deb http://mirror.example/debian bookworm main" in lines
    assert "deb http://mirror.example/debian-security bookworm-security main" in lines


def test_an_answer_with_an_error_is_a_failed_build(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> list[dict[str, Any]]:
        raise APIError("bad", explanation="invalid reference format")

    monkeypatch.setattr(engine, "images", refuse)
    with pytest.raises(builder.BuildFailed, match="invalid reference format"):
        builder.build_source("python", quiet)
