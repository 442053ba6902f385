"""An execution's outputs: from Jupyter's messages to nbformat 4.5, and into the database, once.

Whoever sees an execution end saves it: the follower of a tab, the next reader, or the worker that tears its session
down.
"""

from interpreters.outputs.gathering import Gathering
from interpreters.outputs.notebook import to_notebook
from interpreters.outputs.saving import collect_sync, facts, save, store, store_lost, store_many

__all__ = ["Gathering", "collect_sync", "facts", "save", "store", "store_lost", "store_many", "to_notebook"]
