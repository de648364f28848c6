"""Measures attn-tui beside its peers: models at published sizes with random weights, runs interleaved.

    python -m venv .venv && .venv/bin/pip install -r benches/peers/requirements.txt
    cargo build --release && cargo bench --no-run
    .venv/bin/python benches/peers/run.py [--threads 2] [--rounds 5] [--only t5-small] [--what forward decode]

Every round has each engine run the pass five times (decoding and starts once), one engine after another, so that a busy
or throttled machine slows all of them; a round's figure is the median of the five, what counts are the ratios of the
rounds' medians. `attn-tui`, `HF + maps` and their `maps alone` keep every attention map, the others none. All score the whole vocabulary for every row of the target, but those of `maps alone`, which do not,
and candle_transformers, which does so for the last row. Ours of `maps alone` is `capture` as it is, which also leaves
out what the last decoder block does after its last map.
Every attn-tui figure comes from a process of its own; the peers stay loaded. Its first two passes read and pack the
weights, so it makes two more (`--timings --repeat 7`).
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAIRS = [(128, 32), (512, 128), (512, 512), (2048, 512)]
NEW_TOKENS = 64
RUNS = 5
COLD_RUNS = 2


def sizes():
    import transformers

    seq2seq = dict(is_encoder_decoder=True)
    bart = dict(encoder_layers=6, decoder_layers=6, **seq2seq)
    return {
        "t5-small": (transformers.T5Config, dict(d_model=512, d_kv=64, d_ff=2048, num_layers=6, num_heads=8)),
        "t5-base": (transformers.T5Config, dict(d_model=768, d_kv=64, d_ff=3072, num_layers=12, num_heads=12)),
        "bart-base": (
            transformers.BartConfig,
            dict(d_model=768, encoder_attention_heads=12, decoder_attention_heads=12, encoder_ffn_dim=3072,
                 decoder_ffn_dim=3072, vocab_size=50265, max_position_embeddings=2048, forced_eos_token_id=None,
                 normalize_before=False, normalize_embedding=True, **bart),
        ),
        "opus-mt": (
            transformers.MarianConfig,
            dict(d_model=512, encoder_attention_heads=8, decoder_attention_heads=8, encoder_ffn_dim=2048,
                 decoder_ffn_dim=2048, vocab_size=58101, pad_token_id=58100, decoder_start_token_id=58100,
                 eos_token_id=0, forced_eos_token_id=None, max_position_embeddings=2048, scale_embedding=True,
                 activation_function="swish", **bart),
        ),
    }


def words(count, seed):
    import torch

    generator = torch.Generator().manual_seed(seed)
    return torch.randint(10, 5000, (count,), generator=generator).tolist()


def make(name, folder):
    """A model folder with a tokenizer in which word `w17` is id 17."""
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    kind, given = sizes()[name]
    torch.manual_seed(0)
    model = transformers.AutoModelForSeq2SeqLM.from_config(kind(**given)).eval()
    config = model.config
    start = given.get("decoder_start_token_id", config.pad_token_id)
    start = 2 if name.startswith("bart") else start
    # Random weights end a text at once or never: all engines make the same number of tokens.
    model.generation_config.update(
        decoder_start_token_id=start, eos_token_id=config.eos_token_id, pad_token_id=config.pad_token_id,
        min_new_tokens=NEW_TOKENS, max_new_tokens=NEW_TOKENS, num_beams=1, forced_eos_token_id=None,
        no_repeat_ngram_size=0, max_length=None,
    )
    model.save_pretrained(folder)
    special = {config.pad_token_id: "<pad>", config.eos_token_id: "</s>"}
    if getattr(config, "bos_token_id", None) not in [None, *special]:
        special[config.bos_token_id] = "<s>"
    vocabulary = {special.get(i, f"w{i}"): i for i in range(config.vocab_size)}
    vocabulary["<unk>"] = vocabulary.pop("w9")
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", config.eos_token_id)]
    )
    tokenizer.add_special_tokens(list(special.values()))
    begin = dict(bos_token="<s>") if "<s>" in special.values() else {}
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="</s>", pad_token="<pad>", unk_token="<unk>", **begin
    )
    fast.save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    return model, vocabulary


class Ours:
    def __init__(self, folder, threads, binary, scores=True):
        self.folder, self.threads, self.binary, self.scores = folder, threads, binary, scores
        self.name = "attn-tui" if scores else "attn-tui maps alone"

    def text(self, ids):
        return " ".join(f"w{i}" for i in ids[:-1])

    def run(self, command, *rest):
        command = [self.binary, command, str(self.folder), "--threads", str(self.threads), *rest]
        start = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True)
        self.seconds = time.perf_counter() - start
        if done.returncode:
            sys.exit(f"attn-tui: {done.stderr}")
        return done.stderr

    def capture(self, ids, repeat):
        with tempfile.TemporaryDirectory() as out:
            texts = ["--source", self.text(ids[0])] + (["--target", self.text(ids[1])] if ids[1] else [])
            rest = ["--output", f"{out}/c.safetensors", "--timings", "--repeat", str(repeat)]
            rest += ["--logits"] if self.scores and ids[1] else []
            self.report = json.loads(self.run("capture", *texts, *rest).strip().splitlines()[-1])
        return self.report

    def forward(self, ids):
        return self.capture(ids, RUNS + COLD_RUNS)["capture_ms"]

    def decode(self, source):
        return self.capture((source, None), 1)["generate_ms"]

    def first_map(self, ids):
        show = ["--kind", "cross", "--layer", "0", "--head", "0"]
        self.run("show", "--source", self.text(ids[0]), "--target", self.text(ids[1]), *show)
        return self.seconds * 1e3


class Transformers:
    def __init__(self, model, attention, scores=True):
        self.model, self.attention, self.scores = model, attention, scores
        self.name = "HF + maps" if attention == "eager" else "HF sdpa"
        if not scores:
            self.name = "HF maps alone"

    def forward(self, ids):
        import torch

        source, target = ids
        self.model.set_attn_implementation(self.attention)
        decoder = torch.tensor([[self.model.generation_config.decoder_start_token_id] + target[:-1]])
        how = dict(output_attentions=self.attention == "eager", use_cache=False)
        start = time.perf_counter()
        with torch.no_grad():
            if self.scores:
                self.model(input_ids=torch.tensor([source]), decoder_input_ids=decoder, **how)
            else:
                encoder, decode = self.model.get_encoder(), self.model.get_decoder()
                encoded = encoder(input_ids=torch.tensor([source]), output_attentions=how["output_attentions"])
                decode(input_ids=decoder, encoder_hidden_states=encoded.last_hidden_state, **how)
        return (time.perf_counter() - start) * 1e3

    def decode(self, source):
        import torch

        self.model.set_attn_implementation(self.attention)
        more = dict(output_attentions=True, return_dict_in_generate=True) if self.attention == "eager" else {}
        start = time.perf_counter()
        self.model.generate(torch.tensor([source]), do_sample=False, **more)
        return (time.perf_counter() - start) * 1e3


class CTranslate2:
    def __init__(self, model, folder, vocabulary, threads, compute="float32"):
        import ctranslate2

        self.name = "CTranslate2" + ("" if compute == "float32" else f" {compute}")
        out = pathlib.Path(f"{folder}-ct2")
        if not out.exists():
            convert(folder, out)
        self.engine = ctranslate2.Translator(
            str(out), intra_threads=threads, inter_threads=1, compute_type=compute
        )

    def tokens(self, ids):
        return [f"w{i}" for i in ids[:-1]] + ["</s>"]

    def forward(self, ids):
        start = time.perf_counter()
        # Without `max_input_length=0` it reads 1,024 tokens of the source and leaves the others out.
        self.engine.score_batch([self.tokens(ids[0])], [self.tokens(ids[1])[:-1]], max_input_length=0)
        return (time.perf_counter() - start) * 1e3

    def decode(self, source):
        start = time.perf_counter()
        self.engine.translate_batch(
            [self.tokens(source)], beam_size=1, min_decoding_length=NEW_TOKENS, max_decoding_length=NEW_TOKENS,
            return_end_token=True, max_input_length=0,
        )
        return (time.perf_counter() - start) * 1e3


class Candle:
    """The models of candle_transformers, in a process that stays."""

    name = "candle_transformers"

    def __init__(self, folder, threads):
        say("building candle_transformers")
        target = ROOT / "target/peers/candle"
        manifest = ROOT / "benches/peers/candle/Cargo.toml"
        subprocess.run(["cargo", "build", "--release", "--locked", "--quiet", "--manifest-path", str(manifest),
                        "--target-dir", str(target)], check=True)
        self.process = subprocess.Popen(
            [str(target / "release/candle-peer"), str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "RAYON_NUM_THREADS": str(threads)},
        )

    def ask(self, **what):
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def forward(self, ids):
        return self.ask(source=ids[0], target=[0] + ids[1][:-1])

    def decode(self, source):
        return self.ask(source=source, new=NEW_TOKENS)


def convert(folder, out):
    import ctranslate2
    from ctranslate2.converters import transformers as loaders

    class Converter(loaders.TransformersConverter):
        def load_tokenizer(self, tokenizer_class, path):
            from transformers import PreTrainedTokenizerFast

            return PreTrainedTokenizerFast.from_pretrained(path)

    Converter(str(folder)).convert(str(out), force=True)


def multiplications(config, source, target):
    """Floating point operations of one pass, a fused multiply-add being two."""
    d = config.d_model
    t5 = hasattr(config, "d_kv")
    inner = config.d_kv * config.num_heads if t5 else d
    ff = config.d_ff if t5 else config.encoder_ffn_dim
    layers = (config.num_layers, config.num_decoder_layers) if t5 else (config.encoder_layers, config.decoder_layers)
    encoder = 8 * source * d * inner + 4 * source * source * inner + 4 * source * d * ff
    own = 8 * target * d * inner + 4 * target * target * inner
    cross = 4 * target * d * inner + 4 * source * d * inner + 4 * target * source * inner
    decoder = own + cross + 4 * target * d * ff
    return layers[0] * encoder + layers[1] * decoder + 2 * target * d * config.vocab_size


def say(text):
    print(text, file=sys.stderr, flush=True)


class Roofline:
    """What the machine's multipliers reach on so many threads."""

    def __init__(self, threads):
        say("building the kernels' benchmark, which measures the machine's peak")
        command = ["cargo", "bench", "--bench", "kernels", "--no-run", "--message-format", "json"]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        messages = [json.loads(line) for line in done.stdout.splitlines()]
        made = [message["executable"] for message in messages if message.get("executable")]
        if done.returncode or not made:
            sys.exit("the kernels' benchmark does not build")
        self.command = [made[-1], "--bench", "--roofline", str(threads)]

    def gflops(self):
        done = subprocess.run(self.command, capture_output=True, text=True, check=True)
        return json.loads(done.stdout.strip().splitlines()[-1])["fma_gflops"]


def python_start(folder, threads, ids):
    """What a Python user waits for and holds: a process of its own that imports, loads, runs."""
    command = [sys.executable, __file__, "--alone", json.dumps([str(folder), threads, ids])]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return (time.perf_counter() - start) * 1e3, float(done.stdout.strip().splitlines()[-1])


def alone(folder, threads, ids):
    import torch
    import transformers

    torch.set_num_threads(threads)
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(folder, attn_implementation="eager").eval()
    Transformers(model, "eager").forward(ids)
    # Not getrusage: its figure begins with the memory of the process that started this one.
    status = pathlib.Path("/proc/self/status").read_text()
    print(int(status.split("VmHWM:")[1].split()[0]) / 1024)


def passes(engine, ids):
    """Milliseconds of a pass; ours reports a median itself."""
    times = 1 if isinstance(engine, Ours) else RUNS
    return statistics.median(engine.forward(ids) for _ in range(times))


def interleaved(what, rounds, runs):
    """Median milliseconds of each of `runs`, a name and a function; the first round only warms up."""
    times = {name: [] for name, _ in runs}
    for at in range(rounds + 1):
        say(f"{what}: " + (f"round {at} of {rounds}" if at else "warming up"))
        for name, run in runs:
            elapsed = run()
            if at > 0:
                times[name].append(elapsed)
    return {name: statistics.median(values) for name, values in times.items()}


def line(what, medians):
    ours = medians["attn-tui"]
    cells = [f"{key} {value:.1f} ms ({value / ours:.2f}x)" for key, value in medians.items()]
    return f"{what}: " + ", ".join(cells)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=["t5-small", "t5-base", "bart-base", "opus-mt"])
    parser.add_argument("--what", nargs="*", default=["forward", "decode", "start"])
    parser.add_argument("--lengths", nargs="*", help="such as 512x128")
    parser.add_argument("--int8", action="store_true", help="CTranslate2 with int8 weights, too")
    parser.add_argument("--no-peak", action="store_true", help="do not build and run the benchmark of the peak")
    parser.add_argument("--binary", default=str(ROOT / "target/release/attn-tui"))
    parser.add_argument("--work", default=str(ROOT / "target/peers"))
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.alone:
        return alone(*json.loads(args.alone))

    import torch

    torch.set_num_threads(args.threads)
    roofline = Roofline(args.threads) if "forward" in args.what and not args.no_peak else None
    lengths = [tuple(map(int, pair.split("x"))) for pair in args.lengths or []] or PAIRS
    for name in args.only:
        folder = pathlib.Path(args.work) / name
        say(f"{name}: making the model")
        model, vocabulary = make(name, folder)
        ours = Ours(folder, args.threads, args.binary)
        engines = [ours, Transformers(model, "eager"), Transformers(model, "sdpa")]
        bare = [Ours(folder, args.threads, args.binary, scores=False), Transformers(model, "eager", scores=False)]
        computes = ["float32"] + (["int8"] if args.int8 else [])
        try:
            engines += [CTranslate2(model, folder, vocabulary, args.threads, compute) for compute in computes]
        except Exception as error:  # a peer that does not take this model leaves a gap, not a crash
            print(f"CTranslate2 cannot run {name}: {error!r}", file=sys.stderr)
        if name.startswith("t5"):
            engines.append(Candle(folder, args.threads))
        for source, target in lengths if "forward" in args.what else []:
            ids = words(source - 1, 1) + [model.config.eos_token_id], words(target - 1, 2) + [model.config.eos_token_id]
            peaks = []
            runs = [("peak", lambda: peaks.append(roofline.gflops()) or 0)] if roofline else []
            runs += [(engine.name, lambda e=engine: passes(e, ids)) for engine in engines + bare]
            medians = interleaved(f"{name} {source}/{target}", args.rounds, runs)
            medians.pop("peak", None)
            single = ours.capture(ids, 1)
            text = line(f"{name} {source}/{target}", medians)
            ratio = medians["HF maps alone"] / medians["attn-tui maps alone"]
            text += f"; maps alone: {ratio:.2f}x faster than HF"
            if peaks:
                limit = multiplications(model.config, source, target) / statistics.median(peaks) / 1e6
                text += f"; limit {limit:.1f} ms at {statistics.median(peaks):.0f} GFLOP/s: "
                text += f"{limit / medians['attn-tui']:.0%} of the peak"
            print(f"{text}; one run {single['peak_rss_mib']:.0f} MiB, {single['kernels']}", flush=True)
        if "decode" in args.what:
            source = words(127, 1) + [model.config.eos_token_id]
            medians = interleaved(f"{name} decode", args.rounds, [(engine.name, lambda e=engine: e.decode(source)) for engine in engines])
            rates = ", ".join(f"{key} {NEW_TOKENS / value * 1e3:.0f}" for key, value in medians.items())
            print(line(f"{name} decode {NEW_TOKENS} at 128", medians) + f"; tokens/s: {rates}", flush=True)
        if "start" in args.what:
            for source, target in [(128, 32), (2048, 512)]:
                ids = words(source - 1, 1) + [model.config.eos_token_id], words(target - 1, 2) + [model.config.eos_token_id]
                memory = []

                def python():
                    elapsed, peak = python_start(folder, args.threads, ids)
                    memory.append(peak)
                    return elapsed

                medians = interleaved(f"{name} start", 3, [("attn-tui", lambda: ours.first_map(ids)), ("Python", python)])
                report = bare[0].capture(ids, 1)
                print(line(f"{name} start to first map {source}/{target}", medians)
                      + f"; peak memory attn-tui capture {report['peak_rss_mib']:.0f} MiB, Python {max(memory):.0f} MiB",
                      flush=True)
        del model, engines


if __name__ == "__main__":
    main()
