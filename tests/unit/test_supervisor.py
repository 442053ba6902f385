"""The parts of `make run`, each by itself."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from project.supervisor import engine
from project.supervisor.children import MAX_DEATHS, Child, ChildFailed
from project.supervisor.lock import AlreadyRunning, RunLock, start_time
from project.supervisor.place import Place
from project.supervisor.supervisor import Supervisor
from tests.services import wait_until

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]


def child(folder: Path, code: str, **fields: object) -> Child:
    return Child("Sleeper", [sys.executable, "-c", code], folder / "log", **fields)  # type: ignore[arg-type]


def test_the_operators_choice_of_runtime_is_taken_as_it_is() -> None:
    assert engine.choose({"THERMAE_RUNTIME": "bubblewrap"})[0] == "bubblewrap"


def test_without_an_engine_it_is_bubblewrap_and_the_reason_is_told(tmp_path: Path) -> None:
    runtime, why = engine.choose({"THERMAE_DOCKER_HOST": f"unix://{tmp_path}/none.sock"})
    assert runtime == "bubblewrap"
    assert "no Docker engine answers" in why


@pytest.mark.parametrize(("answer", "runtime"), [(b"200 OK", "docker"), (b"500 Oops", "bubblewrap")])
def test_an_engine_counts_when_it_answers_well(short_dir: Path, answer: bytes, runtime: str) -> None:
    address = short_dir / "docker.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen()
        pid = os.fork()
        if pid == 0:
            connection, _ = listener.accept()
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 " + answer + b"\r\nContent-Length: 0\r\n\r\n")
            os._exit(0)
        assert engine.choose({"THERMAE_DOCKER_HOST": f"unix://{address}"})[0] == runtime
        os.waitpid(pid, 0)


def test_the_egress_process_is_started_when_the_first_pool_wants_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place("127.0.0.1", 0)
    place.logs = tmp_path
    running = Supervisor(place, only_first_image=True)
    wanted = [False, False, True, True]
    monkeypatch.setattr("project.supervisor.installation.wants_egress", lambda: wanted.pop(0))
    monkeypatch.setattr(Child, "start", lambda self: None)
    for children in (0, 0, 1, 1):
        running._follow_egress()
        assert len(running.children) == children
    assert list(running.children[0].command[1:]) == ["manage.py", "egress"]


def test_a_second_run_from_the_same_folder_is_refused_with_the_first_ones_pid(tmp_path: Path) -> None:
    lock = RunLock(tmp_path / "run.lock")
    lock.record({})
    with pytest.raises(AlreadyRunning, match=str(os.getpid())):
        RunLock(tmp_path / "run.lock")
    lock.release()
    RunLock(tmp_path / "run.lock").release()


def test_what_a_killed_run_left_is_ended_by_the_next(tmp_path: Path) -> None:
    orphan = subprocess.Popen(SLEEPER, start_new_session=True)
    first = RunLock(tmp_path / "run.lock")
    first.record({"Web": orphan.pid})
    first._file.close()  # as the kernel does for a killed process
    assert RunLock(tmp_path / "run.lock").end_stale() == ["Web"]
    assert orphan.wait(5) == -signal.SIGTERM


def test_a_pid_that_now_names_another_process_is_left_alone(tmp_path: Path) -> None:
    bystander = subprocess.Popen(SLEEPER, start_new_session=True)
    first = RunLock(tmp_path / "run.lock")
    (tmp_path / "run.lock").write_text(f'{{"Web": [{bystander.pid}, 1]}}')
    first._file.close()
    assert RunLock(tmp_path / "run.lock").end_stale() == []
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


def test_the_list_of_a_killed_run_may_be_garbage(tmp_path: Path) -> None:
    (tmp_path / "run.lock").write_text('{"Web": [1')
    assert RunLock(tmp_path / "run.lock").end_stale() == []


def test_stopping_a_child_ends_what_it_started_too(tmp_path: Path) -> None:
    code = "import subprocess, time; print(subprocess.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)"
    one = child(tmp_path, code)
    one.start()
    wait_until(lambda: one.log.exists() and one.log.read_text().endswith("\n"), "the grandchild's pid")
    grandchild = int(one.log.read_text())
    one.stop()
    wait_until(lambda: start_time(grandchild) is None or _zombie(grandchild), "the end of the grandchild")


def _zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_child_that_ignores_the_signal_is_killed(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    one = child(tmp_path, code, patience=0.2)
    one.start()
    one.wait_until(lambda: "up" in one.log.read_text(), 10)
    began = time.monotonic()
    one.stop()
    assert time.monotonic() - began < 5
    assert not one.alive


def test_a_child_that_dies_again_and_again_stops_the_whole_with_its_last_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = child(tmp_path, "print('no database', flush=True); raise SystemExit(3)")
    one.start()
    for _ in range(MAX_DEATHS - 1):
        assert one.process
        one.process.wait()
        one.revive()
    assert one.process
    one.process.wait()
    with pytest.raises(ChildFailed, match=f"{MAX_DEATHS} times"):
        one.revive()
    assert "ended with status 3" in (shown := capsys.readouterr().out)
    assert "no database" in shown


def test_a_child_that_ends_before_it_is_up_is_reported_with_its_last_words(tmp_path: Path) -> None:
    one = child(tmp_path, "print('port taken', flush=True); raise SystemExit(1)")
    one.start()
    with pytest.raises(ChildFailed, match="port taken"):
        one.wait_until(lambda: False, 10)


def test_a_child_reads_its_configuration_from_standard_input(tmp_path: Path) -> None:
    one = child(tmp_path, "import sys; print(sys.stdin.read(), flush=True)", stdin="secret")
    one.start()
    assert one.process
    one.process.wait()
    assert one.last_words().strip() == "secret"
