"""Names of any bytes on the wire, and a work folder that goes out whole and comes back as it was."""

import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interpreters.agent import keeping
from interpreters.agent.confined import Folder, Refused, tag
from interpreters.agent.naming import meant, readable, shown

NASTY = [
    b"not \xff utf-8 \xc3(",
    b"new\nline",
    b"quote\"'`$(x)",
    b"-rf",
    "‮gpj.exe".encode(),
    b"..x",
    b"a" * 255,
    "\U0010feff private".encode(),
    b" ",
]


@given(st.binary(min_size=1, max_size=255).filter(lambda name: b"/" not in name and b"\0" not in name))
def test_every_name_has_one_form_on_the_wire_and_back(raw: bytes) -> None:
    name = os.fsdecode(raw)
    wire = shown(name)
    assert os.fsencode(meant(wire)) == raw
    assert not any(ord(character) < 0x20 for character in wire)
    json.dumps(wire, ensure_ascii=False).encode()
    readable(wire).encode()


@given(st.text(max_size=30))
def test_no_form_on_the_wire_makes_a_slash(text: str) -> None:
    assert meant(text).count("/") == text.count("/")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


@pytest.fixture
def folder(work: Path) -> Folder:
    return Folder(str(work))


def run(work: Path, verb: str, data: bytes = b"") -> bytes:
    command = [sys.executable, "-S", "-s", "-m", "interpreters.agent.keeping", verb]
    root = str(Path(__file__).parents[2])
    done = subprocess.run(command, cwd=work, input=data, capture_output=True, env={"PYTHONPATH": root}, check=True)
    return done.stdout


def told(work: Path, verb: str, data: bytes = b"") -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(run(work, verb, data))
    return answer


def test_what_is_kept_comes_back(work: Path, tmp_path: Path) -> None:
    for name in NASTY:
        (work / os.fsdecode(name)).write_bytes(name)
    (work / "deep/er").mkdir(parents=True)
    (work / "deep/er/run.sh").write_text("#!/bin/sh\n")
    (work / "deep/er/run.sh").chmod(0o750)
    (work / "link").symlink_to("../../etc/passwd")
    (work / "empty").touch()
    with (work / "hole").open("wb") as sparse:
        sparse.truncate(64 << 20)
    os.mkfifo(work / "pipe")
    (work / ".cache").mkdir()
    (work / ".cache/big").write_text("made again at any time")
    (work / ".thermae-x.part").write_text("half an upload")
    before = told(work, "survey")
    assert before["omitted"] == 1
    assert before["left_out"] == [{"path": "pipe", "why": "neither a file, a folder nor a link"}]
    assert before["largest"][0] == {"path": "hole", "size": 64 << 20}
    packed = run(work, "keep")
    back = tmp_path / "back"
    back.mkdir()
    assert told(back, "restore", packed) == {"files": len(NASTY) + 3, "skipped": 0}
    for name in NASTY:
        assert (back / os.fsdecode(name)).read_bytes() == name
    assert os.readlink(back / "link") == "../../etc/passwd"
    assert (back / "deep/er/run.sh").stat().st_mode & 0o777 == 0o750
    assert (back / "hole").stat().st_size == 64 << 20
    assert (back / "hole").stat().st_blocks < 2048
    assert not (back / ".cache").exists()
    assert not (back / "pipe").exists()


def test_the_fingerprint_changes_with_the_files_only(work: Path) -> None:
    (work / "a").write_text("1")
    first = told(work, "survey")["fingerprint"]
    assert told(work, "survey")["fingerprint"] == first
    (work / "a").write_text("2")
    assert told(work, "survey")["fingerprint"] != first


@pytest.mark.parametrize("damage", ["cut", "flipped", "no gzip", "empty", "cut tar"])
def test_a_damaged_archive_is_told(work: Path, damage: str) -> None:
    (work / "a").write_bytes(os.urandom(200_000))
    packed = run(work, "keep")
    broken = {
        "cut": packed[:-1000],
        "flipped": packed[:50_000] + bytes([packed[50_000] ^ 255]) + packed[50_001:],
        "no gzip": b"hello" * 1000,
        "empty": b"",
        "cut tar": gzip.compress(gzip.decompress(packed)[:100_000]),
    }[damage]
    assert told(work, "restore", broken)["error"] == "bad_archive"


def test_a_hostile_archive_leaves_the_folder_by_no_way(work: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for name, kind, link in [
            ("out", tarfile.SYMTYPE, str(tmp_path / "outside")),
            ("out/through", tarfile.REGTYPE, ""),
            ("../climbed", tarfile.REGTYPE, ""),
            ("/absolute", tarfile.REGTYPE, ""),
            ("hard", tarfile.LNKTYPE, "/etc/passwd"),
            ("device", tarfile.CHRTYPE, ""),
            (".thermae-ours", tarfile.REGTYPE, ""),
            ("fine", tarfile.REGTYPE, ""),
        ]:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, link
            tar.addfile(info)
    assert told(work, "restore", made.getvalue()) == {"files": 1, "skipped": 6}
    assert sorted(os.listdir(work)) == ["fine", "out"]
    assert os.listdir(tmp_path / "outside") == []
    assert "climbed" not in os.listdir(tmp_path)


def test_walking_is_bounded(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "MAX_MEMBERS", 3)
    for number in range(5):
        (work / str(number)).touch()
    monkeypatch.chdir(work)
    found = keeping.survey()
    assert (found["files"], found["omitted"]) == (3, 2)


# --- Moving, and writing only what is as it was read ---


def test_a_move_replaces_nothing_unasked(folder: Folder, work: Path) -> None:
    (work / "a").write_text("a")
    (work / "b").write_text("b")
    (work / "folder").mkdir()
    with pytest.raises(Refused) as refused:
        folder.move("a", "b")
    assert refused.value.code == "exists"
    folder.move("a", "new/place/c")
    assert (work / "new/place/c").read_text() == "a"
    folder.move("new/place/c", "b", replace=True)
    assert (work / "b").read_text() == "a"
    for path, to in (("folder", "folder/in/itself"), ("folder", "../out"), ("absent", "x")):
        with pytest.raises((Refused, OSError)):
            folder.move(path, to)
    with pytest.raises(Refused):
        folder.move("b", "folder", replace=True)  # a folder is never replaced
    (work / os.fsdecode(b"\xff\n")).write_text("strange")
    folder.move(shown(os.fsdecode(b"\xff\n")), "plain")
    assert (work / "plain").read_text() == "strange"


def test_a_file_that_changed_meanwhile_is_not_overwritten(folder: Folder, work: Path) -> None:
    def save(path: str, given: str | None) -> None:
        answer, (fd,) = folder.create(path)
        os.write(fd, b"mine")
        os.close(fd)
        folder.commit(answer["token"], given)

    (work / "a").write_text("read")
    read = tag((work / "a").stat())
    (work / "a").write_text("by code")
    with pytest.raises(Refused) as refused:
        save("a", read)
    assert refused.value.code == "changed"
    assert (work / "a").read_text() == "by code"
    with pytest.raises(Refused) as refused:
        save("a", "")
    assert refused.value.code == "exists"
    save("a", tag((work / "a").stat()))
    assert (work / "a").read_text() == "mine"
    (work / "a").unlink()
    with pytest.raises(Refused):
        save("a", read)
    assert os.listdir(work) == []
