"""Scans of many sentences."""

import json
import subprocess
import sys

import numpy
import pyarrow
import pyarrow.compute
import pytest
import read_scan
from conftest import assert_same_rows, columns

import attn_tui
from attn_tui import _batches, _rows

PAIRS = [
    ("It is late.", "Il est tard."),
    ("The woman who lives near my parents is very tired.", None),
    ("", "Rien."),
    ("Where is the book that you bought?", "Où est le livre que tu as acheté ?"),
]


def test_a_scan_measures_what_captures_do(model):
    tables = model.scan(PAIRS)
    assert set(tables) == {"sentences", "heads", "links"}
    sentences, heads = tables["sentences"], tables["heads"]
    assert sentences["sentence"].to_pylist() == [0, 1, 2, 3]
    assert [error is None for error in sentences["error"].to_pylist()] == [True, True, False, True]
    assert sentences["generated"].to_pylist()[:2] == [False, True]
    for at in (0, 1, 3):
        capture = model.capture(*PAIRS[at])
        own = heads.filter(pyarrow.compute.equal(heads["sentence"], at))
        alone = columns(capture.heads())
        assert sentences["target"][at].as_py() == capture.target
        for name in ("entropy", "mean_distance", "gini"):
            ours, theirs = own[name].to_pylist(), alone[name]
            numpy.testing.assert_allclose(numpy.array(ours, float), numpy.array(theirs, float), atol=1e-5)


@pytest.mark.parametrize("given", [True, False])
def test_a_scan_has_the_rows_of_the_command(model, tmp_path, given):
    sources = ["It is late.", "", "Where is the book that you bought?", "The dogs in the garden are very tired."]
    targets = ["Il est tard.", "Rien.", "Où est le livre ?", "Les chiens du jardin sont fatigués."]
    rows = [{"source": source, "target": target} if given else {"source": source} for source, target in zip(sources, targets)]
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ["scan", "demo", "--source-file", "corpus.jsonl", "-o", "scan", "--batch", "3", "--maps", "--source-share", "--links", "2"]
    subprocess.run([sys.executable, "-m", "attn_tui", *words], check=True, cwd=tmp_path, capture_output=True)
    expected = read_scan.read(tmp_path / "scan")
    found = model.scan(rows, maps=True, source_share=True, links=2)
    assert set(found) == {"sentences", "heads", "links", "maps"}
    assert found["sentences"]["generated"].to_pylist() == [not given, False, not given, not given]
    for name, table in found.items():
        assert table.num_rows > 3
        assert_same_rows(table, expected[name])


@pytest.mark.parametrize(
    "rows",
    [
        [source for source, _ in PAIRS[:1]],
        ({"source": source, "target": target} for source, target in PAIRS[:1]),
        pyarrow.table({"source": [PAIRS[0][0]], "target": [PAIRS[0][1]], "other": [1]}),
    ],
)
def test_rows_of_several_forms(model, rows):
    sentences = model.scan(rows)["sentences"]
    assert sentences["source"].to_pylist() == ["It is late."]


def test_maps_and_links(model):
    tables = model.scan(PAIRS[:1], maps=True, links=1, min_distance=0)
    maps, capture = tables["maps"], model.capture(*PAIRS[0])
    first = maps.slice(0, 1).to_pylist()[0]
    weights = numpy.frombuffer(first["weights"], "<f2").reshape(first["queries"], first["keys"])
    name = f"{first['kind']}.{first['layer']}.{first['head']}"
    numpy.testing.assert_allclose(weights, capture[name], atol=1e-3)
    assert set(tables["links"]["rank"].to_pylist()) == {0}


def test_no_rows_make_tables_without_rows(model):
    tables = model.scan([], maps=True)
    assert [table.num_rows for table in tables.values()] == [0, 0, 0, 0]
    full = model.scan(PAIRS[:1], maps=True)
    assert all(tables[name].schema == full[name].schema for name in full)


class PolarsFrame:
    """The part of a Polars frame that tells it from other rows."""

    def to_dicts(self):
        return [{"number": 1, "target": "Il est tard.", "source": "It is late."}]

    def iter_rows(self):
        return iter([(1, "Il est tard.", "It is late.")])


def test_frames_of_polars_go_by_the_names_of_columns():
    assert _rows.pairs(PolarsFrame(), "source", "target") == [("It is late.", "Il est tard.")]


@pytest.mark.parametrize("column", ["source", "target", "id"])
def test_a_missing_column_is_told_before_anything_is_measured(column):
    batch = pyarrow.table({"source": ["It is late."], "target": ["Il est tard."], "id": [7]})
    columns = {"source": "source", "target": "target", "id": "id", column: "none"}
    with pytest.raises(attn_tui.UsageError, match="no column 'none'; there are 'source', 'target', 'id'"):
        # No model: an attempt to measure would be another error.
        _batches.scan_batch(None, batch, columns, "heads", {})


def test_rows_that_are_none(model):
    with pytest.raises(attn_tui.UsageError, match="there is no column 'source'; there are 'text'"):
        model.scan([{"text": "It is late."}])
    for rows in "It is late.", {"source": ["It is late."]}:
        with pytest.raises(TypeError, match="not one text or mapping"):
            model.scan(rows)
    with pytest.raises(attn_tui.UsageError, match="far"):
        model.scan(PAIRS, far=-1)
