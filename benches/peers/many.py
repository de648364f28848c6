"""Times many runs of one model: knock-outs of every head, and many short sentences, beside transformers.

    .venv/bin/python benches/peers/many.py [--threads 2] [--rounds 3] [--only t5-base] [--binary target/release/attn-tui]

The models are those of run.py. A knock-out of transformers is a forward pass of the whole model with one head's slice
of the input of the output projection set to 0; it runs for some heads, evenly spread, and the time is scaled to all of
them. Sentences have given targets; transformers records attentions in batches of 32 that are sorted by length. Times of
attn-tui are those of whole processes. `--base OLD` measures another build of attn-tui in the same rounds.
"""

import argparse
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

import run

SOURCE, TARGET = 128, 64
SAMPLED_HEADS = 24
SENTENCES = 256


def attention_blocks(model):
    """Output projections of all attention blocks of a T5."""
    for stack in (model.encoder, model.decoder):
        for block in stack.block:
            for layer in block.layer[:-1]:
                yield getattr(layer, "SelfAttention", None) or layer.EncDecAttention


def peer_knockouts(model, source, target):
    """Seconds of switching off all heads one at a time, one forward pass each."""
    import torch

    blocks = list(attention_blocks(model))
    heads, width = model.config.num_heads, model.config.d_kv
    every = max(len(blocks) * heads // SAMPLED_HEADS, 1)
    picked = list(range(0, len(blocks) * heads, every))
    decoder = torch.tensor([[0] + target[:-1]])
    start = time.perf_counter()
    for number in picked:
        at = number % heads * width

        def without(_, args, at=at):
            states = args[0].clone()
            states[..., at : at + width] = 0
            return (states, *args[1:])

        hook = blocks[number // heads].o.register_forward_pre_hook(without)
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([source]), decoder_input_ids=decoder, use_cache=False).logits
            logits.log_softmax(-1).gather(-1, torch.tensor([target]).unsqueeze(-1))
        hook.remove()
    return (time.perf_counter() - start) * len(blocks) * heads / len(picked)


def peer_sentences(model, pairs):
    """Seconds of recording the attentions of all pairs, with the entropies of their rows."""
    import torch

    pairs = sorted(pairs, key=lambda pair: len(pair[0]))
    start = time.perf_counter()
    for first in range(0, len(pairs), 32):
        part = pairs[first : first + 32]
        longest = [max(len(pair[side]) for pair in part) for side in (0, 1)]
        pad = lambda ids, length: ids + [0] * (length - len(ids))
        sources = torch.tensor([pad(source, longest[0]) for source, _ in part])
        mask = torch.tensor([pad([1] * len(source), longest[0]) for source, _ in part])
        decoder = torch.tensor([pad([0] + target[:-1], longest[1]) for _, target in part])
        with torch.no_grad():
            encoded = model.get_encoder()(input_ids=sources, attention_mask=mask, output_attentions=True)
            decoded = model.get_decoder()(
                input_ids=decoder, encoder_hidden_states=encoded.last_hidden_state, encoder_attention_mask=mask,
                output_attentions=True, use_cache=False,
            )
            for maps in (*encoded.attentions, *decoded.attentions, *decoded.cross_attentions):
                torch.special.entr(maps).sum(-1).mean((0, 2))
    return time.perf_counter() - start


def seconds(*command):
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"attn-tui: {done.stderr}")
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=["t5-small", "t5-base"])
    parser.add_argument("--what", nargs="*", default=["knockouts", "sentences"])
    parser.add_argument("--binary", default=run.ROOT / "target/release/attn-tui")
    parser.add_argument("--base")
    parser.add_argument("--models", type=pathlib.Path)
    options = parser.parse_args()

    import torch
    import transformers

    torch.set_num_threads(options.threads)
    binaries = {"attn-tui": options.binary, **({"base": options.base} if options.base else {})}
    text = lambda ids: " ".join(f"w{i}" for i in ids[:-1])
    for name in options.only:
        folder = (options.models or pathlib.Path(tempfile.mkdtemp())) / name
        if not folder.exists():
            run.make(name, folder)
        load = transformers.AutoModelForSeq2SeqLM.from_pretrained
        model = load(folder, attn_implementation="sdpa").eval()
        eager = load(folder, attn_implementation="eager").eval()
        end = [model.config.eos_token_id]
        common = ["--threads", str(options.threads)]
        source, target = run.words(SOURCE - 1, 1) + end, run.words(TARGET - 1, 2) + end
        lengths = random.Random(0)
        pairs = [
            tuple(run.words(lengths.randint(6, 30), 10 + at * 2 + side) + end for side in (0, 1))
            for at in range(SENTENCES)
        ]
        times = {}
        with tempfile.TemporaryDirectory() as out:
            files = [pathlib.Path(out) / side for side in ("sources", "targets")]
            for side, file in enumerate(files):
                file.write_text("".join(text(pair[side]) + "\n" for pair in pairs))
            for at in range(options.rounds):
                run.say(f"{name}: round {at + 1} of {options.rounds}")
                for engine, binary in binaries.items():
                    if "knockouts" in options.what:
                        ours = [str(binary), "knockout", str(folder), "-s", text(source), "-t", text(target), "--json"]
                        times.setdefault(("knockouts", engine), []).append(seconds(*ours, *common))
                    if "sentences" in options.what:
                        ours = [str(binary), "heads", str(folder), "--source-file", str(files[0])]
                        ours += ["--target-file", str(files[1]), "--json"]
                        times.setdefault(("sentences", engine), []).append(seconds(*ours, *common))
                if "knockouts" in options.what:
                    times.setdefault(("knockouts", "transformers"), []).append(peer_knockouts(model, source, target))
                if "sentences" in options.what:
                    times.setdefault(("sentences", "transformers"), []).append(peer_sentences(eager, pairs))
        medians = {key: statistics.median(values) for key, values in times.items()}
        for (what, engine), value in medians.items():
            print(f"{name} {what}: {engine} {value:.1f} s ({value / medians[what, 'attn-tui']:.2f}x)", flush=True)


if __name__ == "__main__":
    main()
