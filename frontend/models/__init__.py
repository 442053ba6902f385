"""What the pages keep: notebooks, and what belongs to them."""

from frontend.models.lease import EditorLease
from frontend.models.notebook import Notebook
from frontend.models.sharing import Collaborator, ShareLink

__all__ = ["Collaborator", "EditorLease", "Notebook", "ShareLink"]
