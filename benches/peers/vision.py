"""Times a pass with all maps over a picture, beside transformers with attentions.

    .venv/bin/python benches/peers/vision.py [--threads 2] [--rounds 5] [--size small] [--binary target/release/attn-tui]

The model has the size of trocr-small (or is tiny, for a trial) and random weights. Both run the encoder on the picture
and the decoder on a given text, with all attentions; transformers in eager mode, the only one that returns them. Times
of attn-tui are those of `--timings`: the pass, with the embedding of the patches, which is part of transformers' pass,
too; and reading the picture, which is decoded and scaled. Reading is timed in transformers with Pillow, too. Rounds are interleaved; medians are printed, and ratios of them.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import run

sys.path.insert(0, str(run.ROOT / "tests/fixtures"))

TEXT = "where was this line of text read"
SIZES = {
    "small": (
        dict(image_size=384, patch_size=16, hidden_size=384, num_hidden_layers=12, num_attention_heads=6,
             intermediate_size=1536),
        dict(vocab_size=64044, d_model=256, decoder_layers=6, decoder_attention_heads=8, decoder_ffn_dim=1024,
             max_position_embeddings=512, cross_attention_hidden_size=384, scale_embedding=True),
    ),
    "tiny": (
        dict(image_size=64, patch_size=16, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
             intermediate_size=64),
        dict(vocab_size=300, d_model=32, decoder_layers=2, decoder_attention_heads=2, decoder_ffn_dim=64,
             max_position_embeddings=64, cross_attention_hidden_size=32),
    ),
}


def make(size, folder):
    """Writes a model with random weights, and a picture of 1000 x 120 pixels."""
    import make_vision
    import torch
    from transformers import DeiTConfig, TrOCRConfig, VisionEncoderDecoderConfig, VisionEncoderDecoderModel
    from transformers import ViTImageProcessor

    encoder, decoder = SIZES[size]
    torch.manual_seed(0)
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(
        DeiTConfig(**encoder), TrOCRConfig(**decoder, is_decoder=True, add_cross_attention=True)
    )
    config.decoder_start_token_id, config.pad_token_id, config.eos_token_id = 2, 1, 2
    folder.mkdir(parents=True)
    VisionEncoderDecoderModel(config).save_pretrained(folder)
    side = {"height": encoder["image_size"], "width": encoder["image_size"]}
    processor = ViTImageProcessor(size=side, image_mean=[0.5] * 3, image_std=[0.5] * 3)
    make_vision.write_json(folder / "preprocessor_config.json", make_vision.stored(processor))
    make_vision.write_tokenizer(folder)
    make_vision.picture(1000, 120, 1).save(folder / "line.png")
    return processor


def ours(binary, folder, threads, out):
    """Milliseconds of the pass and of reading the picture."""
    command = [str(binary), "capture", str(folder), "--image", str(folder / "line.png"), "-t", TEXT]
    command += ["-o", str(out), "--force", "--timings", "--repeat", "5", "--threads", str(threads)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"attn-tui: {done.stderr}")
    line = next(line for line in done.stderr.splitlines() if line.startswith("{"))
    times = json.loads(line)
    return times["capture_ms"] + times["embed_ms"], times["tokenize_ms"]


def peer(model, processor, folder, ids):
    """Milliseconds of the pass and of reading the picture."""
    import torch
    from PIL import Image

    start = time.perf_counter()
    pixels = processor(Image.open(folder / "line.png").convert("RGB"), return_tensors="pt").pixel_values
    read = time.perf_counter() - start
    passes = []
    with torch.no_grad():
        for _ in range(5):
            start = time.perf_counter()
            model(pixel_values=pixels, decoder_input_ids=ids, output_attentions=True, use_cache=False)
            passes.append(time.perf_counter() - start)
    return 1e3 * statistics.median(passes), 1e3 * read


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--binary", default=run.ROOT / "target/release/attn-tui")
    options = parser.parse_args()

    import torch
    from transformers import VisionEncoderDecoderModel

    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary) / options.size
        processor = make(options.size, folder)
        load = VisionEncoderDecoderModel.from_pretrained
        model = load(folder, attn_implementation="eager", dtype=torch.float32).eval()
        ids = torch.tensor([[2] + [4 + at % 200 for at in range(len(TEXT))]])
        times = {"attn-tui": [], "transformers": []}
        for at in range(options.rounds):
            run.say(f"round {at + 1} of {options.rounds}")
            maps = pathlib.Path(temporary) / "maps.safetensors"
            times["attn-tui"].append(ours(options.binary, folder, options.threads, maps))
            times["transformers"].append(peer(model, processor, folder, ids))
    medians = {name: [statistics.median(column) for column in zip(*rows)] for name, rows in times.items()}
    for name, (forward, read) in medians.items():
        print(f"{name:14} pass {forward:9.1f} ms   reading {read:7.1f} ms")
    forward, read = medians["attn-tui"]
    print(f"pass: {medians['transformers'][0] / forward:.2f} x as fast; reading is {100 * read / forward:.1f} % of it")


if __name__ == "__main__":
    main()
