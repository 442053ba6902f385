"""What can be reached: nothing, unless the pool's egress is open, and then never this machine."""

from collections.abc import Mapping
from typing import Any

from interpreters.isolation.base import REFUSED, Given, Probe

METADATA = ("169.254.169.254", "fd00:ec2::254")
NAMESPACE = "network namespace"
NO_WAY = frozenset({"unreachable"})
UNREACHED = REFUSED | {"ENETUNREACH", "EHOSTUNREACH", "ECONNREFUSED", "ENOENT", "unreachable", "absent", "none"}


def _canaries(given: Given) -> Mapping[str, Any]:
    return {"addresses": given.addresses, "token": given.token}


def _open(given: Given) -> str:
    return "the pool's egress is open" if given.network else ""


def _closed(given: Given) -> str:
    return "" if given.network else "there is no network"


PROBES = (
    Probe(
        "interfaces", "network devices beyond the loopback", NAMESPACE, "interfaces",
        contained=frozenset({"none"}), absent=_open,
    ),
    Probe(
        "services of the host", "a service on every address of this machine, the loopback's too", NAMESPACE, "reach",
        _canaries, NO_WAY, deadline=60.0, absent=_open,
    ),
    Probe(
        "services of the host, past the firewall", "the same, from an open network", "firewall", "reach",
        _canaries, NO_WAY | {"unanswered"}, deadline=60.0, absent=_closed,
    ),
    Probe(
        "services of the host by the proxy", "the same, through the sandbox's proxy", "egress proxy", "reach_by_proxy",
        _canaries, NO_WAY | {"absent"}, deadline=60.0,
    ),
    Probe(
        "metadata address", "credentials that clouds give to machines", NAMESPACE, "knock",
        lambda _: {"hosts": METADATA, "port": 80}, NO_WAY, absent=_open,
    ),
    Probe(
        "metadata address, past the firewall", "the same, from an open network", "firewall", "knock",
        lambda _: {"hosts": METADATA, "port": 80}, NO_WAY | {"unanswered"}, absent=_closed,
    ),
    Probe(
        "names", "ask name servers, which carry words outside", NAMESPACE, "resolve",
        contained=frozenset({"none"}), absent=_open,
    ),
    Probe(
        "abstract sockets", "a socket of the machine's without a file", NAMESPACE, "abstract_socket",
        lambda given: {"name": given.abstract}, UNREACHED,
    ),
    Probe(
        "message queues", "a System V queue of the machine's", "ipc namespace", "message_queue",
        lambda given: {"key": given.queue}, UNREACHED,
    ),
)  # fmt: skip
