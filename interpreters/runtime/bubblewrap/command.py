"""The command that becomes a sandbox. Pure: what is asked in, words out."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from interpreters.runtime.base import SandboxSpec
from interpreters.runtime.hardening import (
    CORE,
    EGRESS_TARGET,
    MIB,
    SOCKET_TARGET,
    WORK_DIR,
    agent_environment,
    temporary_size,
)

# Where the images have them, so kernelspecs are the same.
KERNELS_TARGETS = ("/opt/python", "/opt/bash", "/opt/deno", "/opt/sql")
AGENT_TARGET = "/opt/agent/app/agent"
AGENT_SOURCE = Path(__file__).parents[2] / "agent"
# Of the host's /etc only what programs look for and nobody minds showing.
ETC = (
    *("alternatives", "bash.bashrc", "fonts", "inputrc", "ld.so.cache", "localtime", "magic", "mime.types"),
    *("nsswitch.conf", "profile", "R", "ssl/certs", "terminfo"),
)
# Our own uids lie above all that distributions hand out; one for each sandbox, so that their process counts differ.
FIRST_UID = 0x7000_0000
# Leaves its own pid and start time before it becomes the sandbox: no moment is left in which it runs unrecorded.
START = """read -r line < /proc/$$/stat && echo "$line" > "$1" || exit 1; shift
for group in $THERMAE_GROUPS; do echo $$ > "$group/cgroup.procs" || exit 1; done
unset THERMAE_GROUPS; exec "$@"
"""
# The first process inside: it collects orphans, and the sandbox ends with its agent, whatever else still runs.
# A shell starts what runs in its background deaf to Ctrl-C, which kernels would inherit.
FIRST = 'env --default-signal=INT,QUIT "$@" & wait $!'


@dataclass(frozen=True, slots=True)
class Place:
    """The paths of one sandbox on the host."""

    record: Path  # folder of its records
    sockets: Path
    kernels: Path
    groups: Sequence[Path]
    shown_groups: Sequence[tuple[Path, str]]
    egress: Path | None = None  # where its egress proxy listens


def sandbox_uid(session: UUID) -> int:
    """Who a sandbox runs as: ourselves, or, where we are root, a uid of its own."""
    return os.geteuid() or FIRST_UID + session.int % 0x10000


def environment(spec: SandboxSpec, groups: Sequence[Path]) -> dict[str, str]:
    """All that a sandbox's processes see of an environment: nothing of ours is passed on."""
    return {
        "PATH": "/opt/python/bin:/usr/local/bin:/usr/bin:/bin",
        "HOME": WORK_DIR,
        "LANG": "C.UTF-8",
        "IPYTHONDIR": "/tmp/.ipython",  # noqa: S108 - the sandbox's own
        "PYTHONUNBUFFERED": "1",
        "THERMAE_GROUPS": " ".join(map(str, groups)),
        "THERMAE_SPAWN_HOST": "1",
        "THERMAE_KERNEL_PATH": "/opt/python/share/jupyter",
        **agent_environment(spec),
    }


def words(bwrap: str, spec: SandboxSpec, place: Place, status: int, seccomp: int | None) -> list[str]:
    """The whole command; `status` and `seccomp` are descriptors that bubblewrap inherits."""
    uid = sandbox_uid(spec.session)
    return [
        *("/bin/sh", "-c", START, "sh", str(place.record / "stat")),
        *(bwrap, "--json-status-fd", str(status)),
        *(() if seccomp is None else ("--seccomp", str(seccomp))),
        *_namespaces(),
        *_files(spec, place),
        "--",
        *_limits(spec, limited=bool(place.groups)),
        *_drop_to(uid),
        *("/bin/sh", "-c", FIRST, "sh", base_python(), "-S", "-m", "agent"),
    ]


def base_python() -> str:
    """The Python that our own environment stands on: it has what the agent needs."""
    return str(Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}")


def _namespaces() -> list[str]:
    words = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    words += ["--as-pid-1", "--hostname", "sandbox", "--chdir", WORK_DIR]
    if os.geteuid() != 0:
        return [*words, "--unshare-user", "--disable-userns"]
    # Root needs no user namespace to make the others, and keeps just what it takes to become somebody else.
    kept = ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP")
    return [*words, "--cap-drop", "ALL", *(word for name in kept for word in ("--cap-add", name))]


def _drop_to(uid: int) -> list[str]:
    if os.geteuid() != 0:
        return []
    options = ("--clear-groups", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all")
    return ["/usr/bin/setpriv", f"--reuid={uid}", f"--regid={uid}", *options]


def _limits(spec: SandboxSpec, *, limited: bool) -> list[str]:
    """Limits of each process. Without a control group the data of one process is the best bound there is."""
    limits = {"core": CORE, "nofile": 4096, "nproc": spec.pids}
    if not limited:
        limits["data"] = spec.memory * MIB
    return ["/usr/bin/prlimit", *(f"--{name}={value}:{value}" for name, value in limits.items())]


def _files(spec: SandboxSpec, place: Place) -> list[str]:
    temporary = str(temporary_size(spec) * MIB)
    words = ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "sbin", "lib", "lib64", "lib32"):
        path = Path("/") / name
        if path.is_symlink():
            words += ["--symlink", os.readlink(path), str(path)]
        elif path.is_dir():
            words += ["--ro-bind", str(path), str(path)]
    if not Path(sys.base_prefix).is_relative_to("/usr"):
        words += [*_open_folders(sys.base_prefix), "--ro-bind", sys.base_prefix, sys.base_prefix]
    words += ["--perms", "0755", "--dir", "/etc"]
    for name in ETC:
        words += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    for name in ("passwd", "group"):
        words += ["--ro-bind", str(place.record / name), f"/etc/{name}"]
    for target in KERNELS_TARGETS:
        words += _open_folders(target)
        words += ["--ro-bind", str(place.kernels), target]
    words += [*_open_folders(AGENT_TARGET), "--ro-bind", str(AGENT_SOURCE), AGENT_TARGET]
    words += [*_open_folders(SOCKET_TARGET), "--bind", str(place.sockets), SOCKET_TARGET]
    if place.egress:
        words += [*_open_folders(EGRESS_TARGET), "--ro-bind", str(place.egress), EGRESS_TARGET]
    words += ["--proc", "/proc", "--dev", "/dev"]
    for source, target in place.shown_groups:
        words += [*_open_folders(target), "--ro-bind", str(source), target]
    for target, size in ((WORK_DIR, str(spec.disk * MIB)), ("/tmp", temporary), ("/dev/shm", temporary)):  # noqa: S108
        words += ["--perms", "1777", "--size", size, "--tmpfs", target]
    # The root and /dev are memory too, and without a size: nothing may be written there.
    return [*words, "--remount-ro", "/dev", "--remount-ro", "/"]


def _open_folders(path: str) -> list[str]:
    """Make what lies above a path open to all: left to itself bubblewrap closes it to others than root."""
    return [word for above in reversed(Path(path).parents[:-1]) for word in ("--perms", "0755", "--dir", str(above))]


def account_files(uid: int) -> Mapping[str, str]:
    """A passwd and a group of two lines, since programs ask who they are."""
    return {
        "passwd": f"root:x:0:0::/nonexistent:/usr/sbin/nologin\ncode:x:{uid}:{uid}::{WORK_DIR}:/bin/bash\n",
        "group": f"root:x:0:\ncode:x:{uid}:\n",
    }
