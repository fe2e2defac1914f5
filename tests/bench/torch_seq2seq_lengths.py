#!/usr/bin/env python3
"""Peer of `wengert-bench seq2seq --lengths` in PyTorch: input feeding, rows of different lengths.

    wengert-bench seq2seq --lengths --print-lengths | torch_seq2seq_lengths.py [--threads N] [--steps N]

The same model, the same lengths in the same batches, Adam, clipping by norm 1: bidirectional encoder
(256 a direction) over packed sequences, general attention over the words that are there, decoder of
512 that reads its last attentional vector beside the word, embeddings of 256, 8000 words a side.
What does not wait for the decoder runs once for all its steps: keys, the words' part of the gates,
the output layer. Prints one JSON object: milliseconds a batch, and target words that are not
padding a second.
"""
import json
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

V, E, H = 8000, 256, 512


class Translator(nn.Module):
    def __init__(self):
        super().__init__()
        self.src, self.tgt = nn.Embedding(V, E), nn.Embedding(V, E)
        self.encoder = nn.LSTM(E, H // 2, bidirectional=True)
        self.word = nn.Linear(E, 4 * H)
        self.feed = nn.Linear(2 * H, 4 * H, bias=False)  # of [fed vector; h]
        self.key = nn.Linear(H, H, bias=False)
        self.combine = nn.Linear(2 * H, H)
        self.out = nn.Linear(H, V)

    def forward(self, x, lengths, y_in, y_out):
        packed = pack_padded_sequence(self.src(x), lengths, enforce_sorted=False)
        memory, (h, c) = self.encoder(packed)
        memory = pad_packed_sequence(memory)[0].transpose(0, 1).contiguous()
        rows = x.shape[1]
        h, c = (s.transpose(0, 1).reshape(rows, H) for s in (h, c))
        keys = self.key(memory).transpose(1, 2)
        absent = torch.arange(memory.shape[1])[None, None] >= lengths[:, None, None]
        words, fed, steps = self.word(self.tgt(y_in)), torch.zeros(rows, H), []
        for word in words:
            i, f, g, o = (word + self.feed(torch.cat([fed, h], -1))).chunk(4, -1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            scores = torch.bmm(h[:, None], keys).masked_fill(absent, -torch.inf)
            context = torch.bmm(torch.softmax(scores, -1), memory)[:, 0]
            fed = torch.tanh(self.combine(torch.cat([context, h], -1)))
            steps.append(fed)
        logits = self.out(torch.stack(steps))
        return nn.functional.cross_entropy(logits.flatten(0, 1), y_out.flatten(), ignore_index=-1)


def padded(lengths, fill):
    """Random words [longest, rows], `fill` after the end of each row."""
    words = torch.randint(V, (int(lengths.max()), len(lengths)))
    return words.masked_fill(torch.arange(len(words))[:, None] >= lengths, fill)


def option(name, fallback):
    return int(sys.argv[sys.argv.index(name) + 1]) if name in sys.argv else fallback


def main():
    torch.manual_seed(0)
    torch.set_num_threads(option("--threads", 1))
    batches, words = [], 0
    for line in json.load(sys.stdin)["batches"]:
        source, target = torch.tensor(line["source"]), torch.tensor(line["target"])
        batches.append((padded(source, 0), source, padded(target, 0), padded(target, -1)))
        words += int(target.sum())
    model = Translator()
    optimizer = torch.optim.Adam(model.parameters())

    def one_pass():
        for batch in batches:
            optimizer.zero_grad(set_to_none=False)
            model(*batch).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()

    one_pass()
    times = []
    for _ in range(option("--steps", 7)):
        start = time.perf_counter()
        one_pass()
        times.append(time.perf_counter() - start)
    seconds = statistics.median(times)
    print(json.dumps({"peer": "torch " + torch.__version__, "config": "seq2seq-lengths",
                      "ms": round(seconds / len(batches) * 1e3, 2),
                      "target_tokens_per_s": round(words / seconds)}))


main()
