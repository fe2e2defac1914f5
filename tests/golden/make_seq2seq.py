#!/usr/bin/python3
"""Golden values of ten Adam steps of small translators: writes seq2seq.npz (one trained bias a
gate) and seq2seq_b2.npz (PyTorch's two). See README.md for the models and the names."""
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from golden_common import Archive

V_SRC, V_TGT, E, H, A, B = 11, 13, 6, 8, 7, 5
STEPS, LR, CLIP = 10, 0.01, 1.0
PAD, BOS, EOS = 0, 1, 2
BATCHES = (([4, 6, 1, 3, 5], [5, 7, 2, 4, 6]), ([5, 2, 4, 1, 3], [3, 6, 5, 2, 4]))


class Translator(nn.Module):
    """attention: 'general', 'dot' or 'additive'; feed: input feeding; gru: GRU, not LSTM."""

    def __init__(self, attention, feed, gru):
        super().__init__()
        self.attention, self.feed, self.gru = attention, feed, gru
        rnn = nn.GRU if gru else nn.LSTM
        self.src, self.tgt = nn.Embedding(V_SRC, E), nn.Embedding(V_TGT, E)
        self.encoder = rnn(E, H // 2, bidirectional=True)
        self.decoder = rnn(E + H if feed else E, H)
        if attention == "general":
            self.key = nn.Linear(H, H, bias=False)
        if attention == "additive":
            self.init = nn.Linear(H, H)
            self.query, self.memory = nn.Linear(H, A, bias=False), nn.Linear(H, A, bias=False)
            self.v = nn.Parameter(torch.zeros(A))
        self.combine = nn.Linear(2 * H, H)
        self.out = nn.Linear(H, V_TGT)

    def scores(self, d, memory):
        """d [B,T,H], memory [B,S,H] -> [B,T,S]"""
        if self.attention == "additive":
            q, k = self.query(d).unsqueeze(2), self.memory(memory).unsqueeze(1)
            return torch.tanh(q + k) @ self.v
        if self.attention == "general":
            d = self.key(d)
        return torch.bmm(d, memory.transpose(1, 2))

    def attend(self, d, memory, padding):
        """attentional vectors [T,B,H] and weights [T,B,S] of decoder outputs d [T,B,H]"""
        d = d.transpose(0, 1)
        scores = self.scores(d, memory).masked_fill(padding.unsqueeze(1), float("-inf"))
        weights = torch.softmax(scores, -1)
        mixed = torch.tanh(self.combine(torch.cat([torch.bmm(weights, memory), d], -1)))
        return mixed.transpose(0, 1), weights.transpose(0, 1)

    def forward(self, src, src_lengths, tgt_in):
        """logits [T,B,V] and attention weights [T,B,S]"""
        packed = pack_padded_sequence(self.src(src), src_lengths, enforce_sorted=False)
        memory, last = self.encoder(packed)
        memory = pad_packed_sequence(memory, total_length=src.shape[0])[0].transpose(0, 1)
        padding = torch.arange(src.shape[0]).unsqueeze(0) >= src_lengths.unsqueeze(1)
        # [2,B,H/2] -> [1,B,H]: forward direction first
        state = [s.transpose(0, 1).reshape(1, B, H) for s in ([last] if self.gru else last)]
        if self.attention == "additive":
            state = [torch.tanh(self.init(s)) for s in state]
        state = state[0] if self.gru else tuple(state)
        inputs = self.tgt(tgt_in)
        if not self.feed:
            mixed, weights = self.attend(self.decoder(inputs, state)[0], memory, padding)
            return self.out(mixed), weights
        mixed, all_mixed, all_weights = torch.zeros(1, B, H, dtype=torch.float64), [], []
        for t in range(tgt_in.shape[0]):
            d, state = self.decoder(torch.cat([inputs[t:t + 1], mixed], -1), state)
            mixed, weights = self.attend(d, memory, padding)
            all_mixed.append(mixed)
            all_weights.append(weights)
        return self.out(torch.cat(all_mixed)), torch.cat(all_weights)

    def one_bias(self):
        """Leaves one bias a gate: bias_hh is zero and stays so, but for b_hn of a GRU, which
        is inside the product with r and no duplicate. Masked gradients add nothing to the norm,
        and Adam leaves a parameter whose gradient is always zero where it is."""
        for name, p in self.named_parameters():
            if "bias_hh" in name:
                mask = torch.zeros_like(p)
                if self.gru:
                    mask[2 * p.shape[0] // 3:] = 1
                with torch.no_grad():
                    p.mul_(mask)
                p.register_hook(lambda g, mask=mask: g * mask)


def make_batches(a):
    batches = []
    for src_lengths, tgt_lengths in BATCHES:
        s, t = max(src_lengths), max(tgt_lengths)
        src, tgt_in, tgt_out = (torch.full((n, B), PAD, dtype=torch.int64) for n in (s, t, t))
        for b in range(B):
            n = src_lengths[b]
            src[:n, b] = torch.tensor(a.rng.randint(3, V_SRC, n))
            words = torch.tensor(a.rng.randint(3, V_TGT, tgt_lengths[b] - 1), dtype=torch.int64)
            tgt_in[:tgt_lengths[b], b] = torch.cat([torch.tensor([BOS]), words])
            tgt_out[:tgt_lengths[b], b] = torch.cat([words, torch.tensor([EOS])])
        batches.append((src, torch.tensor(src_lengths), tgt_in, tgt_out, torch.tensor(tgt_lengths)))
    return batches


def mean_loss(logits, tgt_out, tgt_lengths, smoothing):
    valid = torch.arange(logits.shape[0]).unsqueeze(1) < tgt_lengths
    rows = F.cross_entropy(logits[valid], tgt_out[valid], reduction="none",
                           label_smoothing=smoothing)
    return rows.sum() / valid.sum()


def put_params(a, prefix, named, gru, two):
    """One-bias variants store no bias_hh, but the b_hn of a GRU as bias_hn."""
    for name, v in named:
        if "bias_hh" in name and not two:
            if not gru:
                continue
            name, v = name.replace("bias_hh", "bias_hn"), v[2 * v.shape[0] // 3:]
        a.put(prefix + name, v)


def variant(a, name, attention, feed, gru, smoothing, two, batches):
    model = Translator(attention, feed, gru).double()
    # Wide enough that clipping acts in some steps and not in others.
    a.fill(model, scale=1.0 if two else 1.3)
    if not two:
        model.one_bias()
    put_params(a, f"{name}/init.", model.named_parameters(), gru, two)
    optimizer = torch.optim.Adam(model.parameters(), lr=LR, betas=(0.9, 0.999), eps=1e-8)
    losses, norms = [], []
    for step in range(STEPS):
        src, src_lengths, tgt_in, tgt_out, tgt_lengths = batches[step % len(batches)]
        optimizer.zero_grad()
        logits, weights = model(src, src_lengths, tgt_in)
        loss = mean_loss(logits, tgt_out, tgt_lengths, smoothing)
        loss.backward()
        if step == 0:
            valid = (torch.arange(tgt_in.shape[0]).unsqueeze(1) < tgt_lengths).unsqueeze(2)
            a.put(f"{name}/logits", logits * valid)
            a.put(f"{name}/attention", weights * valid)
            put_params(a, f"{name}/grad.", [(n, p.grad) for n, p in model.named_parameters()],
                       gru, two)
        norms.append(float(nn.utils.clip_grad_norm_(model.parameters(), CLIP)))
        losses.append(loss.item())
        optimizer.step()
    a.put(f"{name}/losses", losses)
    a.put(f"{name}/norms", norms)
    put_params(a, f"{name}/final.", model.named_parameters(), gru, two)
    print(name, "two biases" if two else "one bias")
    print("  losses", *(f"{v:.4f}" for v in losses))
    print("  norms ", *(f"{v:.4f}" for v in norms))


def main():
    for file, two, seed in (("seq2seq.npz", False, 20240601), ("seq2seq_b2.npz", True, 20240602)):
        a = Archive(seed)
        batches = make_batches(a)
        for k, batch in enumerate(batches):
            for n, v in zip(("src", "src_lengths", "tgt_in", "tgt_out", "tgt_lengths"), batch):
                a.put(f"batch{k}/{n}", v)
        variant(a, "luong", "general", False, False, 0.0, two, batches)
        variant(a, "bahdanau", "additive", True, True, 0.1, two, batches)
        variant(a, "luong-dot-if", "dot", True, False, 0.0, two, batches)
        a.write(file)


main()
