"""What a sandbox may use up, and who still answers meanwhile."""

from collections.abc import Callable, Mapping
from typing import Any

from interpreters.isolation.base import REFUSED, Act, Given, Probe

OPEN_FILES = 4096  # of each process, as the runtimes set it
BEYOND = {"processes": 144, "disk": 64, "memory": 256, "inodes": 1000, "files": 1000}
LOGS = 4  # MiB of words that are tried on the sandbox's log
ANSWERS_WITHIN = 5.0  # seconds, while everything is used up beside it
ELSEWHERE = 512  # MiB that the machine's other programs may take meanwhile
FULL = frozenset({"ENOSPC", "EDQUOT"})
NO_MEMORY = frozenset({"killed", "ENOMEM", "EAGAIN", "EPERM", "sandbox ended"})


def _disk(folder: str, size: Callable[[Given], int]) -> Probe:
    def arguments(given: Given) -> Mapping[str, Any]:
        return {"folder": folder, "most": size(given) + BEYOND["disk"]}

    name, tries, barrier = f"fill {folder}", f"write to {folder} without end", "size of the file system"
    return Probe(name, tries, barrier, "disk", arguments, FULL, size, act=Act.LOUD, deadline=60.0)


def _whole(given: Given) -> str:
    return "the sandbox ends as a whole when its memory runs out" if given.oci_runtime.startswith("runsc") else ""


def _no_inodes(given: Given) -> str:
    if given.oci_runtime.startswith("runsc"):
        return "gVisor keeps files in the sandbox's own memory, which is bounded"
    return ""


PROBES = (
    Probe(
        "fork bomb", "start processes without end", "pids limit", "fork",
        lambda given: {"most": given.pids + BEYOND["processes"]}, frozenset({"EAGAIN", "ENOMEM"}),
        lambda given: given.pids, act=Act.LOUD, deadline=30.0,
    ),
    _disk("/work", lambda given: given.disk),
    _disk("/tmp", lambda given: given.temporary),  # noqa: S108
    _disk("/dev/shm", lambda given: given.temporary),  # noqa: S108
    Probe(
        "inodes", "make files without end", "inodes of the file system", "inodes",
        lambda given: {"folder": given.folder, "most": given.inodes + BEYOND["inodes"]}, FULL,
        lambda given: given.inodes, act=Act.LOUD, deadline=60.0, absent=_no_inodes,
    ),
    Probe(
        "open files", "open files without end", "nofile limit", "open_files",
        lambda _: {"most": OPEN_FILES + BEYOND["files"]}, frozenset({"EMFILE"}), lambda _: OPEN_FILES,
    ),
    Probe(
        "core dump", "leave the memory of a crashed process on the machine", "core limit", "core_dump",
        contained=frozenset({"none"}),
    ),
    Probe(
        "words of the log", "write to where the agent's words go", "uid", "flood_logs",
        lambda _: {"most": LOGS},
        frozenset({"refused", "written"}), act=Act.LOUD,
    ),
    Probe(
        "log flooding", "the sandbox's log on the machine, after that", "log driver's size", act=Act.OUTSIDE,
        contained=frozenset({"bounded"}), most=lambda _: LOGS / 2,
    ),
    Probe(
        "memory bomb", "take memory without end", "memory limit, no swap", "memory",
        lambda given: {"most": given.memory + BEYOND["memory"]}, NO_MEMORY, lambda given: given.memory,
        act=Act.MEMORY, deadline=60.0,
    ),
    Probe(
        "locked memory", "the same, locked against swapping", "memory limit, memlock", "locked_memory",
        lambda given: {"most": given.memory + BEYOND["memory"]}, NO_MEMORY, lambda given: given.memory,
        act=Act.MEMORY, deadline=60.0,
    ),
    Probe(
        "priority", "nice -20, and real time", "capabilities", "higher_priority",
        contained=REFUSED | {"refused"},
    ),
    Probe(
        "the agent answers meanwhile", "ask the agent of a sandbox in which all is used up", "uid, oom score, nice",
        contained=frozenset({"answered"}), most=lambda _: ANSWERS_WITHIN, act=Act.OUTSIDE,
    ),
    Probe(
        "the neighbour answers meanwhile", "ask the agent of another sandbox", "control group",
        contained=frozenset({"answered"}), most=lambda _: ANSWERS_WITHIN, act=Act.OUTSIDE,
    ),
    Probe(
        "memory of the machine", "what it has less of while the bombs go off", "memory limit, no swap",
        contained=frozenset({"kept"}), most=lambda given: given.memory + ELSEWHERE, act=Act.OUTSIDE,
    ),
    Probe(
        "the agent outlives a memory bomb", "ask it afterwards", "oom score",
        contained=frozenset({"answered"}), act=Act.OUTSIDE, absent=_whole,
    ),
)  # fmt: skip
