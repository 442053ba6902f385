"""An uploaded archive: one image, under a name of ours, and bounded whatever it claims."""

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from interpreters.images import archives, tarball
from interpreters.images.tarball import BadArchive
from tests.archives import config_of, oci, saved, tar_of

LAYER = tar_of({"hello": b"salve"})
LIMIT = 1_000_000


def nothing() -> None:
    """A guard that never ends anything."""


def rewritten(content: bytes, folder: Path, limit: int = LIMIT) -> dict[str, bytes]:
    path = folder / "upload"
    path.write_bytes(content)
    with path.open("rb") as file:
        contents = archives.read(file, limit, nothing)
    made = b"".join(archives.rewritten(path, contents, "thermae-upload/t/7:abc", nothing))
    with tarfile.open(fileobj=io.BytesIO(made)) as tar:
        return {entry.name: tar.extractfile(entry).read() for entry in tar}  # type: ignore[union-attr]


def refused(content: bytes, folder: Path, limit: int = LIMIT) -> str:
    with pytest.raises(BadArchive) as refusal:
        rewritten(content, folder, limit)
    return str(refusal.value)


@pytest.mark.parametrize("make", [saved, oci])
def test_an_image_goes_through_under_our_name_alone(make: Any, tmp_path: Path) -> None:
    second = tar_of({"other": b"x" * 5000})
    files = rewritten(make(LAYER, second), tmp_path)
    assert set(files) == {"manifest.json", "config.json", "layer-0.tar", "layer-1.tar"}
    assert json.loads(files["manifest.json"]) == [
        {"Config": "config.json", "RepoTags": ["thermae-upload/t/7:abc"], "Layers": ["layer-0.tar", "layer-1.tar"]}
    ]
    assert (files["layer-0.tar"], files["layer-1.tar"]) == (LAYER, second)
    assert files["config.json"] == config_of(LAYER, second)


def test_no_tag_of_the_upload_is_left(tmp_path: Path) -> None:
    files = rewritten(saved(LAYER, tags=["thermae/python:1", "debian:bookworm-slim"]), tmp_path)
    everything = b"".join(files.values())
    assert b"debian" not in everything
    assert b"thermae/python" not in everything
    assert "repositories" not in files


def test_a_layer_that_comes_twice_is_a_link_to_the_first(tmp_path: Path) -> None:
    manifest = [{"Config": "c.json", "RepoTags": None, "Layers": ["0/layer.tar", "1/layer.tar"]}]
    files = {"0/layer.tar": LAYER, "c.json": config_of(LAYER, LAYER), "manifest.json": json.dumps(manifest).encode()}
    made = rewritten(tar_of(files, {"1/layer.tar": "../0/layer.tar"}), tmp_path)
    assert made["layer-1.tar"] == LAYER


def test_a_compressed_layer_counts_as_what_it_unpacks_to(tmp_path: Path) -> None:
    bomb = tar_of({"zeros": bytes(5_000_000)})
    packed = gzip.compress(bomb)
    assert len(packed) < 20_000
    assert "more than is allowed" in refused(saved(packed, config=config_of(bomb)), tmp_path)
    assert rewritten(saved(packed, config=config_of(bomb)), tmp_path, 10_000_000)["layer-0.tar"] == packed


def test_a_sparse_file_counts_as_what_it_unpacks_to(tmp_path: Path) -> None:
    entry = tarfile.TarInfo("hole")
    entry.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(10**12)}
    sparse = entry.tobuf(tarfile.PAX_FORMAT) + tarball.END
    assert "more than is allowed" in refused(saved(sparse), tmp_path)


def test_an_old_sparse_file_counts_too(tmp_path: Path) -> None:
    block = bytearray(tarfile.TarInfo("hole").tobuf(tarfile.GNU_FORMAT))
    block[156:157] = b"S"
    block[483:495] = b"77777777777\0"
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % sum(block)
    assert "more than is allowed" in refused(saved(bytes(block) + tarball.END), tmp_path)


def test_layers_are_bounded_in_sum_and_in_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = tar_of({"a": bytes(600_000)})
    assert "more than is allowed" in refused(saved(layer, layer), tmp_path)
    monkeypatch.setattr(archives, "MOST_FILES", 3)
    assert "more than 3 files" in refused(saved(tar_of({str(n): b"" for n in range(4)})), tmp_path)


def test_what_comes_after_a_layers_end_is_refused(tmp_path: Path) -> None:
    assert "goes on after its end" in refused(saved(LAYER + bytes(2_000_000)), tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no manifest.json"),
        (b"x" * 2000, "no tar"),
        (saved(LAYER)[:1200], "ends in the middle"),
        (gzip.compress(saved(LAYER)), "not compressed"),
        (tar_of({"a": b"x"}), "no manifest.json"),
        (saved(LAYER, **{"manifest.json": b"{"}), "no JSON"),
        (saved(LAYER, **{"manifest.json": b"[" * 100_000}), "no JSON"),
        (saved(LAYER, **{"manifest.json": b"[]"}), "exactly one"),
        (saved(LAYER, **{"manifest.json": b"[{}, {}]"}), "exactly one"),
        (saved(LAYER, **{"manifest.json": b"[{}]"}), "makes no sense"),
        (saved(LAYER, **{"manifest.json": b'[{"Config": "c.json", "Layers": ["../../etc/passwd"]}]'}), "does not hold"),
        (saved(LAYER, **{"manifest.json": b'[{"Config": "/etc/passwd", "Layers": []}]'}), "does not hold"),
        (saved(LAYER, **{"manifest.json": b" " * 1_100_000}), "larger than any"),
        (saved(LAYER, config=b'{"rootfs": {"diff_ids": []}}'), "do not fit"),
        (saved(LAYER, config=b"[]"), "do not fit"),
        (saved(), "do not fit"),
        (saved(gzip.compress(LAYER)[:40], config=config_of(LAYER)), "damaged"),
        (saved(b"no tar" * 200), "no tar"),
        (tar_of({"manifest.json": b"x"}, {"c.json": "/etc/passwd"}), "no JSON"),
    ],
)
def test_what_is_no_image_is_refused_in_words(content: bytes, words: str, tmp_path: Path) -> None:
    assert words in refused(content, tmp_path)


def test_a_link_leads_nowhere_but_into_the_archive(tmp_path: Path) -> None:
    manifest = [{"Config": "c.json", "RepoTags": None, "Layers": ["0/layer.tar"]}]
    files = {"c.json": config_of(LAYER), "manifest.json": json.dumps(manifest).encode()}
    assert "does not hold" in refused(tar_of(files, {"0/layer.tar": "/etc/shadow"}), tmp_path)


def test_a_name_that_comes_twice_is_refused(tmp_path: Path) -> None:
    twice = tar_of({"manifest.json": b"[]"})[:1024] + saved(LAYER)
    assert "twice" in refused(twice, tmp_path)


def test_members_are_bounded(tmp_path: Path) -> None:
    many = {str(number): b"" for number in range(archives.MOST_MEMBERS + 1)}
    assert "too many" in refused(tar_of(many), tmp_path)


def test_headers_cannot_fill_memory(tmp_path: Path) -> None:
    """A name of a gigabyte, which a reader would take into memory, is refused at its header."""
    for kind in (b"L", b"K", b"x", b"g"):
        entry = tarfile.TarInfo("././@LongLink")
        entry.type, entry.size = kind, 2**30
        assert "more than" in refused(entry.tobuf(tarfile.GNU_FORMAT) + bytes(2048), tmp_path)


def test_devices_in_the_archive_are_refused(tmp_path: Path) -> None:
    entry = tarfile.TarInfo("null")
    entry.type = tarfile.CHRTYPE
    assert "no plain file" in refused(entry.tobuf() + tarball.END, tmp_path)


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_all_that_the_standard_library_writes_is_read_the_same(form: int) -> None:
    buffer = io.BytesIO()
    names = ["short", "d/" * 40 + "deep", "é"] + ([] if form == tarfile.USTAR_FORMAT else ["x" * 300])
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.size = len(name)
            tar.addfile(entry, io.BytesIO(b"y" * len(name)))
    buffer.seek(0)
    walk = tarball.Tar(buffer)
    assert [(member.name, walk.read(member.size)) for member in walk] == [(name, b"y" * len(name)) for name in names]
