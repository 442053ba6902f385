"""A check's findings: as a table for a terminal, as JSON, and as a row for the admin."""

import textwrap
from collections.abc import Sequence
from typing import Any

from interpreters.isolation.base import Result
from interpreters.isolation.runner import Report
from interpreters.models import IsolationReport, SessionPool

MARKS = {
    Result.CONTAINED: "ok  ", Result.ESCAPED: "BAD ", Result.NOT_APPLICABLE: "-   ", Result.UNCHECKED: "?   ",
}  # fmt: skip
WIDTHS = (34, 32)


def table(report: Report) -> str:
    """Lines of: mark, probe, what should contain it, result. What failed says what it met, in a line below."""
    versions = ", ".join(f"{name} {version}" for name, version in sorted(report.versions.items()))
    runtime = f"{report.runtime}, {report.oci_runtime or 'its default runtime'}"
    lines = [f"Pool {report.pool} on {runtime} ({versions})", ""]
    lines.append(f"     {'probe':{WIDTHS[0]}} {'contained by':{WIDTHS[1]}} result")
    for verdict in report.verdicts:
        row = f"{verdict.probe:{WIDTHS[0]}} {verdict.barrier:{WIDTHS[1]}} {verdict.result}"
        lines.append(f"{MARKS[verdict.result]} {row}".rstrip())
        if verdict.result is not Result.CONTAINED:
            words = f"→ {verdict.tries}: {verdict.detail}" if verdict.result.failed else f"→ {verdict.detail}"
            lines += textwrap.wrap(words, 110, initial_indent=" " * 5, subsequent_indent=" " * 7)
    return "\n".join([*lines, "", summary(report)])


def summary(report: Report) -> str:
    told = ", ".join(f"{number} {result}" for result, number in report.counts.items() if number)
    return f"Pool {report.pool}: {told or 'nothing was checked'}, in {report.seconds:.0f} s"


def as_json(report: Report) -> dict[str, Any]:
    return {
        "pool": report.pool,
        "runtime": report.runtime,
        "oci_runtime": report.oci_runtime,
        "versions": dict(report.versions),
        "seconds": round(report.seconds, 1),
        "failed": report.failed,
        "counts": report.counts,
        "results": results(report),
    }


def results(report: Report) -> Sequence[dict[str, str]]:
    return [
        {
            "probe": verdict.probe,
            "tries": verdict.tries,
            "barrier": verdict.barrier,
            "result": verdict.result.value,
            "detail": verdict.detail,
        }
        for verdict in report.verdicts
    ]


def keep(pool: SessionPool, report: Report) -> IsolationReport:
    counts = report.counts
    return IsolationReport.objects.keep(
        pool,
        runtime=report.runtime,
        oci_runtime=report.oci_runtime,
        versions=dict(report.versions),
        seconds=report.seconds,
        contained=counts[Result.CONTAINED],
        escaped=counts[Result.ESCAPED],
        unchecked=counts[Result.UNCHECKED],
        not_applicable=counts[Result.NOT_APPLICABLE],
        results=results(report),
    )
