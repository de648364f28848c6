"""Measures attn-tui on Whisper beside transformers and faster-whisper; runs are interleaved.

    python -m venv .venv && .venv/bin/pip install -r benches/peers/requirements.txt faster-whisper
    cargo build --release
    .venv/bin/python benches/peers/speech.py MODEL CLIP.wav [--ct2 FOLDER] [--threads 2] [--rounds 5]

MODEL is a folder in transformers' layout, CLIP a recording at 16 kHz with 16 bits. Two lengths are measured: the first
5 s of the clip, and 30 s of it (repeated as often as needed). Every round has each engine run, one after another, so
that a busy machine slows all of them; what counts are the ratios of the rounds' medians.

`pass` is the recorded pass alone, over the text that attn-tui generates: encoder and decoder with every map, beside
transformers with eager attention and output_attentions. `text` is a whole transcription: attn-tui generates and keeps
all maps and times the words (`align`), faster-whisper transcribes in float32 with word timestamps from the folder
--ct2 (CTranslate2's layout; left out without it). `memory` is the peak of a process of its own.
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
import wave

ROOT = pathlib.Path(__file__).resolve().parents[2]
RATE = 16000
RUNS = 3
COLD_RUNS = 2


def read(path):
    import numpy as np

    with wave.open(str(path)) as sound:
        if (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) != (RATE, 1, 2):
            sys.exit(f"{path}: not one channel of 16 bits at {RATE} Hz")
        return np.frombuffer(sound.readframes(sound.getnframes()), np.int16)


def write(path, samples):
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(samples.tobytes())


class Ours:
    def __init__(self, args):
        self.binary, self.model, self.threads = args.binary, args.model, str(args.threads)

    def run(self, command, *rest):
        whole = [self.binary, command, self.model, "--threads", self.threads, "--timings", *rest]
        done = subprocess.run(whole, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(whole)}\n{done.stderr}")
        return json.loads(done.stderr.strip().splitlines()[-1])

    def capture(self, sound, *rest):
        with tempfile.TemporaryDirectory() as out:
            return self.run("capture", "--audio", str(sound), "--output", f"{out}/maps.safetensors", *rest)

    def forward(self, sound):
        return self.capture(sound, "--repeat", str(COLD_RUNS + RUNS))["capture_ms"]

    def transcribe(self, sound):
        start = time.perf_counter()
        command = [self.binary, "align", self.model, "--audio", str(sound), "--threads", self.threads, "--json"]
        subprocess.run(command, check=True, capture_output=True)
        return (time.perf_counter() - start) * 1e3


class Peer:
    """transformers with eager attention."""

    def __init__(self, args):
        import torch
        from transformers import WhisperForConditionalGeneration, WhisperProcessor

        torch.set_num_threads(args.threads)
        self.processor = WhisperProcessor.from_pretrained(args.model)
        model = WhisperForConditionalGeneration.from_pretrained(args.model, attn_implementation="eager")
        self.model = model.float().eval()

    def prepare(self, samples):
        import torch

        with torch.no_grad():
            sound = samples.astype("float32") / 32768
            features = self.processor(sound, sampling_rate=RATE, return_tensors="pt").input_features
            ids = self.model.generate(features, return_dict_in_generate=True, force_unique_generate_call=True)
            return features, ids.sequences[:, :-1]

    def forward(self, features, ids):
        import torch

        times = []
        with torch.no_grad():
            for _ in range(1 + RUNS):
                start = time.perf_counter()
                self.model(features, decoder_input_ids=ids, output_attentions=True, use_cache=False)
                times.append((time.perf_counter() - start) * 1e3)
        return statistics.median(times[1:])


MEMORY = """
import resource, sys
sys.path.insert(0, {folder!r})
import speech
args = speech.parse({arguments!r})
peer = speech.Peer(args)
peer.forward(*peer.prepare(speech.read({sound!r})))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def peer_memory(args, sound):
    """Peak memory of a process that loads the model and runs the pass, in MiB."""
    arguments = [args.model, args.clip, "--threads", str(args.threads)]
    code = MEMORY.format(folder=str(ROOT / "benches/peers"), arguments=arguments, sound=str(sound))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


class Faster:
    """faster-whisper in float32; greedy, one temperature, as `align` generates."""

    def __init__(self, args):
        from faster_whisper import WhisperModel

        self.model = WhisperModel(args.ct2, device="cpu", compute_type="float32", cpu_threads=args.threads)

    def transcribe(self, sound):
        start = time.perf_counter()
        segments, _ = self.model.transcribe(
            str(sound), beam_size=1, temperature=0.0, word_timestamps=True, condition_on_previous_text=False,
        )
        list(segments)
        return (time.perf_counter() - start) * 1e3


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("clip")
    parser.add_argument("--ct2")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--binary", default=str(ROOT / "target/release/attn-tui"))
    return parser.parse_args(arguments)


def main():
    args = parse(sys.argv[1:])
    os.environ.setdefault("OMP_NUM_THREADS", str(args.threads))
    import numpy as np

    samples, ours, peer = read(args.clip), Ours(args), Peer(args)
    faster = Faster(args) if args.ct2 else None
    with tempfile.TemporaryDirectory() as folder:
        for seconds in (5, 30):
            count = seconds * RATE
            part = np.tile(samples, -(-count // len(samples)))[:count]
            sound = pathlib.Path(folder) / f"{seconds}.wav"
            write(sound, part)
            prepared = peer.prepare(part)
            rounds = []
            for _ in range(args.rounds):
                times = {"ours pass": ours.forward(sound), "transformers pass": peer.forward(*prepared)}
                times["ours text"] = ours.transcribe(sound)
                if faster:
                    times["faster-whisper text"] = faster.transcribe(sound)
                rounds.append(times)
            middle = {name: statistics.median(times[name] for times in rounds) for name in rounds[0]}
            listed = ", ".join(f"{name} {value:.0f} ms" for name, value in middle.items())
            ratio = statistics.median(times["transformers pass"] / times["ours pass"] for times in rounds)
            text = f"{seconds} s: {listed}; pass {ratio:.2f}x faster than transformers with attentions"
            if faster:
                ratio = statistics.median(times["faster-whisper text"] / times["ours text"] for times in rounds)
                text += f"; text {ratio:.2f}x as fast as faster-whisper (our start and loading counted)"
            memory = ours.capture(sound)["peak_rss_mib"], peer_memory(args, sound)
            print(f"{text}; memory {memory[0]:.0f} MiB, transformers {memory[1]:.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
