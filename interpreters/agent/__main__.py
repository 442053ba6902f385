"""`python -m agent`: be the agent until a SIGTERM."""

import sys

# No TLS is spoken here, and asyncio does without: OpenSSL's bindings would be 4 MB in every sandbox.
sys.modules["ssl"] = None  # type: ignore[assignment]

import asyncio  # noqa: E402
import os  # noqa: E402
import signal  # noqa: E402

from .config import BadConfig, Config  # noqa: E402
from .egress import offer  # noqa: E402
from .http import serve  # noqa: E402
from .routes import Routes  # noqa: E402
from .sandbox import Sandbox  # noqa: E402


async def run(config: Config) -> None:
    sandbox = Sandbox(config)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    # Before any code of the user's runs, so that nobody else can have the port.
    egress = await offer(os.environ)
    server = await serve(os.path.join(config.socket_dir, "agent.sock"), Routes(sandbox), sandbox.welcomes)
    starting = asyncio.create_task(sandbox.start())
    await ended.wait()
    starting.cancel()
    server.close()
    if egress is not None:
        egress.close()
    await sandbox.stop()


def main() -> int:
    try:
        config = Config.from_environ(os.environ)
    except BadConfig as error:
        print(f"agent: {error}", file=sys.stderr)
        return 2
    asyncio.run(run(config))
    return 0


if __name__ == "__main__":
    sys.exit(main())
