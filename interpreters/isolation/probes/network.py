"""What can be reached: nothing; and through a proxy, where the pool has one, never this machine."""

from collections.abc import Mapping
from typing import Any

from interpreters.isolation.base import REFUSED, Given, Probe

METADATA = ("169.254.169.254", "fd00:ec2::254")
NAMESPACE = "network namespace"
NO_WAY = frozenset({"unreachable"})
UNREACHED = REFUSED | {"ENETUNREACH", "EHOSTUNREACH", "ECONNREFUSED", "ENOENT", "unreachable", "absent", "none"}


def _canaries(given: Given) -> Mapping[str, Any]:
    return {"addresses": given.addresses, "token": given.token}


PROBES = (
    Probe(
        "interfaces", "network devices beyond the loopback", NAMESPACE, "interfaces",
        contained=frozenset({"none"}),
    ),
    Probe(
        "services of the host", "a service on every address of this machine, the loopback's too", NAMESPACE, "reach",
        _canaries, NO_WAY, deadline=60.0,
    ),
    Probe(
        "services of the host by the proxy", "the same, through the sandbox's proxy", "egress proxy", "reach_by_proxy",
        _canaries, NO_WAY | {"absent"}, deadline=60.0,
    ),
    Probe(
        "metadata address", "credentials that clouds give to machines", NAMESPACE, "knock",
        lambda _: {"hosts": METADATA, "port": 80}, NO_WAY,
    ),
    Probe(
        "names", "ask name servers, which carry words outside", NAMESPACE, "resolve",
        contained=frozenset({"none"}),
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
