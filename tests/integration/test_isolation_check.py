"""`doctor --isolation` against real containers: all is contained, and each weakness shows where it should."""

import asyncio
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.test import override_settings

from interpreters.isolation import runner
from interpreters.isolation.base import Result, Verdict
from interpreters.isolation.sandboxes import label
from interpreters.runtime import SandboxSpec, docker, hardening
from interpreters.runtime.docker import DockerRuntime
from tests import sandboxes

pytestmark = [pytest.mark.docker, pytest.mark.timeout(180)]

Config = dict[str, Any]
Weaken = Callable[[Config], object]


@pytest.fixture(scope="module")
def image() -> str:
    return sandboxes.image("bash")


@pytest.fixture
def spec(image: str) -> Iterator[SandboxSpec]:
    with tempfile.TemporaryDirectory(prefix="thm-") as folder:
        with override_settings(SOCKET_DIR=Path(folder) / "s", RUNTIME="docker"):
            yield SandboxSpec(
                uuid4(), label(), pool=1, revision=1, image=image, kernel="bash", memory=256, disk=16, pids=64
            )
        assert os.listdir(Path(folder) / "s") == []
    assert DockerRuntime().list(label()) == []


@pytest.fixture
def weaken(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have containers made with a change of their configuration, and code with another uid."""

    def change(how: Weaken, code_uid: int | None = None) -> None:
        def config(*words: Any) -> Config:
            made = hardening.container_config(*words)
            how(made)
            return made

        monkeypatch.setattr(docker, "container_config", config)
        if code_uid is not None:
            monkeypatch.setattr(docker, "CODE_UID", code_uid)
            monkeypatch.setattr(hardening, "CODE_UID", code_uid)

    return change


def run(spec: SandboxSpec, *only: str, network: bool = False) -> dict[str, Verdict]:
    verdicts = asyncio.run(runner.check(DockerRuntime(), spec, network=network, only=only))
    return {verdict.probe: verdict for verdict in verdicts}


def red(verdicts: dict[str, Verdict]) -> dict[str, str]:
    return {name: verdict.detail for name, verdict in verdicts.items() if verdict.result.failed}


def test_nothing_gets_out_of_a_sandbox_as_it_is_made_in_service(spec: SandboxSpec) -> None:
    verdicts = run(spec)
    assert red(verdicts) == {}
    assert sum(verdict.result is Result.CONTAINED for verdict in verdicts.values()) >= 100
    # A canary was there to be reached, on addresses of both kinds.
    assert "addresses" in verdicts["services of the host"].detail


# All that a machine may be able to give; not every one can give a container all that there are.
CAPABILITIES = (
    *("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "KILL", "SETGID", "SETUID", "SETPCAP", "NET_ADMIN"),
    *("NET_RAW", "IPC_LOCK", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN"),
    *("SYS_BOOT", "SYS_NICE", "SYS_TIME", "MKNOD", "SYSLOG"),
)


def all_rights(config: Config) -> None:
    host = config["HostConfig"]
    config["User"] = "0:0"
    host.update(CapDrop=[], CapAdd=CAPABILITIES, ReadonlyRootfs=False, MaskedPaths=[], ReadonlyPaths=[])
    host["SecurityOpt"] = ["seccomp=unconfined"]
    host["Devices"] = [{"PathOnHost": "/dev/kmsg", "PathInContainer": "/dev/kmsg", "CgroupPermissions": "r"}]


RED = (
    *("uid", "become root", "su, sudo", "capabilities", "no new privileges", "filter of calls", "signal the agent"),
    *("ptrace the agent", "memory of the agent", "the agent in /proc", "environment of the agent", "signal pid 1"),
    *("the socket's folder", "read-only root", "write to the root", "kernel settings", "device nodes", "mknod"),
    *("memory devices", "mount", "umount", "mount by file descriptors", "open_tree", "pivot_root", "chroot"),
    *("unshare mount", "unshare network", "namespaces of pid 1", "set the clock", "set the host name", "reboot"),
    *("swapon", "acct", "raw socket", "packet socket", "priority", "open_by_handle_at", "syslog", "kallsyms"),
    "kill everybody",
)


def test_one_of_root_with_all_rights_is_red_almost_everywhere(spec: SandboxSpec, weaken: Any) -> None:
    weaken(all_rights, code_uid=0)
    verdicts = run(spec, *RED, "processes of the host")
    held = {name: verdict.detail for name, verdict in verdicts.items() if not verdict.result.failed}
    assert set(held) == {"processes of the host"}, held


def host(**fields: Any) -> Weaken:
    return lambda config: config["HostConfig"].update(fields)


def mounted_engine(config: Config) -> None:
    config["HostConfig"]["Mounts"].append(
        {"Type": "bind", "Source": "/var/run/docker.sock", "Target": "/var/run/docker.sock"}
    )


def unlimited(config: Config) -> None:
    limits = config["HostConfig"]
    limits.update(PidsLimit=0, Memory=0, MemorySwap=0, Ulimits=[], ShmSize=1 << 30)
    large = "rw,exec,mode=1777,nr_inodes=1000000,size=1g"
    limits["Tmpfs"] = {"/work": f"{large},uid=10001,gid=10001", "/tmp": large}


NO_FILTER = ["no-new-privileges:true", "seccomp=unconfined"]
WEAKNESSES: dict[str, tuple[Weaken, int | None, set[str]]] = {
    "no filter of calls": (
        host(SecurityOpt=NO_FILTER), None, {"filter of calls", "i386 calls", "keyctl", "add_key", "personality"},
    ),
    "writable root": (host(ReadonlyRootfs=False), None, {"read-only root", "write to the root"}),
    "capabilities": (host(CapDrop=[], CapAdd=["SYS_ADMIN"]), None, {"capabilities"}),
    "a bridge": (host(NetworkMode="bridge"), None, {"interfaces", "services of the host"}),
    "the host's network": (
        host(NetworkMode="host"), None, {"interfaces", "services of the host", "abstract sockets"},
    ),
    "the host's processes": (
        host(PidMode="host", IpcMode="host"), None, {"processes of the host", "message queues", "kill everybody"},
    ),
    "the engine's socket": (
        mounted_engine, None, {"the engine's socket", "any other socket", "mounts of the host"},
    ),
    "no limits": (
        unlimited, None,
        {"fork bomb", "fill /work", "fill /tmp", "fill /dev/shm", "inodes", "open files", "core dump", "memory bomb"},
    ),
    "one uid": (
        host(LogConfig={"Type": "json-file", "Config": {}}), 10000,
        {
            "signal the agent", "signal pid 1", "the agent in /proc", "environment of the agent", "kill everybody",
            "the socket's folder", "the agent's socket", "log flooding",
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("weakness", WEAKNESSES)
def test_a_weakness_shows_in_the_probes_that_it_is_about(spec: SandboxSpec, weaken: Any, weakness: str) -> None:
    how, code_uid, expected = WEAKNESSES[weakness]
    weaken(how, code_uid)
    # What they need, and one that holds all the same.
    more = {"words of the log", "processes of the host", "uid"}
    assert set(red(run(spec, *expected, *more))) == expected


def test_a_check_that_is_broken_off_leaves_nothing(spec: SandboxSpec) -> None:
    async def begin() -> None:
        checking = asyncio.create_task(runner.check(DockerRuntime(), spec, only=["uid"]))
        await asyncio.sleep(0.2)
        checking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await checking

    asyncio.run(begin())  # the fixture looks at what is left
