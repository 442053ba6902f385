"""The end of a pool: what `pool.retire()` begins, and a maintenance finishes.

Rows go last: a sandbox whose row were gone would be a stray, and an outputs' saving would find nothing to save to.
"""

import logging
from typing import TYPE_CHECKING

from interpreters.lifecycle import OPEN, Observation, Reason
from tenants.audit import Action, record

if TYPE_CHECKING:
    from interpreters.models.pool import SessionPool

logger = logging.getLogger(__name__)

WHY = "its pool was deleted"


def retire(pool: "SessionPool") -> None:
    pool.note(enabled=False, deleting=True)
    # Whose wish it is: the row itself goes later, by a worker.
    record(Action.POOL_CHANGED, tenant=pool.tenant_id, about=pool, new={"deleting": True}, why="to be deleted")
    for session in pool.sessions.filter(state__in=OPEN):
        session.end(Reason.CLOSED, WHY)


def finish(pool: "SessionPool", seen: Observation) -> bool:
    """Under the pool's lock: delete it if neither a live row nor a listed sandbox is left. Whether it is gone."""
    if not pool.deleting:
        return False
    for session in pool.sessions.filter(state__in=OPEN):  # leased just before it was said
        session.end(Reason.CLOSED, WHY)
    if seen.sandboxes or pool.sessions.live().exists():
        return False
    logger.info("pool %s: its last sandbox is gone, and so is it now", pool)
    pool.delete()
    return True
