"""The Python in the documentation runs as it is printed there, and the stubs are those of the module."""

import ast
import doctest
import inspect

import pytest
from conftest import ROOT, snippets
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
            # The last token is 0, which is padding to this tokenizer.
            assert (run["capture"].model, run["capture"].source_ids) == ("my model", golden.list("source_ids")[:-1])
        else:
            exec(code, names)
    assert isinstance(names["capture"], attn_tui.Capture)


def test_the_example_of_the_module():
    assert doctest.testmod(attn_tui) == (0, 4)


def test_stubs_name_the_arguments_of_the_module():
    stubs = ast.parse((ROOT / "python/attn_tui/_native.pyi").read_text())
    compared = 0
    for stub in (node for node in stubs.body if isinstance(node, ast.ClassDef) and hasattr(attn_tui, node.name)):
        for method in (node for node in stub.body if isinstance(node, ast.FunctionDef)):
            found = getattr(getattr(attn_tui, stub.name), method.name)
            if method.name.startswith("__") or not callable(found):
                continue
            names = [argument.arg for argument in [*method.args.args, *method.args.kwonlyargs]]
            assert list(inspect.signature(found).parameters) == names, f"{stub.name}.{method.name}"
            compared += 1
    assert compared > 10
