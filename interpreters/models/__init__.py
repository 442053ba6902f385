from interpreters.models.execution import Execution
from interpreters.models.image import InterpreterImage
from interpreters.models.pool import SessionPool
from interpreters.models.session import Session

__all__ = ["Execution", "InterpreterImage", "Session", "SessionPool"]
