"""System calls by number, so that no library stands between the probe and the kernel."""

import ctypes
import errno
import os
import struct
import time
from collections.abc import Callable, Sequence
from typing import Any

Say = Callable[..., None]
Answer = dict[str, Any]

_libc = ctypes.CDLL(None, use_errno=True)
_MACHINE = os.uname().machine
_NUMBERS = {
    "x86_64": {"clock_settime": 227, "sethostname": 170, "setns": 308, "ptrace": 101, "process_vm_readv": 310},
    "aarch64": {"clock_settime": 112, "sethostname": 161, "setns": 268, "ptrace": 117, "process_vm_readv": 270},
}
_CLONE3, _CLONE_NEWUSER, _SIGCHLD = 435, 0x10000000, 17
_PTRACE_SEIZE = 0x4206


def _call(number: int, *arguments: Any) -> int:
    """Raises OSError."""
    ctypes.set_errno(0)
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    result: int = _libc.syscall(ctypes.c_long(number), *words)
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _number(name: str) -> int:
    return _NUMBERS[_MACHINE][name]


def call(say: Say, x86_64: int, aarch64: int, words: Sequence[Any]) -> Answer:
    """Any call; a text is passed as bytes, a list as a buffer of that many bytes."""
    number = {"x86_64": x86_64, "aarch64": aarch64}.get(_MACHINE)
    if number is None:
        return {"answer": "failed", "detail": f"there are no call numbers for {_MACHINE}"}
    return {"answer": "done", "detail": f"it answered {_call(number, *map(_word, words))}"}


def _word(word: Any) -> Any:
    if isinstance(word, str):
        return word.encode()
    return ctypes.create_string_buffer(word[0]) if isinstance(word, list) else word


def mount(say: Say) -> Answer:
    folder = os.path.abspath(".isolation-mount")
    os.makedirs(folder, exist_ok=True)
    if _libc.mount(b"none", folder.encode(), b"tmpfs", 0, None) != 0:
        raise OSError(ctypes.get_errno(), "mount")
    _libc.umount2(folder.encode(), 2)
    return {"answer": "done"}


def clone3(say: Say) -> Answer:
    """A process in a user namespace of its own, where it would be root."""
    request = ctypes.create_string_buffer(88)
    struct.pack_into("Q", request, 0, _CLONE_NEWUSER)
    struct.pack_into("Q", request, 32, _SIGCHLD)
    pid = _call(_CLONE3, request, 88)
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
    return {"answer": "done"}


def set_clock(say: Say) -> Answer:
    """To what it is, so that nothing happens where it is allowed."""
    now = time.clock_gettime_ns(time.CLOCK_REALTIME)
    _call(_number("clock_settime"), 0, struct.pack("qq", *divmod(now, 10**9)))
    return {"answer": "done"}


def set_hostname(say: Say) -> Answer:
    name = os.uname().nodename.encode()
    _call(_number("sethostname"), name, len(name))
    return {"answer": "done"}


def enter_namespaces(say: Say, pid: int) -> Answer:
    """Of another process, kind by kind; the answer to the one that came furthest."""
    answers = {}
    for kind in ("net", "mnt", "pid", "uts", "ipc", "cgroup"):
        try:
            fd = os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
            _call(_number("setns"), fd, 0)
        except OSError as error:
            answers[kind] = errno.errorcode.get(error.errno or 0, str(error))
        else:
            return {"answer": "done", "detail": kind}
    return {"answer": next(iter(answers.values())), "detail": ", ".join(f"{k} {v}" for k, v in answers.items())}


def i386_call(say: Say) -> Answer:
    """A socket by `int 0x80`: such calls are numbered otherwise, so a filter that forgets them filters nothing."""
    if _MACHINE != "x86_64":
        return {"answer": "absent", "detail": f"{_MACHINE} has no such calls"}
    _libc.mmap.restype = ctypes.c_void_p
    _libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    low, private, anonymous = 0x40, 0x02, 0x20
    page = _libc.mmap(None, 4096, 7, low | private | anonymous, -1, 0)
    if page in (None, ctypes.c_void_p(-1).value):
        return {"answer": "EPERM", "detail": "no memory can be made executable"}
    words = page + 256
    # push rbx; eax = socketcall; ebx = SYS_SOCKET; ecx = words; int 0x80; pop rbx; ret
    code = b"\x53\xb8\x66\0\0\0\xbb\x01\0\0\0\xb9" + struct.pack("<I", words) + b"\xcd\x80\x5b\xc3"
    ctypes.memmove(page, code, len(code))
    ctypes.memmove(words, struct.pack("<III", 2, 1, 0), 12)
    result = ctypes.CFUNCTYPE(ctypes.c_int)(page)()
    if result < 0:
        raise OSError(-result, os.strerror(-result))
    return {"answer": "done", "detail": "a socket was made"}


def trace(say: Say) -> Answer:
    """Seize the agent, which does not even stop it; it is let go when this process ends."""
    from .beside import _agents

    answers = set()
    for pid in _agents():
        try:
            _call(_number("ptrace"), _PTRACE_SEIZE, pid, 0, 0)
        except OSError as error:
            answers.add(errno.errorcode.get(error.errno or 0, str(error)))
        else:
            return {"answer": "done", "detail": f"process {pid}"}
    return _only(answers)


def read_memory(say: Say) -> Answer:
    from .beside import _agents

    buffer = ctypes.create_string_buffer(8)
    answers = set()
    for pid in _agents():
        iovec = struct.pack("QQ", ctypes.addressof(buffer), 8)
        try:
            _call(_number("process_vm_readv"), pid, iovec, 1, struct.pack("QQ", 4096, 8), 1, 0)
        except OSError as error:
            # A bad address means that the address was looked at.
            answers.add(errno.errorcode.get(error.errno or 0, str(error)))
        else:
            return {"answer": "done", "detail": f"process {pid}"}
    return _only(answers)


def _only(answers: set[str]) -> Answer:
    """The one that is no refusal, if there is one."""
    if not answers:
        return {"answer": "failed", "detail": "the agent's process is not to be seen"}
    return {"answer": max(answers, key=lambda answer: answer not in ("EPERM", "EACCES", "ENOSYS"))}
