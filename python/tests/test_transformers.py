"""Outputs of transformers models: their layout in plain NumPy."""

import json
from types import SimpleNamespace

import numpy
import pytest

import attn_tui


class StandInTokenizer:
    """The part of a tokenizer that captures need."""

    pad_token_id = 0
    all_special_ids = [0, 1]

    def convert_ids_to_tokens(self, ids):
        return [{0: "<pad>", 1: "</s>"}.get(id, f"▁w{id}") for id in ids]

    def decode(self, ids, skip_special_tokens=False):
        return " ".join(f"w{id}" for id in ids if not (skip_special_tokens and id in self.all_special_ids))


def forward(maps, batch=0):
    """The outputs of a forward pass: tuples of layers, [batch, heads, queries, keys]."""
    kinds = {}
    for kind in ("encoder", "decoder", "cross"):
        layers = sorted(name for name in maps if name.startswith(kind))
        kinds[f"{kind}_attentions"] = tuple(numpy.stack([maps[name]] * (batch or 1)) for name in layers)
    return SimpleNamespace(**kinds)


def test_a_forward_pass(capture, golden):
    outputs = forward(golden.maps())
    ids = {name: numpy.array([golden.list(name)]) for name in ("source_ids", "target_ids", "decoder_input_ids")}
    made = attn_tui.Capture.from_transformers(outputs, model="theirs", **ids)
    assert made.model == "theirs"
    assert made.source_ids == capture.source_ids and made.target_ids == capture.target_ids
    for site, expected in golden.maps().items():
        assert numpy.array_equal(made[site], expected)
    theirs, ours = made.rollout_map(), capture.rollout_map()
    numpy.testing.assert_allclose(theirs, ours, atol=1e-4)


def test_tokens_texts_and_labels_without_loss(golden):
    cross = numpy.full((1, 2, 3, 4), 0.25, dtype=numpy.float64)
    outputs = {"cross_attentions": (cross,)}
    made = attn_tui.Capture.from_transformers(
        outputs, StandInTokenizer(), source_ids=[5, 6, 7, 1], target_ids=[8, 1, -100], trim_padding=False
    )
    assert made.source_tokens == ["▁w5", "▁w6", "▁w7", "</s>"]
    assert (made.source, made.target) == ("w5 w6 w7", "w8")
    assert made.target_tokens == ["▁w8", "</s>", "<pad>"]
    assert made["cross.0"].shape == (2, 3, 4)


def test_a_sequence_of_a_batch():
    rng = numpy.random.default_rng(7)
    weights = rng.random((3, 2, 4, 5)).astype(numpy.float32)
    weights /= weights.sum(axis=-1, keepdims=True)
    sources = rng.integers(2, 90, (3, 5))
    outputs = {"cross_attentions": (weights, weights[:, ::-1])}
    made = attn_tui.Capture.from_transformers(outputs, source_ids=sources, sequence=2)
    assert made.source_ids == sources[2].tolist()
    assert numpy.array_equal(made["cross.1"], weights[2, ::-1])
    with pytest.raises(attn_tui.Error, match="sequences 0 to 2, not 3"):
        attn_tui.Capture.from_transformers({"cross_attentions": (weights,)}, sequence=3)
    with pytest.raises(attn_tui.UsageError, match="sequences 0 to 2, not 3"):
        attn_tui.Capture.from_transformers(outputs, source_ids=sources, sequence=3)
    with pytest.raises(attn_tui.UsageError, match="the shape is"):
        attn_tui.Capture.from_transformers(outputs, source_ids=sources[None], sequence=0)


def test_the_steps_of_generate_with_beams():
    rng = numpy.random.default_rng(11)
    steps, beams, heads, keys = 4, 2, 3, 5
    weights = rng.random((steps, beams, heads, 1, keys)).astype(numpy.float32)
    weights /= weights.sum(axis=-1, keepdims=True)
    beam_indices = numpy.array([[0, 1, 1, -1]])
    outputs = SimpleNamespace(
        cross_attentions=tuple((weights[step],) for step in range(steps)),
        decoder_attentions=tuple((numpy.full((beams, heads, 1, step + 1), 1 / (step + 1), "f4"),) for step in range(steps)),
        sequences=numpy.array([[0, 21, 22, 1, 0]]),
        beam_indices=beam_indices,
    )
    made = attn_tui.Capture.from_transformers(outputs, StandInTokenizer(), source_ids=[5, 6, 7, 8, 1])
    assert made.target_ids == [21, 22, 1]
    assert made.decoder_input_tokens == ["<pad>", "▁w21", "▁w22"]
    expected = numpy.stack([weights[step, beam, :, 0] for step, beam in enumerate([0, 1, 1])], axis=1)
    assert numpy.array_equal(made["cross.0"], expected)
    assert made["decoder.0"].shape == (3, 3, 3)


def test_the_steps_of_generate_after_a_prompt():
    queries = [3, 1, 1]
    outputs = SimpleNamespace(
        cross_attentions=tuple((numpy.full((1, 2, count, 4), 0.25, "f4"),) for count in queries),
        sequences=numpy.array([[0, 11, 12, 21, 22, 1]]),
    )
    made = attn_tui.Capture.from_transformers(outputs, StandInTokenizer(), source_ids=[5, 6, 7, 1])
    assert made.target_ids == [11, 12, 21, 22, 1]
    assert made.decoder_input_tokens == ["<pad>", "▁w11", "▁w12", "▁w21", "▁w22"]
    assert made["cross.0"].shape == (2, 5, 4)


def test_weights_that_are_none_are_refused():
    scores = numpy.full((1, 1, 2, 2), 3.0)
    with pytest.raises(attn_tui.Error, match="cross_attentions") as error:
        attn_tui.Capture.from_transformers({"cross_attentions": (scores,)})
    assert error.value.hint
    with pytest.raises(attn_tui.Error, match="no attention maps"):
        attn_tui.Capture.from_transformers({"last_hidden_state": scores})


def test_a_decoder_alone(tmp_path):
    causal = numpy.tril(numpy.ones((1, 2, 4, 4), "f4"))
    causal /= causal.sum(axis=-1, keepdims=True)
    made = attn_tui.Capture.from_transformers({"attentions": (causal, causal)}, target_ids=[3, 4, 5, 6])
    assert list(made) == ["decoder.0", "decoder.1"]
    made.save(tmp_path / "maps.safetensors")
    header = (tmp_path / "maps.safetensors").read_bytes()
    fields = json.loads(header[8 : 8 + int.from_bytes(header[:8], "little")])["__metadata__"]
    assert json.loads(fields["target_ids"]) == [3, 4, 5, 6]
