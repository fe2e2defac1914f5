#!/usr/bin/python3
"""Golden values of recurrent networks: writes rnn.npz (with lengths) and rnn_full.npz
(without). See README.md for names and layouts."""
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from golden_common import Archive

T, B, X, H, P = 7, 4, 5, 6, 3
LENGTHS = torch.tensor([5, 7, 1, 3])  # unsorted on purpose


class GruBefore(nn.Module):
    """GRU with the reset gate applied before the product (Cho et al. 2014), PyTorch's z:

    r = s(W_ir x + b_ir + W_hr h + b_hr), z likewise,
    n = tanh(W_in x + b_in + W_hn (r * h) + b_hn), h' = (1 - z) n + z h.
    With before = False the same loop is PyTorch's own GRU; main() uses that to check the loop.
    """

    def __init__(self, before=True):
        super().__init__()
        self.before = before
        for name, shape in (("weight_ih_l0", (3 * H, X)), ("weight_hh_l0", (3 * H, H)),
                            ("bias_ih_l0", (3 * H,)), ("bias_hh_l0", (3 * H,))):
            self.register_parameter(name, nn.Parameter(torch.zeros(shape, dtype=torch.float64)))

    def run(self, x, h, lengths):
        w_ih, w_hh, b_ih, b_hh = (p.chunk(3) for p in (self.weight_ih_l0, self.weight_hh_l0,
                                                       self.bias_ih_l0, self.bias_hh_l0))
        ys = []
        for t in range(x.shape[0]):
            i = [x[t] @ w_ih[g].t() + b_ih[g] for g in range(3)]
            r, z = (torch.sigmoid(i[g] + h @ w_hh[g].t() + b_hh[g]) for g in range(2))
            if self.before:
                n = torch.tanh(i[2] + (r * h) @ w_hh[2].t() + b_hh[2])
            else:
                n = torch.tanh(i[2] + r * (h @ w_hh[2].t() + b_hh[2]))
            new = (1 - z) * n + z * h
            valid = (t < lengths).unsqueeze(1)
            h = torch.where(valid, new, h)
            ys.append(torch.where(valid, new, torch.zeros_like(new)))
        return torch.stack(ys), h


def forward(module, x, states, lengths):
    """y [T,B,D*H], list of final states; lengths None: no packing."""
    if isinstance(module, GruBefore):
        full = torch.full((B,), T) if lengths is None else lengths
        y, h = module.run(x, states[0][0], full)
        return y, [h.unsqueeze(0)]
    hx = tuple(states) if len(states) > 1 else states[0]
    if lengths is None:
        y, last = module(x, hx)
    else:
        packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
        y, last = module(packed, hx)
        y, _ = pad_packed_sequence(y, total_length=T)
    return y, list(last) if isinstance(last, tuple) else [last]


def case(a, name, module, layers, directions, widths, lengths):
    """One network: draws inputs, runs, differentiates, stores. widths: of h (and c)."""
    module = module.double()
    a.fill(module)
    x = a.draw(T, B, X, scale=1.5)
    if lengths is not None:
        # Garbage that would dominate everything if it leaked, but is finite.
        padding = (torch.arange(T).unsqueeze(1) >= lengths).unsqueeze(2)
        x = torch.where(padding, 4096.0 * a.draw(T, B, X, scale=4), x)
        a.put(name + "/lengths", lengths)
    x.requires_grad_()
    states = [a.draw(layers * directions, B, w).requires_grad_() for w in widths]
    y, last = forward(module, x, states, lengths)
    cotangents = [a.draw(*v.shape) for v in [y] + last]
    loss = sum((v * g).sum() for v, g in zip([y] + last, cotangents))
    params = sorted(module.named_parameters())
    names = ["x"] + ["h0", "c0"][:len(states)] + [n for n, _ in params]
    leaves = [x] + states + [p for _, p in params]
    grads = torch.autograd.grad(loss, leaves)
    for n, v in zip(names, leaves):
        a.put(f"{name}/{n}", v)
    for n, v in zip(["y", "h_n", "c_n"], [y] + last):
        a.put(f"{name}/{n}", v)
    for n, v in zip(["gy", "gh_n", "gc_n"], cotangents):
        a.put(f"{name}/{n}", v)
    for n, v in zip(names, grads):
        a.put(f"{name}/grad.{n}", v)
    a.put(f"{name}/loss", loss)
    if lengths is not None:
        # The promise to the tests: other garbage, the same values, and no gradient into it.
        assert (grads[0] * padding == 0).all() and (y * padding == 0).all()
        other = torch.where(padding, -3.0 * x, x)
        assert torch.equal(forward(module, other, states, lengths)[0], y)


def check_loop(a):
    """The hand-written loop is PyTorch's GRU when the reset gate comes after the product."""
    loop, ours = GruBefore(before=False), nn.GRU(X, H).double()
    a.fill(ours)
    loop.load_state_dict(ours.state_dict())
    x, h = a.draw(T, B, X), a.draw(1, B, H)
    for lengths in (None, LENGTHS):
        one, two = forward(loop, x, [h], lengths), forward(ours, x, [h], lengths)
        assert torch.allclose(one[0], two[0], rtol=0, atol=1e-14)
        assert torch.allclose(one[1][0], two[1][0], rtol=0, atol=1e-14)


def main():
    check_loop(Archive(1))
    for file, suffix, lengths, seed in (("rnn.npz", "len", LENGTHS, 20240501),
                                        ("rnn_full.npz", "full", None, 20240502)):
        a = Archive(seed)
        for name, make, layers, directions, widths in (
                ("lstm1", lambda: nn.LSTM(X, H), 1, 1, (H, H)),
                ("lstm2", lambda: nn.LSTM(X, H, 2), 2, 1, (H, H)),
                ("bilstm1", lambda: nn.LSTM(X, H, bidirectional=True), 1, 2, (H, H)),
                ("bilstm2", lambda: nn.LSTM(X, H, 2, bidirectional=True), 2, 2, (H, H)),
                ("lstmp1", lambda: nn.LSTM(X, H, proj_size=P), 1, 1, (P, H)),
                ("gru1", lambda: nn.GRU(X, H), 1, 1, (H,)),
                ("bigru1", lambda: nn.GRU(X, H, bidirectional=True), 1, 2, (H,)),
                ("gru_before1", GruBefore, 1, 1, (H,)),
                ("rnn1", lambda: nn.RNN(X, H), 1, 1, (H,))):
            case(a, f"{name}.{suffix}", make(), layers, directions, widths, lengths)
        a.write(file)


main()
