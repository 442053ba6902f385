"""What the launch tells the agent, read once from its environment."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

KERNEL_PATH = "/opt/kernels/share/jupyter:/usr/local/share/jupyter:/usr/share/jupyter"


class BadConfig(Exception):
    """A THERMAE_ variable that cannot be used; the message names it."""


@dataclass(frozen=True, slots=True)
class Config:
    socket_dir: str
    work_dir: str
    kernel: str
    warm_up: str = ""
    kernel_path: tuple[str, ...] = tuple(KERNEL_PATH.split(":"))
    memory_limit: int = 0  # bytes; 0: ask the cgroup
    disk_limit: int = 0  # bytes; 0: ask the file system
    pids_limit: int = 0
    log_bytes: int = 16 << 20
    spawn_host: bool = False
    code_uid: int = 10001
    environment: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Config":
        """Raises BadConfig."""

        def number(name: str, default: int) -> int:
            text = environ.get(name) or str(default)
            if not text.isdecimal():
                raise BadConfig(f"{name} must be a whole number, not {text!r}")
            return int(text)

        return cls(
            socket_dir=environ.get("THERMAE_SOCKET_DIR") or "/run/thermae",
            work_dir=environ.get("THERMAE_WORK_DIR") or "/work",
            kernel=environ.get("THERMAE_KERNEL") or "python3",
            warm_up=environ.get("THERMAE_WARM_UP", ""),
            kernel_path=tuple(filter(None, environ.get("THERMAE_KERNEL_PATH", KERNEL_PATH).split(":"))),
            memory_limit=number("THERMAE_MEMORY_LIMIT", 0),
            disk_limit=number("THERMAE_DISK_LIMIT", 0),
            pids_limit=number("THERMAE_PIDS_LIMIT", 0),
            log_bytes=max(number("THERMAE_LOG_BYTES", 16 << 20), 1 << 20),
            spawn_host=environ.get("THERMAE_SPAWN_HOST") == "1",
            code_uid=number("THERMAE_CODE_UID", 10001),
            environment=_environment(environ.get("THERMAE_ENVIRONMENT") or "{}"),
        )


def _environment(text: str) -> dict[str, str]:
    try:
        given = json.loads(text)
    except ValueError:
        given = None
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        raise BadConfig("THERMAE_ENVIRONMENT must be a JSON object of strings")
    return given
