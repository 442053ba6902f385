"""What is kept on disk of one bubblewrap sandbox: all that a later worker needs to adopt it.

`record.json` who it is · `stat` bubblewrap's own pid and start time · `init` those of the first process inside ·
`status` what bubblewrap tells of itself · `log` what the agent wrote.
"""

import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from interpreters.runtime.base import Sandbox
from interpreters.runtime.bubblewrap import groups
from interpreters.runtime.bubblewrap.processes import Process, boot_id

# A record this young without a process belongs to a create() under way.
GRACE = 15.0


@dataclass(frozen=True, slots=True)
class Record:
    folder: Path

    def write(self, labels: dict[str, str]) -> None:
        about = {"labels": labels, "created": time.time(), "boot": boot_id()}
        (self.folder / "record.json").write_text(json.dumps(about))

    def about(self) -> dict[str, Any]:
        return _read_object(self.folder / "record.json")

    def labels(self) -> dict[str, str]:
        labels = self.about().get("labels")
        return labels if isinstance(labels, dict) else {}

    def statuses(self) -> dict[str, Any]:
        """All that bubblewrap has told, a JSON object in each line, as one."""
        told: dict[str, Any] = {}
        with suppress(OSError):
            for line in (self.folder / "status").read_text().splitlines():
                with suppress(ValueError):
                    told |= json.loads(line)
        return told

    def outer(self) -> Process | None:
        """bubblewrap itself, which stays outside and waits."""
        if self.about().get("boot") != boot_id():
            return None
        try:
            return Process.from_stat((self.folder / "stat").read_text())
        except OSError:
            return None

    def keep_first(self) -> bool:
        """Write down who the first process inside is; False while bubblewrap has not told its pid."""
        pid = self.statuses().get("child-pid")
        if not isinstance(pid, int):
            return False
        first = Process.of(pid)
        if first is not None:
            (self.folder / "init").write_text(json.dumps([first.pid, first.start]))
        return True

    def processes(self) -> list[Process]:
        """Those whose death ends the sandbox: the first inside, then the one outside."""
        outer = self.outer()
        if outer is None:
            return []
        if not (self.folder / "init").exists() and outer.alive:
            self.keep_first()  # the worker that started it died before it could
        try:
            pid, start = json.loads((self.folder / "init").read_text())
            return [Process(int(pid), int(start)), outer]
        except (OSError, ValueError, TypeError):
            return [outer]

    def view(self) -> Sandbox | None:
        """None if this is not the record of a sandbox."""
        about = self.about()
        try:
            session, pool = UUID(about["labels"]["thermae.session"]), int(about["labels"]["thermae.pool"])
            age = max(0.0, time.time() - float(about["created"]))
        except (KeyError, ValueError, TypeError):
            return None
        processes = self.processes()
        running = any(process.alive for process in processes) if processes else age < GRACE
        exit_code = None if running else self.statuses().get("exit-code")
        return Sandbox(
            handle=str(session),
            session=session,
            pool=pool,
            running=running,
            age=age,
            exit_code=exit_code if isinstance(exit_code, int) else None,
            out_of_memory=exit_code == 137 and groups.oom_kills(session) > 0,
        )

    def log(self, lines: int) -> str:
        """The last lines, reading no more than the last 64 KiB."""
        try:
            with (self.folder / "log").open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - 64 * 1024))
                return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""


def _read_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
