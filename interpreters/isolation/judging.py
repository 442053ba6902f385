"""Whether what a probe met means that it was contained. Pure."""

from collections.abc import Iterable, Mapping

from interpreters.isolation.base import Given, Observation, Probe, Result, Verdict
from interpreters.isolation.probes.applications import WITHOUT_CODE

# Words of `inside` for a probe that did not come to an answer.
NO_ANSWER = frozenset({"failed", "hung", "missing"})

# Calls that gVisor's own kernel, or the guest of a virtual machine, answers by itself. They succeed, and the machine's
# kernel hears nothing of them: what they reach is the sandbox's own, and ends with it.
_OWN = "answered by the sandbox's own kernel; the machine's hears nothing of it"
EMULATED: Mapping[str, str] = {
    **dict.fromkeys(
        (
            *("unshare user", "unshare mount", "unshare network", "clone3 user", "io_uring", "syslog", "personality"),
            *("AF_VSOCK", "AF_ALG", "raw socket", "packet socket", "netlink beyond routes", "keyctl", "add_key"),
            *("request_key", "userfaultfd", "perf_event_open", "bpf", "fanotify", "quotactl", "finit_module"),
            *("open_by_handle_at", "open_tree", "mount by file descriptors", "i386 calls"),
            *("namespaces of pid 1", "mknod"),
        ),
        _OWN,
    ),
    "filter of calls": "gVisor filters its own calls to the machine instead; code's calls do not reach it",
    "environment of the agent": "readable under gVisor; it holds nothing secret",
    "files of the agent": "gVisor's /proc goes by a file's own rights; all that is to be had is of this sandbox",
    "priority": "a number that the sandbox's own kernel keeps for itself",
    "ptrace the agent": "answered by the sandbox's own kernel, which keeps to uids as far as it knows them",
    "what the kernel tells": "it describes the sandbox's own kernel, not the machine's",
}


def why_not(probe: Probe, given: Given) -> str:
    """Why a probe does not apply; "" if it does."""
    return (WITHOUT_CODE.get(probe.name, "") if given.custom else "") or probe.absent(given)


def judge(probe: Probe, seen: Observation | None, given: Given) -> Verdict:
    if why := why_not(probe, given):
        return _verdict(probe, Result.NOT_APPLICABLE, why)
    if seen is None or seen.answer in NO_ANSWER:
        word = "" if seen is None else seen.answer
        return _verdict(probe, Result.UNCHECKED, _sentence(word or "no answer", seen))
    limit = probe.most(given) if probe.most else None
    within = limit is None or seen.figure is None or seen.figure <= limit
    detail = _sentence(seen.answer, seen) + ("" if limit is None else f" (limit {limit:g})")
    if seen.answer in probe.contained and within:
        return _verdict(probe, Result.CONTAINED, detail)
    if given.sandboxed_kernel and probe.name in EMULATED and seen.answer != "opened":
        return _verdict(probe, Result.CONTAINED, f"{detail}: {EMULATED[probe.name]}")
    return _verdict(probe, Result.ESCAPED, detail)


def _sentence(answer: str, seen: Observation | None) -> str:
    words = [answer]
    if seen is not None and seen.figure is not None:
        words.append(f"at {seen.figure:.6g}")
    if seen is not None and seen.detail:
        words.append(f"({seen.detail})")
    return " ".join(words)


def _verdict(probe: Probe, result: Result, detail: str) -> Verdict:
    return Verdict(probe.name, probe.tries, probe.barrier, result, detail[:600])


def counts(verdicts: Iterable[Verdict]) -> dict[str, int]:
    found = dict.fromkeys((result.value for result in Result), 0)
    for verdict in verdicts:
        found[verdict.result.value] += 1
    return found
