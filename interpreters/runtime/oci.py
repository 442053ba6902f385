"""OCI runtimes by name: what kind each is, and how an engine must have it configured. Pure: the engine's words in.

A pool names a runtime as the engine knows it. What we do for gVisor or Kata hangs on what stands behind that name.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

# `Runtimes` of the engine's `GET /info`: by name, its `path` and `runtimeArgs`, or its `runtimeType`.
Configured = Mapping[str, Mapping[str, Any]]

# Names that newer engines take without any configuration: those of containerd's shims.
SHIM = "io.containerd."


class Kind(StrEnum):
    RUNC = "runc"
    GVISOR = "gvisor"
    KATA = "kata"
    OTHER = "other"


def kind(name: str, configured: Configured) -> Kind:
    """What a runtime is, by its program where the engine tells that, else by its name."""
    about = configured.get(name) or {}
    program = str(about.get("path") or about.get("runtimeType") or name).rpartition("/")[2]
    word = program.removeprefix(SHIM).removeprefix("containerd-shim-")
    for prefix, found in (("runsc", Kind.GVISOR), ("kata", Kind.KATA), ("runc", Kind.RUNC), ("crun", Kind.RUNC)):
        if word.startswith(prefix):
            return found
    return Kind.OTHER


def faults(name: str, configured: Configured) -> Sequence[str]:
    """Why no sandbox can be started by this runtime as the engine has it configured. [] is well, or cannot be seen.

    A gVisor without these is not merely weaker: it does not come up, and a start that fails leaves its processes.
    """
    about = configured.get(name) or {}
    if kind(name, configured) is not Kind.GVISOR or "path" not in about:
        return []
    flags = _flags(about.get("runtimeArgs") or [])
    wrong = []
    if flags.get("network") != "none":
        wrong.append("needs --network=none: sandboxes have no network, and gVisor's own does not start everywhere")
    if flags.get("host-uds") != "all" and flags.get("fsgofer-host-uds") not in ("", "true"):
        wrong.append("needs --host-uds=all (before 2023 also --fsgofer-host-uds): else no agent can be reached")
    if flags.get("ignore-cgroups", "false") != "false":
        wrong.append("must not have --ignore-cgroups: memory and processor time would have no limit")
    if flags.get("overlay", "false") != "false" or flags.get("overlay2", "none").startswith("all"):
        wrong.append("must not overlay mounts: the agent's socket would be made in memory, where nobody finds it")
    return [f"The OCI runtime {name!r} {sentence}." for sentence in wrong]


def remarks(name: str, configured: Configured) -> Sequence[str]:
    """What an operator should know of a runtime that pools use, though it may work."""
    about = configured.get(name) or {}
    found = kind(name, configured)
    if found is Kind.KATA:
        return [
            f"The OCI runtime {name!r} is Kata: a Unix socket does not cross the border of its virtual machine, so "
            f"agents are not reached and launches time out."
        ]
    if found is not Kind.GVISOR:
        return []
    if "path" not in about:
        return [f"The flags of {name!r} are not the engine's to tell: see docs/gvisor.md for those that it needs."]
    flags = _flags(about.get("runtimeArgs") or [])
    said = []
    if "platform" not in flags:
        said.append("names no platform: say --platform=systrap, or ptrace for versions before 2023")
    elif flags["platform"] == "kvm":
        said.append("uses --platform=kvm, which hangs where virtual machines do not nest: use systrap or ptrace there")
    if flags.get("debug", "false") != "false" or flags.get("strace", "false") != "false":
        said.append("has --debug or --strace, which write what sandboxes do to this machine's disk: remove them")
    if flags.get("net-raw", "false") != "false":
        said.append("has --net-raw, which no sandbox needs: remove it")
    return [f"The OCI runtime {name!r} {sentence}." for sentence in said]


def missing(name: str, configured: Configured, api: tuple[int, ...]) -> Sequence[str]:
    """That the engine does not have this runtime, unless it takes the name of a shim without being told of it."""
    if name in configured or (name.startswith(SHIM) and api >= (1, 42)):
        return []
    return [
        f"A pool wants the OCI runtime {name!r}, which the engine does not have (it has "
        f"{', '.join(sorted(configured))}): add it to `runtimes` in the engine's daemon.json and reload the engine."
    ]


def _flags(arguments: Sequence[str]) -> dict[str, str]:
    """Go's flags, as `--name=value` or `-name`; one without a value is "" here, and true."""
    pairs = (word.lstrip("-").partition("=") for word in arguments if word.startswith("-"))
    return {name: value for name, _, value in pairs}
