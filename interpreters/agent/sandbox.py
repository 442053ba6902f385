"""The sandbox as a whole: its contexts, its log, its host, and whether it is ready."""

import os
import subprocess
import time
from collections.abc import Callable

from . import rendezvous
from .archives import Archives
from .config import Config
from .context import Context, Launch
from .errors import Refusal, bad_request, conflict, not_found
from .execution import Execution
from .files import Files
from .hostlink import HostLink, spawn_host
from .journal import Journal
from .kernel import Kernel, StartFailed
from .kernelspec import NAME, KernelSpec, find
from .messages import Json, Message
from .terminals import Terminals
from .usage import Meter

MAX_CONTEXTS = 16
KEPT_EXECUTIONS = 2000
WARM_UP_DEADLINE = 120.0  # seconds
DEFAULT = "default"


class Sandbox:
    def __init__(self, config: Config) -> None:
        self.config = config
        self.journal = Journal(config.log_bytes)
        self.link = HostLink(self._host_lost)
        self.contexts: dict[str, Context] = {}
        self.executions: dict[str, Execution] = {}
        self.terminals = Terminals(self.link, config.environment)
        self.files = Files(self.link)
        self.archives = Archives(self.link, self.files)
        self.meter = Meter(config)
        self.state, self.phase, self.detail = "starting", "starting kernel", ""
        self.last_activity = time.time()
        self._cwd: dict[str, str] = {}
        self._host: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Until the default context is warm, or the start has failed: `health` tells."""
        if self.config.spawn_host:
            self._host = spawn_host()
        uids = (os.getuid(),) if self.config.spawn_host else (self.config.code_uid, os.getuid())
        await self.link.accept(rendezvous.address(self.config.socket_dir), uids)
        try:
            context = await self.open_context(self.config.kernel, DEFAULT)
        except Refusal as refusal:
            self.state, self.phase, self.detail = "failed", "", refusal.message
            return
        if self.state == "failed":
            return
        self.phase = ""
        if context.state == "dead":
            self.state, self.detail = "failed", context.last_error
        else:
            self.state = "ready"

    async def stop(self) -> None:
        for context in list(self.contexts.values()):
            await context.close()
        self.link.close()  # the host ends itself, and what it has started
        if self._host is not None:
            try:
                self._host.wait(2)
            except subprocess.TimeoutExpired:
                self._host.kill()

    def welcomes(self, pid: int, uid: int) -> bool:
        """Our socket is not for user code: it could only use it to confuse its own session, but why let it."""
        return not (pid and uid == self.link.uid != os.getuid())

    def touch(self) -> None:
        self.last_activity = time.time()

    def health(self) -> Json:
        return {
            "state": self.state,
            "phase": self.phase,
            "detail": self.detail[:4000],
            "seq": self.journal.log.seq,
            "busy": any(context.busy for context in self.contexts.values()) or self.terminals.busy,
            "last_activity": max(self.last_activity, self.terminals.last_input),
        }

    # Contexts

    async def open_context(self, kernel: str = "", name: str = "", cwd: str = "") -> Context:
        """Raises Refusal. A kernel that does not start leaves a dead context, which says why."""
        spec = find(kernel or self.config.kernel, self.config.kernel_path)
        name = name or os.urandom(8).hex()
        if not NAME.fullmatch(name):
            raise bad_request("`id` must be 1 to 64 letters, digits, dots, dashes and underscores")
        if name in self.contexts:
            raise conflict("exists", f"There is a context {name!r} already: use it, or choose another id.")
        if len(self.contexts) >= MAX_CONTEXTS:
            raise conflict("too_many", f"{MAX_CONTEXTS} contexts are open: delete one first.")
        self._cwd[name] = cwd
        context = self.contexts[name] = Context(name, spec, self.journal, self.executions, self._launcher(name))
        await context.start()
        return context

    def context(self, name: str) -> Context:
        """Raises Refusal(404)."""
        context = self.contexts.get(name)
        if context is None:
            raise not_found(f"There is no context {name!r:.80}.")
        return context

    async def close_context(self, name: str) -> None:
        context = self.context(name)
        del self.contexts[name]
        await context.close()

    def _launcher(self, name: str) -> Launch:
        async def launch(
            spec: KernelSpec, on_message: Callable[[str, Message], None], on_death: Callable[[int], None]
        ) -> Kernel:
            kernel = Kernel(self.link, spec, on_message, on_death)
            await kernel.start(self._cwd[name], self.config.environment)
            if self.config.warm_up and spec.name == self.config.kernel:
                await self._warm_up(kernel)
            kernel.serving = True
            return kernel

        return launch

    async def _warm_up(self, kernel: Kernel) -> None:
        """The image's imports, silently. That they fail is told, and no reason to have no kernel."""
        if self.state == "starting":
            self.phase = "warming up"
        content = {
            "code": self.config.warm_up,
            "silent": True,
            "store_history": False,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": True,
        }
        try:
            reply = (await kernel.ask("shell", "execute_request", content, WARM_UP_DEADLINE)).parsed
        except TimeoutError:
            await kernel.stop()
            raise StartFailed(f"The warm-up code took over {WARM_UP_DEADLINE:.0f} s.") from None
        except Refusal:
            await kernel.stop()
            raise StartFailed(f"The kernel ended in its warm-up code. {kernel.last_words}".strip()) from None
        if reply.get("status") != "ok":
            self.detail = f"The warm-up code failed: {reply.get('ename')}: {reply.get('evalue')}"

    # Executions

    def execute(self, context: str, body: Json) -> Execution:
        """Raises Refusal. The same id again is the same execution."""
        return self.enqueue(Execution.from_request(self.context(context).id, body))

    def enqueue(self, execution: Execution) -> Execution:
        context = self.context(execution.context)
        known = self.executions.get(execution.id)
        if known is not None:
            return known
        self.touch()
        context.execute(execution)
        self._forget()
        return execution

    def execution(self, name: str) -> Execution:
        """Raises Refusal(404)."""
        execution = self.executions.get(name)
        if execution is None:
            raise not_found(f"There is no execution {name!r:.80}; the oldest ones are forgotten.")
        return execution

    def record(self, execution: Execution) -> Json:
        context = self.contexts.get(execution.context)
        return execution.record(context.line.position(execution) if context is not None else 0)

    def cancel(self, name: str) -> None:
        execution = self.execution(name)
        context = self.contexts.get(execution.context)
        if context is not None:
            context.line.cancel(execution)

    def _forget(self) -> None:
        if len(self.executions) > KEPT_EXECUTIONS:
            for name in [name for name, execution in self.executions.items() if execution.final][:100]:
                del self.executions[name]

    def _host_lost(self) -> None:
        self.state, self.phase = "failed", ""
        self.detail = "The sandbox's process host was killed, and all kernels with it: open a new session."
        for context in self.contexts.values():
            context.host_lost()
        self.terminals.host_lost()
