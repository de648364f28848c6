"""Measures attn-tui beside its peers: models at published sizes with random weights, runs interleaved.

    python -m venv .venv && .venv/bin/pip install -r benches/peers/requirements.txt
    cargo build --release
    .venv/bin/python benches/peers/run.py [--threads 2] [--rounds 5] [--only t5-small]

Every round runs each engine once, one after another, so that a busy or throttled machine slows all of them;
what counts are the ratios of the medians. `attn-tui` and `HF + maps` keep every attention map, the others none.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors

ROOT = pathlib.Path(__file__).resolve().parents[2]
SIZES = {
    "t5-small": (transformers.T5Config, dict(d_model=512, d_kv=64, d_ff=2048, num_layers=6, num_heads=8)),
    "t5-base": (transformers.T5Config, dict(d_model=768, d_kv=64, d_ff=3072, num_layers=12, num_heads=12)),
    "bart-base": (
        transformers.BartConfig,
        dict(d_model=768, encoder_layers=6, decoder_layers=6, encoder_attention_heads=12,
             decoder_attention_heads=12, encoder_ffn_dim=3072, decoder_ffn_dim=3072, vocab_size=50265,
             max_position_embeddings=2048),
    ),
}
LENGTHS = {"t5-small": [(128, 32), (512, 128), (512, 512), (2048, 512)]}


def words(count, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(10, 5000, (count,), generator=generator).tolist()


def make(name, folder):
    """A model folder with a tokenizer in which word `w17` is id 17."""
    kind, sizes = SIZES[name]
    torch.manual_seed(0)
    model = transformers.AutoModelForSeq2SeqLM.from_config(kind(**sizes)).eval()
    model.save_pretrained(folder)
    config = model.config
    special = {config.pad_token_id: "<pad>", config.eos_token_id: "</s>"}
    vocabulary = {special.get(i, f"w{i}"): i for i in range(config.vocab_size)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="w9"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", config.eos_token_id)]
    )
    tokenizer.add_special_tokens(list(special.values()))
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", pad_token="<pad>")
    fast.save_pretrained(folder)
    return model


class Ours:
    name = "attn-tui"

    def __init__(self, folder, threads, binary):
        self.folder, self.threads, self.binary = folder, threads, binary

    def forward(self, source, target):
        with tempfile.TemporaryDirectory() as out:
            text = [" ".join(f"w{i}" for i in ids[:-1]) for ids in (source, target)]
            command = [self.binary, "capture", str(self.folder), "--source", text[0], "--target", text[1]]
            command += ["--output", f"{out}/c.safetensors", "--threads", str(self.threads)]
            done = subprocess.run(command + ["--timings", "--repeat", "3"], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"attn-tui: {done.stderr}")
        self.report = json.loads(done.stderr.strip().splitlines()[-1])
        return self.report["capture_ms"]


class Transformers:
    def __init__(self, model, attention):
        self.model, self.attention = model, attention
        self.name = "HF + maps" if attention == "eager" else "HF sdpa"

    def forward(self, source, target):
        self.model.set_attn_implementation(self.attention)
        decoder = torch.tensor([[self.model.config.decoder_start_token_id or 0] + target[:-1]])
        start = time.perf_counter()
        with torch.no_grad():
            self.model(input_ids=torch.tensor([source]), decoder_input_ids=decoder,
                       output_attentions=self.attention == "eager", use_cache=False)
        return (time.perf_counter() - start) * 1e3


class CTranslate2:
    name = "CTranslate2"

    def __init__(self, folder, threads):
        import ctranslate2

        out = pathlib.Path(f"{folder}-ct2")
        ctranslate2.converters.TransformersConverter(str(folder)).convert(str(out), force=True)
        self.engine = ctranslate2.Translator(str(out), intra_threads=threads, inter_threads=1, compute_type="float32")

    def forward(self, source, target):
        tokens = lambda ids: [f"w{i}" for i in ids[:-1]] + ["</s>"]
        start = time.perf_counter()
        self.engine.score_batch([tokens(source)], [tokens(target)[:-1]])
        return (time.perf_counter() - start) * 1e3


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=list(SIZES))
    parser.add_argument("--lengths", nargs="*", help="such as 512x128")
    parser.add_argument("--binary", default=str(ROOT / "target/release/attn-tui"))
    parser.add_argument("--work", default=str(ROOT / "target/peers"))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    for name in args.only:
        folder = pathlib.Path(args.work) / name
        model = make(name, folder)
        engines = [Ours(folder, args.threads, args.binary), Transformers(model, "eager"), Transformers(model, "sdpa")]
        try:
            engines.append(CTranslate2(folder, args.threads))
        except Exception as error:  # a peer that does not take this model leaves a gap, not a crash
            print(f"CTranslate2 cannot run {name}: {error}", file=sys.stderr)
        lengths = LENGTHS.get(name, [(512, 128)])
        if args.lengths:
            lengths = [tuple(map(int, pair.split("x"))) for pair in args.lengths]
        for source, target in lengths:
            ids = words(source - 1, 1) + [1], words(target - 1, 2) + [1]
            times = {engine.name: [] for engine in engines}
            for _ in range(args.rounds):
                for engine in engines:
                    times[engine.name].append(engine.forward(*ids))
            medians = {key: statistics.median(values) for key, values in times.items()}
            ours = medians["attn-tui"]
            cells = [f"{key} {value:.0f} ms ({value / ours:.2f}x)" for key, value in medians.items()]
            report = engines[0].report
            memory = f"{report['peak_rss_mib']:.0f} MiB, {report['kernels']}, {report['threads']} threads"
            print(f"{name} {source}/{target}: " + ", ".join(cells) + f"; attn-tui {memory}", flush=True)


if __name__ == "__main__":
    main()
