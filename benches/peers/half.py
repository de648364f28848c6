"""Half-precision weights beside the same weights in float32: load time, memory, decoding, passes.

    .venv/bin/python benches/peers/half.py [--only t5-base] [--rounds 5] [--threads 2] [--no-hf]

Each model is made once with random weights that bfloat16 and float16 hold exactly, and saved in all three number
types, so that every attn-tui figure comes from the same numbers. Engines run interleaved; a figure is the median of the
rounds. `load` is the time to open the model, `peak` the most memory of a process that makes a single pass, `file` the
size of its weights, `decode` greedy decoding at 128 source tokens, `pass` a warm pass with every map at 512/128.
transformers computes the bfloat16 model in bfloat16, as it does by default, and the float32 model in float32.
Prints one line of JSON per model after the table.
"""

import argparse
import json
import pathlib
import statistics

import run

DTYPES = ["f32", "f16", "bf16"]
FORWARD = (512, 128)


def rounded(model):
    """The model with weights that both half-precision types hold exactly: 8 bits of mantissa, no tiny values."""
    import torch

    with torch.no_grad():
        for value in list(model.parameters()) + list(model.buffers()):
            if value.is_floating_point():
                short = value.bfloat16().float()
                value.copy_(torch.where(short.abs() < 2**-14, torch.zeros(()), short))
    return model


def make(name, work):
    """Folders of the model in every number type, and the models themselves for transformers."""
    import torch

    types = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
    folders = {}
    for dtype in DTYPES:
        folders[dtype] = work / f"{name}-{dtype}"
        model, _ = run.make(name, folders[dtype])
        rounded(model).to(types[dtype]).save_pretrained(folders[dtype])
    kind = type(model)
    models = {dtype: kind.from_pretrained(folders[dtype], dtype=types[dtype]).eval() for dtype in ["f32", "bf16"]}
    return folders, models


def file_mib(folder):
    return sum(path.stat().st_size for path in folder.glob("*.safetensors")) / 2**20


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=["t5-base"])
    parser.add_argument("--no-hf", action="store_true", help="attn-tui alone")
    parser.add_argument("--binary", default=str(run.ROOT / "target/release/attn-tui"))
    parser.add_argument("--work", default=str(run.ROOT / "target/peers"))
    args = parser.parse_args()

    import torch

    torch.set_num_threads(args.threads)
    for name in args.only:
        run.say(f"{name}: making the models")
        folders, models = make(name, pathlib.Path(args.work))
        end = [models["f32"].config.eos_token_id]
        ids = tuple(run.words(count - 1, seed) + end for count, seed in zip(FORWARD, (1, 2)))
        source = run.words(127, 1) + end
        results = {}

        def note(key, value):
            results.setdefault(key, []).append(value)

        for at in range(args.rounds + 1):
            run.say(f"{name}: " + (f"round {at} of {args.rounds}" if at else "warming up"))
            for dtype in DTYPES:
                ours = run.Ours(folders[dtype], args.threads, args.binary)
                single = ours.capture(ids, 1)
                decode = run.NEW_TOKENS / ours.decode(source) * 1e3
                warm = ours.forward(ids)
                if at:
                    note(f"{dtype} load_ms", single["load_ms"])
                    note(f"{dtype} peak_mib", single["peak_rss_mib"])
                    note(f"{dtype} tokens/s", decode)
                    note(f"{dtype} pass_ms", warm)
            for dtype, model in {} if args.no_hf else models.items():
                peer = run.Transformers(model, "eager")
                forward, decode = run.passes(peer, ids), run.NEW_TOKENS / peer.decode(source) * 1e3
                if at:
                    note(f"HF {dtype} pass_ms", forward)
                    note(f"HF {dtype} tokens/s", decode)
        medians = {key: round(statistics.median(values), 2) for key, values in results.items()}
        print(f"| {name} | file MiB | load ms | peak MiB | peak - file | tokens/s | against f32 | pass ms | against f32 |")
        print("|---|---|---|---|---|---|---|---|---|")
        for dtype in DTYPES:
            of = lambda what, dtype=dtype: medians[f"{dtype} {what}"]
            size = file_mib(folders[dtype])
            print(f"| {dtype} | {size:.0f} | {of('load_ms'):.0f} | {of('peak_mib'):.0f} | {of('peak_mib') - size:.0f} "
                  f"| {of('tokens/s'):.1f} | {of('tokens/s') / of('tokens/s', 'f32'):.2f} "
                  f"| {of('pass_ms'):.0f} | {of('pass_ms') / of('pass_ms', 'f32'):.3f} |")
        print(json.dumps({"model": name, "threads": args.threads, **medians}), flush=True)


if __name__ == "__main__":
    main()
