"""Scans on Spark: every Python process of an executor opens the model once and measures its partitions.

>>> import attn_tui.spark
>>> sentences = spark.read.parquet("sentences.parquet")
>>> heads = attn_tui.spark.scan(sentences, model="demo", columns={"source": "en", "target": "fr", "id": "row"})
>>> heads.write.parquet("heads")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterator, Mapping

import pyarrow

from . import _batches

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["scan"]


def scan(
    df: DataFrame,
    *,
    model: str,
    columns: Mapping[str, str] | None = None,
    table: str = "heads",
    threads: int = 1,
    model_options: Mapping[str, Any] | None = None,
    **options: Any,
) -> DataFrame:
    """Returns a data frame of the measures of every sentence of a data frame.

    columns, table, model_options and options are those of `attn_tui.ray.scan`. threads: of each process; Spark counts
    a task as one CPU unless spark.task.cpus says otherwise. Spark repeats the tasks of a lost executor.
    """
    _batches.check_table(table)
    names = {"source": "source", **(columns or {})}
    settings = tuple(sorted({"threads": threads, **(model_options or {})}.items()))

    def measured(batches: Iterator[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
        opened = _batches.model_of_process(model, settings)
        for batch in batches:
            found = _batches.scan_batch(opened, pyarrow.Table.from_batches([batch]), names, table, options)
            yield from found.to_batches()

    return df.mapInArrow(measured, schema_of(df, names, table))


def schema_of(df: DataFrame, columns: dict[str, str], table: str) -> Any:
    """Returns the columns of a table: those of a scan of no row with the types of these columns."""
    from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_type

    types = {field.name: to_arrow_type(field.dataType) for field in df.schema.fields}
    wanted = pyarrow.schema([(name, types[name]) for name in columns.values() if name in types])
    # The table's columns are the same for every model.
    opened = _batches.model_of_process("demo", (("threads", 1),))
    return from_arrow_schema(_batches.scan_batch(opened, wanted.empty_table(), columns, table, {}).schema)
