"""Saves a translation model of torch.nn.Transformer in Marian's layout, which attn-tui and transformers open.

    python examples/torch_to_marian.py FOLDER

The model here has random weights and ten words; take the functions for your own. What must hold: sinusoidal positions of
Marian's form (sines first, then cosines), embeddings that are scaled by sqrt(d_model) or not (`scale_embedding`), post-norm
layers (norm_first=False), no final norm after the last layer, one vocabulary for both sides, and a decoder that starts with
the padding token. A model that differs elsewhere needs another family: see docs/reference/families.md.
"""

import json
import pathlib
import sys

import torch
from safetensors.torch import save_file

WORDS = ["</s>", "<unk>", "the", "house", "is", "old", "la", "maison", "est", "vieille", "<pad>"]


class Translator(torch.nn.Module):
    """A minimal translation model as people write it in PyTorch."""

    def __init__(self, vocabulary, width=32, heads=4, layers=2, inner=64):
        super().__init__()
        self.embedding = torch.nn.Embedding(vocabulary, width)
        self.transformer = torch.nn.Transformer(
            width, heads, layers, layers, inner, dropout=0.0, activation="relu", batch_first=True
        )
        # nn.Transformer adds a norm after the last layer; Marian has none.
        self.transformer.encoder.norm = None
        self.transformer.decoder.norm = None
        self.output = torch.nn.Linear(width, vocabulary)
        self.output.weight = self.embedding.weight


def positions(length, width):
    """Marian's sinusoidal positions, [length, width]: all sines, then all cosines."""
    angles = torch.arange(length)[:, None] / 10000 ** (2 * torch.arange(width // 2) / width)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def attention(module, name):
    """nn.MultiheadAttention keeps queries, keys and values in one matrix; Marian has one for each."""
    weights, biases = module.in_proj_weight.chunk(3), module.in_proj_bias.chunk(3)
    tensors = {f"{name}.out_proj.weight": module.out_proj.weight, f"{name}.out_proj.bias": module.out_proj.bias}
    for part, weight, bias in zip("qkv", weights, biases):
        tensors |= {f"{name}.{part}_proj.weight": weight, f"{name}.{part}_proj.bias": bias}
    return tensors


def layer(module, name, cross):
    norms = ["self_attn_layer_norm", *(["encoder_attn_layer_norm"] if cross else []), "final_layer_norm"]
    tensors = attention(module.self_attn, f"{name}.self_attn")
    if cross:
        tensors |= attention(module.multihead_attn, f"{name}.encoder_attn")
    for number, norm in enumerate(norms, 1):
        source = getattr(module, f"norm{number}")
        tensors |= {f"{name}.{norm}.weight": source.weight, f"{name}.{norm}.bias": source.bias}
    for number in (1, 2):
        source = getattr(module, f"linear{number}")
        tensors |= {f"{name}.fc{number}.weight": source.weight, f"{name}.fc{number}.bias": source.bias}
    return tensors


def save(model, words, folder):
    folder.mkdir(parents=True, exist_ok=True)
    stacks = {"encoder": model.transformer.encoder, "decoder": model.transformer.decoder}
    tensors = {"model.shared.weight": model.embedding.weight, "final_logits_bias": model.output.bias[None]}
    for side, stack in stacks.items():
        for number, module in enumerate(stack.layers):
            tensors |= layer(module, f"model.{side}.layers.{number}", cross=side == "decoder")
    save_file({name: value.detach().contiguous() for name, value in tensors.items()}, folder / "model.safetensors",
              metadata={"format": "pt"})
    first = stacks["encoder"].layers[0]
    ends, unknown, padding = (words.index(word) for word in ("</s>", "<unk>", "<pad>"))
    config = {
        "model_type": "marian", "architectures": ["MarianMTModel"], "is_encoder_decoder": True,
        "vocab_size": len(words), "d_model": model.embedding.embedding_dim,
        "encoder_layers": len(stacks["encoder"].layers), "decoder_layers": len(stacks["decoder"].layers),
        "encoder_attention_heads": first.self_attn.num_heads, "decoder_attention_heads": first.self_attn.num_heads,
        "encoder_ffn_dim": first.linear1.out_features, "decoder_ffn_dim": first.linear1.out_features,
        "activation_function": "relu", "scale_embedding": False, "max_position_embeddings": 512,
        "static_position_embeddings": True, "tie_word_embeddings": True, "share_encoder_decoder_embeddings": True,
        "eos_token_id": ends, "pad_token_id": padding, "decoder_start_token_id": padding, "forced_eos_token_id": ends,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "Whitespace"}, "decoder": None,
        "added_tokens": [
            {"id": at, "content": words[at], "special": True, "single_word": False, "lstrip": False, "rstrip": False,
             "normalized": False}
            for at in (ends, unknown, padding)
        ],
        "post_processor": {
            "type": "TemplateProcessing", "pair": [{"Sequence": {"id": "A", "type_id": 0}}],
            "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
            "special_tokens": {"</s>": {"id": "</s>", "ids": [ends], "tokens": ["</s>"]}},
        },
        "model": {"type": "WordLevel", "vocab": {word: at for at, word in enumerate(words)}, "unk_token": "<unk>"},
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer, indent=2))
    # Without this, a Marian folder is expected to have SentencePiece files.
    special = {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    kind = {"tokenizer_class": "PreTrainedTokenizerFast", **special}
    (folder / "tokenizer_config.json").write_text(json.dumps(kind, indent=2))


def main():
    torch.manual_seed(0)
    model = Translator(len(WORDS)).eval()
    save(model, WORDS, pathlib.Path(sys.argv[1]))


if __name__ == "__main__":
    main()
