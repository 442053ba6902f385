"""Arguments, signals and the exit status; `supervisor.py` does the work."""

import argparse
import signal
import sys
from types import FrameType

from project.supervisor.children import ChildFailed
from project.supervisor.console import say
from project.supervisor.place import Place, Refused
from project.supervisor.redis import NoRedis
from project.supervisor.supervisor import Supervisor
from project.supervisor.trial import TrialFailed

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """Ctrl-C, SIGTERM or SIGHUP: stop in order. Not an Exception, so that nothing on the way takes it for an error."""


def _raise_stopped(number: int, frame: FrameType | None) -> None:
    _ignore_signals()
    raise Stopped


def _ignore_signals() -> None:
    """From here on: a second Ctrl-C must not break off the stopping."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m project.supervisor", description="Run Thermae on this machine.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--only-first-image", dest="only", action="store_true", help="do not build the other languages")
    options = parser.parse_args()
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN or number != signal.SIGHUP:  # nohup stays nohup
            signal.signal(number, _raise_stopped)
    supervisor = Supervisor(Place(options.host, options.port), only_first_image=options.only)
    status = 1
    try:
        say("Thermae")
        supervisor.run()
    except Stopped:
        say("\nStopping: processes, then sandboxes")
        status = 0
    except (Refused, ChildFailed, TrialFailed, NoRedis) as error:
        say(f"\n{error}\n")
    finally:
        _ignore_signals()
        supervisor.stop()
    if status == 0:
        say("Stopped. Nothing is left running.")
    return status


if __name__ == "__main__":
    sys.exit(main())
