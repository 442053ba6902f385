"""Where servers listen in the network of a sandbox, read from the kernel's own tables."""

from collections.abc import Iterator

from .egress import PORT as EGRESS

LISTENING = "0A"  # the state of a listening socket in /proc/net/tcp
TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
LONGEST_TABLE = 256 << 10
MOST_PORTS = 50
# Addresses at which a request of ours arrives: this machine's own, and all. In the tables their words are in the order
# of the machine's bytes, and so are these on every machine that we build for.
REACHED = {"0100007F", "0" * 8, "0" * 24 + "01000000", "0" * 32, "0" * 16 + "FFFF0000" + "0100007F"}
RANGE = "/proc/sys/net/ipv4/ip_local_port_range"
USUAL_RANGE = (32768, 60999)


def listening_ports() -> list[int]:
    """All ports at which something listens, in order."""
    return sorted({port for address, port in _listeners()})


def server_ports() -> list[int]:
    """Those that a person may want to open.

    Not among them are ports that nobody chose, of the range that the system hands out: kernels listen at those.
    """
    first, last = _handed_out()
    found = {port for address, port in _listeners() if address in REACHED and not first <= port <= last}
    return sorted(found - {EGRESS})[:MOST_PORTS]


def _listeners() -> Iterator[tuple[str, int]]:
    for table in TABLES:
        try:
            with open(table) as file:
                rows = file.read(LONGEST_TABLE).splitlines()[1:]
        except OSError:  # no IPv6 here
            continue
        for row in rows:
            words = row.split()
            if len(words) > 3 and words[3] == LISTENING:
                address, _, port = words[1].rpartition(":")
                yield address, int(port, 16)


def _handed_out() -> tuple[int, int]:
    try:
        with open(RANGE) as file:
            first, last = map(int, file.read(100).split())
    except (OSError, ValueError):
        return USUAL_RANGE
    return first, last
