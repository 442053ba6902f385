"""The work folder cannot be left by any name, link or archive; and a file is there as a whole, or not at all."""

import io
import json
import os
import stat
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from interpreters.agent import archive
from interpreters.agent.confined import MAX_UPLOADS, Folder, Refused
from interpreters.agent.naming import shown


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("secret")
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


@pytest.fixture
def folder(work: Path) -> Folder:
    return Folder(str(work))


def listing(folder: Folder, path: str = "") -> dict[str, Any]:
    _, (fd,) = folder.list(path)
    with open(fd) as file:
        file.seek(0)
        found: dict[str, Any] = json.load(file)
        return found


def put(folder: Folder, path: str, data: bytes) -> None:
    answer, (fd,) = folder.create(path)
    with open(fd, "wb") as file:
        file.write(data)
    folder.commit(answer["token"])


def test_an_upload_that_is_refused_may_be_discarded_again(folder: Folder, work: Path) -> None:
    put(folder, "a", b"by code")
    answer, (fd,) = folder.create("a")
    os.close(fd)
    with pytest.raises(Refused, match="changed meanwhile"):
        folder.commit(answer["token"], given="0-0-0")
    assert folder.discard(answer["token"]) == ({}, [])
    assert os.listdir(work) == ["a"]
    assert (work / "a").read_bytes() == b"by code"


CLIMBING = ["../outside/secret", "a/../../outside/secret", "/etc/passwd", "a\0b", "..", "x/" * 100, "y" * 5000]


@pytest.mark.parametrize("path", CLIMBING)
def test_a_name_that_climbs_is_refused_by_every_verb(folder: Folder, path: str) -> None:
    for verb in (folder.open, folder.create, folder.make, folder.delete, folder.list):
        with pytest.raises(Refused, match="path"):
            verb(path)


def test_no_link_is_followed(folder: Folder, work: Path) -> None:
    (work / "file").symlink_to(work.parent / "outside/secret")
    (work / "folder").symlink_to(work.parent / "outside")
    (work / "inside").mkdir()
    (work / "near").symlink_to("inside")
    for path in ("file", "folder/secret", "near/new"):
        with pytest.raises((Refused, OSError)):
            folder.open(path)
    for path in ("folder/new", "near/new"):
        with pytest.raises(Refused) as refused:
            folder.create(path)
        assert refused.value.code == "is_link"
        with pytest.raises(Refused):
            folder.delete(path)
        with pytest.raises(Refused):
            folder.make(path)
    assert {entry["name"]: entry["type"] for entry in listing(folder)["entries"]} == {
        "file": "link",
        "folder": "link",
        "inside": "directory",
        "near": "link",
    }
    put(folder, "file", b"mine")  # takes the place of the link, not of what it points to
    assert (work.parent / "outside/secret").read_text() == "secret"
    folder.delete("folder")
    assert os.listdir(work.parent / "outside") == ["secret"]


def test_what_is_no_file_is_not_opened(folder: Folder, work: Path) -> None:
    os.mkfifo(work / "pipe")
    (work / "folder").mkdir()
    for path, code in (("pipe", "not_a_file"), ("folder", "is_folder")):
        with pytest.raises(Refused) as refused:
            folder.open(path)
        assert refused.value.code == code
    with pytest.raises(FileNotFoundError):
        folder.open("absent")
    with pytest.raises(Refused, match="folder itself"):
        folder.open("")


def test_an_upload_is_seen_when_it_is_whole(folder: Folder, work: Path) -> None:
    (work / "a").mkdir()
    (work / "a/b").write_text("old")
    answer, (fd,) = folder.create("a/b")
    os.write(fd, b"half")
    assert (work / "a/b").read_text() == "old"
    assert [entry["name"] for entry in listing(folder, "a")["entries"]] == ["b"]
    os.close(fd)
    folder.commit(answer["token"])
    assert (work / "a/b").read_text() == "half"
    answer, (fd,) = folder.create("new/deep/c")
    os.close(fd)
    folder.discard(answer["token"])
    assert os.listdir(work / "new/deep") == []


def test_uploads_are_bounded(folder: Folder) -> None:
    for number in range(MAX_UPLOADS):
        os.close(folder.create(f"f{number}")[1][0])
    with pytest.raises(Refused, match="uploads"):
        folder.create("more")


def test_a_listing_is_sorted_bounded_and_says_what_is_missing(folder: Folder, work: Path) -> None:
    for number in range(10_050):
        (work / f"{number:05}").touch()
    found = listing(folder)
    assert [entry["name"] for entry in found["entries"]] == [f"{number:05}" for number in range(10_000)]
    assert found["more"] == 50


def test_a_folder_is_gone_at_once_however_large(folder: Folder, work: Path) -> None:
    deep = work / "deep"
    for _ in range(60):
        deep /= "d"
    deep.mkdir(parents=True)
    (deep / "f").touch()
    folder.delete("deep")
    assert listing(folder)["entries"] == []
    deadline = time.monotonic() + 10
    while os.listdir(work):
        assert time.monotonic() < deadline
    os.wait()


# --- Archives


def unpack(work: Path, data: bytes) -> dict[str, Any]:
    """As the host does it: a process of its own, in the folder."""
    (work / ".thermae-x.archive").write_bytes(data)
    root = str(Path(archive.__file__).parents[2])
    command = [sys.executable, "-S", "-s", "-m", "interpreters.agent.archive", "unpack", ".thermae-x.archive"]
    done = subprocess.run(command, cwd=work, env={"PYTHONPATH": root}, capture_output=True, timeout=60, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def zipped(members: dict[str, bytes], mode: int = 0, deflated: bool = True) -> bytes:
    data = io.BytesIO()
    kind = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
    with zipfile.ZipFile(data, "w", kind) as target:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = kind
            target.writestr(info, content)
    return data.getvalue()


def tarred(*members: tuple[tarfile.TarInfo, bytes], mode: str = "w:gz") -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode=mode) as target:  # type: ignore[call-overload]
        for info, content in members:
            info.size = len(content)
            target.addfile(info, io.BytesIO(content))
    return data.getvalue()


def test_what_is_packed_unpacks_to_the_same(work: Path) -> None:
    (work / "a/b").mkdir(parents=True)
    (work / "empty").mkdir()
    (work / "a/b/ü.txt").write_text("text")
    (work / "big").write_bytes(os.urandom(300_000))
    (work / "link").symlink_to("/etc/passwd")
    os.mkfifo(work / "pipe")
    (work / ".thermae-1.part").touch()
    root = str(Path(archive.__file__).parents[2])
    command = [sys.executable, "-S", "-s", "-m", "interpreters.agent.archive", "pack"]
    packed = subprocess.run(command, cwd=work, env={"PYTHONPATH": root}, capture_output=True, timeout=60, check=True)
    with zipfile.ZipFile(io.BytesIO(packed.stdout)) as made:
        assert sorted(made.namelist()) == ["a/", "a/b/", "a/b/ü.txt", "big", "empty/"]
        assert made.testzip() is None
    other = work.parent / "other"
    other.mkdir()
    assert unpack(other, packed.stdout) == {"files": 2}
    assert (other / "big").read_bytes() == (work / "big").read_bytes()
    assert (other / "a/b/ü.txt").read_text() == "text"
    assert (other / "empty").is_dir()
    assert sorted(os.listdir(other)) == ["a", "big", "empty"]


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_tars_are_unpacked(work: Path, mode: str) -> None:
    assert unpack(work, tarred((tarfile.TarInfo("a/b"), b"hello"), (tarfile.TarInfo("c"), b""), mode=mode)) == {
        "files": 2
    }
    assert (work / "a/b").read_text() == "hello"


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def sparse() -> bytes:
    """A gigabyte of nothing, in a member of the kind that `tar -S` makes."""
    info = tarfile.TarInfo("sparse")
    info.pax_headers = {
        "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "sparse",
        "GNU.sparse.realsize": str(1 << 30),
    }  # fmt: skip
    return tarred((info, b"0\n".ljust(512, b"\0")))


def overlapping() -> bytes:
    """A zip whose members are all one and the same data: each counts."""
    one = zipped({"0": b"\0" * (1 << 20)})
    end = one.rindex(b"PK\x05\x06")
    start = one.index(b"PK\x01\x02")
    entry = one[start:end]
    names = b"".join(entry[:-1] + bytes([48 + number]) for number in range(60))
    tail = bytearray(one[end:])
    tail[8:12] = (60).to_bytes(2, "little") * 2
    tail[12:16] = len(names).to_bytes(4, "little")
    return one[:start] + names + bytes(tail)


def twice(*names: str) -> bytes:
    return tarred(*((tarfile.TarInfo(name), b"x") for name in names))


HOSTILE: dict[str, Callable[[], bytes]] = {
    "climbing zip": lambda: zipped({"ok": b"", "../outside/new": b"x"}),
    "absolute zip": lambda: zipped({"/tmp/thermae-escaped": b"x"}),
    "link in a zip": lambda: zipped({"l": b"/etc/passwd"}, mode=stat.S_IFLNK | 0o777),
    "climbing tar": lambda: tarred((tarfile.TarInfo("ok"), b""), (tarfile.TarInfo("../outside/new"), b"x")),
    "link in a tar": lambda: tarred((tarfile.TarInfo("ok"), b""), (link("l", "../outside"), b"")),
    "hard link": lambda: tarred((link("l", "/etc/passwd", tarfile.LNKTYPE), b"")),
    "device": lambda: tarred((link("d", "", tarfile.CHRTYPE), b"")),
    "bomb": lambda: zipped({f"{n}": b"\0" * (40 << 20) for n in range(2)}),
    "too many": lambda: zipped({f"{n}": b"" for n in range(20_001)}, deflated=False),
    "sparse bomb": sparse,
    "bomb of overlapping members": overlapping,
    "one name twice": lambda: twice("ok", "a", "a"),
    "one name twice, in other words": lambda: twice("ok", "a/b", "a//./b"),
    "a file that is a folder too": lambda: twice("ok", "a", "a/b"),
    "a folder that is a file too": lambda: twice("ok", "a/b", "a"),
    "escape sequences": lambda: zipped({"ok": b"", "a\x1b[2Jb": b""}),
    "two lines": lambda: twice("ok", "a\nb"),
    "turned text": lambda: zipped({"ok": b"", "a\u202egpj.exe": b""}),
    "a name of ours": lambda: zipped({"ok": b"", "a/.thermae-hidden": b""}),
    "no text": lambda: twice("ok", "\udcff\x01"),
    "named pipe": lambda: tarred((link("p", "", tarfile.FIFOTYPE), b"")),
    "garbage": lambda: os.urandom(10_000),
    "empty": lambda: b"",
    "half": lambda: zipped({"a": os.urandom(100_000)})[:50_000],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused_in_words_and_leaves_nothing(work: Path, name: str) -> None:
    answer = unpack(work, HOSTILE[name]())
    assert answer["error"] in ("bad_archive", "bad_path")
    assert answer["message"]
    assert os.listdir(work) == []
    assert os.listdir(work.parent / "outside") == ["secret"]


def test_a_tar_bomb_in_a_header_exhausts_only_its_own_process(work: Path) -> None:
    header = tarfile.TarInfo("././@PaxHeader")
    header.type = tarfile.XHDTYPE
    header.size = 4 << 30
    data = header.tobuf() + b"\0" * 4096
    assert unpack(work, data)["error"] == "bad_archive"
    assert os.listdir(work) == []


def test_members_never_follow_links_that_are_there_already(work: Path) -> None:
    (work / "folder").symlink_to(work.parent / "outside")
    assert unpack(work, zipped({"folder/secret": b"mine"}))["error"] == "is_link"
    assert (work.parent / "outside/secret").read_text() == "secret"


def test_an_archive_that_names_its_folders_is_no_conflict(work: Path) -> None:
    assert unpack(work, zipped({"./": b"", "a/": b"", "a/b": b"1", "c/d/": b"", "a/e": b"2"})) == {"files": 2}
    assert sorted(os.listdir(work / "a")) == ["b", "e"]


@pytest.mark.parametrize("name", ["a\x1b]0;x\x07", "a\nb", "a\x7f", "a\x9b2J", "x\u202egnp.exe"])
def test_a_new_name_does_not_mislead(folder: Folder, work: Path, name: str) -> None:
    for verb in (folder.create, folder.make):
        with pytest.raises(Refused, match="control characters"):
            verb(f"fine/{name}")
    # What code has named so is there, and can be had and deleted.
    (work / name).write_text("x")
    assert [entry["name"] for entry in listing(folder)["entries"]] == [shown(name)]
    os.close(folder.open(shown(name))[1][0])
    folder.delete(shown(name))
    assert not os.listdir(work)


def test_a_name_that_is_no_text_does_not_hide_its_folder(folder: Folder, work: Path) -> None:
    os.mkdir(bytes(work) + b"/a\xff")
    (work / "b").touch()
    text = json.dumps(listing(folder))
    entries = json.loads(text)["entries"]
    assert [entry["name"] for entry in entries] == ["a\U0010feff", "b"]
    json.dumps(entries, ensure_ascii=False).encode()  # half a surrogate would be no JSON to everybody
    folder.delete(entries[0]["path"])
    assert [entry["name"] for entry in listing(folder)["entries"]] == ["b"]
