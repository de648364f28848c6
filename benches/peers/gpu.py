"""Maps, times and memory of attn-tui on a GPU beside transformers on the same GPU; run it with benches/gpu.sh.

First parity: models at published sizes with random weights, every map of one pass compared with transformers' eager
attention in float32. Then the benchmark: a pass that keeps every map, from float32 and from bfloat16 weights, by
attn-tui (which computes in float32 from either) and by transformers (in the type of its weights). Results are written
after every step, so that a run that ends early leaves what it has.
"""

import argparse
import json
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import run

TOLERANCE = 1e-4
PARITY = ["t5-small", "bart-base", "opus-mt"]
RUNS = 5


class Ours(run.Ours):
    def __init__(self, folder, args):
        super().__init__(folder, args.threads, args.binary, scores=False)
        self.device = args.device

    def run(self, command, *rest):
        return super().run(command, "--device", self.device, *rest)

    def maps(self, ids):
        from safetensors.torch import load_file

        with tempfile.TemporaryDirectory() as out:
            texts = ["--source", self.text(ids[0]), "--target", self.text(ids[1])]
            self.run("capture", *texts, "--output", f"{out}/maps.safetensors")
            return load_file(f"{out}/maps.safetensors")


class Peer:
    """transformers on the device."""

    def __init__(self, model, device):
        self.model, self.device = model.to(device), device
        self.model.set_attn_implementation("eager")

    def forward(self, ids):
        import torch

        source = torch.tensor([ids[0]], device=self.device)
        start = self.model.generation_config.decoder_start_token_id
        decoder = torch.tensor([[start] + ids[1][:-1]], device=self.device)
        with torch.no_grad():
            encoder, decode = self.model.get_encoder(), self.model.get_decoder()
            encoded = encoder(input_ids=source, output_attentions=True)
            out = decode(input_ids=decoder, encoder_hidden_states=encoded.last_hidden_state, output_attentions=True,
                         use_cache=False)
        return encoded.attentions, out.attentions, out.cross_attentions

    def wait(self):
        import torch

        if self.device == "cuda":
            torch.cuda.synchronize()
        elif self.device == "mps":
            torch.mps.synchronize()

    def measure(self, ids):
        import torch

        if self.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        times = []
        for _ in range(RUNS + 1):
            self.wait()
            start = time.perf_counter()
            self.forward(ids)
            self.wait()
            times.append((time.perf_counter() - start) * 1e3)
        memory = torch.cuda.max_memory_allocated() / 2**20 if self.device == "cuda" else None
        return {"pass_ms": statistics.median(times[1:]), "device_mib": memory}


class DeviceMemory(threading.Thread):
    """The most memory on the GPU beyond what was used at the start, sampled; None without nvidia-smi."""

    def __init__(self):
        super().__init__(daemon=True)
        self.before, self.most, self.done = self.used(), 0, False

    @staticmethod
    def used():
        command = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
        try:
            return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[0])
        except (OSError, subprocess.CalledProcessError, ValueError, IndexError):
            return None

    def run(self):
        while not self.done and self.before is not None:
            self.most = max(self.most, (self.used() or 0) - self.before)
            time.sleep(0.05)

    def stop(self):
        self.done = True
        self.join()
        return self.most if self.before is not None else None


def word_ids(model, source, target):
    end = [model.config.eos_token_id]
    return run.words(source - 1, 1) + end, run.words(target - 1, 2) + end


def parity(name, args, work):
    import torch

    model, _ = run.make(name, work / name)
    if not name.startswith("t5"):
        # With the small weights that these classes begin with, all maps are nearly uniform.
        with torch.no_grad():
            for path, value in model.named_parameters():
                if path.endswith("q_proj.weight"):
                    value.mul_(4)
        model.save_pretrained(work / name)
    ids = word_ids(model, *args.parity_length)
    # TF32 would round the factors of products to 10 bits.
    torch.backends.cuda.matmul.allow_tf32 = False
    expected = dict(zip(["encoder", "decoder", "cross"], Peer(model, args.torch_device).forward(ids)))
    found = Ours(work / name, args).maps(ids)
    differences, count = {}, 0
    for kind, maps in expected.items():
        for layer, map in enumerate(maps):
            ours = found[f"{kind}.{layer}"]
            off = (ours - map[0].float().cpu()).abs().max().item()
            differences[kind] = max(differences.get(kind, 0.0), off)
            count += map.shape[1]
    return {"heads": count, "largest_difference": differences}


def benchmark(name, dtype, lengths, args, work):
    import torch

    folder = work / f"{name}-{dtype}"
    model, _ = run.make(name, folder)
    model = model.to({"f32": torch.float32, "bf16": torch.bfloat16}[dtype])
    model.save_pretrained(folder)
    ids = word_ids(model, *lengths)
    peer = Peer(model, args.torch_device).measure(ids)
    del model
    if args.torch_device == "cuda":
        torch.cuda.empty_cache()
    memory = DeviceMemory()
    memory.start()
    report = Ours(folder, args).capture(ids, RUNS + run.COLD_RUNS)
    ours = {"pass_ms": report["capture_ms"], "load_ms": report["load_ms"], "device_mib": memory.stop(),
            "peak_rss_mib": report["peak_rss_mib"], "kernels": report["kernels"]}
    return {"attn-tui": ours, "transformers": peer, "times_as_fast": peer["pass_ms"] / ours["pass_ms"]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--device", default="cuda", choices=["cuda", "metal", "cpu"])
    parser.add_argument("--output", "-o", default="gpu.json")
    parser.add_argument("--seconds", type=float, default=465, help="time after which no step begins")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--parity", nargs="*", default=PARITY)
    parser.add_argument("--parity-length", default="128x32", type=pair)
    parser.add_argument("--only", default="t5-base")
    parser.add_argument("--lengths", nargs="*", default=[(512, 128), (2048, 512)], type=pair)
    args = parser.parse_args()
    args.torch_device = {"cuda": "cuda", "metal": "mps", "cpu": "cpu"}[args.device]
    began = time.monotonic()

    import torch
    import transformers

    torch.set_num_threads(args.threads)
    machine = {"processor": platform.processor() or platform.machine(), "system": platform.platform()}
    if args.device == "cuda":
        machine["gpu"] = torch.cuda.get_device_name()
    version = subprocess.run([args.binary, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    results = {"version": version, "device": args.device, "machine": machine, "torch": torch.__version__,
               "transformers": transformers.__version__, "tolerance": TOLERANCE, "parity": {}, "passes": {},
               "left_out": []}
    steps = [(f"parity {name}", results["parity"], name, lambda name=name, work=None: parity(name, args, work))
             for name in args.parity]
    for lengths in args.lengths:
        for dtype in ["f32", "bf16"]:
            key = f"{args.only} {dtype} {lengths[0]}/{lengths[1]}"
            steps.append((key, results["passes"], key,
                          lambda lengths=lengths, dtype=dtype, work=None: benchmark(args.only, dtype, lengths, args, work)))
    with tempfile.TemporaryDirectory() as work:
        for what, into, key, step in steps:
            if time.monotonic() - began > args.seconds:
                results["left_out"].append(what)
                continue
            run.say(what)
            into[key] = step(work=pathlib.Path(work))
            results["seconds"] = round(time.monotonic() - began, 1)
            write(args.output, results)
    found = [off for one in results["parity"].values() for off in one["largest_difference"].values()]
    results["agrees"] = bool(found) and all(off <= TOLERANCE for off in found)
    write(args.output, results)
    print(json.dumps(results))
    return 0 if results["agrees"] else 1


def pair(text):
    source, target = text.split("x")
    return int(source), int(target)


def write(path, results):
    part = pathlib.Path(f"{path}.part")
    part.write_text(json.dumps(results, indent=1) + "\n")
    part.replace(path)


if __name__ == "__main__":
    sys.exit(main())
