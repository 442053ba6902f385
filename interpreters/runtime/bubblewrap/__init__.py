"""Sandboxes as process trees of this machine, for a trial or for one trusted tenant: no container engine is needed.

Namespaces, a read-only view of the host's /usr, no network, our system call filter, and control groups where we may
make them. Weaker than a container: agent and code share one uid, so code can stop its own agent.
"""

from interpreters.runtime.bubblewrap.kernels import KernelsFailed, prepare_kernels
from interpreters.runtime.bubblewrap.runtime import BubblewrapRuntime

__all__ = ["BubblewrapRuntime", "KernelsFailed", "prepare_kernels"]
