#!/usr/bin/python3
"""Golden values of single ops, first and second derivatives: writes ops.npz. Names in README.md."""
import torch
from torch.nn import functional as F

from golden_common import Archive

INF = float("inf")


def first(a, name, function, inputs, extra=None):
    """Stores inputs, y = function(inputs), a cotangent gy and the gradients of sum(y * gy)."""
    leaves = {k: v.detach().clone().requires_grad_() for k, v in inputs.items()}
    y = function(**leaves)
    gy = a.draw(*y.shape)
    grads = torch.autograd.grad(y, list(leaves.values()), grad_outputs=gy)
    for k, v in leaves.items():
        a.put(f"{name}/{k}", v)
    for k, v in (extra or {}).items():
        a.put(f"{name}/{k}", v)
    a.put(f"{name}/y", y)
    a.put(f"{name}/gy", gy)
    for k, g in zip(leaves, grads):
        a.put(f"{name}/grad.{k}", g)


def second(a, name, function, inputs):
    """g = gradient of sum(y * gy); also the gradient of q = sum of all squares of all g."""
    leaves = {k: v.detach().clone().requires_grad_() for k, v in inputs.items()}
    y = function(**leaves)
    gy = a.draw(*y.shape)
    grads = torch.autograd.grad((y * gy).sum(), list(leaves.values()), create_graph=True)
    q = sum((g * g).sum() for g in grads)
    twice = torch.autograd.grad(q, list(leaves.values()), allow_unused=True)
    for k, v in leaves.items():
        a.put(f"{name}/{k}", v)
    a.put(f"{name}/y", y)
    a.put(f"{name}/gy", gy)
    a.put(f"{name}/q", q)
    for (k, v), g, h in zip(leaves.items(), grads, twice):
        a.put(f"{name}/grad.{k}", g)
        a.put(f"{name}/grad2.{k}", torch.zeros_like(v) if h is None else h)


def elementwise(a):
    far = torch.tensor([[-40.0, -20.0, 0.0, 20.0, 40.0]]).double()
    wide = torch.cat([a.draw(3, 5, scale=2), far])
    first(a, "gelu", F.gelu, {"input": wide})
    first(a, "gelu_tanh", lambda input: F.gelu(input, approximate="tanh"), {"input": wide})
    # PyTorch's default becomes the identity above 20, which is wrong from the ninth digit on.
    first(a, "softplus", lambda input: F.softplus(input, threshold=50), {"input": wide})
    first(a, "sigmoid", torch.sigmoid, {"input": wide})
    first(a, "tanh", torch.tanh, {"input": wide})
    first(a, "erf", torch.erf, {"input": wide})
    first(a, "leaky_relu", lambda input: F.leaky_relu(input, 0.125), {"input": a.draw(4, 3, scale=2)})
    # The bounds themselves are among the elements: derivative 1 there.
    edge = torch.cat([a.draw(11, scale=2), torch.tensor([-0.5, 1.25, INF, -INF]).double()])
    first(a, "clamp", lambda input: input.clamp(-0.5, 1.25), {"input": edge})
    first(a, "pow_scalar", lambda input: input ** 2.5, {"input": a.draw(3, 4).abs() + 0.25})
    first(a, "pow_scalar_int", lambda input: input ** 3, {"input": a.draw(3, 4, scale=2)})
    first(a, "pow_scalar_negative", lambda input: input ** -1.5, {"input": a.draw(3, 4).abs() + 0.25})
    first(a, "pow", torch.pow, {"input": a.draw(3, 1, 5).abs() + 0.25, "exponent": a.draw(2, 1, scale=3)})
    mask = torch.tensor(a.rng.randint(0, 2, (3, 1, 4)).astype(bool))
    first(a, "where", lambda a, b: torch.where(mask, a, b),
          {"a": a.draw(2, 4), "b": a.draw(3, 2, 1)}, {"mask": mask})
    # The branch not taken holds infinities: a mask that multiplies gives NaN.
    taken = torch.tensor([True, False, True, False])
    first(a, "where_inf", lambda a, b: torch.where(taken, a, b),
          {"a": torch.tensor([1.5, INF, -2.25, -INF]).double(),
           "b": torch.tensor([INF, 0.5, -INF, 3.0]).double()}, {"mask": taken})
    first(a, "lerp", lambda a, b, w: torch.lerp(a, b, w),
          {"a": a.draw(3, 4), "b": a.draw(3, 4), "w": a.draw(3, 4)})


def softmaxes(a):
    x = torch.cat([a.draw(4, 6, scale=3), 256 * a.draw(2, 6, scale=4)]).reshape(2, 3, 6)
    masked = x.clone()
    masked[0, 1, 2:5] = masked[1, 2, 0] = -INF
    first(a, "softmax", lambda input: F.softmax(input, -1), {"input": x})
    first(a, "softmax_inf", lambda input: F.softmax(input, -1), {"input": masked})
    first(a, "log_softmax", lambda input: F.log_softmax(input, -1), {"input": x})
    for name, axes in (("0", (0,)), ("1", (1,)), ("02", (0, 2)), ("12", (1, 2)), ("all", (0, 1, 2))):
        first(a, "logsumexp_" + name, lambda input: torch.logsumexp(input, axes), {"input": x})
        first(a, "norm_" + name, lambda input: torch.linalg.vector_norm(input, dim=axes), {"input": x})
    first(a, "logsumexp_inf", lambda input: torch.logsumexp(input, (1, 2)), {"input": masked})
    first(a, "logsumexp_keep", lambda input: torch.logsumexp(input, (0, 2), keepdim=True), {"input": x})
    zero = a.draw(3, 4)
    zero[1] = 0  # derivative 0 where the norm is 0
    first(a, "norm_zero_row", lambda input: torch.linalg.vector_norm(input, dim=1), {"input": zero})
    first(a, "max_ties", lambda input: torch.amax(input, 1),
          {"input": torch.tensor([[1.0, 3, 3, 2], [5, 5, 5, 5], [0, -1, -2, -3]]).double()})

    target = torch.tensor(a.rng.randint(0, 7, (5, 3)))
    mask = torch.tensor(a.rng.randint(0, 4, (5, 3)) > 0)
    mask[2] = False
    assert mask.any()
    ignored = torch.where(mask, target, torch.tensor(-100))
    logits = a.draw(5, 3, 7, scale=3)
    for name, labels, smoothing in (("", target, 0.0), ("_smooth", target, 0.1),
                                    ("_mask", ignored, 0.0), ("_mask_smooth", ignored, 0.1)):
        def rows(input, reduction="none"):
            y = F.cross_entropy(input.reshape(-1, 7), labels.reshape(-1), reduction=reduction,
                                label_smoothing=smoothing)
            return y.reshape(5, 3) if reduction == "none" else y
        first(a, "cross_entropy" + name, rows, {"input": logits},
              {"target": target, "mask": labels >= 0, "smoothing": smoothing,
               "mean": rows(logits, "mean")})


def products(a):
    for name, s, t in (("2d", (3, 4), (4, 5)), ("batched", (2, 3, 4), (2, 4, 5)),
                       ("right_2d", (2, 3, 4), (4, 5)), ("left_2d", (3, 4), (2, 4, 5)),
                       ("broadcast", (2, 1, 3, 4), (6, 4, 5)), ("one", (1, 1, 4), (3, 4, 1)),
                       ("empty_k", (3, 0), (0, 5))):
        first(a, "matmul_" + name, lambda a, b: torch.matmul(a, b), {"a": a.draw(*s), "b": a.draw(*t)})
    for name, ta, tb, s, t in (("tn", True, False, (2, 4, 3), (4, 5)), ("nt", False, True, (2, 3, 4), (5, 4)),
                               ("tt", True, True, (2, 4, 3), (2, 5, 4))):
        def product(a, b):
            return torch.matmul(a.transpose(-1, -2) if ta else a, b.transpose(-1, -2) if tb else b)
        first(a, "matmul_" + name, product, {"a": a.draw(*s), "b": a.draw(*t)})
    first(a, "layer_norm", lambda input, weight, bias: F.layer_norm(input, (6,), weight, bias, 1e-5),
          {"input": a.draw(2, 3, 6, scale=2), "weight": a.draw(6), "bias": a.draw(6)})
    # Rows of nearly no variance: here eps decides.
    first(a, "layer_norm_flat", lambda input: F.layer_norm(input, (6,), eps=1e-5),
          {"input": torch.round(a.draw(3, 6) * 8) / 4096 + 1})


def indexing(a):
    ids = torch.tensor([[1, 4, 1], [0, 1, 6]])
    first(a, "embedding", lambda table: F.embedding(ids, table), {"table": a.draw(7, 4)}, {"ids": ids})
    for axis in (0, 1, 2):
        shape = [3, 4, 5]
        n = shape[axis]
        shape[axis] = 6
        index = torch.tensor(a.rng.randint(0, n, shape))
        first(a, f"gather_{axis}", lambda input: torch.gather(input, axis, index),
              {"input": a.draw(3, 4, 5)}, {"index": index})
        first(a, f"scatter_add_{axis}", lambda base, src: base.scatter_add(axis, index, src),
              {"base": a.draw(3, 4, 5), "src": a.draw(*shape)}, {"index": index})
    x = a.draw(2, 3, 8, scale=4)
    assert all(len(set(row.tolist())) == 8 for row in x.reshape(-1, 8))  # no ties
    for k in (1, 3, 8):
        first(a, f"topk_{k}", lambda input: torch.topk(input, k, sorted=True)[0], {"input": x},
              {"indices": torch.topk(x, k, sorted=True)[1]})


def lstm(x, h, c, w_ih, w_hh, b):
    """Three steps, gates i, f, g, o; y = all hidden states and the last cell state."""
    ys = []
    for t in range(x.shape[0]):
        i, f, g, o = (x[t] @ w_ih.t() + h @ w_hh.t() + b).chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        ys.append(h)
    return torch.stack(ys + [c])


def twice(a):
    second(a, "twice_tanh", torch.tanh, {"input": a.draw(3, 4, scale=2)})
    second(a, "twice_sigmoid", torch.sigmoid, {"input": a.draw(3, 4, scale=2)})
    second(a, "twice_softmax", lambda input: F.softmax(input, -1), {"input": a.draw(3, 5, scale=2)})
    second(a, "twice_layer_norm",
           lambda input, weight, bias: F.layer_norm(input, (5,), weight, bias, 1e-5),
           {"input": a.draw(3, 5, scale=2), "weight": a.draw(5), "bias": a.draw(5)})
    second(a, "twice_lstm", lstm,
           {"x": a.draw(3, 2, 5), "h": a.draw(2, 4), "c": a.draw(2, 4), "w_ih": a.draw(16, 5),
            "w_hh": a.draw(16, 4), "b": a.draw(16)})


def main():
    a = Archive(20240701)
    for group in (elementwise, softmaxes, products, indexing, twice):
        group(a)
    a.write("ops.npz")


main()
