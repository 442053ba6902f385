"""The rows of the table, in groups that run alone: `python -m tests.bench --only lease,flood`."""

from collections.abc import Awaitable, Callable

from tests.bench.bench import Bench
from tests.bench.report import Row
from tests.bench.rows.cells import measure_cells
from tests.bench.rows.custom import measure_custom
from tests.bench.rows.floods import measure_floods, measure_stalled_reader
from tests.bench.rows.interrupts import measure_interrupts
from tests.bench.rows.launches import measure_launches, measure_refill
from tests.bench.rows.leases import measure_leases
from tests.bench.rows.load import measure_load
from tests.bench.rows.memory import measure_idle_instance
from tests.bench.rows.notebook import measure_notebook
from tests.bench.rows.proxy import measure_proxy
from tests.bench.rows.runtimes import measure_runtimes
from tests.bench.rows.terminals import measure_terminals

GROUPS: dict[str, Callable[[Bench], Awaitable[list[Row]]]] = {
    "lease": measure_leases,
    "cell": measure_cells,
    "flood": measure_floods,
    "stall": measure_stalled_reader,
    "terminal": measure_terminals,
    "interrupt": measure_interrupts,
    "proxy": measure_proxy,
    "custom": measure_custom,
    "launch": measure_launches,
    "refill": measure_refill,
    "memory": measure_idle_instance,
    "load": measure_load,
    "notebook": measure_notebook,
    "runtimes": measure_runtimes,
}
