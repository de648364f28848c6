"""Tables: Arrow tables where pyarrow is installed, otherwise dicts of lists."""

from __future__ import annotations

from typing import Any, Iterable


def table(columns: Iterable[tuple[str, str, list[Any]]]) -> Any:
    """Makes a table of columns, each a name, the name of a type of `types` and its values."""
    try:
        import pyarrow
    except ImportError:
        return {name: values for name, _, values in columns}
    types = {
        "text": pyarrow.string(),
        "number": pyarrow.float32(),
        "whole": pyarrow.int64(),
        "flag": pyarrow.bool_(),
        "bytes": pyarrow.binary(),
        "wholes": pyarrow.list_(pyarrow.int64()),
        "texts": pyarrow.list_(pyarrow.string()),
        "missing": pyarrow.null(),
    }
    return pyarrow.table({name: pyarrow.array(values, types[kind]) for name, kind, values in columns})
