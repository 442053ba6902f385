"""Outputs that no run of ours made: they came with a file or from the notebook that was copied."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import models

from frontend.documents import bytes_of
from frontend.models.notebook import Notebook


class BroughtOutputQuerySet(models.QuerySet["BroughtOutput"]):
    def take(self, notebook: Notebook, cells: Iterable[Mapping[str, Any]]) -> None:
        """Keep what the code cells of a new notebook show. A later run of a cell of ours replaces it."""
        BroughtOutput.objects.bulk_create(
            BroughtOutput(
                notebook=notebook,
                cell=cell["id"],
                outputs=cell["outputs"],
                execution_count=cell["execution_count"],
                size=bytes_of(cell["outputs"]),
            )
            for cell in cells
            if cell["cell_type"] == "code" and (cell["outputs"] or cell["execution_count"] is not None)
        )


class BroughtOutput(models.Model):
    """Apart from the document, so that a save of a few letters does not write megabytes of plots."""

    notebook = models.ForeignKey(Notebook, models.CASCADE, related_name="brought_outputs")
    cell = models.CharField(max_length=64)
    outputs = models.JSONField()
    execution_count = models.PositiveBigIntegerField(null=True)
    size = models.PositiveBigIntegerField(default=0, editable=False)

    objects = BroughtOutputQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["notebook", "cell"], name="brought_outputs_of_a_cell")]

    def __str__(self) -> str:
        return f"outputs of {self.cell}"
