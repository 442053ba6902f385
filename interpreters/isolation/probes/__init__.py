"""The table: what is tried, and what should contain it."""

from collections.abc import Mapping

from interpreters.isolation.base import Probe
from interpreters.isolation.probes import applications, beside, calls, files, limits, network

TABLE: tuple[Probe, ...] = (
    *beside.PROBES, *applications.PROBES, *files.PROBES, *network.PROBES, *calls.PROBES, *limits.PROBES,
)  # fmt: skip
PROBES: Mapping[str, Probe] = {probe.name: probe for probe in TABLE}
