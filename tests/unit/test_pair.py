"""What a tenant's container and its relay may do, read from what the engine is told."""

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from interpreters.lifecycle import UNHEALTHY_EXIT
from interpreters.models import probes
from interpreters.runtime import LaunchFailed, SandboxSpec
from interpreters.runtime.hardening import EngineFeatures, Folders, container_config
from interpreters.runtime.pair import ImageFacts, application_config, application_user, refuse, relay_config
from interpreters.runtime.parts import Part, readable, sandboxes, without_secrets

SESSION = UUID(int=1)
FEATURES = EngineFeatures(cgroup_v1=True)


def spec(**fields: Any) -> SandboxSpec:
    given = {
        "image": "sha256:app", "kernel": "", "kind": "custom", "relay": "sha256:relay", "target_port": 8080,
        "probes": probes.whole({}, 8080), "writable_paths": ("/tmp", "/run"), "memory": 256, "disk": 64,
    }  # fmt: skip
    return SandboxSpec(SESSION, "test", pool=7, revision=1, **{**given, **fields})


def application(image: ImageFacts | None = None, **fields: Any) -> dict[str, Any]:
    return application_config(spec(**fields), "thermae-1", image or ImageFacts(), FEATURES)


def test_the_two_share_a_network_and_nothing_else() -> None:
    relay, app = relay_config(spec(), Folders("/s/1"), 10000, FEATURES), application()
    assert (relay["HostConfig"]["NetworkMode"], app["HostConfig"]["NetworkMode"]) == ("none", "container:thermae-1")
    assert relay["HostConfig"]["Mounts"] == [{"Type": "bind", "Source": "/s/1", "Target": "/run/thermae"}]
    assert app["HostConfig"]["Mounts"] == []
    for name in ("IpcMode", "CgroupnsMode"):
        assert relay["HostConfig"][name] == app["HostConfig"][name]
        assert app["HostConfig"][name] in ("none", "private")


def test_both_have_the_walls_that_a_sandbox_of_code_has() -> None:
    code = container_config(spec(kind="code"), Folders("/s/1"), 10000, FEATURES)["HostConfig"]
    own = {"NetworkMode", "Mounts", "Memory", "MemorySwap", "NanoCpus", "PidsLimit", "Tmpfs"}
    own |= {"Dns", "DnsSearch"}  # who shares a network has the resolver of its owner
    for config in (relay_config(spec(), Folders("/s/1"), 10000, FEATURES), application()):
        host = config["HostConfig"]
        assert {name: host.get(name) for name in code.keys() - own} == {name: code[name] for name in code.keys() - own}
        assert host["Memory"] == host["MemorySwap"] > 0
        assert host["NanoCpus"] > 0
        assert host["PidsLimit"] > 0
        assert config["Healthcheck"] == {"Test": ["NONE"]}


def test_the_application_has_the_pools_limits_and_the_relay_small_ones() -> None:
    app, relay = (
        application(cpu=2.0, pids=99)["HostConfig"],
        relay_config(spec(), Folders("/s/1"), 1, FEATURES)["HostConfig"],
    )
    assert (app["Memory"], app["NanoCpus"], app["PidsLimit"]) == (256 << 20, 2_000_000_000, 99)
    assert (relay["Memory"], relay["NanoCpus"], relay["PidsLimit"]) == (96 << 20, 500_000_000, 32)


def test_a_relay_is_told_no_secret() -> None:
    told = json.dumps(
        relay_config(spec(secrets={"A": "canary"}, environment={"B": "canary"}), Folders("/s"), 1, FEATURES)
    )
    assert "canary" not in told


@pytest.mark.parametrize(
    ("command", "args", "entrypoint", "words"),
    [((), (), None, None), (("a",), (), ["a"], []), (("a",), ("b",), ["a"], ["b"]), ((), ("b",), None, ["b"])],
)
def test_what_is_left_out_is_the_images(command: Any, args: Any, entrypoint: Any, words: Any) -> None:
    config = application(command=command, args=args)
    assert (config.get("Entrypoint"), config.get("Cmd")) == (entrypoint, words)


def test_folders_share_the_disk_and_volumes_are_among_them() -> None:
    facts = ImageFacts(volumes=("/data/", "/run"))
    folders = {**application(facts)["HostConfig"]["Tmpfs"]}
    del folders["/dev/shm"]
    sizes = {path: options.split("size=")[1].split(",")[0] for path, options in folders.items()}
    assert sizes == {"/tmp": "32m", "/run": "16m", "/data": "16m"}
    assert all("nosuid,nodev" in options and "nr_inodes=" in options for options in folders.values())
    assert list(application(writable_paths=())["HostConfig"]["Tmpfs"]) == ["/dev/shm"]


@pytest.mark.parametrize(
    "volumes", [("/a,exec",), ("/../x",), ("/",), ("x",), ("/proc/x",), ("/dev",), tuple(f"/{n}" for n in range(17))]
)
def test_volumes_that_cannot_be_had_are_told(volumes: tuple[str, ...]) -> None:
    with pytest.raises(LaunchFailed, match="image"):
        application(ImageFacts(volumes=volumes))


def test_a_home_that_can_be_written() -> None:
    assert "HOME=/tmp" in application()["Env"]
    assert "HOME=/tmp" not in application(ImageFacts(variables=("HOME",)))["Env"]
    assert application(environment={"HOME": "/data"})["Env"] == ["HOME=/data"]


@pytest.mark.parametrize(
    ("run_as", "image", "user"),
    [
        ("", "", "10001:10001"), ("", "root", "10001:10001"), ("", "0", "10001:10001"), ("", "app", "10001:10001"),
        ("", "1000", "1000:1000"), ("", "1000:0", "1000:0"), ("", "1000:staff", "10001:10001"),
        ("", "10000", "10001:10001"), ("", "00", "10001:10001"), ("7", "1000", "7:7"), ("7:8", "", "7:8"),
    ],
)  # fmt: skip
def test_the_user_is_a_number_and_never_root(run_as: str, image: str, user: str) -> None:
    assert application_user(run_as, image, root_allowed=True) == user


@pytest.mark.parametrize("run_as", ["0", "0:0", "00", "root", "10000", "1 0"])
def test_another_user_is_refused(run_as: str) -> None:
    with pytest.raises(LaunchFailed, match="may not run as"):
        application_user(run_as, "", root_allowed=False)
    if run_as in ("0", "0:0"):
        assert application_user(run_as, "", root_allowed=True) == "0:0"


@pytest.mark.parametrize("fields", [{"oci_runtime": "runsc"}, {"relay": ""}, {"target_port": 0}])
def test_what_no_pair_can_be_made_of_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(LaunchFailed, match=r"pool|build_images"):
        refuse(spec(**fields))


# --- Whatever a caller or an image says ---

TEXT = st.text(max_size=40)
PATHS = st.lists(st.one_of(st.from_regex(r"(/[a-z.,:]{1,6}){1,3}", fullmatch=True), TEXT), max_size=4)
SPECS = st.fixed_dictionaries(
    {
        "image": TEXT, "command": st.lists(TEXT, max_size=3), "args": st.lists(TEXT, max_size=3),
        "environment": st.dictionaries(TEXT, TEXT, max_size=3), "secrets": st.dictionaries(TEXT, TEXT, max_size=3),
        "run_as": st.one_of(st.just(""), st.just("1000"), TEXT), "writable_paths": PATHS,
        "probes": st.dictionaries(TEXT, st.dictionaries(TEXT, TEXT, max_size=2), max_size=2),
    }
)  # fmt: skip
IMAGES = st.builds(ImageFacts, user=TEXT, volumes=PATHS, variables=st.lists(TEXT, max_size=3))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(fields=SPECS, image=IMAGES)
def test_no_text_adds_a_mount_a_right_or_a_device(fields: dict[str, Any], image: ImageFacts) -> None:
    plain, made = application(), None
    relay = relay_config(spec(**fields), Folders("/s/1"), 10000, FEATURES)
    assert relay["HostConfig"] == relay_config(spec(), Folders("/s/1"), 10000, FEATURES)["HostConfig"]
    try:
        made = application_config(spec(**fields), "thermae-1", image, FEATURES)
    except LaunchFailed:
        return
    assert made.keys() - {"Entrypoint", "Cmd"} == plain.keys()
    for name in plain["HostConfig"].keys() - {"Tmpfs"}:
        assert made["HostConfig"][name] == plain["HostConfig"][name], name
    assert made["HostConfig"].keys() == plain["HostConfig"].keys()
    folders = dict(made["HostConfig"]["Tmpfs"])
    assert folders.pop("/dev/shm") == plain["HostConfig"]["Tmpfs"]["/dev/shm"]
    for path, options in folders.items():
        assert path.startswith("/")
        assert not set(path) & set(",:\\ \n\0")
        assert path.split("/")[1] not in ("proc", "sys", "dev", "", "..")
        assert "nosuid" in options
        assert "nodev" in options
    assert made["User"].split(":")[0].isdecimal()
    assert made["User"].split(":")[0] != "0"
    assert made["Labels"] == plain["Labels"]


# --- What the engine says of them ---


def part(role: str, alive: bool = True, **fields: Any) -> Part:
    return Part("id", SESSION, 7, role, alive, created=0.0, status="", **fields)


@pytest.mark.parametrize(
    ("parts", "running", "exit_code", "relay_exit"),
    [
        ([part("sandbox")], True, None, None),
        ([part("sandbox", False, exit_code=1)], False, 1, None),
        ([part("relay"), part("app")], True, None, None),
        ([part("relay")], False, None, None),
        ([part("app")], False, None, None),
        ([part("relay"), part("app", False, exit_code=3)], False, 3, None),
        ([part("relay", False, exit_code=UNHEALTHY_EXIT), part("app")], False, None, UNHEALTHY_EXIT),
        ([part("relay", False, exit_code=2)], False, None, 2),
    ],
)
def test_parts_are_one_sandbox(parts: list[Part], running: bool, exit_code: Any, relay_exit: Any) -> None:
    (found,) = sandboxes(parts)
    assert (found.handle, found.running) == (f"thermae-{SESSION}", running)
    assert (found.exit_code, found.relay_exit) == (exit_code, relay_exit)


def test_a_description_names_variables_and_nothing_more() -> None:
    told = without_secrets({"Id": "1", "Config": {"Env": ["A=canary", "B=ca=nary"], "Cmd": ["x"]}})
    assert told == {"Id": "1", "Config": {"Env": ["A=•••", "B=•••"], "Cmd": ["x"]}}


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=3000))
def test_a_log_is_fit_to_be_shown(log: bytes) -> None:
    said = readable(log, 5)
    assert len(said.splitlines()) <= 5
    assert not any(ord(c) < 32 and c != "\n" and c != "\t" for c in said)
