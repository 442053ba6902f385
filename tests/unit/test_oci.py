"""OCI runtimes: who may name which, what each is, and how it must be configured; and what containers become of it."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.exceptions import ValidationError

from interpreters.runtime import engine_check, oci
from interpreters.runtime.base import SandboxSpec
from interpreters.runtime.hardening import EngineFeatures, Folders, container_config
from interpreters.runtime.sockets import CODE_UIDS, FIRST_CODE_UID, code_uid

GOOD = ["--platform=ptrace", "--network=none", "--host-uds=all"]


def configured(*arguments: str, name: str = "runsc", path: str = "/usr/bin/runsc") -> dict[str, Any]:
    return {"runc": {"path": "runc"}, name: {"path": path, "runtimeArgs": list(arguments)}}


@pytest.mark.parametrize(
    ("name", "about", "kind"),
    [
        ("runc", {"path": "runc"}, oci.Kind.RUNC),
        ("io.containerd.runc.v2", {}, oci.Kind.RUNC),
        ("fast", {"path": "/usr/bin/crun"}, oci.Kind.RUNC),
        ("strong", {"path": "/opt/bin/runsc"}, oci.Kind.GVISOR),
        ("strong", {"runtimeType": "io.containerd.runsc.v1"}, oci.Kind.GVISOR),
        ("runsc-kvm", {}, oci.Kind.GVISOR),
        ("kata", {"path": "/usr/bin/kata-runtime"}, oci.Kind.KATA),
        ("io.containerd.kata.v2", {}, oci.Kind.KATA),
        ("vm", {"runtimeType": "/opt/kata/bin/containerd-shim-kata-v2"}, oci.Kind.KATA),
        ("runsc", {"path": "/usr/bin/runc"}, oci.Kind.RUNC),  # the program counts, not what it is called
        ("sysbox", {"path": "/usr/bin/sysbox-runc"}, oci.Kind.OTHER),
    ],
)
def test_a_runtime_is_what_its_program_is(name: str, about: dict[str, Any], kind: oci.Kind) -> None:
    assert oci.kind(name, {name: about}) is kind


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (GOOD, ""),
        (["-platform=systrap", "-network=none", "-host-uds=all"], ""),
        (["--network=none", "--fsgofer-host-uds"], ""),
        (["--network=none", "--fsgofer-host-uds=true"], ""),
        (GOOD[2:], "--network=none"),
        (["--network=host", *GOOD[2:]], "--network=none"),
        (GOOD[:2], "--host-uds=all"),
        ([*GOOD[:2], "--host-uds=open"], "--host-uds=all"),
        ([*GOOD[:2], "--fsgofer-host-uds=false"], "--host-uds=all"),
        ([*GOOD, "--ignore-cgroups"], "--ignore-cgroups"),
        ([*GOOD, "--overlay"], "overlay"),
        ([*GOOD, "--overlay2=all:memory"], "overlay"),
        ([*GOOD, "--overlay2=root:self", "--ignore-cgroups=false"], ""),
    ],
)
def test_a_gvisor_that_cannot_serve_is_told_what_it_lacks(arguments: list[str], complaint: str) -> None:
    said = " ".join(oci.faults("runsc", configured(*arguments)))
    assert complaint in said
    assert bool(said) is bool(complaint)


def test_what_is_no_gvisor_or_hides_its_flags_is_not_judged() -> None:
    assert oci.faults("runc", configured()) == []
    assert oci.faults("runsc", {"runsc": {"runtimeType": "io.containerd.runsc.v1"}}) == []
    assert oci.faults("runsc", {}) == []


@pytest.mark.parametrize(
    ("known", "name", "words"),
    [
        (configured(*GOOD), "runsc", ""),
        (configured(*GOOD[1:]), "runsc", "names no platform"),
        (configured("--platform=kvm", *GOOD[1:]), "runsc", "kvm"),
        (configured(*GOOD, "--debug"), "runsc", "--debug"),
        (configured(*GOOD, "--net-raw"), "runsc", "--net-raw"),
        ({"runsc": {"runtimeType": "io.containerd.runsc.v1"}}, "runsc", "docs/gvisor.md"),
        ({}, "io.containerd.kata.v2", "Unix socket"),
        (configured(), "runc", ""),
    ],
)
def test_an_operator_is_told_what_to_know_of_a_runtime(known: dict[str, Any], name: str, words: str) -> None:
    said = " ".join(oci.remarks(name, known))
    assert words in said
    assert bool(said) is bool(words)


def check(wanted: set[str], allowed: list[str], api: str = "1.41", **info: Any) -> str:
    sentences = engine_check.oci_runtimes({"ApiVersion": api}, info, wanted, allowed)
    assert all(sentence.endswith(".") for sentence in sentences)
    return " ".join(sentences)


def test_the_check_of_an_engine_names_what_pools_lack() -> None:
    assert check(set(), [], Runtimes=configured()) == ""  # what nobody uses may be as it is
    assert check({"runsc"}, ["runsc"], Runtimes=configured(*GOOD)) == ""
    assert "not allowed" in check({"runsc"}, [], Runtimes=configured(*GOOD))
    assert "does not have (it has runc)" in check({"runsc"}, ["runsc"], Runtimes={"runc": {"path": "runc"}})
    assert "--host-uds=all" in check(set(), [], Runtimes=configured(), DefaultRuntime="runsc")
    # Newer engines find a shim by its name; older ones do not.
    kata = "io.containerd.kata.v2"
    assert "does not have" in check({kata}, [kata], Runtimes=configured())
    assert "does not have" not in check({kata}, [kata], api="1.43", Runtimes=configured())


# --- who may name which --------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_pool_names_only_what_the_operator_allows(pool: Any, settings: Any) -> None:
    pool.clean()
    pool.oci_runtime = "runc-privileged"
    with pytest.raises(ValidationError, match="ask your operator"):
        pool.clean()
    settings.ALLOWED_OCI_RUNTIMES = ["runsc", "kata"]
    with pytest.raises(ValidationError, match="runsc, kata"):
        pool.clean()
    pool.oci_runtime = "runsc"
    pool.clean()


# --- what containers become of it ----------------------------------------------------------------------------


def config(features: EngineFeatures, session: UUID | None = None, **fields: Any) -> dict[str, Any]:
    spec = SandboxSpec(session or uuid4(), "test", 1, 1, "image", "python3", **fields)
    return container_config(spec, Folders("/sockets/x"), 10000, features)


def test_a_gvisor_is_limited_inside_and_others_outside() -> None:
    features = EngineFeatures(cgroup_v1=True, runtimes=configured(*GOOD, name="strong"))
    inside, outside = (config(features, oci_runtime=name, pids=64)["HostConfig"] for name in ("strong", ""))
    assert ({"Name": "nproc", "Soft": 64, "Hard": 64} in inside["Ulimits"], inside["PidsLimit"]) == (True, 1024)
    assert [limit["Name"] for limit in outside["Ulimits"]] == ["core", "nofile"]
    assert (outside["PidsLimit"], outside["MemorySwappiness"]) == (64, 0)


def test_a_gvisor_that_is_the_engines_default_is_known_too() -> None:
    features = EngineFeatures(default_runtime="runsc", runtimes=configured(*GOOD))
    assert "nproc" in {limit["Name"] for limit in config(features)["HostConfig"]["Ulimits"]}


def test_on_version_2_of_control_groups_swap_is_bounded_and_swappiness_left_out() -> None:
    """Swappiness does not exist there, and the engine would refuse or warn; a limit on swap becomes memory.swap.max."""
    host = config(EngineFeatures(cgroup_v1=False), memory=256)["HostConfig"]
    assert host["Memory"] == host["MemorySwap"] == 256 << 20
    assert "MemorySwappiness" not in host
    assert host["CgroupnsMode"] == "private"


@pytest.mark.parametrize("memory", [128, 256, 1024, 8192])
def test_file_systems_in_memory_leave_room_for_programs_and_bound_their_inodes(memory: int) -> None:
    mounts = config(EngineFeatures(), memory=memory, disk=memory // 2)["HostConfig"]["Tmpfs"]
    options = [dict(word.partition("=")[::2] for word in mount.split(",")) for mount in mounts.values()]
    assert set(mounts) == {"/work", "/tmp", "/dev/shm"}
    assert sum(int(each["size"].removesuffix("m")) for each in options) <= memory * 5 // 8
    assert all(int(each["nr_inodes"]) * 16 <= max(4096 * 16, int(each["size"][:-1]) * 1024) for each in options)
    assert all({"nosuid", "nodev"} <= each.keys() for each in options)


def test_each_session_has_a_user_that_remapped_engines_know_too() -> None:
    uids = {code_uid(uuid4()) for _ in range(100)}
    assert len(uids) > 80
    assert all(FIRST_CODE_UID <= uid < FIRST_CODE_UID + CODE_UIDS <= 65536 for uid in uids)
    session = uuid4()
    made = config(EngineFeatures(), session)
    assert f"uid={code_uid(session)},gid={code_uid(session)}" in made["HostConfig"]["Tmpfs"]["/work"]
    assert f"THERMAE_CODE_UID={code_uid(session)}" in made["Env"]
