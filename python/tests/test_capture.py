"""Captures: maps, texts, files."""

import gc
import weakref

import numpy
import pytest
from conftest import FIXTURES, GoldenFile

import attn_tui


def test_maps_equal_those_of_transformers(capture, golden):
    assert capture.target == golden.fields["target"]
    assert capture.source_ids == golden.list("source_ids")
    assert capture.source_tokens == golden.list("source_tokens")
    assert set(capture) == set(golden.maps())
    for site, expected in golden.maps().items():
        assert capture[site].shape == expected.shape
        numpy.testing.assert_allclose(capture[site], expected, atol=1e-4)


def test_a_given_target_is_scored_as_it_is():
    golden = GoldenFile(FIXTURES / "captures/readme-t5.safetensors")
    model = attn_tui.Model.open(FIXTURES / "models/t5/model")
    assert (model.layers, model.model_type) == ((3, 2), "t5")
    capture = model.capture(golden.fields["source"], golden.fields["target"], logits=True)
    assert capture.target_ids == golden.list("target_ids")
    for site, expected in golden.maps().items():
        numpy.testing.assert_allclose(capture[site], expected, atol=1e-4)
    assert capture.logits.shape[0] == len(capture.target_ids)
    assert len(capture.decoder_input_tokens) == len(capture.target_tokens) == capture["decoder.0"].shape[1]


def test_maps_are_views_of_the_memory_of_the_capture(capture):
    site, head = capture["cross.1"], capture["cross.1.3"]
    assert numpy.shares_memory(site, head)
    assert numpy.shares_memory(site, capture["cross.1"])
    assert numpy.array_equal(site[3], head)
    assert not site.flags.owndata and not site.flags.writeable
    with pytest.raises(ValueError):
        site[0, 0, 0] = 1
    assert site.dtype == numpy.float32


def test_a_map_outlives_its_capture(model):
    capture = model.capture("It is late.", "Il est tard.")
    site = capture["encoder.0"]
    expected = site.copy()
    del capture
    gc.collect()
    # Memory that was given back would be used by these.
    others = [model.capture("It is early.", "Il est tôt.") for _ in range(3)]
    assert numpy.array_equal(site, expected)
    base = weakref.ref(site)
    del site, others
    assert base() is None


def test_maps_that_are_not_kept_are_computed_anew(golden):
    model = attn_tui.Model.open("demo", memory=0)
    capture = model.capture(golden.fields["source"], golden.fields["target"])
    first, second = capture["cross.2"], capture["cross.2"]
    assert not numpy.shares_memory(first, second)
    assert numpy.array_equal(first, second)
    numpy.testing.assert_allclose(first, golden.arrays["cross.2"], atol=1e-4)


def test_files_are_written_and_read_back(capture, golden, tmp_path):
    path = tmp_path / "maps.safetensors"
    capture.save(path)
    opened = attn_tui.Capture.open(path)
    assert (opened.source, opened.target, opened.model) == (capture.source, capture.target, "demo")
    assert all(numpy.array_equal(opened[site], capture[site]) for site in capture)
    with pytest.raises(attn_tui.Error, match="already exists") as error:
        capture.save(path)
    assert "force=True" in error.value.hint
    capture.save(path, force=True, dtype="f16")
    numpy.testing.assert_allclose(attn_tui.Capture.open(path)["cross.0"], capture["cross.0"], atol=1e-3)
    theirs = attn_tui.Capture.open(FIXTURES / "captures/demo.safetensors")
    assert numpy.array_equal(theirs["cross.0"], golden.arrays["cross.0"])


def test_files_of_other_programs_open():
    capture = attn_tui.Capture.open(FIXTURES / "captures/foreign/stack.npy", kind="cross")
    numpy.testing.assert_allclose(capture["cross.0.0"][0], [0.7, 0.2, 0.1], atol=1e-6)


def test_names_that_are_not_there(capture):
    assert "cross.2" in capture and "cross.2.5" in capture
    assert "cross.3" not in capture and "cross" not in capture
    assert len(capture) == len(capture.keys()) == 9
    with pytest.raises(attn_tui.NoSuchHeadError, match="cross has layers 0 to 2, not 7") as error:
        capture["cross.7"]
    assert isinstance(error.value, KeyError)
    with pytest.raises(KeyError, match="'nonsense' is no site"):
        capture["nonsense"]


def test_a_notebook_shows_the_maps(capture):
    shown = capture._repr_html_()
    assert shown.startswith("<iframe srcdoc=") and shown.endswith("</iframe>")
    assert 'sandbox="allow-scripts"' in shown
    # Nothing of the page ends the attribute that holds it.
    assert shown.count("<") == 2
    page = capture.to_html(kind="cross", layer=2, head=4)
    assert page.startswith("<!doctype html>") and capture.source in page
    assert len(page) < len(capture.to_html())
    assert repr(capture) == "<Capture of demo: 12 source and 13 target tokens, 54 heads>"
