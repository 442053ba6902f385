"""`doctor --isolation` against real containers: all is contained, and each weakness shows where it should."""

import asyncio
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.test import override_settings

from interpreters.isolation import runner
from interpreters.isolation.application import as_application
from interpreters.isolation.base import Result, Verdict
from interpreters.isolation.probes.applications import WITHOUT_CODE
from interpreters.isolation.sandboxes import label
from interpreters.runtime import SandboxSpec, docker, hardening, pair
from interpreters.runtime.docker import DockerRuntime
from interpreters.runtime.sockets import socket_folder
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

    def change(how: Weaken, uid: int | None = None) -> None:
        def config(*words: Any) -> Config:
            made = hardening.container_config(*words)
            how(made)
            return made

        monkeypatch.setattr(docker, "container_config", config)
        if uid is not None:
            monkeypatch.setattr(docker, "code_uid", lambda session: uid)
            monkeypatch.setattr(hardening, "code_uid", lambda session: uid)

    return change


def run(spec: SandboxSpec, *only: str) -> dict[str, Verdict]:
    verdicts = asyncio.run(runner.check(DockerRuntime(), spec, only=only))
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
    *("ptrace the agent", "memory of the agent", "the agent in /proc", "files of the agent", "signal pid 1"),
    *("the socket's folder", "read-only root", "write to the root", "kernel settings", "device nodes", "mknod"),
    *("memory devices", "mount", "umount", "mount by file descriptors", "open_tree", "pivot_root", "chroot"),
    *("unshare mount", "unshare network", "namespaces of pid 1", "set the clock", "set the host name", "reboot"),
    *(
        "environment of the agent",
        "swapon",
        "acct",
        "raw socket",
        "packet socket",
        "priority",
        "open_by_handle_at",
        "syslog",
        "kallsyms",
    ),
    "kill everybody",
)


def test_one_of_root_with_all_rights_is_red_almost_everywhere(spec: SandboxSpec, weaken: Any) -> None:
    weaken(all_rights, uid=0)
    verdicts = run(spec, *RED, "processes of the host")
    held = {name: verdict.detail for name, verdict in verdicts.items() if not verdict.result.failed}
    assert set(held) == {"processes of the host"}, held


def host(**fields: Any) -> Weaken:
    return lambda config: config["HostConfig"].update(fields)


def hosts_network(config: Config) -> None:
    """One of the two: in the same network their agents would be in each other's way."""
    if config["Labels"]["thermae.pool"] == "1":
        config["HostConfig"]["NetworkMode"] = "host"


def mounted_engine(config: Config) -> None:
    config["HostConfig"]["Mounts"].append(
        {"Type": "bind", "Source": "/var/run/docker.sock", "Target": "/var/run/docker.sock"}
    )


def unlimited(config: Config) -> None:
    limits = config["HostConfig"]
    limits.update(PidsLimit=0, Memory=0, MemorySwap=0, Ulimits=[])
    large = "size=1g,nr_inodes=1000000"
    limits["Tmpfs"] = {
        path: re.sub(r"size=\d+m,nr_inodes=\d+", large, options) for path, options in limits["Tmpfs"].items()
    }


NO_FILTER = ["no-new-privileges:true", "seccomp=unconfined"]
WEAKNESSES: dict[str, tuple[Weaken, int | None, set[str]]] = {
    "no filter of calls": (
        host(SecurityOpt=NO_FILTER), None, {"filter of calls", "i386 calls", "keyctl", "add_key", "personality"},
    ),
    "writable root": (host(ReadonlyRootfs=False), None, {"read-only root", "write to the root"}),
    "capabilities": (host(CapDrop=[], CapAdd=["SYS_ADMIN"]), None, {"capabilities"}),
    "a bridge": (host(NetworkMode="bridge"), None, {"interfaces", "services of the host"}),
    "the host's network": (
        hosts_network, None, {"interfaces", "services of the host", "abstract sockets"},
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
            "files of the agent", "the socket's folder", "the agent's socket", "log flooding",
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("weakness", WEAKNESSES)
def test_a_weakness_shows_in_the_probes_that_it_is_about(spec: SandboxSpec, weaken: Any, weakness: str) -> None:
    how, uid, expected = WEAKNESSES[weakness]
    weaken(how, uid)
    # What they need, and one that holds all the same.
    more = {"words of the log", "processes of the host", "uid"}
    assert set(red(run(spec, *expected, *more))) == expected


# --- Custom containers ---


@pytest.fixture
def custom(spec: SandboxSpec) -> SandboxSpec:
    """With a secret, and arguments, which do not get into the sandboxes of a check."""
    relay = str(docker.connect().inspect_image(sandboxes.image("relay"))["Id"])
    theirs = replace(
        spec, kind="custom", image="theirs", relay=relay, target_port=8080, args=("serve",), disk=32,
        secrets={"AWS_SECRET": "canary-1d5e"}, writable_paths=("/tmp", "/data"),
    )  # fmt: skip
    return as_application(theirs)


def test_nothing_gets_out_of_a_custom_container(custom: SandboxSpec) -> None:
    verdicts = run(custom)
    assert red(verdicts) == {}
    left_out = {name for name, verdict in verdicts.items() if verdict.result is Result.NOT_APPLICABLE}
    assert left_out == set(WITHOUT_CODE)
    assert sum(verdict.result is Result.CONTAINED for verdict in verdicts.values()) >= 95
    assert "addresses" in verdicts["services of the host"].detail
    assert "2 folders" in verdicts["fill the writable folders"].detail


# By which of the two configurations is weakened.
CUSTOM_WEAKNESSES: dict[str, tuple[str, Weaken, set[str]]] = {
    "writable root": (
        "application_config", host(ReadonlyRootfs=False), {"read-only root", "write to the root"},
    ),
    "a bridge": ("relay_config", host(NetworkMode="bridge"), {"interfaces", "services of the host"}),
    "no limits": (
        "application_config", unlimited,
        {"fork bomb", "fill the writable folders", "fill /dev/shm", "inodes", "open files", "memory bomb"},
    ),
    "a log without end": (
        "application_config", host(LogConfig={"Type": "json-file", "Config": {}}), {"log flooding"},
    ),
    "the engine's socket": (
        "application_config", mounted_engine, {"the engine's socket", "any other socket", "mounts of the host"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("weakness", CUSTOM_WEAKNESSES)
def test_a_weakness_of_a_custom_container_shows(
    custom: SandboxSpec, monkeypatch: pytest.MonkeyPatch, weakness: str
) -> None:
    which, how, expected = CUSTOM_WEAKNESSES[weakness]
    make = getattr(pair, which)

    def config(*words: Any, **named: Any) -> Config:
        made = make(*words, **named)
        how(made)
        return made

    monkeypatch.setattr(pair, which, config)
    assert set(red(run(custom, *expected, "words of the log", "processes of the host", "uid"))) == expected


def test_an_application_that_shares_more_with_its_relay_than_a_network_shows(
    custom: SandboxSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    application_config = pair.application_config

    def share(spec: SandboxSpec, *words: Any, **named: Any) -> Config:
        config = application_config(spec, *words, **named)
        mounts = hardening.Folders(str(socket_folder(spec.session))).mounts
        config["HostConfig"].update(PidMode=config["HostConfig"]["NetworkMode"], Init=False, Mounts=mounts)
        return config

    monkeypatch.setattr(pair, "application_config", share)
    # That folder is open to the relay alone, wherever it is.
    verdicts = run(custom, "the relay's processes", "the relay's files", "mounts of the host", "uid")
    assert set(red(verdicts)) == {"the relay's processes", "mounts of the host"}


# --- gVisor ---


@pytest.mark.runsc
def test_nothing_gets_out_of_a_sandbox_under_gvisor(spec: SandboxSpec) -> None:
    with override_settings(ALLOWED_OCI_RUNTIMES=["runsc"]):
        # With less memory the fork bomb would end the sandbox: gVisor keeps some MiB for each process.
        verdicts = run(replace(spec, oci_runtime="runsc", memory=768))
    assert red(verdicts) == {}
    assert sum(verdict.result is Result.CONTAINED for verdict in verdicts.values()) >= 100


def test_a_check_that_is_broken_off_leaves_nothing(spec: SandboxSpec) -> None:
    async def begin() -> None:
        checking = asyncio.create_task(runner.check(DockerRuntime(), spec, only=["uid"]))
        await asyncio.sleep(0.2)
        checking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await checking

    asyncio.run(begin())  # the fixture looks at what is left
