"""Where sandboxes run. One engine per installation, named by the RUNTIME setting and never changed silently."""

import importlib
import os

from django.conf import settings

from interpreters.runtime.base import LaunchFailed, Runtime, RuntimeUnavailable, Sandbox, SandboxSpec

__all__ = ["LaunchFailed", "Runtime", "RuntimeUnavailable", "Sandbox", "SandboxSpec", "get_runtime", "reset_runtime"]

_ENGINES = {
    "docker": "interpreters.runtime.docker:DockerRuntime",
    "bubblewrap": "interpreters.runtime.bubblewrap:BubblewrapRuntime",
    "memory": "interpreters.runtime.memory:MemoryRuntime",
}
_runtime: Runtime | None = None


def get_runtime() -> Runtime:
    """The engine of this installation. It is imported on first use: the web process never loads one."""
    global _runtime
    if _runtime is None:
        module, _, name = _ENGINES[settings.RUNTIME].partition(":")
        _runtime = getattr(importlib.import_module(module), name)()
    return _runtime


def reset_runtime() -> None:
    """Forget the engine, so that the next get_runtime() reads the settings anew."""
    global _runtime
    _runtime = None


# A forked worker must not share its parent's connections to the engine.
os.register_at_fork(after_in_child=reset_runtime)
