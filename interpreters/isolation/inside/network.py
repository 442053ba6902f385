"""Whatever can be reached without being in the sandbox."""

import ctypes
import errno
import os
import select
import socket
import struct
import time
from collections.abc import Callable, Sequence
from typing import Any

Say = Callable[..., None]
Answer = dict[str, Any]

_PATIENCE = 1.0  # seconds for a connection on the same machine
_UNREACHABLE = frozenset(
    {"ENETUNREACH", "EHOSTUNREACH", "EADDRNOTAVAIL", "ECONNREFUSED", "EPERM", "EACCES", "EINVAL"}
) | {"EAFNOSUPPORT"}
_MOST_AT_ONCE = 500  # of what select() can wait for, less than half
_EGRESS = ("127.0.0.1", 3128)


def interfaces(say: Say) -> Answer:
    more = [name for _, name in socket.if_nameindex() if name != "lo" and _is_up(name)]
    return {"answer": "found", "detail": ", ".join(more)} if more else {"answer": "none"}


def _is_up(name: str) -> bool:
    """Kernels show devices of tunnels, all down, in every namespace."""
    try:
        with open(f"/sys/class/net/{name}/flags") as file:
            return bool(int(file.read(), 16) & 1)
    except (OSError, ValueError):
        return True


def reach(say: Say, addresses: Sequence[Sequence[Any]], token: str) -> Answer:
    """Our canary on each address, all at once: to have heard its word is to have been outside."""
    targets = [target for host, port in addresses for target in _targets(host, port)][:_MOST_AT_ONCE]
    answers = set()
    lines: dict[socket.socket, tuple[Any, ...]] = {}
    for target in targets:
        line = socket.socket(socket.AF_INET if len(target) == 2 else socket.AF_INET6)
        line.setblocking(False)
        answer = line.connect_ex(target)
        if answer in (0, errno.EINPROGRESS):
            lines[line] = target
        else:
            answers.add(errno.errorcode.get(answer, str(answer)))
            line.close()
    deadline = time.monotonic() + 2 * _PATIENCE
    while lines and (left := deadline - time.monotonic()) > 0:
        for line in select.select(list(lines), [], [], left)[0]:
            try:
                heard, answer_name = token.encode() in line.recv(1024), "another answered"
            except OSError as error:
                heard, answer_name = False, errno.errorcode.get(error.errno or 0, str(error))
            if heard:
                return {"answer": "reached", "detail": f"{lines[line][0]} port {lines[line][1]}"}
            answers.add(answer_name)
            del lines[line]
    if lines:
        answers.add("ETIMEDOUT")
    detail = f"{len(addresses)} addresses: {', '.join(sorted(answers))}"
    return {"answer": "unanswered" if answers - _UNREACHABLE else "unreachable", "detail": detail}


def _targets(host: str, port: int) -> list[tuple[Any, ...]]:
    """A link-local address is one on each interface; on the loopback it would be the sandbox's own."""
    if ":" not in host:
        return [(host, port)]
    if host.startswith("fe80"):
        return [(host, port, 0, number) for number, name in socket.if_nameindex() if name != "lo"]
    return [(host, port, 0, 0)]


def _hear(target: tuple[Any, ...], token: bytes, first: bytes = b"") -> tuple[bool, str]:
    try:
        with socket.socket(socket.AF_INET if len(target) == 2 else socket.AF_INET6) as line:
            line.settimeout(_PATIENCE)
            line.connect(target)
            if first:
                line.sendall(first)
            said = b""
            deadline = time.monotonic() + _PATIENCE
            while token not in said and len(said) < 4096 and time.monotonic() < deadline:
                piece = line.recv(1024)
                if not piece:
                    break
                said += piece
    except TimeoutError:
        return False, "ETIMEDOUT"
    except OSError as error:
        return False, errno.errorcode.get(error.errno or 0, str(error))
    return token in said, "another answered"


def reach_by_proxy(say: Say, addresses: Sequence[Sequence[Any]], token: str) -> Answer:
    """The same through the sandbox's proxy, if it has one; and names that mean this machine."""
    try:
        socket.create_connection(_EGRESS, _PATIENCE).close()
    except OSError as error:
        return {"answer": "absent", "detail": f"no proxy: {errno.errorcode.get(error.errno or 0, str(error))}"}
    ports = sorted({port for _, port in addresses})
    hosts = [*addresses, *((name, port) for name in ("localhost", "0.0.0.0", "[::1]") for port in ports[:1])]  # noqa: S104
    for host, port in hosts:
        name = f"[{host}]" if ":" in host and not host.startswith("[") else host
        request = f"CONNECT {name}:{port} HTTP/1.1\r\nHost: {name}:{port}\r\n\r\n"
        if _hear(_EGRESS, token.encode(), request.encode())[0]:
            return {"answer": "reached", "detail": f"{host} port {port}"}
    return {"answer": "unreachable", "detail": f"{len(hosts)} addresses, all refused by the proxy"}


def knock(say: Say, hosts: Sequence[str], port: int) -> Answer:
    """Addresses where nothing of ours listens: any answer, even of silence, shows that there is a way."""
    answers = set()
    for host in hosts:
        try:
            with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as line:
                line.settimeout(_PATIENCE)
                line.connect((host, port))
        except TimeoutError:
            answers.add("ETIMEDOUT")
        except OSError as error:  # EAFNOSUPPORT too: a kernel without IPv6
            answers.add(errno.errorcode.get(error.errno or 0, str(error)))
        else:
            return {"answer": "reached", "detail": host}
    silent = answers - _UNREACHABLE
    return {"answer": "unanswered" if silent else "unreachable", "detail": ", ".join(sorted(answers))}


def resolve(say: Say) -> Answer:
    """Ask each name server that the sandbox knows of, for a name that does not exist: any answer is one."""
    servers = ["127.0.0.11", "127.0.0.1"]
    try:
        with open("/etc/resolv.conf") as file:
            words = [line.split() for line in file]
        servers += [line[1].partition("%")[0] for line in words if len(line) > 1 and line[0] == "nameserver"]
    except OSError:
        pass
    question = struct.pack(">6H", 1, 0x100, 1, 0, 0, 0) + b"\x07thermae\x07invalid\0" + struct.pack(">2H", 1, 1)
    lines = []
    for server in dict.fromkeys(servers):
        line = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM)
        line.setblocking(False)
        try:
            line.connect((server, 53))
            line.send(question)
        except OSError:
            continue
        lines.append(line)
    deadline = time.monotonic() + 2 * _PATIENCE
    while lines and (left := deadline - time.monotonic()) > 0:
        for line in select.select(lines, [], [], left)[0]:
            lines.remove(line)
            try:
                if line.recv(512):
                    return {"answer": "reached", "detail": f"{line.getpeername()[0]} answered"}
            except OSError:
                continue  # it was told that nobody listens there
    return {"answer": "none"}


def abstract_socket(say: Say, name: str) -> Answer:
    """One of the machine's sockets without a file: they belong to the network namespace."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(_PATIENCE)
        line.connect(b"\0" + name.encode())
    return {"answer": "reached"}


def message_queue(say: Say, key: int) -> Answer:
    """A System V queue of the machine's."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.msgget(key, 0) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return {"answer": "reached"}


def open_socket(say: Say, family: int, kind: int, protocol: int) -> Answer:
    socket.socket(family, kind, protocol).close()
    return {"answer": "done"}
