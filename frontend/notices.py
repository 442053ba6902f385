"""Notices of a notebook through the channel layer: "it changed, look at it", and what is typed, as best effort.

Groups are `notebook.<id>`. Redis may be away: then nobody is told, what was saved is saved, and pages look themselves.
"""

import asyncio
import logging
from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import UUID

from channels.layers import get_channel_layer
from django.db import transaction

from interpreters import notices

logger = logging.getLogger(__name__)


def notebook_group(notebook: UUID) -> str:
    return f"notebook.{notebook}"


def notebook_changed(notebook_id: UUID, version: int, by: str = "") -> None:
    """Its document, title, people or editor changed, or it was deleted. `by`: the id of who did it, if known."""
    notice = {"type": "notebook.changed", "version": version, "by": by}
    transaction.on_commit(partial(notices.send, {notebook_group(notebook_id): notice}))


async def say(notebook: UUID, message: Mapping[str, Any]) -> bool:
    """To all who have the notebook open, the sender among them. False: nobody was reached."""
    try:
        async with asyncio.timeout(notices.LONGEST_WAIT):
            await get_channel_layer().group_send(notebook_group(notebook), dict(message))
    except Exception as error:  # whatever the layer's client raises: what is typed is in the next save
        logger.info("notebook %s: nobody is told: %r", notebook, error)
        return False
    return True
