"""The public verbs on what tenants bring: images, and credentials for registries. Each is given the Actor who asks.

The edges call these and nothing below. Each verb raises Problem, and is a coroutine: the work is done in a thread.
"""

from interpreters.catalog import credentials, images

__all__ = ["credentials", "images"]
