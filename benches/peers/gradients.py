"""Measures input x gradient over a whole target by attn-tui, Inseq and Captum: time and peak memory, runs interleaved.

    python -m venv .venv-gradients && .venv-gradients/bin/pip install -r benches/peers/gradients-requirements.txt
    cargo build --release
    .venv/bin/python benches/peers/gradients.py --peers .venv-gradients/bin/python [--threads 2] [--rounds 3]
        [--size t5-small] [--pairs 128x40 1024x40]

`.venv` is that of run.py, which makes the models. Every run is a process of its own. Its peak is that of the whole process. The
time of attn-tui is that of the whole process, too: start, load, forward pass and gradients; that of the others is of the call
alone, with the model loaded. All attribute every token of the target to every token of source and prefix.
"""

import argparse
import json
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TINY = dict(d_model=64, d_kv=16, d_ff=128, num_layers=2, num_heads=4, vocab_size=5200)


def inseq_run(folder, source, target):
    import inseq

    model = inseq.load_model(folder, "input_x_gradient", device="cpu")

    def attribute():
        out = model.attribute(source, target, attribute_target=True, show_progress=False, device="cpu")
        return out.sequence_attributions[0].source_attributions.shape[1]

    return attribute


def captum_run(folder, source, target):
    import torch
    from captum.attr import InputXGradient
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    model = AutoModelForSeq2SeqLM.from_pretrained(folder, attn_implementation="eager").eval()
    model.requires_grad_(False)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids, labels = (tokenizer(text, return_tensors="pt").input_ids for text in (source, target))
    start = torch.full((1, 1), model.generation_config.decoder_start_token_id)
    embedded = tuple(model.shared(x).detach() for x in (ids, torch.cat([start, labels[:, :-1]], 1)))

    def score(over_source, over_fed, row):
        out = model(inputs_embeds=over_source, decoder_inputs_embeds=over_fed, use_cache=False)
        return out.logits[:, row].log_softmax(-1)[:, labels[0, row]]

    def attribute():
        rows = range(labels.shape[1])
        parts = [InputXGradient(score).attribute(embedded, additional_forward_args=(row,)) for row in rows]
        return torch.stack([part[0].sum(-1)[0] for part in parts]).shape[0]

    return attribute


# Runs a command and prints its time and peak to standard error. It is a small process of its own: a child inherits the peak of
# the process that starts it.
MEASURED = """
import os, sys, time
begin = time.perf_counter()
pid = os.spawnvp(os.P_NOWAIT, sys.argv[1], sys.argv[1:])
_, status, usage = os.wait4(pid, 0)
seconds = time.perf_counter() - begin
print(f'{{"seconds": {seconds}, "peak": {usage.ru_maxrss * 1024}}}', file=sys.stderr)
sys.exit(bool(status))
"""

PEERS = {"Inseq": inseq_run, "Captum": captum_run}


def run_peer(name, folder, source, target, threads):
    """Runs one engine in this process and prints seconds, peak bytes and the number of rows."""
    import torch

    torch.set_num_threads(threads)
    attribute = PEERS[name](folder, source, target)
    begin = time.perf_counter()
    rows = attribute()
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "peak": peak, "rows": rows}))


def ours(args, folder, source, target):
    command = [args.binary, "attribute", folder, "--source", source, "--target", target, "--threads", str(args.threads)]
    command += ["--method", "input-x-gradient", "--memory", args.memory, "--json", "--offline"]
    done = subprocess.run([sys.executable, "-S", "-c", MEASURED, *command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"attn-tui: {done.stderr}")
    usage = json.loads(done.stderr.strip().splitlines()[-1])
    rows = {row["row"] for row in json.loads(done.stdout)["rows"]}
    return usage | {"rows": len(rows)}


def peer(args, name, folder, source, target):
    command = [args.peers, __file__, "--peer", name, "--threads", str(args.threads), folder, source, target]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print(f"{name}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    return json.loads(done.stdout.strip().splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default=sys.executable, help="Python with Inseq and Captum")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", default="t5-small", help="a size of run.py, or tiny")
    parser.add_argument("--pairs", nargs="+", default=["128x40", "1024x40"], help="source x target tokens")
    parser.add_argument("--memory", default="1G", help="limit of attn-tui's working memory")
    parser.add_argument("--binary", default=str(ROOT / "target/release/attn-tui"))
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    parser.add_argument("run", nargs="*", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peer:
        return run_peer(args.peer, *args.run, args.threads)
    sys.path.insert(0, str(pathlib.Path(__file__).parent))
    import run
    import transformers

    known = run.sizes
    run.sizes = lambda: {"tiny": (transformers.T5Config, TINY)} | known()
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch) / args.size
        run.make(args.size, folder)
        # Version 4 of transformers does not know the name that version 5 writes, and Inseq reads the start token there.
        tokenizer, config = folder / "tokenizer_config.json", folder / "config.json"
        tokenizer.write_text(tokenizer.read_text().replace("TokenizersBackend", "PreTrainedTokenizerFast"))
        start = json.loads((folder / "generation_config.json").read_text())["decoder_start_token_id"]
        config.write_text(json.dumps(json.loads(config.read_text()) | {"decoder_start_token_id": start}))
        for pair in args.pairs:
            sizes = [int(part) for part in pair.split("x")]
            # The tokenizer adds the end token.
            source, target = (" ".join(f"w{i}" for i in run.words(n - 1, n)) for n in sizes)
            found = {name: [] for name in ["attn-tui", *PEERS]}
            for _ in range(args.rounds):
                for name, runs in found.items():
                    one = ours(args, str(folder), source, target) if name == "attn-tui" else peer(
                        args, name, str(folder), source, target)
                    runs.extend([one] if one else [])
            report(pair, found)


def report(pair, found):
    own = {key: statistics.median(run[key] for run in found["attn-tui"]) for key in ("seconds", "peak")}
    for name, runs in found.items():
        if not runs:
            print(f"{pair:>9}  {name:9} failed")
            continue
        seconds, peak = (statistics.median(run[key] for run in runs) for key in ("seconds", "peak"))
        times, share = seconds / own["seconds"], own["peak"] / peak
        print(f"{pair:>9}  {name:9} {seconds:9.2f} s  {peak / 1e6:8.0f} MB  {runs[0]['rows']} rows  "
              f"{times:6.2f}x our time  we take {share:.2f} of its memory")


if __name__ == "__main__":
    main()
