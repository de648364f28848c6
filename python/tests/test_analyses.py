"""Tables of analyses: those of the command line."""

import csv
import io
import subprocess
import sys

import numpy
import pytest
from conftest import columns

import attn_tui


def command(*words):
    """Rows that the command line prints as CSV."""
    run = subprocess.run([sys.executable, "-m", "attn_tui", *words, "--csv"], capture_output=True, text=True, check=True)
    return list(csv.DictReader(io.StringIO(run.stdout)))


def assert_equal(table, expected):
    """Compares a table with rows of the command line."""
    table = columns(table)
    assert list(table) == list(expected[0])
    for name, values in table.items():
        theirs = [row[name] for row in expected]
        if all(isinstance(value, str) or value is None for value in values):
            assert [value or "" for value in values] == theirs, name
        else:
            numbers = [numpy.nan if value is None else value for value in values]
            wanted = [float(value) if value else numpy.nan for value in theirs]
            numpy.testing.assert_allclose(numbers, wanted, rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.fixture(scope="module")
def file(capture, tmp_path_factory):
    path = tmp_path_factory.mktemp("maps") / "maps.safetensors"
    capture.save(path)
    return str(path)


def test_heads(capture, file):
    assert_equal(capture.heads(), command("heads", file, "--columns", "all"))
    assert_equal(
        capture.heads(kind="cross", layer=1, far=2.5),
        command("heads", file, "--columns", "all", "--kind", "cross", "--layer", "1", "--far", "2.5"),
    )


def test_links(capture, file):
    assert_equal(capture.links(top=7), command("links", file, "--top", "7"))
    found = columns(capture.links(queries="tired", keys="woman", kind="encoder"))
    assert set(found["key"]) == {1} and len(found["weight"]) > 0
    with pytest.raises(attn_tui.Error, match="zebra"):
        capture.links(queries="zebra")


def test_rollout(capture, file):
    assert_equal(capture.rollout(), command("rollout", file))
    assert_equal(capture.rollout(kind="encoder", residual=0.3), command("rollout", file, "--kind", "encoder", "--residual", "0.3"))
    shares = capture.rollout_map()
    assert shares.shape == (len(capture.target_tokens), len(capture.source_tokens))
    numpy.testing.assert_allclose(shares.sum(axis=1), columns(capture.rollout())["source_share"], atol=1e-5)
    with pytest.raises(attn_tui.Error) as error:
        capture.rollout(method="alti")
    assert "values=True" in error.value.hint


def test_alti_with_values(model):
    capture = model.capture("It is late.", "Il est tard.", values=True)
    shares = columns(capture.rollout(method="alti"))["source_share"]
    assert len(shares) == len(capture.target_tokens)
    assert len(set(shares)) > 1 and all(0 < share < 1 for share in shares)


def test_align(capture, file):
    found = columns(capture.align())
    printed = subprocess.run([sys.executable, "-m", "attn_tui", "align", file], capture_output=True, text=True, check=True)
    assert " ".join(f"{s}-{t}" for s, t in zip(found["source"], found["target"])) == printed.stdout.strip()
    assert ("woman", "femme") in zip(found["source_word"], found["target_word"])


def test_knockout(model, capture):
    found = columns(capture.knockout(kind="cross", top=4))
    words = ["knockout", "demo", "-s", capture.source, "-t", capture.target, "--kind", "cross", "--top", "4"]
    assert_equal(found, command(*words))
    # The target of this capture was generated, as that of the command is without -t.
    assert_equal(found, command(*words[:4], *words[6:]))
    assert columns(capture.knockout(by="layer"))["head"] == [None] * 9


def test_knockout_needs_the_model(file):
    with pytest.raises(attn_tui.UsageError, match="knock-outs need the model"):
        attn_tui.Capture.open(file).knockout()


def test_tables_are_dicts_without_pyarrow(capture, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    table = capture.links(top=2)
    assert isinstance(table, dict)
    assert len(table["weight"]) == 2 and isinstance(table["weight"][0], float)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda capture: capture.heads(kind="self"), "kind: 'self' is not one of encoder, decoder, cross"),
        (lambda capture: capture.heads(far=-1), "far: -1 is not a number from 0 on"),
        (lambda capture: capture.heads(layer=9), "9"),
        (lambda capture: capture.align(merge="median"), "merge: 'median'"),
        (lambda capture: capture.rollout(residual=2), "residual: 2 is not a number from 0 to 1"),
        (lambda capture: capture.rollout(method="flow"), "method: 'flow'"),
        (lambda capture: capture.knockout(by="word"), "by: 'word'"),
        (lambda capture: capture.save("x", dtype="f8"), "dtype: 'f8'"),
    ],
)
def test_wrong_arguments_are_named(capture, call, message):
    with pytest.raises(attn_tui.Error) as error:
        call(capture)
    assert message in str(error.value)
    assert error.value.hint and error.value.hint in str(error.value)
