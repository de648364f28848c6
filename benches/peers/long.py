"""Time and memory of long sources: models at published sizes with random weights, every analysis of `heads`.

    .venv/bin/python benches/peers/long.py [--only longt5-base t5-base] [--sources 1024 2048 4096 8192 16384]

Prints one line of a table for each length: seconds of the recorded pass, seconds of the analyses, the most memory
the process held, the size of the capture file.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import run

TARGETS = {"longt5-base": 32, "t5-base": 512, "pegasus-x-base": 32, "bigbird-pegasus-large": 32}
LONGEST = {"bigbird-pegasus-large": 4096}


def long_sizes():
    import transformers

    t5 = dict(d_model=768, d_kv=64, num_layers=12, num_heads=12)
    return {
        "t5-base": (transformers.T5Config, dict(d_ff=3072, **t5)),
        "longt5-base": (
            transformers.LongT5Config,
            dict(d_ff=2048, encoder_attention_type="transient-global", feed_forward_proj="gated-gelu",
                 tie_word_embeddings=False, **t5),
        ),
        "pegasus-x-base": (
            transformers.PegasusXConfig,
            dict(d_model=768, encoder_layers=12, decoder_layers=12, encoder_attention_heads=12,
                 decoder_attention_heads=12, encoder_ffn_dim=3072, decoder_ffn_dim=3072, num_global_tokens=128,
                 block_size=512, stagger_local_blocks=True),
        ),
        # The class has the sizes of google/bigbird-pegasus-large-arxiv.
        "bigbird-pegasus-large": (transformers.BigBirdPegasusConfig, {}),
    }


def measured(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    return json.loads(done.stderr.strip().splitlines()[-1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=list(TARGETS))
    parser.add_argument("--sources", nargs="*", type=int, default=[1024, 2048, 4096, 8192, 16384])
    parser.add_argument("--capture-only", action="store_true", help="leave the analyses out")
    parser.add_argument("--binary", default=str(run.ROOT / "target/release/attn-tui"))
    parser.add_argument("--work", default=str(run.ROOT / "target/peers"))
    args = parser.parse_args()
    run.sizes = long_sizes
    print("| model | source x target | load s | pass s | analyses s | most memory MiB | capture file MB |")
    print("|---|---|---|---|---|---|---|")
    for name in args.only:
        folder = pathlib.Path(args.work) / name
        if not (folder / "model.safetensors").exists():
            run.make(name, folder)
        for source in args.sources:
            if source > LONGEST.get(name, source):
                continue
            target = TARGETS[name]
            text = lambda count, seed: " ".join(f"w{i}" for i in run.words(count - 1, seed))
            texts = ["--source", text(source, 1), "--target", text(target, 2)]
            with tempfile.TemporaryDirectory() as out:
                file = pathlib.Path(out) / "c.safetensors"
                shared = ["--timings", "--threads", str(args.threads)]
                kept = measured([args.binary, "capture", str(folder), *texts, "--output", str(file), *shared])
                size = file.stat().st_size / 1e6
                heads = kept
                if not args.capture_only:
                    heads = measured([args.binary, "heads", str(file), "--json", *shared])
            analyses = "" if args.capture_only else f"{heads['analyse_ms'] / 1e3:.1f}"
            most = max(kept["peak_rss_mib"], heads["peak_rss_mib"])
            print(f"| {name} | {source} x {target} | {kept['load_ms'] / 1e3:.2f} | {kept['capture_ms'] / 1e3:.2f} "
                  f"| {analyses} | {most:.0f} | {size:.0f} |", flush=True)


if __name__ == "__main__":
    main()
