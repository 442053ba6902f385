"""A custom container and its relay, as the Engine API's own JSON. Pure, as `hardening` beside it.

The two share a network namespace that has a loopback and nothing else. The relay, which is ours, also has the folder
with the socket; the application, which is a tenant's, has nothing of the host's at all. They share no process, no
file and no memory: all that the application can do to the relay is to answer it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from interpreters.runtime.base import AGENT_UID, SHARING_RUNTIMES, LaunchFailed, SandboxSpec
from interpreters.runtime.hardening import (
    CORE,
    MIB,
    SOCKET_TARGET,
    EngineFeatures,
    Folders,
    egress_environment,
    isolation,
    labels,
    shared_memory,
    temporary_size,
    tmpfs,
    ulimit,
)

# Who a container runs as if neither its pool nor its image says so: the same always, so that images can prepare for it.
APPLICATION_UID = 10001
NO_SHARING = (
    "A custom container shares its loopback with our relay; the OCI runtime {} cannot do that: clear the pool's."
)
RELAY_COMMAND = ("/opt/agent/bin/python", "-S", "-m", "agent.relay")
# Beside the pool's own limits. It holds at most 64 requests, each with buffers of about 1 MiB at the worst.
RELAY_MEMORY, RELAY_PIDS, RELAY_CPU = 96, 32, 0.5
NUMBERED_USER = re.compile(r"(\d{1,9})(?::(\d{1,9}))?")
FOLDER = re.compile(r"(/[A-Za-z0-9._@+-]+)+/?")
MOST_VOLUMES = 16
KERNEL_FOLDERS = ("proc", "sys", "dev")
SHARED_FOLDERS = ("/tmp", "/var/tmp")  # noqa: S108 - the sandbox's own


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What an image says of itself: hostile text, of which little is heeded."""

    user: str = ""
    volumes: Sequence[str] = ()
    variables: Sequence[str] = field(default=())  # names

    @classmethod
    def of(cls, description: Mapping[str, Any]) -> "ImageFacts":
        """From `GET /images/<name>/json`."""
        config = description.get("Config") or {}
        names = [str(entry).partition("=")[0] for entry in config.get("Env") or ()]
        return cls(str(config.get("User") or ""), tuple(map(str, config.get("Volumes") or ())), tuple(names))


def refuse(spec: SandboxSpec) -> None:
    """Raise LaunchFailed for what no pair can be made of. A form has refused it before, in the same words."""
    if spec.oci_runtime not in SHARING_RUNTIMES:
        raise LaunchFailed(NO_SHARING.format(spec.oci_runtime))
    if not spec.relay:
        raise LaunchFailed("The relay for custom containers is not built: run `manage.py build_images relay`.")
    if not 1 <= spec.target_port <= 65535:
        raise LaunchFailed("The pool names no target port: say where the container's server listens.")


def relay_config(spec: SandboxSpec, folders: Folders, uid: int, features: EngineFeatures) -> dict[str, Any]:
    """The body of `POST /containers/create` for the relay, which runs as `uid`."""
    limits = _limits(RELAY_MEMORY, RELAY_CPU, RELAY_PIDS, features)
    return {
        "Image": spec.relay,
        "Entrypoint": [],
        "Cmd": list(RELAY_COMMAND),
        "User": f"{uid}:{uid}",
        "WorkingDir": "/",
        "Hostname": "sandbox",  # the application's, too
        "Env": [f"{name}={value}" for name, value in relay_environment(spec).items()],
        "Labels": labels(spec, "relay"),
        "StopSignal": "SIGKILL",
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": isolation(spec.oci_runtime, "none", folders.mounts) | limits,
    }


def relay_environment(spec: SandboxSpec) -> dict[str, str]:
    """What the relay is told, by docs/protocol.md. The application's secrets are not its business."""
    environment = {
        "PYTHONPATH": "/opt/agent/app",
        "PYTHONSAFEPATH": "1",
        "THERMAE_SOCKET_DIR": SOCKET_TARGET,
        "THERMAE_TARGET_PORT": str(spec.target_port),
        "THERMAE_PROBES": json.dumps(spec.probes),
        "THERMAE_START_TIMEOUT": str(spec.start_timeout),
    }
    return environment | ({"THERMAE_EGRESS": "1"} if spec.egress else {})


def application_config(
    spec: SandboxSpec, relay: str, image: ImageFacts, features: EngineFeatures, *, root_allowed: bool = False
) -> dict[str, Any]:
    """The body of `POST /containers/create` for the tenant's container, in the network of the container `relay`.

    Raises LaunchFailed for what the image asks and cannot have.
    """
    user = application_user(spec.run_as, image.user, root_allowed=root_allowed)
    limits = _limits(spec.memory, spec.cpu, spec.pids, features)
    limits["Tmpfs"] = {"/dev/shm": shared_memory(temporary_size(spec)), **_writable(spec, image, user)}  # noqa: S108
    config: dict[str, Any] = {
        "Image": spec.image,
        "User": user,
        "Env": _environment(spec, image),
        "Labels": labels(spec, "app"),
        "StopSignal": "SIGKILL",
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": isolation(spec.oci_runtime, f"container:{relay}", []) | limits,
    }
    # What is left out is the image's own. An entrypoint of ours puts the image's arguments out of force, too.
    if spec.command:
        config["Entrypoint"] = list(spec.command)
    if spec.command or spec.args:
        config["Cmd"] = list(spec.args)
    return config


def application_user(run_as: str, image_user: str, *, root_allowed: bool) -> str:
    """`uid:gid`. Root only where the pool says so and the operator allows it; a name could stand for any user."""
    if run_as:
        told = NUMBERED_USER.fullmatch(run_as)
        if told is None or int(told[1]) == AGENT_UID or (int(told[1]) == 0 and not root_allowed):
            raise LaunchFailed(f"The container may not run as {run_as!r}: name another user by number in the pool.")
        return f"{int(told[1])}:{int(told[2] or told[1])}"
    own = NUMBERED_USER.fullmatch(image_user)
    if own is None or int(own[1]) in (0, AGENT_UID):
        return f"{APPLICATION_UID}:{APPLICATION_UID}"
    return f"{int(own[1])}:{int(own[2] or own[1])}"


def _environment(spec: SandboxSpec, image: ImageFacts) -> list[str]:
    given = {**egress_environment(spec), **spec.environment, **spec.secrets}
    if "HOME" not in (*given, *image.variables):
        given["HOME"] = "/tmp"  # noqa: S108 - its root is read-only, and many programs write into their home
    return [f"{name}={value}" for name, value in given.items()]


def _writable(spec: SandboxSpec, image: ImageFacts, user: str) -> dict[str, str]:
    """Memory file systems by path. A volume that the image declares would be a folder on the host without a bound."""
    paths = _folders(image, spec)
    if not paths:
        return {}
    if spec.disk < 2 * len(paths):
        raise LaunchFailed(
            f"{spec.disk} MiB of disk are too little for {len(paths)} writable folders (the pool's, and the volumes "
            f"that the image declares): give the pool at least {2 * len(paths)} MiB."
        )
    uid, gid = user.split(":")
    return {
        path: tmpfs(size, "mode=1777" if path in SHARED_FOLDERS else f"mode=0755,uid={uid},gid={gid}")
        for path, size in shares(paths, spec.disk).items()
    }


def shares(paths: Sequence[str], disk: int) -> dict[str, int]:
    """MiB by folder: half for the first, and the others share the rest."""
    if len(paths) < 2:
        return dict.fromkeys(paths, disk)
    first = disk // 2
    return dict.fromkeys(paths, (disk - first) // (len(paths) - 1)) | {paths[0]: first}


def _folders(image: ImageFacts, spec: SandboxSpec) -> list[str]:
    """Where memory file systems go, without duplicates. Raises LaunchFailed for a place that none may be put at."""
    if len(image.volumes) > MOST_VOLUMES:
        raise LaunchFailed(f"The image declares {len(image.volumes)} volumes: at most {MOST_VOLUMES} can be had.")
    for path in (*spec.writable_paths, *image.volumes):
        parts = path.split("/")
        if len(path) > 200 or not FOLDER.fullmatch(path) or {".", ".."} & set(parts) or parts[1] in KERNEL_FOLDERS:
            raise LaunchFailed(f"No folder can be made writable at {path[:200]!r}: the pool or its image asks for it.")
    return list(dict.fromkeys(path.rstrip("/") for path in (*spec.writable_paths, *image.volumes)))


def _limits(memory: int, cpu: float, pids: int, features: EngineFeatures) -> dict[str, Any]:
    limits: dict[str, Any] = {
        "Memory": memory * MIB,
        "NanoCpus": int(cpu * 1e9),
        "PidsLimit": pids,
        "Ulimits": [ulimit("core", CORE), ulimit("nofile", 4096)],
    }
    if features.swap_limit:
        limits["MemorySwap"] = memory * MIB
    if features.cgroup_v1:
        limits["MemorySwappiness"] = 0
    return limits
