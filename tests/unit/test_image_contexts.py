"""An uploaded build context: plain files and links that stay within, bounded; our Dockerfile replaces theirs."""

import gzip
import io
import stat
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from interpreters.images import contexts
from interpreters.images.tarball import END, BadArchive
from tests.archives import tar_of

LIMIT = 1_000_000
FILES = {"Dockerfile": b"FROM thermae/base\n", "src/a.py": b"print(1)\n", "src/b.bin": bytes(range(256)) * 3000}


def nothing() -> None:
    """A guard that never ends anything."""


def zip_of(files: dict[str, bytes], modes: dict[str, int] | None = None) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = ((modes or {}).get(name, stat.S_IFREG | 0o644)) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return buffer.getvalue()


def tar_entry(name: str, kind: bytes, target: str = "") -> bytes:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry.tobuf() + tar_of({"Dockerfile": b"FROM scratch\n"})


def through(content: bytes, folder: Path, files: dict[str, bytes] | None = None) -> tuple[bytes, dict[str, Any]]:
    """The Dockerfile, and what the engine would be given."""
    path = folder / "upload"
    path.write_bytes(content)
    found = contexts.read_dockerfile(path, LIMIT, nothing)
    made = b"".join(contexts.rewritten(path, files or {"Dockerfile": b"ours"}, nothing))
    with tarfile.open(fileobj=io.BytesIO(made)) as tar:
        return found, {e.name: e.linkname or (tar.extractfile(e) or io.BytesIO()).read() for e in tar}


@pytest.mark.parametrize("pack", [tar_of, zip_of, lambda files: gzip.compress(tar_of(files))], ids=["tar", "zip", "gz"])
def test_files_go_through_and_the_dockerfile_is_ours(pack: Any, tmp_path: Path) -> None:
    found, given = through(pack(FILES), tmp_path)
    assert found == FILES["Dockerfile"]
    assert given == {**FILES, "Dockerfile": b"ours"}


def test_a_dockerfile_alone_is_enough(tmp_path: Path) -> None:
    assert through(b"FROM thermae/base\nRUN true\n", tmp_path) == (
        b"FROM thermae/base\nRUN true\n",
        {"Dockerfile": b"ours"},
    )


def test_what_is_ours_takes_the_place_of_theirs(tmp_path: Path) -> None:
    theirs = {**FILES, "agent/__main__.py": b"evil"}
    _, given = through(tar_of(theirs), tmp_path, {"Dockerfile": b"ours", "agent/__main__.py": b"agent"})
    assert given["agent/__main__.py"] == b"agent"


def test_links_within_go_through(tmp_path: Path) -> None:
    packed = tar_of({"Dockerfile": b"FROM scratch\n", "a/x": b"1"}, {"a/link": "../Dockerfile", "./b": "a/x"})
    _, given = through(packed, tmp_path)
    assert (given["a/link"], given["b"]) == ("../Dockerfile", "a/x")


def test_a_file_stays_executable(tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_bytes(zip_of(FILES, {"src/a.py": stat.S_IFREG | 0o755}))
    made = b"".join(contexts.rewritten(path, {"Dockerfile": b""}, nothing))
    with tarfile.open(fileobj=io.BytesIO(made)) as tar:
        modes = {entry.name: entry.mode for entry in tar}
    assert (modes["src/a.py"], modes["src/b.bin"]) == (0o755, 0o644)


D = {"Dockerfile": b"FROM scratch\n"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (tar_of({"a": b"x"}), "no Dockerfile"),
        (tar_of({"sub/Dockerfile": b"x"}), "no Dockerfile"),
        (tar_of({**D, "../evil": b"x"}), "leads out"),
        (tar_of({**D, "/etc/passwd": b"x"}), "leads out"),
        (tar_of({**D, "a/../../evil": b"x"}), "leads out"),
        (tar_of({**D, "a\\..\\evil": b"x"}), "leads out"),
        (zip_of({**D, "../evil": b"x"}), "leads out"),
        (zip_of({**D, "/evil": b"x"}), "leads out"),
        (tar_of(D, {"link": "/etc/shadow"}), "link"),
        (tar_of(D, {"link": "../../etc/shadow"}), "link"),
        (tar_of(D, {"a/b/link": "../../../x"}), "link"),
        (tar_entry("hard", tarfile.LNKTYPE, "/etc/shadow"), "hard link"),
        (tar_entry("null", tarfile.CHRTYPE), "device"),
        (tar_entry("pipe", tarfile.FIFOTYPE), "device"),
        (zip_of({**D, "link": b"/etc/shadow"}, {"link": stat.S_IFLNK | 0o777}), "no plain file"),
        (tar_of({**D, "big": bytes(1_100_000)}), "more than is allowed"),
        (gzip.compress(tar_of({**D, "big": bytes(1_100_000)}), mtime=0), "more than is allowed"),
        (zip_of({**D, "big": bytes(1_100_000)}), "more than is allowed"),
        (tar_of({"Dockerfile": bytes(300_000)}), "at most 256 KiB"),
        (b"FROM x\n" + b"#" * 300_000, "at most 256 KiB"),
        (tar_of({"./Dockerfile": b"a"})[:1024] + tar_of(D), "twice"),
        (tar_of(D)[:700], "ends in the middle"),
        (zip_of(D)[:-10], "damaged"),
        (b"PK\x03\x04" + bytes(100), "damaged"),
        (gzip.compress(tar_of(D), mtime=0)[:60], "damaged"),
        (b"\x00" * 600 + b"x", "no Dockerfile"),
    ],
)
def test_what_leads_out_or_is_too_much_is_refused(content: bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(BadArchive, match=words):
        through(content, tmp_path)


def test_a_zip_whose_list_would_fill_memory_is_refused_before_it_is_read(tmp_path: Path) -> None:
    packed = bytearray(zip_of(D))
    at = packed.rfind(b"PK\x05\x06")
    packed[at + 12 : at + 16] = (2**31).to_bytes(4, "little")
    with pytest.raises(BadArchive, match="as a tar"):
        through(bytes(packed), tmp_path)


def test_members_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contexts, "MOST_MEMBERS", 3)
    for packed in (tar_of({**D, "a": b"", "b": b"", "c": b""}), zip_of({**D, "a": b"", "b": b"", "c": b""})):
        with pytest.raises(BadArchive, match="more than 3"):
            through(packed, tmp_path)


def test_an_empty_archive_is_no_context(tmp_path: Path) -> None:
    with pytest.raises(BadArchive):
        through(END, tmp_path)
