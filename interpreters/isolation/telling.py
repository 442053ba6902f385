"""What the probes of a check are told of its sandboxes, and what the engine tells of their logs. Almost pure."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings

from interpreters.isolation.base import MIB, Given, Observation
from interpreters.isolation.canaries import Canaries, own_process
from interpreters.runtime.base import SandboxSpec
from interpreters.runtime.hardening import inode_limit, temporary_size
from interpreters.runtime.pair import shares
from interpreters.runtime.sockets import socket_folder

ENGINE_SOCKETS = (
    *("/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock"),
    *("/run/crio/crio.sock", "/run/user/1000/docker.sock", "/run/dbus/system_bus_socket"),
)
EGRESS_PORT = 3128  # where the relay offers the proxy


def told(engine: str, spec: SandboxSpec, other: SandboxSpec, canaries: Canaries) -> Given:
    """What the probes of this check are told."""
    neighbour, socket = socket_folder(other.session), settings.DOCKER_HOST.removeprefix("unix://")
    return Given(
        engine=engine,
        oci_runtime=spec.oci_runtime,
        memory=spec.memory,
        disk=spec.disk,
        temporary=temporary_size(spec),
        pids=spec.pids,
        addresses=canaries.addresses,
        token=canaries.token,
        abstract=canaries.abstract,
        queue=canaries.queue,
        process=own_process(),
        neighbours=[str(neighbour / "agent.sock"), str(neighbour), str(settings.SOCKET_DIR)],
        engine_sockets=[*ENGINE_SOCKETS, *([socket] if socket.startswith("/") else [])],
        **(_of_application(spec) if spec.custom else {"inodes": inode_limit(spec.disk)}),
    )


def _of_application(spec: SandboxSpec) -> dict[str, Any]:
    """What is otherwise there: nothing of the host's is mounted, and /dev/shm is all that it may always write to."""
    folders = shares(list(spec.writable_paths), spec.disk)
    return {
        "custom": True,
        "folder": "/dev/shm",  # noqa: S108 - the sandbox's own
        "inodes": inode_limit(temporary_size(spec)),
        "memories": list(folders),
        "mounts": (),
        "writable": folders,
        "ports": [spec.target_port, *([EGRESS_PORT] if spec.egress else [])],
    }


def log_size(described: Mapping[str, Any], written: float) -> Observation:
    """Of the log on this machine, in MiB, after so many were written to it.

    Where the engine's file is not ours to see, what it was told of its bounds has to do. Without either, as under
    bubblewrap, all that was written is there.
    """
    words = f"{written:.3g} MiB were written to it"
    described = described.get("Application") or described
    if path := str(described.get("LogPath") or ""):
        with suppress(OSError):
            return Observation("bounded", words, Path(path).stat().st_size / MIB)
    config = ((described.get("HostConfig") or {}).get("LogConfig") or {}).get("Config") or {}
    if config.get("max-size") and written:
        return Observation("bounded", f"{words}, and it may have {config['max-size']}", 0.0)
    return Observation("bounded", words, written)
