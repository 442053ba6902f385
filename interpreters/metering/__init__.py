"""What tenants used, read from the ledger (`interpreters.models.usage`): sums by member, pool, day or month, and CSV.

Periods are whole UTC days, from `since` up to but without `until`. What still runs is in the sums, up to now.
"""

from interpreters.metering.export import COLUMNS, as_csv
from interpreters.metering.reports import BY, Figures, by_day, by_member, by_month, by_pool, of_member, report, total

__all__ = [
    "BY",
    "COLUMNS",
    "Figures",
    "as_csv",
    "by_day",
    "by_member",
    "by_month",
    "by_pool",
    "of_member",
    "report",
    "total",
]
