"""Scans on Ray: every worker opens the model once and measures batches of a dataset.

>>> import ray, attn_tui.ray
>>> sentences = ray.data.read_parquet("sentences.parquet")
>>> heads = attn_tui.ray.scan(sentences, model="demo", columns={"source": "en", "target": "fr", "id": "row"})
>>> heads.write_parquet("heads")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Mapping

from . import _batches
from ._native import Model

if TYPE_CHECKING:
    import pyarrow
    import ray.data

__all__ = ["scan"]


class SentenceScan:
    """A worker: an open model that measures batches."""

    def __init__(
        self,
        model: str,
        settings: dict[str, Any],
        columns: dict[str, str],
        table: str,
        options: dict[str, Any],
    ) -> None:
        self.model = Model.open(model, **settings)
        self.columns, self.table, self.options = columns, table, options

    def __call__(self, batch: pyarrow.Table) -> pyarrow.Table:
        return _batches.scan_batch(self.model, batch, self.columns, self.table, self.options)


def scan(
    dataset: ray.data.Dataset,
    *,
    model: str,
    columns: Mapping[str, str] | None = None,
    table: str = "heads",
    batch_size: int = 256,
    concurrency: int | tuple[int, int] = 1,
    num_cpus: float = 1,
    num_gpus: float = 0,
    model_options: Mapping[str, Any] | None = None,
    **options: Any,
) -> ray.data.Dataset:
    """Returns a dataset of the measures of every sentence of a dataset.

    columns: names of the columns "source", "target" (if the targets are given) and "id" (a key of the rows, which the
    column "sentence" of the result holds; without one the column "source" tells the rows apart). table: "sentences",
    "heads", "links" or "maps". concurrency, num_cpus, num_gpus: workers, and what Ray reserves for each; a worker has
    as many threads as CPUs. model_options: arguments of `Model.open`; options: those of `Model.scan`. Ray starts a
    failed worker again and repeats its batch, so that no row is lost and none comes twice.
    """
    _batches.check_table(table)
    settings: dict[str, Any] = {"threads": max(1, int(num_cpus)), **(model_options or {})}
    if num_gpus:
        settings.setdefault("device", "cuda")
    return dataset.map_batches(
        SentenceScan,
        fn_constructor_kwargs={
            "model": model,
            "settings": settings,
            "columns": {"source": "source", **(columns or {})},
            "table": table,
            "options": options,
        },
        batch_format="pyarrow",
        batch_size=batch_size,
        zero_copy_batch=True,
        concurrency=concurrency,
        num_cpus=num_cpus,
        num_gpus=num_gpus or None,
    )
