"""The Python in the documentation runs as it is printed there."""

import doctest

import pytest
from conftest import snippets
from test_transformers import StandInTokenizer, forward

import attn_tui

# Snippets that need other packages or models; those of Ray and Spark run in their own tests.
OTHERS = ("import torch", "from safetensors", "attn_tui.ray", "attn_tui.spark")


@pytest.mark.parametrize(
    ("page", "count"),
    [("README.md", 1), ("python/README.md", 1), ("docs/how-to/python.md", 3), ("docs/reference/capture-file.md", 1)],
)
def test_snippets_run(page, count, capture, golden, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    capture.save("maps.safetensors")
    given = [code for code in snippets(page) if not any(other in code for other in OTHERS)]
    assert len(given) == count
    names = {}
    for code in given:
        if "a transformers model" in code:
            ids = {"input_ids": [golden.list("source_ids")], "labels": [golden.list("target_ids")]}
            run = dict(names, model=lambda **_: forward(golden.maps()), batch=ids, tokenizer=StandInTokenizer())
            (tmp_path / "maps.safetensors").unlink()
            exec(code, run)
            assert run["capture"].model == "my model" and run["capture"].source_ids == golden.list("source_ids")
        else:
            exec(code, names)
    assert isinstance(names["capture"], attn_tui.Capture)


def test_the_example_of_the_module():
    assert doctest.testmod(attn_tui) == (0, 4)
