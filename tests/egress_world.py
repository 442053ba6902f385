"""A small world in a network namespace of its own: public and private addresses that answer, and our proxy in it.

    unshare --net python -m tests.egress_world <description.json>

Every address of the description is put on the loopback interface, where a server tells who was asked. Names are read
from the description afresh at each lookup, and the documentation's prefixes count as public. The database and the
folders are those of the tests.
"""

import asyncio
import json
import os
import subprocess
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import Any

PORTS = (80, 443, 8080)


class World:
    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def description(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._path.read_text())
        return found

    def look_up(self, name: str) -> tuple[Any, ...]:
        """The next of the name's answers; the last one for ever."""
        with (self._path.parent / "lookups").open("a") as log:
            log.write(f"{name}\n")
        answers = self.description["names"].get(name) or [[]]
        asked = (self._path.parent / "lookups").read_text().splitlines().count(name)
        return tuple(map(ip_address, answers[min(asked, len(answers)) - 1]))

    def interfaces(self) -> tuple[frozenset[Any], frozenset[Any]]:
        """This machine as the description has it: the loopback interface bears the whole world here."""
        return frozenset(map(ip_address, self.description["own"])), frozenset()


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """HTTP that tells which address was asked, and what for; `echo` gives back whatever comes."""
    address, port = writer.get_extra_info("sockname")[:2]
    try:
        first = await reader.readline()
        if first == b"echo\n":
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        else:
            while (await reader.readline()).strip():
                pass
            body = f"{address} {port} {first.decode().strip()}\n".encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(body), body))
            await writer.drain()
    except OSError:
        pass
    writer.close()


def arrange(addresses: list[str]) -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in addresses:
        words = ["nodad"] if ":" in address else []
        length = 128 if ":" in address else 32
        subprocess.run(["ip", "address", "add", f"{address}/{length}", "dev", "lo", *words], check=True)


async def run(world: World) -> None:
    from interpreters.egress import resolver
    from interpreters.egress.addresses import SPECIAL_BUT_DOCUMENTATION
    from interpreters.egress.server import Server

    resolver.KEPT = resolver.KEPT_NOTHING = 0.0  # each connection looks anew, as after an answer's time
    for port in PORTS:
        await asyncio.start_server(answer, "0.0.0.0", port)
        await asyncio.start_server(answer, "::", port, family=10)
    await Server(SPECIAL_BUT_DOCUMENTATION, world.interfaces, world.look_up).run_until_told()


def main() -> None:
    world = World(Path(sys.argv[1]))
    arrange(world.description["addresses"])
    import django
    from django.conf import settings

    settings.DATABASES["default"]["NAME"] = os.environ["EGRESS_WORLD_DATABASE"]
    django.setup()
    asyncio.run(run(world))


if __name__ == "__main__":
    main()
