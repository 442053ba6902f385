from interpreters.models.execution import Execution
from interpreters.models.image import InterpreterImage
from interpreters.models.lease import BadIdentifier, Lease, NoInstance, PoolFull, PoolUnavailable
from interpreters.models.pool import SessionPool
from interpreters.models.preview import Preview
from interpreters.models.session import Session, moved

__all__ = [
    "BadIdentifier",
    "Execution",
    "InterpreterImage",
    "Lease",
    "NoInstance",
    "PoolFull",
    "PoolUnavailable",
    "Preview",
    "Session",
    "SessionPool",
    "moved",
]
