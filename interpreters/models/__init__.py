from interpreters.models.credential import RegistryCredential
from interpreters.models.egress import EgressDecision, EgressProxy, EgressTotal
from interpreters.models.execution import Execution
from interpreters.models.image import FormerImage, InterpreterImage
from interpreters.models.isolation import IsolationReport
from interpreters.models.lease import BadIdentifier, Lease, NoInstance, PoolFull, PoolUnavailable
from interpreters.models.pool import SessionPool
from interpreters.models.preview import Preview
from interpreters.models.session import Session, moved
from interpreters.models.workspace import Workspace

__all__ = [
    "BadIdentifier",
    "EgressDecision",
    "EgressProxy",
    "EgressTotal",
    "Execution",
    "FormerImage",
    "InterpreterImage",
    "IsolationReport",
    "Lease",
    "NoInstance",
    "PoolFull",
    "PoolUnavailable",
    "Preview",
    "RegistryCredential",
    "Session",
    "SessionPool",
    "Workspace",
    "moved",
]
