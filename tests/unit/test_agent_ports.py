"""Which ports of a sandbox a person is offered; and that a full-screen program is still one for who comes back."""

import socket
from pathlib import Path

import pytest

from interpreters.agent import ports
from interpreters.agent.terminals import RING, TAKE_SCREEN, Terminal

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
ALL, OWN, ELSEWHERE, OWN_6 = "00000000", "0100007F", "0200A8C0", "0" * 24 + "01000000"


def row(address: str, port: int, state: str = "0A") -> str:
    return f"   0: {address}:{port:04X} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  1000  0 1 1 0\n"


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The two tables, and the range that the system hands out."""
    paths = [tmp_path / "tcp", tmp_path / "tcp6"]
    monkeypatch.setattr(ports, "TABLES", paths)
    monkeypatch.setattr(ports, "RANGE", tmp_path / "range")
    for path in paths:
        path.write_text(HEAD)
    return paths


def test_servers_that_can_be_reached_are_found(tables: list[Path]) -> None:
    rows = [row(ALL, 8000), row(OWN, 5000), row(ELSEWHERE, 7000), row(OWN, 9000, "01"), row(OWN, ports.EGRESS)]
    tables[0].write_text(HEAD + "".join(rows))
    tables[1].write_text(HEAD + row(OWN_6, 8501) + row("0" * 32, 8000))
    assert ports.server_ports() == [5000, 8000, 8501]
    assert ports.listening_ports() == [3128, 5000, 7000, 8000, 8501]


def test_ports_that_the_system_hands_out_are_not_offered(tables: list[Path], tmp_path: Path) -> None:
    tables[0].write_text(HEAD + row(OWN, 16500) + row(OWN, 40000) + row(OWN, 8888))
    assert ports.server_ports() == [8888, 16500]
    (tmp_path / "range").write_text("16000\t65535\n")
    assert ports.server_ports() == [8888]


def test_a_table_is_bounded_and_may_be_missing_or_broken(tables: list[Path], tmp_path: Path) -> None:
    tables[0].write_text(HEAD + "".join(row(ALL, port) for port in range(1, 3000)))
    tables[1].unlink()
    (tmp_path / "range").write_text("no range")
    assert ports.server_ports() == list(range(1, ports.MOST_PORTS + 1))
    tables[0].write_text(HEAD + "\n\n  0: short\n")
    assert ports.server_ports() == []


def test_a_server_of_this_machine_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert server.getsockname()[1] in ports.listening_ports()


def shown(*printed: bytes) -> bytes:
    terminal = Terminal("1", 24, 80)
    for data in printed:
        terminal._print(data)
    return terminal.replay()[0]


@pytest.mark.parametrize("taking", [(TAKE_SCREEN,), (TAKE_SCREEN[:3], TAKE_SCREEN[3:])])
def test_a_full_screen_program_holds_the_screen_however_much_it_draws(taking: tuple[bytes, ...]) -> None:
    much = [b"\x1b[H" + b"drawn\r\n" * 1000] * 60
    again = shown(*taking, *much)
    assert again.startswith(TAKE_SCREEN)
    assert len(again) <= RING
    assert TAKE_SCREEN not in shown(*taking, b"vim", b"\x1b[?1049l", *much)


def test_what_little_was_printed_is_repeated_as_it_was() -> None:
    assert shown(b"$ ls\r\n", TAKE_SCREEN, b"vim") == b"$ ls\r\n" + TAKE_SCREEN + b"vim"
