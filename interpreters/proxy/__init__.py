"""Requests for servers in sandboxes, in front of Django's and Channels' routing: one raw ASGI application.

`addresses` and `headers` decide, and are pure; `lookup` finds who asks and which session is meant, from memory most of
the time; `http` and `websocket` pass on what comes, both ways at once; `application` puts them together.
"""

from interpreters.proxy.addresses import is_proxied
from interpreters.proxy.application import in_front_of

__all__ = ["in_front_of", "is_proxied"]
