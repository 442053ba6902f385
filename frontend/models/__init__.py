"""What the pages keep: notebooks, and what belongs to them."""

from frontend.models.notebook import Notebook
from frontend.models.outputs import BroughtOutput
from frontend.models.version import NotebookVersion, TooMuchKept, VersionPart

__all__ = ["BroughtOutput", "Notebook", "NotebookVersion", "TooMuchKept", "VersionPart"]
