"""What is tried by an application of a tenant's beside our relay, and what there is not to be tried."""

from collections.abc import Mapping

from interpreters.isolation.base import Act, Given, Probe
from interpreters.isolation.probes.limits import BEYOND

NONE = frozenset({"none"})
RELAY_PATHS = ("/run/thermae/agent.sock", "/run/thermae/host.sock", "/run/egress", "/run/egress/proxy.sock")

_NO_AGENT = "the relay is in a container of its own: `the relay's processes` looks whether it is to be seen"
_NO_FOLDER = "the relay's folder is not in this container: see `the relay's files`"
_OWN_FOLDERS = "it has the pool's writable folders instead, if any: see `fill the writable folders`"
# Probes that mean nothing there, and why.
WITHOUT_CODE: Mapping[str, str] = {
    **dict.fromkeys(
        (
            *("signal the agent", "ptrace the agent", "memory of the agent", "the agent in /proc"),
            *("environment of the agent", "files of the agent"),
        ),
        _NO_AGENT,
    ),
    "signal pid 1": "the first process is the application's own, and ends nothing but the application",
    "the agent's socket": _NO_FOLDER,
    "the socket's folder": _NO_FOLDER,
    "the kernel host's socket": "an application has no kernel host",
    "fill /work": _OWN_FOLDERS,
    "fill /tmp": _OWN_FOLDERS,
    "escape by link": "the relay has no files to offer",
}


def _code(given: Given) -> str:
    return "" if given.custom else "a sandbox of code has no relay"


def _folders(given: Given) -> str:
    return _code(given) or ("" if given.writable else "the pool has no writable folders")


PROBES = (
    Probe(
        "the relay's processes", "see the relay", "pid namespace", "find_relay", contained=NONE, absent=_code,
    ),
    Probe(
        "the relay's files", "its socket, and its way out", "mount namespace", "connect",
        lambda _: {"paths": RELAY_PATHS}, NONE, absent=_code,
    ),
    Probe(
        "the relay's listeners", "whatever else listens in the network that they share", "relay: none but the proxy's",
        "listeners", lambda given: {"ports": given.ports}, NONE, absent=_code,
    ),
    Probe(
        "fill the writable folders", "write to each without end", "size of the file systems", "disks",
        lambda given: {"folders": given.writable, "beyond": BEYOND["disk"]}, frozenset({"full"}), lambda _: 0,
        act=Act.LOUD, deadline=60.0, absent=_folders,
    ),
)  # fmt: skip
