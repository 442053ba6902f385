from interpreters.models.execution import Execution
from interpreters.models.image import InterpreterImage
from interpreters.models.isolation import IsolationReport
from interpreters.models.lease import BadIdentifier, Lease, NoInstance, PoolFull, PoolUnavailable
from interpreters.models.pool import SessionPool
from interpreters.models.session import Session, moved

__all__ = [
    "BadIdentifier",
    "Execution",
    "InterpreterImage",
    "IsolationReport",
    "Lease",
    "NoInstance",
    "PoolFull",
    "PoolUnavailable",
    "Session",
    "SessionPool",
    "moved",
]
