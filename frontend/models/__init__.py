"""What the pages keep: notebooks, and what belongs to them."""

from frontend.models.notebook import Notebook

__all__ = ["Notebook"]
