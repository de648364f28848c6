#!/usr/bin/env python3
"""Compares the built program with transformers on random models.

    pip install -r tests/fixtures/requirements.txt
    cargo build
    python tests/differential/differential.py [--binary target/debug/attn-tui] [--cases 200] [--seed 0] [--only N]

Each case draws, by its seed, a family, a config with every boolean either way, weights, a storage format (safetensors
or torch.save, whole or sharded, f32, f16 or bf16), where the generation settings stand (generation_config.json,
config.json, its decoder's section) and what they are. `attn-tui capture` runs on the folder twice: with a given target,
and with a generated one. Source ids, decoder input, all maps and the logits of the first, and the ids of the second,
must be those of transformers (eager attention, float32). Generated ids are compared where noise of five times the
tolerance leaves them as they are. The last line is `N of M`: the cases that hold.

Nothing here runs in `cargo test`.
"""

import argparse
import json
import math
import random
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/fixtures"))

import torch  # noqa: E402
import transformers as hf  # noqa: E402
from safetensors import safe_open  # noqa: E402
from tokenizers import Tokenizer, models, pre_tokenizers, processors  # noqa: E402

import fixture_composed  # noqa: E402
import fixture_sparse  # noqa: E402
import fixture_streams  # noqa: E402
import make_models  # noqa: E402
from fixture_models import Fixture, seq2seq  # noqa: E402
from tiny_tokenizers import write_json  # noqa: E402

TOLERANCE = 1e-4
VOCABULARY = 64
PAD, END = 1, 2
FIRST_WORD = 6


# --- families --------------------------------------------------------------------------------


def flag(rng):
    return rng.random() < 0.5


def bart_shape(rng):
    heads = rng.choice([(1, 2), (2, 2), (2, 3), (3, 1), (4, 2), (3, 3)])
    return dict(
        vocab_size=VOCABULARY,
        d_model=math.lcm(*heads, 2) * rng.choice([2, 4, 6]),
        encoder_layers=rng.randint(1, 3),
        decoder_layers=rng.randint(1, 3),
        encoder_attention_heads=heads[0],
        decoder_attention_heads=heads[1],
        encoder_ffn_dim=rng.choice([8, 12, 20]),
        decoder_ffn_dim=rng.choice([8, 12, 20]),
        max_position_embeddings=rng.choice([48, 64]),
        activation_function=rng.choice(["gelu", "relu", "swish", "gelu_new"]),
        tie_word_embeddings=flag(rng),
        pad_token_id=PAD,
        bos_token_id=0,
        eos_token_id=END,
    )


def bart_like(config_class, kind=Fixture, **more):
    def draw(rng):
        shape = bart_shape(rng) | {key: value(rng) if callable(value) else value for key, value in more.items()}
        if "scale_embedding" not in more and hasattr(config_class, "scale_embedding"):
            shape["scale_embedding"] = flag(rng)
        return kind("", build=seq2seq(config_class(**shape)), embedding=0.25 if shape.get("scale_embedding") else 0.7)

    return draw


def marian(rng):
    shape = bart_shape(rng) | dict(scale_embedding=flag(rng), share_encoder_decoder_embeddings=flag(rng))
    return Fixture("", build=seq2seq(hf.MarianConfig(**shape)), embedding=0.4)


def fsmt(rng):
    shape = bart_shape(rng) | dict(scale_embedding=flag(rng))
    del shape["vocab_size"]
    config = hf.FSMTConfig(src_vocab_size=VOCABULARY, tgt_vocab_size=VOCABULARY, langs=["en", "de"], **shape)
    return Fixture("", build=seq2seq(config), embedding=0.25 if shape["scale_embedding"] else 0.7)


def led(rng):
    shape = bart_shape(rng)
    rows = shape.pop("max_position_embeddings")
    shape |= dict(max_encoder_position_embeddings=rows, max_decoder_position_embeddings=rows)
    shape["attention_window"] = [rng.choice([4, 8]) for _ in range(shape["encoder_layers"])]
    return Fixture("", build=seq2seq(hf.LEDConfig(**shape)), encoder_maps=fixture_sparse.from_diagonals)


def big_bird(rng):
    shape = bart_shape(rng) | dict(
        scale_embedding=flag(rng),
        use_bias=flag(rng),
        attention_type=rng.choice(["block_sparse", "original_full"]),
        block_size=rng.choice([2, 4]),
        num_random_blocks=rng.choice([1, 2]),
    )
    return fixture_sparse.BigBird(
        "",
        build=seq2seq(hf.BigBirdPegasusConfig(**shape)),
        embedding=0.25,
        encoder_maps=lambda attentions, length: [layer[0, :, :length, :length] for layer in attentions],
    )


def pegasus_x(rng):
    shape = bart_shape(rng) | dict(
        scale_embedding=flag(rng),
        stagger_local_blocks=flag(rng),
        block_size=rng.choice([4, 8]),
        num_global_tokens=rng.choice([1, 3]),
    )
    return fixture_streams.PegasusX("", build=seq2seq(hf.PegasusXConfig(**shape)), embedding=0.25)


def mvp(rng):
    prompts = flag(rng)
    shape = bart_shape(rng) | dict(scale_embedding=flag(rng), use_prompt=prompts, prompt_length=3, prompt_mid_dim=10)
    kind = fixture_streams.Prompted if prompts else Fixture
    return kind("", build=seq2seq(hf.MvpConfig(**shape)), embedding=0.4)


def nllb_moe(rng):
    shape = bart_shape(rng) | dict(
        scale_embedding=flag(rng),
        num_experts=rng.choice([2, 4]),
        encoder_sparse_step=rng.choice([1, 2]),
        decoder_sparse_step=rng.choice([1, 2]),
        router_bias=flag(rng),
        batch_prioritized_routing=flag(rng),
        normalize_router_prob_before_dropping=flag(rng),
        router_ignore_padding_tokens=flag(rng),
        moe_eval_capacity_token_fraction=rng.choice([-1.0, 0.5, 1.0]),
        expert_capacity=64,
    )
    return Fixture("", build=seq2seq(hf.NllbMoeConfig(**shape)), embedding=0.25)


def seamless(config_class):
    def draw(rng):
        shape = bart_shape(rng)
        config = config_class(
            hidden_size=shape.pop("d_model"),
            scale_embedding=flag(rng),
            speech_encoder_layers=1,
            speech_encoder_attention_heads=1,
            speech_encoder_intermediate_size=4,
            **shape,
        )
        name = config_class.__name__.replace("Config", "ForTextToText")
        return Fixture("", build=lambda: getattr(hf, name)(config), embedding=0.4)

    return draw


def t5_like(config_class, gates=True, **more):
    def draw(rng):
        heads, size = rng.randint(1, 4), rng.choice([2, 4, 5])
        shape = dict(
            vocab_size=VOCABULARY,
            d_model=rng.choice([8, 12, 18]),
            d_kv=size,
            d_ff=rng.choice([8, 16]),
            num_layers=rng.randint(1, 3),
            num_decoder_layers=rng.randint(1, 3),
            num_heads=heads,
            relative_attention_num_buckets=rng.choice([8, 32]),
            relative_attention_max_distance=rng.choice([10, 128]),
            pad_token_id=PAD,
            eos_token_id=END,
            tie_word_embeddings=flag(rng),
        )
        shape |= {key: value(rng) if callable(value) else value for key, value in more.items()}
        if gates:
            shape["feed_forward_proj"] = rng.choice(["relu", "gelu", "gated-gelu", "gated-silu", "gated-relu"])
            if rng.random() < 0.3:
                shape |= dict(dense_act_fn=rng.choice(["relu", "silu", "gelu_new"]), is_gated_act=flag(rng))
        config = config_class(**shape)
        config_changes = dict(tie_word_embeddings=shape["tie_word_embeddings"])
        if config_class is not hf.SwitchTransformersConfig:
            config_changes["scale_decoder_outputs"] = make_models.fixture_models.ABSENT
        untied = ("lm_head.weight",) if flag(rng) and config.tie_word_embeddings else ()
        fixture = Fixture(
            "", build=seq2seq(config, untied), unscaled=True, head_size=size, embedding=0.8, config=config_changes
        )
        if config_class is hf.LongT5Config:
            fixture.encoder_maps = fixture_sparse.from_three_blocks(config.local_radius + 1)
        return fixture

    return draw


def long_t5(rng):
    more = dict(local_radius=rng.choice([2, 5]), encoder_attention_type=rng.choice(["local", "transient-global"]))
    return t5_like(hf.LongT5Config, global_block_size=rng.choice([2, 4]), **more)(rng)


def switch(rng):
    return t5_like(
        hf.SwitchTransformersConfig,
        gates=False,
        num_experts=rng.choice([2, 4]),
        num_sparse_encoder_layers=1,
        num_sparse_decoder_layers=1,
        expert_capacity=rng.choice([3, 64]),
        router_bias=flag(rng),
        router_ignore_padding_tokens=flag(rng),
        dense_act_fn=rng.choice(["relu", "silu", "gelu"]),
    )(rng)


def prophet(rng):
    heads = rng.choice([(1, 2), (2, 3), (2, 2)])
    config = hf.ProphetNetConfig(
        vocab_size=VOCABULARY,
        hidden_size=12,
        num_encoder_layers=rng.randint(1, 2),
        num_decoder_layers=2,
        num_encoder_attention_heads=heads[0],
        num_decoder_attention_heads=heads[1],
        encoder_ffn_dim=rng.choice([8, 16]),
        decoder_ffn_dim=rng.choice([8, 16]),
        max_position_embeddings=48,
        ngram=rng.randint(1, 3),
        num_buckets=rng.choice([8, 32]),
        relative_max_distance=rng.choice([20, 128]),
        tie_word_embeddings=flag(rng),
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=END,
    )
    config.num_decoder_layers = max(config.num_decoder_layers, config.num_encoder_layers)
    config.num_encoder_layers = config.num_decoder_layers
    return fixture_streams.ProphetNet("", build=seq2seq(config))


def composed(rng):
    plain = dict(hidden_size=12, num_attention_heads=rng.choice([2, 3]), intermediate_size=rng.choice([8, 16]), vocab_size=VOCABULARY)
    plain |= dict(pad_token_id=PAD, bos_token_id=0, eos_token_id=END, hidden_act=rng.choice(["gelu", "relu", "gelu_new"]))
    bert = lambda kind: lambda: kind(**plain, num_hidden_layers=rng.randint(1, 2), max_position_embeddings=48, tie_word_embeddings=flag(rng))
    roberta = lambda kind: lambda: kind(
        **plain, num_hidden_layers=rng.randint(1, 2), max_position_embeddings=50, type_vocab_size=1, tie_word_embeddings=flag(rng)
    )
    both = [bert(hf.BertConfig), bert(hf.BertGenerationConfig), roberta(hf.RobertaConfig), roberta(hf.XLMRobertaConfig), roberta(hf.CamembertConfig)]
    electra = lambda: hf.ElectraConfig(**plain, embedding_size=rng.choice([6, 12]), num_hidden_layers=1, max_position_embeddings=48)
    distil = lambda: hf.DistilBertConfig(
        vocab_size=VOCABULARY, dim=12, n_heads=2, hidden_dim=16, n_layers=2, max_position_embeddings=48, sinusoidal_pos_embds=flag(rng), pad_token_id=PAD
    )
    gpt2 = lambda: hf.GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=48,
        n_embd=rng.choice([12, 16]),
        n_layer=rng.randint(1, 2),
        n_head=2,
        scale_attn_weights=flag(rng),
        scale_attn_by_inverse_layer_idx=flag(rng),
        reorder_and_upcast_attn=flag(rng),
        tie_word_embeddings=flag(rng),
        bos_token_id=0,
        eos_token_id=END,
    )
    encoder, decoder = rng.choice(both + [electra, distil])(), rng.choice(both + [gpt2])()
    return fixture_composed.composed_of("", encoder, decoder, 0)


def gemma(rng):
    return fixture_composed.gemma(attention_bias=flag(rng), tie_word_embeddings=flag(rng))[0]


def gemma2(rng):
    return fixture_streams.merged(attention_bias=flag(rng), tie_word_embeddings=flag(rng))[0]


FAMILIES = dict(
    bart=bart_like(hf.BartConfig),
    blenderbot=bart_like(hf.BlenderbotConfig),
    blenderbot_small=bart_like(hf.BlenderbotSmallConfig),
    mbart=bart_like(hf.MBartConfig),
    m2m_100=bart_like(hf.M2M100Config),
    pegasus=bart_like(hf.PegasusConfig),
    plbart=bart_like(hf.PLBartConfig),
    marian=marian,
    fsmt=fsmt,
    led=led,
    bigbird_pegasus=big_bird,
    pegasus_x=pegasus_x,
    mvp=mvp,
    nllb_moe=nllb_moe,
    seamless_m4t=seamless(hf.SeamlessM4TConfig),
    seamless_m4t_v2=seamless(hf.SeamlessM4Tv2Config),
    t5=t5_like(hf.T5Config),
    mt5=t5_like(hf.MT5Config),
    umt5=t5_like(hf.UMT5Config),
    longt5=long_t5,
    switch=switch,
    prophetnet=prophet,
    encoder_decoder=composed,
    t5gemma=gemma,
    t5gemma2=gemma2,
)


# --- generation settings ---------------------------------------------------------------------


def generation_settings(rng):
    word = lambda: rng.randrange(FIRST_WORD, VOCABULARY)
    words = lambda count: [word() for _ in range(count)]
    settings = dict(num_beams=rng.choice([1, 1, 2, 3, 4, 6]))
    settings["max_length"] = rng.randint(6, 18)
    if flag(rng):
        settings["max_new_tokens"] = rng.randint(5, 16)
    optional = dict(
        min_length=lambda: rng.randint(2, 10),
        min_new_tokens=lambda: rng.randint(1, 5),
        length_penalty=lambda: rng.choice([-1.0, 0.0, 0.6, 2.0]),
        early_stopping=lambda: rng.choice([True, False, "never"]),
        no_repeat_ngram_size=lambda: rng.choice([1, 2, 3]),
        encoder_no_repeat_ngram_size=lambda: rng.choice([1, 2]),
        repetition_penalty=lambda: rng.choice([0.8, 1.3, 2.0]),
        encoder_repetition_penalty=lambda: rng.choice([0.7, 1.5]),
        suppress_tokens=lambda: words(4),
        begin_suppress_tokens=lambda: words(4),
        forced_bos_token_id=word,
        forced_eos_token_id=lambda: END,
        renormalize_logits=lambda: flag(rng),
        sequence_bias=lambda: [[words(1), rng.uniform(-4, 4)], [words(2), rng.uniform(-4, 4)]],
        exponential_decay_length_penalty=lambda: [rng.randint(1, 6), rng.uniform(1.01, 1.6)],
    )
    for name, value in optional.items():
        if rng.random() < 0.25:
            settings[name] = value()
    # As Helsinki-NLP's models; without it, texts may have padding inside.
    settings["bad_words_ids"] = [[0]] + ([[PAD]] if flag(rng) else []) + ([words(1), words(1), words(2)] if flag(rng) else [])
    for name in ("suppress_tokens", "begin_suppress_tokens"):
        # transformers refuses to force a token that is suppressed.
        if settings.get("forced_bos_token_id") in settings.get(name, []):
            del settings[name]
    return settings


# --- one case --------------------------------------------------------------------------------


def write_tokenizer(folder):
    """One token a word, and the end token after a text."""
    words = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3} | {f"w{i}": i for i in range(4, VOCABULARY)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", END)])
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    roles = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"} | roles)


def text(ids):
    return " ".join("<pad>" if i == PAD else f"w{i}" for i in ids)


def padded(rng, family, words):
    """Words with a padding token or two inside, at times. T5Gemma and FSMT mask them if they are given no mask."""
    if rng.random() < 0.3 and family not in ("fsmt", "t5gemma", "t5gemma2"):
        for _ in range(rng.randint(1, 2)):
            words.insert(rng.randint(0, len(words)), PAD)
    return words


class Mismatch(Exception):
    pass


def capture(binary, folder, out, *options):
    command = [str(binary), "capture", str(folder), "--offline", "--force", "--logits", "--threads", "1", "-o", str(out), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise Mismatch(f"exit {done.returncode}: {done.stderr.strip()}")
    with safe_open(out, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()


def ids_of(metadata, name):
    return json.loads(metadata[name])


def compare(name, ours, theirs):
    if ours.shape != theirs.shape:
        raise Mismatch(f"{name} has the shape {list(ours.shape)}, not {list(theirs.shape)}")
    off = (ours - theirs).abs().max().item()
    if not off <= TOLERANCE * max(1.0, theirs.abs().max().item()):
        raise Mismatch(f"{name} is off by {off:.2e}")


def draw(number):
    rng = random.Random(number)
    names = list(FAMILIES)
    family = names[number % len(names)]
    fixture = FAMILIES[family](rng)
    settings = generation_settings(rng)
    start = rng.choice([0, END, 4]) if family != "prophetnet" else END
    if family.startswith("t5gemma"):
        # transformers takes a start token that is the padding's for padding.
        start = 4
    settings |= dict(decoder_start_token_id=start, eos_token_id=END)
    where = rng.choice(["generation_config.json", "generation_config.json", "config.json", "decoder"])
    changes = dict(fixture.config)
    changes["decoder_start_token_id"] = start
    if where == "generation_config.json" and flag(rng):
        changes["decoder_start_token_id"] = make_models.fixture_models.ABSENT
    if where == "config.json" or where == "decoder" and family != "encoder_decoder":
        where = "config.json"
        changes |= dict(max_new_tokens=make_models.fixture_models.ABSENT) | settings
    fixture = replace(
        fixture,
        name=f"case {number}: {family}",
        seed=number,
        vocab=VOCABULARY,
        first_word=FIRST_WORD,
        eos=END,
        start=start,
        format=rng.choice(["safetensors", "safetensors", "sharded", "bin", "bin-legacy", "bin-sharded"]),
        dtype=rng.choice(["f32", "f32", "f16", "bf16"]),
        config=changes,
        generation=settings if where == "generation_config.json" else None,
        tokenizer=write_tokenizer,
        eos_lift=rng.choice([0.0, 2.0]),
    )
    return rng, fixture, settings, where


@torch.no_grad()
def run(number, binary, scratch):
    rng, fixture, settings, where = draw(number)
    folder = scratch / "model"
    make_models.write_model(fixture, folder)
    if where == "decoder":
        config = json.loads((folder / "config.json").read_text())
        config["decoder"] |= settings
        write_json(folder / "config.json", config)
    model = fixture.load(folder).eval()
    tokenizer = hf.AutoTokenizer.from_pretrained(folder)

    family = fixture.name.split(": ")[1]
    source, target = (
        padded(rng, family, list(fixture._words(rng.randint(3, 14), number + side, VOCABULARY))) for side in range(2)
    )
    maps, metadata = capture(binary, folder, scratch / "forced.safetensors", "-s", text(source), "-t", text(target))
    source_ids = tokenizer(text(source)).input_ids
    target_ids = tokenizer(text_target=text(target)).input_ids
    for name, expected in [("source_ids", source_ids), ("target_ids", target_ids)]:
        if ids_of(metadata, name) != expected:
            raise Mismatch(f"{name} are {ids_of(metadata, name)}, not {expected}")
    decoder_ids = ids_of(metadata, "decoder_input_ids")
    if decoder_ids[1:] != target_ids[:-1] or decoder_ids[0] not in (fixture.start, END):
        raise Mismatch(f"decoder input is {decoder_ids}, not {[fixture.start] + target_ids[:-1]}")
    out = fixture.forward(model, torch.tensor([source_ids]), torch.tensor([decoder_ids]))
    expected = {"logits": out.logits[0].float()}
    encoder = fixture.encoder_maps(out.encoder_attentions, len(source_ids))
    for kind, layers in [("encoder", encoder), ("decoder", out.decoder_attentions), ("cross", out.cross_attentions)]:
        for layer, value in enumerate(layers):
            expected[f"{kind}.{layer}"] = (value if kind == "encoder" else value[0]).float()
    if set(maps) != set(expected):
        raise Mismatch(f"tensors are {sorted(maps)}, not {sorted(expected)}")
    for name, value in sorted(expected.items()):
        compare(name, maps[name].float(), value)

    for attempt in range(6):
        words = fixture._words(rng.randint(3, 14), number + 100 * attempt, VOCABULARY)
        if family == "bigbird_pegasus":
            # A short text switches the model to full attention for good.
            model.model.encoder.set_attention_type(fixture.type)
        try:
            ids = make_models.generate(model, tokenizer(text(words)).input_ids, {})
        except IndexError:
            # transformers makes T5's cache as deep as its encoder.
            return False
        if ids is not None:
            break
    else:
        return False
    _, metadata = capture(binary, folder, scratch / "generated.safetensors", "-s", text(words))
    found = [ids_of(metadata, "decoder_input_ids")[0]] + ids_of(metadata, "target_ids")
    if found != ids:
        raise Mismatch(f"{settings} in {where}\n  generate {found}\n       not {ids}")
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=Path, default=ROOT / "target/debug/attn-tui")
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="one case, by its number")
    args = parser.parse_args()
    torch.set_num_threads(1)
    hf.utils.logging.disable_progress_bar()
    numbers = [args.only] if args.only is not None else range(args.seed, args.seed + args.cases)
    held = generated = 0
    for number in numbers:
        with tempfile.TemporaryDirectory() as scratch:
            try:
                generated += run(number, args.binary.resolve(), Path(scratch))
                held += 1
            except Exception as why:
                print(f"{draw(number)[1].name}: {type(why).__name__}: {why}", flush=True)
    print(f"ids of {generated} generated texts were compared")
    print(f"{held} of {len(numbers)}")
    return 0 if held == len(numbers) else 1


if __name__ == "__main__":
    sys.exit(main())
