"""Fixtures of the tests: files of the repository, and models that open once."""

import json
import re
from pathlib import Path

import numpy
import pytest

import attn_tui

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests/fixtures"


class GoldenFile:
    """A safetensors file of reference values: arrays by name, and the texts of its metadata."""

    def __init__(self, path):
        data = path.read_bytes()
        start = 8 + int.from_bytes(data[:8], "little")
        header = json.loads(data[8:start])
        self.fields = header.pop("__metadata__", {})
        kinds = {"F32": "<f4", "F16": "<f2"}
        self.arrays = {
            name: numpy.frombuffer(data[start + entry["data_offsets"][0] : start + entry["data_offsets"][1]], kinds[entry["dtype"]])
            .reshape(entry["shape"])
            .astype(numpy.float32)
            for name, entry in header.items()
        }

    def maps(self):
        return {name: values for name, values in self.arrays.items() if name.split(".")[0] in ("encoder", "decoder", "cross")}

    def list(self, name):
        return json.loads(self.fields[name])


@pytest.fixture(scope="session")
def golden():
    """The maps that transformers computes of a sentence by the built-in model."""
    return GoldenFile(FIXTURES / "captures/demo.safetensors")


@pytest.fixture(scope="session")
def model():
    return attn_tui.Model.open("demo", threads=2)


@pytest.fixture(scope="session")
def capture(model, golden):
    return model.capture(golden.fields["source"])


def columns(table):
    """A table as a dict of lists, whatever it is made of."""
    return table if isinstance(table, dict) else table.to_pydict()


def assert_same_rows(found, expected):
    """Compares Arrow tables whose rows may stand in any order; numbers to 1e-5."""
    import pyarrow

    assert found.column_names == expected.column_names
    assert found.num_rows == expected.num_rows
    keys = ("sentence", "kind", "layer", "head", "rank")
    order = [(name, "ascending") for name in keys if name in expected.column_names]
    found, expected = found.sort_by(order), expected.sort_by(order)
    for name in expected.column_names:
        ours, theirs = found[name].to_pylist(), expected[name].to_pylist()
        if pyarrow.types.is_floating(expected[name].type):
            numpy.testing.assert_allclose(numpy.array(ours, float), numpy.array(theirs, float), 1e-5, 1e-5, err_msg=name)
        elif name == "weights":
            # Maps in half precision, whose last bit may differ.
            ours, theirs = (numpy.frombuffer(b"".join(maps), "<f2") for maps in (ours, theirs))
            numpy.testing.assert_allclose(ours, theirs, atol=1e-3)
        else:
            assert ours == theirs, name


def snippets(page):
    """The Python of a page of the documentation, block by block."""
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.S)
