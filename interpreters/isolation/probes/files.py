"""Files of the machine, of the kernel and of others."""

from collections.abc import Mapping
from typing import Any

from interpreters.isolation.base import ABSENT, REFUSED, Act, Given, Probe
from interpreters.isolation.probes.paths import (
    CGROUP_FOLDERS,
    CGROUP_LIMITS,
    CGROUP_PROCESSES,
    CGROUP_RELEASE,
    KERNEL_SETTINGS,
    KERNEL_TOLD,
    MEMORY_DEVICES,
    ROOT_FOLDERS,
    SYS_FILES,
)

NOWHERE = REFUSED | ABSENT | {"refused", "empty"}


def _paths(kind: str, name: str, tries: str, barrier: str, *paths: str) -> Probe:
    key = "folders" if kind in ("create", "make_folder") else "paths"
    return Probe(name, tries, barrier, kind, lambda _: {key: paths}, contained=NOWHERE)


def _mounts(given: Given) -> Mapping[str, Any]:
    return {"allowed": given.mounts, "memories": given.memories}


def _devices(given: Given) -> Mapping[str, Any]:
    """gVisor shows these two in every sandbox: they are its own kernel's, for file systems and networks inside."""
    return {"own": ["/dev/fuse", "/dev/net/tun"] if given.oci_runtime.startswith("runsc") else []}


def _host_files(given: Given) -> str:
    return "bubblewrap shows the host's /usr, read-only" if given.engine == "bubblewrap" else ""


PROBES = (
    Probe(
        "read-only root", "where the root file system may be written to", "read-only root", "read_only",
        lambda _: {"paths": ["/"]}, contained=frozenset({"read-only"}),
    ),
    _paths("create", "write to the root", "make a file in folders of the image", "read-only root, uid", *ROOT_FOLDERS),
    Probe(
        "read-only /sys", "where /sys may be written to", "read-only mount", "read_only",
        lambda _: {"paths": ["/sys", "/sys/fs/cgroup/*"]}, contained=frozenset({"read-only"}),
    ),
    _paths("write", "kernel settings", "core_pattern and others", "read-only mount, uid", *KERNEL_SETTINGS),
    _paths("write", "sysrq-trigger", "press keys of the machine's", "read-only mount, uid", "/proc/sysrq-trigger"),
    _paths("write", "files of /sys", "helpers and power in /sys", "read-only mount, uid", *SYS_FILES),
    _paths("write", "cgroup release_agent", "a program that the machine runs", "read-only mount, uid", *CGROUP_RELEASE),
    _paths("write", "cgroup.procs", "leave the control group", "read-only mount, uid", *CGROUP_PROCESSES),
    _paths("write", "cgroup limits", "raise the own limits", "read-only mount, uid", *CGROUP_LIMITS),
    _paths("make_folder", "cgroup folders", "make a control group", "read-only mount, uid", *CGROUP_FOLDERS),
    _paths("read", "kcore", "the machine's memory", "masked path, uid", "/proc/kcore"),
    Probe(
        "kallsyms", "addresses of the kernel", "masked path", "read_addresses", contained=NOWHERE,
    ),
    _paths("read", "keys in /proc", "keys of all users", "masked path", "/proc/keys"),
    _paths("read", "what the kernel tells", "files that describe the machine", "masked paths", *KERNEL_TOLD),
    _paths("read", "memory devices", "memory and words of the kernel", "device nodes", *MEMORY_DEVICES),
    Probe(
        "device nodes", "anything in /dev beyond the harmless", "device nodes", "devices",
        _devices, frozenset({"none"}),
    ),
    Probe("disks", "open the machine's disks", "device nodes", "open_disks", contained=NOWHERE),
    Probe("mknod", "make a device node", "capabilities", "make_device", contained=REFUSED),
    Probe(
        "mounts of the host", "folders and files of the machine", "mount namespace", "mounts", _mounts,
        contained=frozenset({"none"}), absent=_host_files,
    ),
    Probe(
        "inherited descriptors", "files left open by what started it", "close-on-exec", "descriptors",
        contained=frozenset({"none"}),
    ),
    Probe(
        "hard links", "a second name for a file outside the work folder", "mounts of their own", "link",
        contained=NOWHERE | {"EXDEV"},
    ),
    Probe(
        "setuid programs", "programs that run as root", "no-new-privileges, sealed image", "setuid_files",
        contained=frozenset({"none", "held"}), deadline=40.0,
    ),
    Probe(
        "escape by link", "read, list and write through those links by the agent's files", "agent: openat, no links",
        contained=frozenset({"refused"}), act=Act.OUTSIDE,
    ),
)  # fmt: skip
