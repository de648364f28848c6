"""Scans of the batches of a distributed data set: one model for each process, one table for each batch."""

from __future__ import annotations

import functools
from typing import Any

import pyarrow

from ._errors import UsageError
from ._native import Model
from ._rows import no_column

TABLES = ("sentences", "heads", "links", "maps")


def check_table(table: str) -> None:
    """Checks the name of a table."""
    if table not in TABLES:
        raise UsageError(f"table: {table!r} is not one of {', '.join(TABLES)}")


@functools.lru_cache(maxsize=1)
def model_of_process(model: str, settings: tuple[tuple[str, Any], ...]) -> Model:
    """Returns the model, which the process opens once."""
    return Model.open(model, **dict(settings))


def scan_batch(
    model: Model, batch: pyarrow.Table, columns: dict[str, str], table: str, options: dict[str, Any]
) -> pyarrow.Table:
    """Measures the rows of a batch and returns one of the tables.

    `columns` names the columns of the source, the target and the id. The ids take the place of the numbers of the
    sentences, which count within the batch alone; without ids the texts of the sources do.
    """
    source, target = columns["source"], columns.get("target", "target")
    # A target that is named and missing would be generated, and a missing id be found after the measuring.
    for name in columns.values():
        if name not in batch.column_names:
            raise no_column(name, batch.column_names)
    wanted = [name for name in (source, target) if name in batch.column_names]
    tables = model.scan(batch.select(wanted), source=source, target=target, maps=table == "maps", **options)
    found = tables[table]
    at, numbers = found.column_names.index("sentence"), found.column("sentence")
    if "id" in columns:
        return found.set_column(at, "sentence", batch.column(columns["id"]).take(numbers))
    # Rows that could not be run have a source, too.
    others = found.drop_columns([name for name in ("sentence", "source") if name in found.column_names])
    return others.add_column(0, "source", batch.column(source).take(numbers))
