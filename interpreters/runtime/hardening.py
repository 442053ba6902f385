"""What a sandbox may do, as the Engine API's own JSON. Pure: a spec in, a container's whole configuration out.

No caller can add to it: every field is set here from typed numbers, so a mount or a capability cannot slip in.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from interpreters.agent.egress import PORT as EGRESS_PORT
from interpreters.runtime import oci
from interpreters.runtime.base import SandboxSpec
from interpreters.runtime.sockets import code_uid

MIB = 1024 * 1024
SOCKET_TARGET = "/run/thermae"
EGRESS_TARGET = "/run/egress"
EGRESS_PROXY = f"127.0.0.1:{EGRESS_PORT}"  # where the agent, or the relay beside a custom container, offers it inside
WORK_DIR = "/work"
# Bytes of a crashed process that may be kept. None would do where it goes to a file; where the machine pipes it to a
# program, such as systemd's, the kernel looks at no limit but this one, and drops it.
CORE = 1
# Without `site`, which the agent does not need: it saves 20 ms and 2 MB in each of the two.
AGENT_COMMAND = ("/opt/agent/bin/python", "-S", "-m", "agent")
HOST_COMMAND = ("/opt/agent/bin/python", "-S", "-m", "agent.host")

# What the engine hides by default, and what tells about the machine without being of use to a program.
MASKED_PATHS = [
    *("/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug"),
    *("/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware"),
    *("/proc/cmdline", "/proc/config.gz", "/proc/interrupts", "/proc/kallsyms", "/proc/modules", "/proc/kpagecount"),
    *("/proc/kpageflags", "/proc/kpagecgroup", "/proc/vmallocinfo", "/proc/slabinfo", "/proc/softirqs"),
    *("/proc/buddyinfo", "/proc/consoles", "/proc/diskstats", "/proc/iomem", "/proc/ioports", "/proc/key-users"),
    *("/proc/kmsg", "/proc/locks", "/proc/misc", "/proc/mtrr", "/proc/pagetypeinfo", "/proc/partitions", "/proc/swaps"),
    *("/proc/zoneinfo", "/sys/block", "/sys/class/dmi", "/sys/devices/virtual/dmi", "/sys/devices/virtual/thermal"),
    *("/sys/fs/bpf", "/sys/fs/pstore", "/sys/kernel/boot_params", "/sys/kernel/btf", "/sys/kernel/debug"),
    *("/sys/kernel/notes", "/sys/kernel/security", "/sys/kernel/slab", "/sys/kernel/tracing"),
    *("/sys/kernel/vmcoreinfo", "/sys/module"),
]
# There is nobody to ask, and the machine's own resolvers and domains are nobody's business.
NO_RESOLVER = {"Dns": ["127.0.0.1"], "DnsSearch": ["."]}
READONLY_PATHS = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]


@dataclass(frozen=True, slots=True)
class EngineFeatures:
    """What the engine and its kernel can enforce."""

    cgroup_v1: bool = False
    swap_limit: bool = True
    default_runtime: str = "runc"
    runtimes: oci.Configured = field(default_factory=dict)

    def runtime_of(self, spec: SandboxSpec) -> str:
        return spec.oci_runtime or self.default_runtime

    def kind_of(self, spec: SandboxSpec) -> oci.Kind:
        """What will run this sandbox, be it by the pool's choice or the engine's."""
        return oci.kind(self.runtime_of(spec), self.runtimes)


@cache
def seccomp_profile() -> str:
    """Our allow-list of system calls, as the JSON text that the Engine API wants."""
    return json.dumps(json.loads(Path(__file__).with_name("seccomp.json").read_text()), separators=(",", ":"))


def temporary_size(spec: SandboxSpec) -> int:
    """MiB of /tmp, and of /dev/shm: with the work directory they count as memory, so small pools get little."""
    return max(8, min(64, spec.memory // 16))


def agent_environment(spec: SandboxSpec) -> dict[str, str]:
    """What the agent is told, by docs/protocol.md; nothing secret, for user code may come to read it."""
    environment = {
        "PYTHONPATH": "/opt/agent/app",
        "PYTHONSAFEPATH": "1",  # never import from the work directory
        "THERMAE_SOCKET_DIR": SOCKET_TARGET,
        "THERMAE_KERNEL": spec.kernel,
        "THERMAE_WARM_UP": spec.warm_up,
        "THERMAE_WORK_DIR": WORK_DIR,
        "THERMAE_MEMORY_LIMIT": str(spec.memory * MIB),
        "THERMAE_DISK_LIMIT": str(spec.disk * MIB),
        "THERMAE_PIDS_LIMIT": str(spec.pids),
        "THERMAE_CODE_UID": str(code_uid(spec.session)),
        "THERMAE_ENVIRONMENT": json.dumps({**thread_limits(spec), **egress_environment(spec), **spec.environment}),
    }
    return environment | ({"THERMAE_EGRESS": "1"} if spec.egress else {})


def egress_environment(spec: SandboxSpec) -> dict[str, str]:
    """What tells programs of the proxy; nothing where there is none.

    Not SOCKS for ALL_PROXY, though the proxy speaks it: httpx, and with it most clients of language models, fails at
    once when it reads of SOCKS and has no package for it.
    """
    if not spec.egress:
        return {}
    proxy = f"http://{EGRESS_PROXY}"
    variables = {"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy, "ALL_PROXY": proxy, "NO_PROXY": "localhost,127.0.0.1,::1"}
    return variables | {name.lower(): value for name, value in variables.items()}


def thread_limits(spec: SandboxSpec) -> dict[str, str]:
    """As many threads as cores. Numeric libraries start one per core of the *machine* otherwise, each with buffers."""
    threads = str(max(1, math.ceil(spec.cpu)))
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_MAX_THREADS", "POLARS_MAX_THREADS")
    return dict.fromkeys(names, threads)


@dataclass(frozen=True, slots=True)
class Folders:
    """What a sandbox shares with the host: where the agent makes its sockets, and, where it has one, its way out."""

    sockets: str
    egress: str = ""

    @property
    def mounts(self) -> list[dict[str, Any]]:
        mounts: list[dict[str, Any]] = [{"Type": "bind", "Source": self.sockets, "Target": SOCKET_TARGET}]
        if self.egress:
            mounts.append({"Type": "bind", "Source": self.egress, "Target": EGRESS_TARGET, "ReadOnly": True})
        return mounts


def container_config(spec: SandboxSpec, folders: Folders, uid: int, features: EngineFeatures) -> dict[str, Any]:
    """The body of `POST /containers/create`, for an agent that runs as `uid`."""
    return {
        "Image": spec.image,
        "Entrypoint": [],
        "Cmd": list(AGENT_COMMAND),
        "User": f"{uid}:{uid}",
        "WorkingDir": "/",
        "Hostname": "sandbox",
        "Env": [f"{name}={value}" for name, value in agent_environment(spec).items()],
        "Labels": labels(spec, "sandbox"),
        "StopSignal": "SIGKILL",
        # An image may declare its own check or volumes; neither is ours to run or to keep.
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": isolation(spec.oci_runtime, "none", folders.mounts) | _limits(spec, features),
    }


def labels(spec: SandboxSpec, part: str) -> dict[str, str]:
    """All that we read later is set here: an image's own labels fill in what is not."""
    return {**spec.labels, "thermae.part": part}


def isolation(oci_runtime: str, network: str, mounts: list[dict[str, Any]]) -> dict[str, Any]:
    """What is the same for every container of ours: the walls."""
    return {
        "Runtime": oci_runtime,
        "NetworkMode": network,
        **(NO_RESOLVER if network == "none" else {}),
        # A namespace of its own, without the /dev/shm that the engine would mount: its inodes have no bound.
        "IpcMode": "none",
        "CgroupnsMode": "private",
        "ReadonlyRootfs": True,
        "Privileged": False,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges:true", f"seccomp={seccomp_profile()}"],
        "MaskedPaths": MASKED_PATHS,
        "ReadonlyPaths": READONLY_PATHS,
        "Init": True,  # an init that reaps, so that orphans of user code do not use up the pids
        "Mounts": mounts,
        "RestartPolicy": {"Name": "no"},
        "AutoRemove": False,
        # Only the agent's own words go here, never what user code prints; still, bounded.
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "1"}},
        "OomScoreAdj": 500,
    }


def _limits(spec: SandboxSpec, features: EngineFeatures) -> dict[str, Any]:
    memory = spec.memory * MIB
    temporary, uid = temporary_size(spec), code_uid(spec.session)
    limits: dict[str, Any] = {
        "Memory": memory,
        "NanoCpus": int(spec.cpu * 1e9),
        "PidsLimit": spec.pids,
        "Tmpfs": {
            WORK_DIR: tmpfs(spec.disk, f"mode=0700,uid={uid},gid={uid}"),
            "/tmp": tmpfs(temporary, "mode=1777"),  # noqa: S108 - the sandbox's own
            "/dev/shm": shared_memory(temporary),  # noqa: S108 - the sandbox's own
        },
        "Ulimits": [ulimit("core", CORE), ulimit("nofile", 4096)],
    }
    if features.swap_limit:
        limits["MemorySwap"] = memory
    if features.kind_of(spec) is oci.Kind.GVISOR:
        # gVisor spends several host tasks on one of its own, and dies as a whole at the limit: there the guest's
        # own count is limited. Under runc that count would be shared by all sandboxes of this uid.
        limits["PidsLimit"] = max(1024, spec.pids * 8)
        limits["Ulimits"].append(ulimit("nproc", spec.pids))
    elif features.cgroup_v1:
        limits["MemorySwappiness"] = 0
    return limits


def inode_limit(size: int) -> int:
    """Files that `size` MiB may hold. Inodes cost kernel memory, so they are bounded too: one per 16 KiB."""
    return max(4096, size * 64)


def tmpfs(size: int, options: str, execute: str = "exec") -> str:
    """Mount options of `size` MiB."""
    return f"rw,{execute},nosuid,nodev,size={size}m,nr_inodes={inode_limit(size)},{options}"


def shared_memory(size: int) -> str:
    """Mount options of /dev/shm."""
    return tmpfs(size, "mode=1777", execute="noexec")


def ulimit(name: str, value: int) -> Mapping[str, object]:
    return {"Name": name, "Soft": value, "Hard": value}
