"""Files that outlive their session: saved from a sandbox by a worker, and put back in the next one before it is used.

What is kept is one packed tar for each workspace, made in a sandbox and unpacked in a sandbox: on this side it is bytes
of a bounded number, which nobody looks into.
"""

from interpreters.workspaces.restoring import restore, waiting
from interpreters.workspaces.saving import save, save_last
from interpreters.workspaces.storage import open_content, remove_content, sweep

__all__ = ["open_content", "remove_content", "restore", "save", "save_last", "sweep", "waiting"]
