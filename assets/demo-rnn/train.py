"""Train the two recurrent English-to-French models that stand beside the Transformer.

usage: train.py PAIRS TRANSFORMER OUT --attention additive|none [--steps N] [--seed S]

PAIRS: tab-separated English and French sentences, one pair a line (Tatoeba's, as packed by
manythings.org/anki, CC BY 2.0 France). TRANSFORMER: the folder of the demo Transformer, as
`../demo/planes.py unpack` writes it, whose
tokenizer and whose table of embeddings the recurrent models share (the table is not trained
further, so that two more models fit into the program). OUT becomes a folder with config.json,
model.planes.safetensors (float16 as byte planes, without the table) and scores.json.

The network is that of Bahdanau, Cho and Bengio (2014), https://arxiv.org/abs/1409.0473, with a
tanh layer for its maxout readout: a bidirectional GRU encoder, a GRU decoder that starts from the
backward state at the first token, and additive attention from the decoder's previous state.
With `--attention none` the decoder sees one context at every step instead: the last states of the
encoder's two directions, as in Cho et al. (2014), https://arxiv.org/abs/1406.1078.
Needs torch, sentencepiece, safetensors, sacrebleu. Runs on one CPU core.
"""

import argparse
import json
import math
import os
import random
import re
import sys
import time
import unicodedata
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.functional import cross_entropy, linear

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "demo"))
from planes import byte_planes


def clean(text):
    text = unicodedata.normalize("NFC", text).replace("\u00a0", " ").replace("\u202f", " ").replace("’", "'")
    return re.sub(r"\s+", " ", text).strip()


def read_pairs(path):
    """The pairs to train on, and the held-out sentences with their references: the Transformer's split."""
    pairs, seen = [], set()
    for line in open(path, encoding="utf-8"):
        cells = line.rstrip("\n").split("\t")
        if len(cells) < 2:
            continue
        en, fr = clean(cells[0]), clean(cells[1])
        if not en or not fr or len(en.split()) > 40 or len(fr.split()) > 44 or (en, fr) in seen:
            continue
        seen.add((en, fr))
        pairs.append((en, fr))
    english = sorted({en for en, _ in pairs})
    random.Random(1).shuffle(english)
    held = set(english[:1500])
    test = {}
    for en, fr in pairs:
        if en in held:
            test.setdefault(en, []).append(fr)
    return [pair for pair in pairs if pair[0] not in held], test


class Recurrent(nn.Module):
    """`table` [vocabulary, width] embeds tokens, times the root of its width, and scores them."""

    def __init__(self, table, attention, encoder, decoder, size):
        super().__init__()
        width = table.shape[1]
        self.register_buffer("table", table)
        self.scale = math.sqrt(width)
        self.encoder = nn.GRU(width, encoder, bidirectional=True, batch_first=True)
        self.start = nn.Linear(encoder, decoder)
        self.decoder = nn.GRU(width + 2 * encoder, decoder, batch_first=True)
        if attention == "additive":
            self.query = nn.Linear(decoder, size, bias=False)
            self.key = nn.Linear(2 * encoder, size)
            self.score = nn.Linear(size, 1, bias=False)
        self.readout = nn.Linear(decoder + 2 * encoder + width, width)
        self.bias = nn.Parameter(torch.zeros(table.shape[0]))
        self.attention = attention

    def embed(self, ids):
        return self.table[ids] * self.scale

    def encode(self, ids, lengths):
        """[batch, tokens] -> states [batch, tokens, 2 * encoder], both last states, first decoder state."""
        embedded = self.embed(ids)
        packed = nn.utils.rnn.pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
        states, last = self.encoder(packed)
        states, _ = nn.utils.rnn.pad_packed_sequence(states, batch_first=True, total_length=ids.shape[1])
        return states, torch.cat([last[0], last[1]], -1), torch.tanh(self.start(last[1]))

    def cell(self, x, h):
        """torch's GRU step from the input's part `x` [batch, 3 * decoder] and the state `h`."""
        g = linear(h, self.decoder.weight_hh_l0, self.decoder.bias_hh_l0)
        (xr, xz, xn), (hr, hz, hn) = x.chunk(3, -1), g.chunk(3, -1)
        z = torch.sigmoid(xz + hz)
        n = torch.tanh(xn + torch.sigmoid(xr + hr) * hn)
        return n + z * (h - n)

    def attend(self, h, keys, states, mask):
        """Weights [batch, tokens] and context of the state `h`."""
        e = self.score(torch.tanh(self.query(h).unsqueeze(1) + keys)).squeeze(-1).masked_fill(~mask, -1e9)
        a = torch.softmax(e, -1)
        return a, torch.bmm(a.unsqueeze(1), states).squeeze(1)

    def decode(self, inputs, states, last, h, mask):
        """Teacher-forced: logits' inputs [batch, target, width], weights [batch, target, tokens] or None."""
        y = self.embed(inputs)
        width = y.shape[-1]
        if self.attention == "none":
            c = last.unsqueeze(1).expand(-1, y.shape[1], -1)
            s, _ = self.decoder(torch.cat([y, c], -1), h.unsqueeze(0).contiguous())
            return torch.tanh(self.readout(torch.cat([s, c, y], -1))), None
        w = self.decoder.weight_ih_l0
        from_y = linear(y, w[:, :width], self.decoder.bias_ih_l0)
        keys = self.key(states)
        hs, cs, weights = [], [], []
        for i in range(inputs.shape[1]):
            a, c = self.attend(h, keys, states, mask)
            h = self.cell(from_y[:, i] + linear(c, w[:, width:]), h)
            hs.append(h)
            cs.append(c)
            weights.append(a)
        s, c = torch.stack(hs, 1), torch.stack(cs, 1)
        return torch.tanh(self.readout(torch.cat([s, c, y], -1))), torch.stack(weights, 1)

    def logits(self, t):
        return linear(t, self.table, self.bias)

    def initialise(self):
        for name, weight in self.named_parameters():
            if "weight_hh" in name:
                for part in weight.data.chunk(3):
                    nn.init.orthogonal_(part)
            elif weight.dim() > 1:
                nn.init.xavier_uniform_(weight)
            else:
                nn.init.zeros_(weight)

    def config(self, pad, eos):
        return dict(
            model_type="recurrent",
            architectures=["RecurrentSeq2Seq"],
            attention=self.attention,
            vocab_size=self.table.shape[0],
            d_model=self.table.shape[1],
            encoder_hidden_size=self.encoder.hidden_size,
            decoder_hidden_size=self.decoder.hidden_size,
            attention_size=self.query.out_features if self.attention == "additive" else 0,
            scale_embedding=True,
            pad_token_id=pad,
            eos_token_id=eos,
            decoder_start_token_id=pad,
            is_encoder_decoder=True,
        )


class Data:
    """Sentences as ids, and batches of them."""

    def __init__(self, folder, batch_tokens=4500):
        import sentencepiece

        self.pieces = sentencepiece.SentencePieceProcessor(model_file=os.path.join(folder, "source.spm"))
        vocabulary = json.load(open(os.path.join(folder, "vocab.json"), encoding="utf-8"))
        self.pad, self.eos = vocabulary["<pad>"], vocabulary["</s>"]
        self.batch_tokens = batch_tokens

    def ids(self, text):
        return self.pieces.encode(text) + [self.eos]

    def join(self, pairs):
        """Several pairs as one passage, so that the model also sees long inputs."""
        source, target = [], []
        for a, b in pairs:
            source += a[:-1]
            target += b[:-1]
        return source + [self.eos], target + [self.eos]

    def batches(self, pairs):
        rows = list(pairs)
        random.shuffle(rows)
        few, joined, at = int(0.25 * len(rows)), [], 0
        while at < few:
            count = random.choice((2, 2, 3, 4))
            joined.append(self.join(rows[at : at + count]))
            at += count
        rows = [row for row in joined + rows[few:] if len(row[0]) < 120 and len(row[1]) < 120]
        rows.sort(key=lambda row: len(row[0]) + len(row[1]) + random.random() * 4)
        out, batch = [], []
        for row in rows:
            if batch and (len(row[0]) + len(row[1])) * (len(batch) + 1) > self.batch_tokens:
                out.append(batch)
                batch = []
            batch.append(row)
        if batch:
            out.append(batch)
        random.shuffle(out)
        return out

    def tensors(self, rows):
        """Source ids, their lengths, what the decoder is fed, what it predicts."""
        s, t = max(len(a) for a, _ in rows), max(len(b) for _, b in rows)
        source = torch.tensor([a + [self.pad] * (s - len(a)) for a, _ in rows])
        target = torch.tensor([b + [self.pad] * (t - len(b)) for _, b in rows])
        fed = torch.cat([torch.full((len(rows), 1), self.pad), target[:, :-1]], 1)
        return source, torch.tensor([len(a) for a, _ in rows]), fed, target


@torch.no_grad()
def translate(model, data, sentences):
    """Greedy translations."""
    out = []
    for at in range(0, len(sentences), 50):
        rows = [(data.ids(text), [data.eos]) for text in sentences[at : at + 50]]
        source, lengths, _, _ = data.tensors(rows)
        states, last, h = model.encode(source, lengths)
        mask = source != data.pad
        ids = torch.full((len(rows),), data.pad)
        got, done = [[] for _ in rows], [False] * len(rows)
        keys = model.key(states) if model.attention == "additive" else None
        for _ in range(100):
            y = model.embed(ids)
            c = last if keys is None else model.attend(h, keys, states, mask)[1]
            x = linear(torch.cat([y, c], -1), model.decoder.weight_ih_l0, model.decoder.bias_ih_l0)
            h = model.cell(x, h)
            logits = model.logits(torch.tanh(model.readout(torch.cat([h, c, y], -1))))
            logits[:, data.pad] = -1e9
            ids = logits.argmax(-1)
            for row, token in enumerate(ids.tolist()):
                done[row] = done[row] or token == data.eos
                if not done[row]:
                    got[row].append(token)
            if all(done):
                break
        out += [data.pieces.decode(ids) for ids in got]
    return out


def score(hypotheses, references):
    """BLEU and chrF against all references of each sentence."""
    import sacrebleu

    width = max(map(len, references))
    columns = [[r[i] if i < len(r) else "" for r in references] for i in range(width)]
    return dict(
        bleu=round(sacrebleu.corpus_bleu(hypotheses, columns).score, 2),
        chrf=round(sacrebleu.corpus_chrf(hypotheses, columns).score, 2),
    )


def train(model, data, pairs, args):
    """Returns the moving average of the weights."""
    opt = torch.optim.AdamW(model.parameters(), lr=args.lr, betas=(0.9, 0.98), eps=1e-9, weight_decay=0.0)
    warm, start, step, average, losses = 200, time.time(), 0, None, []
    while step < args.steps:
        for rows in data.batches(pairs):
            fall = max(0.02, 0.5 * (1 + math.cos(math.pi * step / args.steps)))
            for group in opt.param_groups:
                group["lr"] = args.lr * min(1.0, (step + 1) / warm) * fall
            source, lengths, fed, target = data.tensors(rows)
            states, last, h = model.encode(source, lengths)
            t, _ = model.decode(fed, states, last, h, source != data.pad)
            keep = target != data.pad
            loss = cross_entropy(model.logits(t[keep]), target[keep], label_smoothing=0.1)
            opt.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            opt.step()
            step += 1
            losses.append(loss.item())
            if step % 50 == 0:
                now = {name: weight.detach().clone() for name, weight in model.named_parameters()}
                if average is None or step < 500:
                    average = now
                else:
                    for name in average:
                        average[name].lerp_(now[name], 0.1)
            if step % 100 == 0 or step == 20:
                recent = losses[-50:]
                minutes = (time.time() - start) / 60
                print(f"step {step} loss {sum(recent) / len(recent):.3f} {minutes:.1f} min", flush=True)
            if step == args.steps:
                break
    return average, (time.time() - start) / 60


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("pairs")
    parser.add_argument("transformer")
    parser.add_argument("out")
    parser.add_argument("--attention", choices=("additive", "none"), required=True)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--encoder-hidden", type=int, default=96)
    parser.add_argument("--decoder-hidden", type=int, default=144)
    parser.add_argument("--attention-size", type=int, default=96)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--batch-tokens", type=int, default=4500)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    random.seed(args.seed)
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    os.makedirs(args.out, exist_ok=True)

    pairs, test = read_pairs(args.pairs)
    data = Data(args.transformer, args.batch_tokens)
    pairs = [(data.ids(en), data.ids(fr)) for en, fr in pairs]
    print(len(pairs), "pairs to train on,", len(test), "held out", flush=True)
    table = load_file(os.path.join(args.transformer, "model.safetensors"))["model.shared.weight"].float()
    model = Recurrent(table, args.attention, args.encoder_hidden, args.decoder_hidden, args.attention_size)
    model.initialise()
    count = sum(weight.numel() for weight in model.parameters())
    print("parameters", count, flush=True)
    average, minutes = train(model, data, pairs, args)

    # What is scored is what is stored: the averaged weights in half precision.
    model.eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.copy_(average[name].half().float())
    sentences = list(test)
    greedy = score(translate(model, data, sentences), [test[text] for text in sentences])
    minutes = round(minutes, 1)
    scores = dict(steps=args.steps, minutes=minutes, parameters=count, sentences=len(sentences), greedy=greedy)
    print(scores, flush=True)
    weights = {name: byte_planes(weight.half()) for name, weight in model.named_parameters()}
    save_file(weights, os.path.join(args.out, "model.planes.safetensors"), metadata={"format": "pt"})
    config = model.config(data.pad, data.eos) | dict(torch_dtype="float16")
    json.dump(config, open(os.path.join(args.out, "config.json"), "w"), indent=1)
    json.dump(scores, open(os.path.join(args.out, "scores.json"), "w"), indent=1)


if __name__ == "__main__":
    main()
