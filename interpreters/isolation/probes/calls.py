"""System calls that no program needs, and that the kernel's holes are found in."""

from typing import Any

from interpreters.isolation.base import ABSENT, REFUSED, Probe

FILTER, CAPABILITIES = "seccomp", "capabilities, seccomp"
BUFFER = [256]  # stands for memory of that many bytes


def _call(name: str, tries: str, barrier: str, x86_64: int, aarch64: int, *words: Any) -> Probe:
    def arguments(_: object) -> dict[str, Any]:
        return {"x86_64": x86_64, "aarch64": aarch64, "words": words}

    return Probe(name, tries, barrier, "call", arguments)


def _socket(name: str, tries: str, barrier: str, family: int, kind: int, protocol: int) -> Probe:
    def arguments(_: object) -> dict[str, int]:
        return {"family": family, "kind": kind, "protocol": protocol}

    return Probe(name, tries, barrier, "open_socket", arguments)


NAMESPACES = (
    Probe("mount", "mount a file system of its own", CAPABILITIES, "mount"),
    _call("umount", "unmount", CAPABILITIES, 166, 39, "/usr/bin", 0),  # no mount: the right is asked for first
    _call("mount by file descriptors", "fsopen, the newer way to mount", CAPABILITIES, 430, 430, "tmpfs", 0),
    _call("open_tree", "a detached copy of a mount", CAPABILITIES, 428, 428, -100, "/", 1),
    _call("pivot_root", "another root", CAPABILITIES, 155, 41, "/usr/bin", "/usr/bin"),
    _call("chroot", "another root, the old way", CAPABILITIES, 161, 51, "/tmp"),  # noqa: S108
    _call("unshare user", "a user namespace, to be root in", FILTER, 272, 97, 0x10000000),
    _call("unshare mount", "a mount namespace", CAPABILITIES, 272, 97, 0x00020000),
    _call("unshare network", "a network namespace", CAPABILITIES, 272, 97, 0x40000000),
    Probe("clone3 user", "a process in a user namespace", FILTER, "clone3"),
    Probe(
        "namespaces of pid 1", "enter the namespaces of the first process", "uid, seccomp", "enter_namespaces",
        lambda _: {"pid": 1},
    ),
)  # fmt: skip

KERNEL = (
    _call("bpf", "load a program into the kernel", FILTER, 321, 280, 0, BUFFER, 72),
    _call("io_uring", "a queue of calls that no filter sees", FILTER, 425, 425, 8, BUFFER),
    _call("userfaultfd", "hold up the kernel in a page fault", FILTER, 323, 282, 1),
    _call("perf_event_open", "count events of the processor", FILTER, 298, 241, BUFFER, 0, -1, -1, 0),
    _call("keyctl", "the keyring of the session", FILTER, 250, 219, 0, -3, 1),
    _call("add_key", "a key in the kernel's memory", FILTER, 248, 217, "user", "isolation", "x", 1, -3),
    _call("request_key", "have the machine run its key helper", FILTER, 249, 218, "user", "isolation", 0, -3),
    _call("kexec_load", "another kernel", CAPABILITIES, 246, 104, 0, 0, 0, 0xFFFF),
    _call("init_module", "load a module", CAPABILITIES, 175, 105, 0, 0, ""),
    _call("finit_module", "load a module from a file", CAPABILITIES, 313, 273, -1, "", 0),
    _call("open_by_handle_at", "open any inode by its number", CAPABILITIES, 304, 265, -100, BUFFER, 0),
    _call("fanotify", "watch the files of everybody", FILTER, 300, 262, 0x200, 0),
    _call("personality", "turn address randomisation off", FILTER, 135, 92, 0x0040000),
    _call("syslog", "the kernel's messages", CAPABILITIES, 103, 116, 3, BUFFER, 256),
    _call("reboot", "restart the machine", CAPABILITIES, 169, 142, 0, 0, 0, 0),
    _call("swapon", "swap to a file", CAPABILITIES, 167, 224, "/nonexistent/isolation", 0),
    _call("quotactl", "change quotas", FILTER, 179, 60, 0x80000200, "/nonexistent/isolation", 0, 0),
    _call("acct", "have all processes accounted to a file", CAPABILITIES, 163, 89, "/nonexistent/isolation"),
    Probe("set the clock", "set the machine's clock", CAPABILITIES, "set_clock"),
    Probe("set the host name", "rename the machine", CAPABILITIES, "set_hostname"),
    Probe(
        "i386 calls", "a socket by int 0x80, past a filter for 64 bits", FILTER, "i386_call",
        contained=REFUSED | ABSENT | {"killed"},
    ),
)  # fmt: skip

SOCKETS = (
    _socket("raw socket", "write any packet", CAPABILITIES, 2, 3, 1),
    _socket("packet socket", "read all packets", CAPABILITIES, 17, 3, 0),
    _socket("AF_ALG", "the kernel's ciphers", FILTER, 38, 5, 0),
    _socket("AF_VSOCK", "the host of a virtual machine", FILTER, 40, 1, 0),
    _socket("AF_BLUETOOTH", "radios", FILTER, 31, 3, 0),
    _socket("netlink beyond routes", "the firewall's configuration", FILTER, 16, 3, 12),
    _socket("AF_XDP", "packets past the network stack", FILTER, 44, 3, 0),
)

PROBES = (*NAMESPACES, *KERNEL, *SOCKETS)
