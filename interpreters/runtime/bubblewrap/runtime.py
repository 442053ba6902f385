"""Sandboxes as process trees that outlive the worker which made them.

Each has a folder of records, `<STATE_DIR>/bubblewrap/<session>`: making that folder is what makes creating idempotent.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from uuid import UUID

from django.conf import settings

from interpreters.runtime.base import LaunchFailed, RuntimeUnavailable, Sandbox, SandboxSpec, Shell
from interpreters.runtime.bubblewrap import command, filter, groups, kernels
from interpreters.runtime.bubblewrap.binary import find_bwrap
from interpreters.runtime.bubblewrap.records import Record
from interpreters.runtime.egress import await_egress, make_egress_folder, remove_egress_folder
from interpreters.runtime.sockets import make_socket_folder, remove_socket_folder

START_TIMEOUT = 10.0  # seconds until bubblewrap has made the namespaces
RECORD_TIMEOUT = 3.0  # for another create of the same sandbox to write its record
DEATH_TIMEOUT = 5.0


class BubblewrapRuntime:
    name = "bubblewrap"

    def __init__(self) -> None:
        self._records = Path(settings.STATE_DIR) / "bubblewrap"

    @cached_property
    def _bwrap(self) -> str:
        return find_bwrap()

    def create(self, spec: SandboxSpec) -> Sandbox:
        bwrap = self._bwrap
        if spec.custom:
            raise LaunchFailed("bubblewrap runs no containers: custom images need Docker (THERMAE_RUNTIME=docker).")
        if spec.oci_runtime:
            raise LaunchFailed(
                f"bubblewrap has no OCI runtimes, and the pool wants {spec.oci_runtime!r}: use Docker, or clear it."
            )
        if not kernels.has_kernel(spec.kernel):
            raise LaunchFailed(
                f"There is no kernel {spec.kernel!r} for bubblewrap: run `manage.py prepare_kernels`, or use Docker."
            )
        record = self._record(str(spec.session))
        self._records.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            record.folder.mkdir(mode=0o700)
        except FileExistsError:
            return self._adopt(record)
        try:
            _start(bwrap, spec, record)
        except (OSError, LaunchFailed) as error:
            said = record.log(10)
            self.remove(str(spec.session))
            raise LaunchFailed(f"{error}\n{said}".strip()) from error
        return self._adopt(record)

    def remove(self, handle: str) -> None:
        session, record = UUID(handle), self._record(handle)
        for process in record.processes():
            process.kill()
            if not process.wait(DEATH_TIMEOUT):
                raise RuntimeUnavailable(f"Process {process.pid} of sandbox {session} does not die.")
        groups.remove(session)
        remove_socket_folder(session)
        remove_egress_folder(session)
        shutil.rmtree(record.folder, ignore_errors=True)

    def list(self, installation: str, pool: int | None = None) -> Sequence[Sandbox]:
        wanted = {"thermae.installation": installation} | ({} if pool is None else {"thermae.pool": str(pool)})
        records = [Record(folder) for folder in self._records.iterdir()] if self._records.is_dir() else []
        ours = [record.view() for record in records if wanted.items() <= record.labels().items()]
        return [sandbox for sandbox in ours if sandbox is not None]

    def logs(self, handle: str, lines: int = 50) -> str:
        return self._record(handle).log(lines)

    def inspect(self, handle: str) -> Mapping[str, object]:
        record = self._record(handle)
        about = record.about()
        return about and {**about, "status": record.statuses(), "oom_kills": groups.oom_kills(UUID(handle))}

    def open_shell(self, handle: str) -> Shell:
        raise LaunchFailed("bubblewrap runs no custom containers, so there is no shell in one.")

    def check(self) -> Sequence[str]:
        found = ["bubblewrap isolates less than a container: for a trial, or one tenant that is trusted."]
        if missing := groups.missing():
            found.append(
                f"No control group can be made for {', '.join(missing)}: memory is limited per process only, and CPU "
                f"not at all. Run the worker as root, or use Docker."
            )
        if not filter.available():
            found.append("libseccomp is missing, so system calls are not filtered: apt-get install libseccomp2.")
        if not kernels.ready():
            found.append("The kernels are missing or out of date: run `manage.py prepare_kernels`.")
        return found if self._bwrap else []

    def versions(self) -> Mapping[str, str]:
        told = subprocess.run([self._bwrap, "--version"], capture_output=True, text=True, timeout=10, check=False)
        return {"bubblewrap": told.stdout.removeprefix("bubblewrap").strip(), "kernel": os.uname().release}

    def _record(self, handle: str) -> Record:
        # Through UUID, so that no other name can lead out of the folder.
        return Record(self._records / str(UUID(handle)))

    def _adopt(self, record: Record) -> Sandbox:
        # Whoever has just made the folder may not have written into it yet.
        deadline = time.monotonic() + RECORD_TIMEOUT
        while (sandbox := record.view()) is None:
            if time.monotonic() > deadline:
                raise LaunchFailed(f"{record.folder} is not the record of a sandbox: remove it.")
            time.sleep(0.005)
        return sandbox


def _start(bwrap: str, spec: SandboxSpec, record: Record) -> None:
    uid = command.sandbox_uid(spec.session)
    record.write(spec.labels)
    for name, text in command.account_files(uid).items():
        (record.folder / name).write_text(text)
    place = command.Place(
        record=record.folder,
        sockets=make_socket_folder(spec.session, uid),
        kernels=kernels.kernels_folder(),
        groups=groups.make(spec),
        shown_groups=groups.shown(spec.session),
        egress=make_egress_folder(spec.session) if spec.egress else None,
    )
    _launch(bwrap, spec, place)
    _await_namespaces(record)
    if spec.egress:
        await_egress(spec.session)


def _launch(bwrap: str, spec: SandboxSpec, place: command.Place) -> None:
    with (
        (place.record / "status").open("w") as status,
        (place.record / "log").open("w") as log,
        filter.program() as program,
    ):
        seccomp = None if program is None else program.fileno()
        subprocess.Popen(
            command.words(bwrap, spec, place, status.fileno(), seccomp),
            env=command.environment(spec, place.groups),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[status.fileno(), *([] if seccomp is None else [seccomp])],
            start_new_session=True,  # a Ctrl-C for the worker is not for its sandboxes
            cwd="/",
        )


def _await_namespaces(record: Record) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while not record.keep_first():
        outer = record.outer()
        if outer is not None and not outer.alive:
            raise LaunchFailed("bubblewrap ended before the sandbox began.")
        if time.monotonic() > deadline:
            raise LaunchFailed(f"bubblewrap did not make the namespaces within {START_TIMEOUT:.0f} s.")
        time.sleep(0.005)
