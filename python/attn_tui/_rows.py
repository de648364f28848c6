"""Rows of data sets as pairs of source and target."""

from __future__ import annotations

from typing import Any, Iterable, Mapping

from ._errors import UsageError


def pairs(rows: Any, source: str, target: str) -> list[tuple[str | None, str | None]]:
    """Returns the source and the target, if it is given, of every row.

    A row is a text, a pair of texts, or a mapping from names of columns. `rows` is an iterable of them, or an Arrow
    table, a data frame of pandas or Polars, a Ray dataset or a Hugging Face dataset.
    """
    return [pair(row, source, target) for row in records(rows)]


def records(rows: Any) -> Iterable[Any]:
    """Returns the rows of a data set one by one."""
    # The keys of a mapping, such as a dict of columns, would pass for texts.
    if isinstance(rows, (str, Mapping)):
        raise TypeError("rows: a list of texts, pairs or mappings, not one text or mapping")
    if hasattr(rows, "to_pylist"):
        return rows.to_pylist()
    # Of a Polars frame, `iter_rows` has tuples without the names of the columns.
    if hasattr(rows, "to_dicts"):
        return rows.to_dicts()
    if hasattr(rows, "iter_rows"):
        return rows.iter_rows()
    if hasattr(rows, "to_dict") and hasattr(rows, "columns"):
        return rows.to_dict("records")
    return rows


def pair(row: Any, source: str, target: str) -> tuple[str | None, str | None]:
    """Returns source and target of one row."""
    if isinstance(row, str):
        return row, None
    if isinstance(row, Mapping):
        if source not in row:
            raise no_column(source, row)
        return text(row[source]), text(row.get(target))
    first, second = row
    return text(first), text(second)


def no_column(name: str, columns: Iterable[Any]) -> UsageError:
    """Returns the error for a column that rows lack."""
    return UsageError(f"there is no column {name!r}; there are {', '.join(map(repr, columns))}")


def text(value: Any) -> str | None:
    """Returns a text; None for a missing one, which pandas writes as NaN."""
    if value is None or isinstance(value, str):
        return value
    if value != value:
        return None
    raise TypeError(f"a text is needed, not {value!r}")
