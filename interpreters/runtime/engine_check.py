"""What an operator must know about a Docker engine. Pure: the engine's own words in, sentences out."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from interpreters.runtime import oci

Version = tuple[int, ...]

SAFE_DOCKER: Version = (29, 3, 1)
# By minor release: the first version without the escapes through masked paths and leaked descriptors of 2024-2025.
SAFE_RUNC: dict[Version, Version] = {(1, 2): (1, 2, 8), (1, 3): (1, 3, 3)}

# Fields of `GET /info` that are false when the kernel lacks a control, and what is then not enforced.
CONTROLS = {
    "MemoryLimit": "memory limits are not enforced: enable the memory cgroup",
    "SwapLimit": "sandboxes may swap: turn swap off on this machine, or boot with swapaccount=1",
    "CpuCfsQuota": "CPU limits are not enforced: enable CONFIG_CFS_BANDWIDTH",
    "PidsLimit": "a fork bomb is not bounded: enable the pids cgroup",
}


def warnings(version: Mapping[str, Any], info: Mapping[str, Any]) -> Sequence[str]:
    """Sentences from `GET /version` and `GET /info`; none if all is well."""
    return [*_old_docker(version), *_old_runc(version), *_missing_controls(info)]


def _old_docker(version: Mapping[str, Any]) -> Sequence[str]:
    docker = parse(version.get("Version", ""))
    if docker and docker < SAFE_DOCKER:
        return [f"Docker {version['Version']} has known vulnerabilities: use {_text(SAFE_DOCKER)} or newer."]
    return []


def _old_runc(version: Mapping[str, Any]) -> Sequence[str]:
    found = next((part["Version"] for part in version.get("Components") or [] if part["Name"] == "runc"), "")
    runc = parse(found)
    safe = SAFE_RUNC.get(runc[:2]) or min(SAFE_RUNC.values())
    if runc and runc < safe:
        return [f"runc {found} has known container escapes: use 1.2.8, 1.3.3 or newer."]
    return []


def _missing_controls(info: Mapping[str, Any]) -> Sequence[str]:
    missing = [f"On this engine {sentence}." for field, sentence in CONTROLS.items() if not info.get(field)]
    if not any(option.startswith("name=seccomp") for option in info.get("SecurityOptions") or []):
        missing.append("This engine has no seccomp: system calls of user code are not filtered.")
    return missing


def oci_runtimes(
    version: Mapping[str, Any], info: Mapping[str, Any], wanted: Collection[str], allowed: Collection[str]
) -> Sequence[str]:
    """Sentences about the OCI runtimes that pools name, and about the engine's default."""
    configured, api = info.get("Runtimes") or {}, parse(version.get("ApiVersion", ""))
    said = [
        f"A pool wants the OCI runtime {name!r}, which is not allowed: add it to THERMAE_ALLOWED_OCI_RUNTIMES."
        for name in sorted(set(wanted) - set(allowed))
    ]
    for name in sorted({*wanted, info.get("DefaultRuntime") or "runc"}):
        if name in wanted:
            said += oci.missing(name, configured, api)
        said += [*oci.faults(name, configured), *oci.remarks(name, configured)]
    return said


def parse(text: str) -> Version:
    """The leading numbers of a version: `1.1.5+ds1` is (1, 1, 5)."""
    match = re.match(r"v?(\d+(?:\.\d+)*)", text)
    return tuple(int(number) for number in match[1].split(".")) if match else ()


def _text(version: Version) -> str:
    return ".".join(map(str, version))
