from interpreters.models.egress import EgressDecision, EgressProxy, EgressTotal
from interpreters.models.execution import Execution
from interpreters.models.image import InterpreterImage
from interpreters.models.lease import BadIdentifier, Lease, NoInstance, PoolFull, PoolUnavailable
from interpreters.models.pool import SessionPool
from interpreters.models.session import Session, moved

__all__ = [
    "BadIdentifier",
    "EgressDecision",
    "EgressProxy",
    "EgressTotal",
    "Execution",
    "InterpreterImage",
    "Lease",
    "NoInstance",
    "PoolFull",
    "PoolUnavailable",
    "Session",
    "SessionPool",
    "moved",
]
