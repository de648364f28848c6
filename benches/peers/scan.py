"""Times scans of short sentence pairs beside transformers, with given and with generated targets.

    .venv/bin/python benches/peers/scan.py --model FOLDER [--threads 2] [--rounds 3] [--binary target/release/attn-tui]

Given targets: transformers runs in batches of 32 that are sorted by length, records attentions, and computes the mean
entropy of every head alone; attn-tui writes all tables. Generated targets: transformers generates greedily in such
batches, then records a pass. Times of attn-tui are those of a process minus that of a scan of one sentence. `small` and
`large` are seconds a sentence and memory of scans of 1,000 and 50,000 sentences. `files` is `small` with files of ten
sentences in place of 1,000: what writing Parquet a hundred times as often costs, an upper bound of its share.
"""

import argparse
import json
import pathlib
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time

BATCH = 32
NEW_TOKENS = 32
WORDS = "the house garden cat dog woman man old new small red who that lives sleeps reads plays in near behind".split()


def sentences(count, seed=0):
    """Random sentences of 5 to 24 words."""
    chance = random.Random(seed)
    return [" ".join(chance.choices(WORDS, k=chance.randint(5, 24))) + " ." for _ in range(count)]


def batches(tokenizer, sources, targets):
    """Batches of pairs that are sorted by length."""
    order = sorted(range(len(sources)), key=lambda at: len(sources[at]) + len(targets[at] if targets else ""))
    for first in range(0, len(order), BATCH):
        part = order[first : first + BATCH]
        encoded = tokenizer([sources[at] for at in part], return_tensors="pt", padding=True)
        labels = targets and tokenizer(text_target=[targets[at] for at in part], return_tensors="pt", padding=True)
        yield encoded, labels


def entropies(attentions):
    """Mean entropy of the rows of every head, [layers, batch, heads]."""
    return [(-(a * a.clamp_min(1e-12).log()).sum(-1)).mean(-1) for a in attentions]


def peer(model, tokenizer, sources, targets):
    """Seconds of transformers for all pairs; targets are generated if they are not given."""
    import torch

    start = time.perf_counter()
    with torch.no_grad():
        for encoded, labels in batches(tokenizer, sources, targets):
            if labels:
                ids = labels["input_ids"]
            else:
                ids = model.generate(**encoded, num_beams=1, do_sample=False, max_new_tokens=NEW_TOKENS)
                ids = ids[:, 1:].contiguous()
            out = model(**encoded, labels=ids, output_attentions=True, use_cache=False)
            for kind in (out.encoder_attentions, out.decoder_attentions, out.cross_attentions):
                entropies(kind)
    return time.perf_counter() - start


def process(arguments, sources, targets, batch):
    """Seconds and peak megabytes of a scan's process."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "source.txt").write_text("\n".join(sources) + "\n")
        command = [arguments.binary, "scan", arguments.model, "--source-file", folder / "source.txt"]
        command += ["-o", folder / "scan", "--threads", arguments.threads, "--beams", 1, "--batch", batch]
        if targets:
            (folder / "target.txt").write_text("\n".join(targets) + "\n")
            command += ["--target-file", folder / "target.txt"]
        else:
            command += ["--max-new-tokens", NEW_TOKENS]
        start = time.perf_counter()
        done = subprocess.run(["/usr/bin/time", "-f", "%M KB", *map(str, command)], capture_output=True, text=True)
        seconds = time.perf_counter() - start
    if done.returncode:
        sys.exit(done.stderr)
    return seconds, int(re.search(r"(\d+) KB", done.stderr).group(1)) / 1000


def scan(arguments, sources, targets, batch=1000):
    """Seconds of a scan without opening the model, and peak megabytes."""
    opening, _ = process(arguments, sources[:1], targets and targets[:1], batch)
    seconds, memory = process(arguments, sources, targets, batch)
    return seconds - opening, memory


def generated_texts(arguments, sources):
    """Targets that attn-tui generates."""
    import pyarrow.dataset

    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "source.txt").write_text("\n".join(sources) + "\n")
        command = [arguments.binary, "scan", arguments.model, "--source-file", folder / "source.txt"]
        command += ["-o", folder / "scan", "--beams", 1, "--max-new-tokens", NEW_TOKENS]
        subprocess.run([*map(str, command)], check=True, capture_output=True)
        rows = pyarrow.dataset.dataset(folder / "scan" / "sentences").to_table(columns=["sentence", "target"])
        return rows.sort_by("sentence")["target"].to_pylist()


def ctranslate2_seconds(arguments, translator, tokenizer, sources):
    """Seconds of CTranslate2's greedy generation in batches, tokenizer included."""
    start = time.perf_counter()
    pieces = [tokenizer.convert_ids_to_tokens(ids) for ids in tokenizer(sources)["input_ids"]]
    found = translator.translate_batch(
        pieces, beam_size=1, max_decoding_length=NEW_TOKENS, max_batch_size=BATCH, batch_type="examples"
    )
    for result in found:
        tokenizer.decode(tokenizer.convert_tokens_to_ids(result.hypotheses[0]))
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="folder of a model with a tokenizer that transformers opens")
    parser.add_argument("--binary", default="target/release/attn-tui")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--ctranslate2", help="folder of the model in CTranslate2's layout")
    parser.add_argument("--growth", type=int, nargs=2, default=(1000, 50000))
    arguments = parser.parse_args()

    import torch
    import transformers

    torch.set_num_threads(arguments.threads)
    tokenizer = transformers.AutoTokenizer.from_pretrained(arguments.model)
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(arguments.model, attn_implementation="eager").eval()
    sources, targets = sentences(arguments.count), sentences(arguments.count, seed=1)
    times = {}
    if arguments.ctranslate2:
        import ctranslate2

        translator = ctranslate2.Translator(
            arguments.ctranslate2, compute_type="float32", intra_threads=arguments.threads
        )
        own = generated_texts(arguments, sources)
    for _ in range(arguments.rounds):
        for name, wanted in (("given", targets), ("generated", None)):
            theirs = peer(model, tokenizer, sources, wanted)
            times.setdefault(name, []).append((theirs, *scan(arguments, sources, wanted)))
        if arguments.ctranslate2:
            theirs = ctranslate2_seconds(arguments, translator, tokenizer, sources)
            whole, memory = scan(arguments, sources, None)
            measured, _ = scan(arguments, sources, own)
            times.setdefault("generation", []).append((theirs, whole - measured, memory))
        small, large = arguments.growth
        for name, count, batch in (("small", small, 1000), ("large", large, 1000), ("files", small, 10)):
            seconds, memory = scan(arguments, sentences(count), sentences(count, seed=1), batch)
            times.setdefault(name, []).append((0.0, seconds / count, memory))
    found = {}
    for name, rounds in times.items():
        theirs, ours, memory = (statistics.median(column) for column in zip(*rounds))
        peer_name = "ctranslate2_s" if name == "generation" else "transformers_s"
        found[name] = {peer_name: theirs, "attn_tui_s": ours, "memory_mb": memory}
        if theirs:
            found[name]["ratio"] = statistics.median(theirs / ours for theirs, ours, _ in rounds)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
