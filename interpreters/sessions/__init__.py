"""The public verbs on sessions. HTTP, WebSocket and every other edge call these and nothing below them.

Each verb is given the Actor who asks, or a Session that was found for one; each raises Problem.
"""

from interpreters.sessions import archives, audit, files, ports, terminals, tokens, webhooks
from interpreters.sessions.access import get
from interpreters.sessions.executing import (
    ask_about,
    ask_kernel,
    cancel,
    give_input,
    interrupt,
    replay,
    request,
    restart,
    run,
    start,
    stream,
    usage,
)
from interpreters.sessions.following import Follower, changes, looks, running
from interpreters.sessions.managing import change_pool, create_pool, delete_pool, own_pool
from interpreters.sessions.opening import close, describe, described, issue_token, keep_alive, list_open, open, pools
from interpreters.sessions.problems import Problem
from interpreters.sessions.reading import list_of, read
from interpreters.sessions.record import note_use

__all__ = [
    "Follower",
    "Problem",
    "archives",
    "ask_about",
    "ask_kernel",
    "audit",
    "cancel",
    "change_pool",
    "changes",
    "close",
    "create_pool",
    "delete_pool",
    "describe",
    "described",
    "files",
    "get",
    "give_input",
    "interrupt",
    "issue_token",
    "keep_alive",
    "list_of",
    "list_open",
    "looks",
    "note_use",
    "open",
    "own_pool",
    "pools",
    "ports",
    "read",
    "replay",
    "request",
    "restart",
    "run",
    "running",
    "start",
    "stream",
    "terminals",
    "tokens",
    "usage",
    "webhooks",
]
