"""Rows of data sets as pairs of source and target."""

from __future__ import annotations

from typing import Any, Iterable, Mapping


def pairs(rows: Any, source: str, target: str) -> list[tuple[str | None, str | None]]:
    """Returns the source and the target, if it is given, of every row.

    A row is a text, a pair of texts, or a mapping from names of columns. `rows` is an iterable of them, or an Arrow
    table, a pandas data frame, a Ray dataset or a Hugging Face dataset.
    """
    return [pair(row, source, target) for row in records(rows)]


def records(rows: Any) -> Iterable[Any]:
    """Returns the rows of a data set one by one."""
    if isinstance(rows, str):
        raise TypeError("rows: a list of texts, not one text")
    if hasattr(rows, "to_pylist"):
        return rows.to_pylist()
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
            raise KeyError(f"there is no column {source!r}; there are {', '.join(map(repr, row))}")
        return text(row[source]), text(row.get(target))
    first, second = row
    return text(first), text(second)


def text(value: Any) -> str | None:
    """Returns a text; None for a missing one, which pandas writes as NaN."""
    if value is None or isinstance(value, str):
        return value
    if value != value:
        return None
    raise TypeError(f"a text is needed, not {value!r}")
