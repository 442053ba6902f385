"""What the pages keep: notebooks, and what belongs to them."""

from frontend.models.lease import EditorLease
from frontend.models.notebook import Notebook
from frontend.models.outputs import BroughtOutput
from frontend.models.sharing import Collaborator, ShareLink
from frontend.models.size import measure_kept
from frontend.models.version import NotebookVersion, TooMuchKept, VersionPart
from frontend.models.waiting import WaitingRun

__all__ = [
    "BroughtOutput",
    "Collaborator",
    "EditorLease",
    "Notebook",
    "NotebookVersion",
    "ShareLink",
    "TooMuchKept",
    "VersionPart",
    "WaitingRun",
    "measure_kept",
]
