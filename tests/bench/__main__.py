"""`python -m tests.bench`: start the whole stack in a folder of its own, measure, print the table, save the JSON."""

import argparse
import asyncio
import os
import sys
import tempfile
import traceback
from pathlib import Path

import aiohttp

from tests.bench import installation
from tests.bench.bench import Bench
from tests.bench.jupyter import jupyter_server
from tests.bench.report import Row, at_most, figure, render, save
from tests.bench.rows import GROUPS
from tests.bench.thermae import Thermae
from tests.bench.waiting import load


def main() -> int:
    arguments = parse()
    rows = asyncio.run(measure(arguments.only, arguments.quick))
    save(rows, arguments.output)
    print(f"\n{render(rows)}\n\nSaved to {arguments.output}.")
    return 0 if all(row.ok is not False for row in rows) else 1


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer samples: a look, not a verdict")
    parser.add_argument(
        "--only", type=groups, default=list(GROUPS), metavar="lease,flood,…", help=f"of {', '.join(GROUPS)}"
    )
    parser.add_argument("--output", type=Path, default=Path("build/bench.json"))
    return parser.parse_args()


def groups(text: str) -> list[str]:
    names = text.split(",")
    unknown = set(names) - set(GROUPS)
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown {', '.join(sorted(unknown))}; there are {', '.join(GROUPS)}")
    return names


async def measure(names: list[str], quick: bool) -> list[Row]:
    """All rows of the named groups. A group that fails becomes a row that missed its bar, with the reason."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="thermae-bench-") as folder:
        async with (
            installation.running() as running,
            jupyter_server(Path(folder)) as jupyter,
            aiohttp.ClientSession(
                running.url, headers={"Authorization": f"Bearer {running.token}"}, timeout=aiohttp.ClientTimeout(120)
            ) as http,
        ):
            bench = Bench(Thermae(http), jupyter, running.web, running.folder / "sockets", quick)
            for name in names:
                print(f"{name} … (load {load():.1f})", flush=True)
                try:
                    found = await GROUPS[name](bench)
                except Exception as error:
                    traceback.print_exc()
                    reason = f"{type(error).__name__}: {error}"[:300]
                    found = [at_most(f"{name}: could not be measured", 1, "failure", 0, reason)]
                found.append(
                    figure(f"machine's load when {name} was done", load(), "processes", f"{os.cpu_count()} cores")
                )
                rows += found
                print(render(found), flush=True)
    return rows


if __name__ == "__main__":
    sys.exit(main())
