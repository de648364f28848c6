"""Score the program's three models on the held-out sentences, short ones and long passages.

usage: score.py PAIRS [--binary attn-tui --check N]

PAIRS: as for train.py. Writes scores.json beside this script, which the program's tour reads: BLEU and
chrF (sacreBLEU, all references) of greedy translations of all 1,500 held-out sentences, of those with at
most 8 words (`short`), and of passages (`long`) that join held-out sentences until there are 30 tokens.
With --binary the program translates N sentences of each set, too, and must say the same.
Needs torch, transformers, sentencepiece, safetensors, sacrebleu.
"""

import argparse
import json
import random
import subprocess
import tempfile
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import MarianMTModel
from transformers.utils import logging

from train import Data, Recurrent, read_pairs, score, translate
from planes import from_byte_planes, unpack

HERE = Path(__file__).resolve().parent
UNPACKED = tempfile.TemporaryDirectory()
TRANSFORMER = Path(UNPACKED.name)
unpack(TRANSFORMER)
FOLDERS = {"demo-rnn": "attention", "demo-rnn-plain": "plain"}

logging.set_verbosity_error()


def sets(test, data):
    """Name to (sentences, references)."""
    sentences = list(test)
    short = [text for text in sentences if len(text.split()) <= 8]
    order = list(sentences)
    random.Random(2).shuffle(order)
    passages, references, parts = [], [], []
    for text in order:
        parts.append(text)
        joined = " ".join(parts)
        if len(data.ids(joined)) >= 30:
            count = min(len(test[part]) for part in parts)
            passages.append(joined)
            references.append([" ".join(test[part][k] for part in parts) for k in range(count)])
            parts = []
    one = lambda chosen: (chosen, [test[text] for text in chosen])
    return {"all": one(sentences), "short": one(short), "long": (passages, references)}


def recurrent(folder, table):
    config = json.loads((folder / "config.json").read_text())
    sizes = [config[f"{part}_hidden_size"] for part in ("encoder", "decoder")]
    model = Recurrent(table, config["attention"], *sizes, config.get("attention_size", 0))
    weights = load_file(folder / "model.planes.safetensors")
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.copy_(from_byte_planes(weights[name]).float())
    return model.eval()


@torch.no_grad()
def transformer(model, data, sentences):
    out = []
    for at in range(0, len(sentences), 50):
        rows = [data.ids(text) for text in sentences[at : at + 50]]
        length = max(map(len, rows))
        ids = torch.tensor([row + [data.pad] * (length - len(row)) for row in rows])
        found = model.generate(ids, attention_mask=(ids != data.pad).long(), num_beams=1, max_length=101)
        specials = (data.pad, data.eos)
        out += [data.pieces.decode([i for i in row if i not in specials]) for row in found.tolist()]
    return out


def by_binary(binary, model, text):
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/capture.safetensors"
        command = [binary, "capture", model, "--beams", "1", "--source", text, "--output", path]
        subprocess.run(command, check=True, capture_output=True)
        return safe_open(path, "np").metadata()["target"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("pairs")
    parser.add_argument("--binary")
    parser.add_argument("--check", type=int, default=25)
    args = parser.parse_args()
    torch.set_num_threads(1)
    data = Data(TRANSFORMER)
    all_sets = sets(read_pairs(args.pairs)[1], data)
    table = load_file(TRANSFORMER / "model.safetensors")["model.shared.weight"].float()
    marian = MarianMTModel.from_pretrained(TRANSFORMER).float().eval()
    translators = {"demo": lambda sentences: transformer(marian, data, sentences)}
    for name, folder in FOLDERS.items():
        model = recurrent(HERE / folder, table)
        translators[name] = lambda sentences, model=model: translate(model, data, sentences)
    scores, differing = {}, 0
    for name, translator in translators.items():
        scores[name] = {}
        for part, (sentences, references) in all_sets.items():
            said = translator(sentences)
            scores[name][part] = score(said, references) | dict(sentences=len(sentences))
            print(name, part, scores[name][part], flush=True)
            for text, expected in list(zip(sentences, said))[: args.check if args.binary else 0]:
                found = by_binary(args.binary, name, text)
                # The program leaves the unknown token out, SentencePiece writes it as a double question mark.
                if found.strip() != expected.replace(" ⁇ ", "").strip():
                    differing += 1
                    print(f"  {text!r}: the program says {found!r}, not {expected!r}")
    gain = lambda part, metric: scores["demo-rnn"][part][metric] - scores["demo-rnn-plain"][part][metric]
    scores["gain"] = {p: {m: round(gain(p, m), 2) for m in ("bleu", "chrf")} for p in all_sets}
    (HERE / "scores.json").write_text(json.dumps(scores, indent=1) + "\n")
    if args.binary:
        print("the program says the same" if differing == 0 else f"{differing} translations differ")


if __name__ == "__main__":
    main()
