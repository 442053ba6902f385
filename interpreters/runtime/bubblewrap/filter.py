"""Our system call filter as the BPF program that bubblewrap loads: the same profile as for containers.

libseccomp compiles it. Debian has it wherever apt is, so it is not asked for; `available()` says if it is missing.
"""

import ctypes
import ctypes.util
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import IO, Any

from interpreters.runtime.hardening import seccomp_profile

_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_COMPARISONS = {"SCMP_CMP_EQ": 4, "SCMP_CMP_MASKED_EQ": 7}
_EPERM = 1


class _Argument(ctypes.Structure):
    _fields_ = (
        ("index", ctypes.c_uint),
        ("comparison", ctypes.c_int),
        ("value", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


@cache
def _library() -> Any:
    name = ctypes.util.find_library("seccomp")
    if name is None:
        return None
    library = ctypes.CDLL(name)
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_release.argtypes = [ctypes.c_void_p]
    library.seccomp_export_bpf.argtypes = [ctypes.c_void_p, ctypes.c_int]
    library.seccomp_rule_add_array.argtypes = [
        ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.POINTER(_Argument),
    ]  # fmt: skip
    return library


def available() -> bool:
    return _library() is not None


@contextmanager
def program() -> Iterator[IO[bytes] | None]:
    """A file at whose start the program is, to be handed to bubblewrap; None without libseccomp."""
    code = _compiled()
    if not code:
        yield None
        return
    with tempfile.TemporaryFile() as file:
        file.write(code)
        file.seek(0)
        yield file


@cache
def _compiled() -> bytes:
    library = _library()
    if library is None:
        return b""
    profile = json.loads(seccomp_profile())
    context = library.seccomp_init(_ERRNO | _EPERM)
    try:
        for rule in profile["syscalls"]:
            action = _ALLOW if rule["action"] == "SCMP_ACT_ALLOW" else _ERRNO | rule["errnoRet"]
            arguments = [
                _Argument(a["index"], _COMPARISONS[a["op"]], a["value"], a.get("valueTwo", 0))
                for a in rule.get("args", [])
            ]
            for name in rule["names"]:
                number = library.seccomp_syscall_resolve_name(name.encode())
                if number >= 0:  # below zero: unknown here, and so refused anyway
                    array = (_Argument * len(arguments))(*arguments)
                    library.seccomp_rule_add_array(context, action, number, len(arguments), array)
        with tempfile.TemporaryFile() as file:
            library.seccomp_export_bpf(context, file.fileno())
            file.seek(0)
            return file.read()
    finally:
        library.seccomp_release(context)
