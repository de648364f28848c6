#!/usr/bin/env python3
"""Chooses the number of heads and the threshold of `attn-tui align --image` on rendered lines, and scores them on others.

    boxes.py --fonts FOLDER... --text FILE [--lines 60]

Lines of two to four words are rendered in the fonts given, without noise, at a random size and place; the box of a word
is that of its ink. Lines that the model (model/, beside this file) reads without an error count. Half of them, in half
of the fonts and with words of half of the text, choose; the other half, with other fonts and other text, are scored
once. Written to boxes.json: the mean overlap (IoU) of every choice on the first half, and of the best one on the second.
Needs torch, transformers, pillow, numpy.
"""

import argparse
import json
import random
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from transformers import PreTrainedTokenizerFast, VisionEncoderDecoderModel

HERE = Path(__file__).resolve().parent
HEIGHT, WIDTH, PATCH = 32, 320, (16, 8)
ROWS, COLUMNS = HEIGHT // PATCH[0], WIDTH // PATCH[1]
HEADS = [1, 2, 3, 4, 6, 8, 12, 18]
THRESHOLDS = [0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6]


def line(pick, words, font):
    """A page, its text and the box of each word: left, top, right, bottom."""
    text = " ".join(pick.choice(words) for _ in range(pick.randint(2, 4)))
    left, top, right, bottom = font.getbbox(text)
    paper, ink = pick.randint(200, 255), pick.randint(0, 70)
    size = right - left + 16, bottom - top + 8
    scale = min(HEIGHT / size[1], WIDTH / size[0]) * pick.uniform(0.8, 1.0)
    scaled = max(8, int(size[0] * scale)), max(8, int(size[1] * scale))
    at = pick.randint(0, WIDTH - scaled[0]), pick.randint(0, HEIGHT - scaled[1])

    def drawn(part, before):
        picture = Image.new("L", size, 255)
        ImageDraw.Draw(picture).text((8 - left + font.getlength(before), 4 - top), part, font=font, fill=0)
        return picture

    boxes, before = [], ""
    for word in text.split():
        x0, y0, x1, y1 = Image.eval(drawn(word, before), lambda value: 255 - value).getbbox()
        across, down = scaled[0] / size[0], scaled[1] / size[1]
        boxes.append((at[0] + x0 * across, at[1] + y0 * down, at[0] + x1 * across, at[1] + y1 * down))
        before += word + " "
    picture = drawn(text, "").point(lambda value: ink + (paper - ink) * value // 255)
    page = Image.new("L", (WIDTH, HEIGHT), paper)
    page.paste(picture.resize(scaled, Image.Resampling.BILINEAR), at)
    return np.asarray(page, np.float32), text, boxes


@torch.no_grad()
def read(model, tokenizer, page):
    """What the model reads, and its cross-attention `[heads, rows, keys]`."""
    pixels = (torch.from_numpy(page) / 255 - 0.5) / 0.5
    pixels = pixels[None, None].expand(-1, 3, -1, -1)
    ids = model.generate(pixels, do_sample=False, num_beams=1)[0].tolist()
    out = model(pixel_values=pixels, decoder_input_ids=torch.tensor([ids[:-1]]), output_attentions=True)
    maps = torch.cat([layer[0] for layer in out.cross_attentions]).double().numpy()
    return tokenizer.decode(ids, skip_special_tokens=True), maps


CENTRES = np.array([[c * PATCH[1] + 4, r * PATCH[0] + 8] for r in range(ROWS) for c in range(COLUMNS)], float)


def spread(weights):
    centre = weights @ CENTRES / weights.sum()
    return (weights * np.hypot(*(CENTRES - centre).T)).sum() / weights.sum()


def locality(rows):
    even = spread(np.ones(len(CENTRES)))
    return np.mean([row[1:].sum() * (1 - min(1, spread(row[1:]) / even)) for row in rows])


def region(row, threshold):
    """The box around the largest weight and what is connected with it, down to a share of it."""
    grid = row[1:].reshape(ROWS, COLUMNS)
    strong = grid >= threshold * grid.max()
    start = np.unravel_index(grid.argmax(), grid.shape)
    taken, frontier = {start}, [start]
    while frontier:
        r, c = frontier.pop()
        near = [(r + dr, c + dc) for dr in (-1, 0, 1) for dc in (-1, 0, 1)]
        for r, c in near:
            if 0 <= r < ROWS and 0 <= c < COLUMNS and strong[r, c] and (r, c) not in taken:
                taken.add((r, c))
                frontier.append((r, c))
    rows, columns = zip(*taken)
    return (min(columns) * PATCH[1], min(rows) * PATCH[0], (max(columns) + 1) * PATCH[1], (max(rows) + 1) * PATCH[0])


def union(boxes):
    x0, y0, x1, y1 = zip(*boxes)
    return min(x0), min(y0), max(x1), max(y1)


def overlap(a, b):
    area = lambda box: max(0, box[2] - box[0]) * max(0, box[3] - box[1])
    both = area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))
    return both / (area(a) + area(b) - both)


def scores(case, heads, threshold):
    """The overlap of each word of a line."""
    maps, text, boxes = case
    rows = maps[:, : len(text)]
    ranked = sorted(range(len(maps)), key=lambda head: -locality(rows[head]))
    mean = rows[ranked[:heads]].mean(0)
    found, at = [], 0
    for word in text.split():
        found.append(union([region(mean[at + i], threshold) for i in range(len(word))]))
        at += len(word) + 1
    return [overlap(a, b) for a, b in zip(found, boxes)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fonts", nargs="+", required=True)
    parser.add_argument("--text", required=True)
    parser.add_argument("--lines", type=int, default=60)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = VisionEncoderDecoderModel.from_pretrained(HERE / "model", attn_implementation="eager").float().eval()
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(HERE / "model" / "tokenizer.json"))
    fonts = sorted({path for folder in options.fonts for path in Path(folder).rglob("*.ttf")}, key=lambda p: p.name)
    words = sorted({word for word in Path(options.text).read_text().split() if word.isascii() and word.isalpha()})
    halves = []
    for half in (0, 1):
        pick = random.Random(half)
        cases, tried = [], 0
        while len(cases) < options.lines:
            tried += 1
            font = ImageFont.truetype(str(pick.choice(fonts[half::2])), pick.randint(18, 26))
            page, text, boxes = line(pick, words[half::2], font)
            found, maps = read(model, tokenizer, page)
            if len(text) <= 20 and found == text:
                cases.append((maps, text, boxes))
        halves.append(cases)
        print(f"half {half}: {len(cases)} of {tried} lines read without an error", flush=True)
    mean = lambda cases, heads, threshold: float(np.mean([s for case in cases for s in scores(case, heads, threshold)]))
    table = {f"{heads} heads": {str(t): round(mean(halves[0], heads, t), 4) for t in THRESHOLDS} for heads in HEADS}
    best = max(((h, t) for h in HEADS for t in THRESHOLDS), key=lambda at: table[f"{at[0]} heads"][str(at[1])])
    result = {
        "lines": options.lines, "words": [sum(len(case[2]) for case in cases) for cases in halves],
        "chosen": {"heads": best[0], "threshold": best[1]},
        "overlap_of_the_choice": {"lines_that_chose": round(mean(halves[0], *best), 4), "other_lines": round(mean(halves[1], *best), 4)},
        "overlap_of_4_heads_0.3": {"lines_that_chose": round(mean(halves[0], 4, 0.3), 4), "other_lines": round(mean(halves[1], 4, 0.3), 4)},
        "table": table,
    }
    (HERE / "boxes.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({key: value for key, value in result.items() if key != "table"}, indent=1))


if __name__ == "__main__":
    main()
