from interpreters.models.credential import RegistryCredential
from interpreters.models.egress import EgressDecision, EgressProxy, EgressTotal
from interpreters.models.execution import Execution
from interpreters.models.image import FormerImage, InterpreterImage
from interpreters.models.isolation import IsolationReport
from interpreters.models.lease import Lease
from interpreters.models.places import Place
from interpreters.models.pool import SessionPool
from interpreters.models.preview import Preview
from interpreters.models.refusals import BadIdentifier, NoInstance, PoolFull, PoolUnavailable, QuotaReached
from interpreters.models.sample import PoolSample
from interpreters.models.session import Session, moved, moving
from interpreters.models.usage import DayUsage, SessionUsage
from interpreters.models.webhook import WebhookDelivery, WebhookEndpoint
from interpreters.models.workspace import Workspace

__all__ = [
    "BadIdentifier",
    "DayUsage",
    "EgressDecision",
    "EgressProxy",
    "EgressTotal",
    "Execution",
    "FormerImage",
    "InterpreterImage",
    "IsolationReport",
    "Lease",
    "NoInstance",
    "Place",
    "PoolFull",
    "PoolSample",
    "PoolUnavailable",
    "Preview",
    "QuotaReached",
    "RegistryCredential",
    "Session",
    "SessionPool",
    "SessionUsage",
    "WebhookDelivery",
    "WebhookEndpoint",
    "Workspace",
    "moved",
    "moving",
]
