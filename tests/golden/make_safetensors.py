#!/usr/bin/python3
"""A safetensors file written by the letter of the format's description (8 bytes of header length,
JSON, data), with PyTorch as the witness of the 16-bit types: writes types.safetensors and, with the
values that reading it must give, types.npz. See README.md."""
import json
import os
import struct

import numpy as np
import torch

HERE = os.environ.get("GOLDEN_OUT", os.path.dirname(os.path.abspath(__file__)))


def main():
    rng = np.random.RandomState(20240503)
    real = torch.tensor(np.concatenate([
        rng.standard_normal(40) * 10.0 ** rng.randint(-9, 5, 40),
        [0.0, -0.0, np.inf, -np.inf, 65504.0, 65520.0, 2.0 ** -24, 2.0 ** -25, 6e-8, 1e-40],
    ]), dtype=torch.float32).reshape(2, 25)
    half, brain = real.to(torch.float16), real.to(torch.bfloat16)
    # In order of the data; the header names them in another order.
    raw = [
        ("double", "F64", real.double().numpy().tobytes(), [2, 25], real.double().numpy()),
        ("long", "I64", np.array([-2**31, 2**31 - 1, 7], "<i8").tobytes(), [3],
         np.array([-2**31, 2**31 - 1, 7], np.int32)),
        ("single", "F32", real.numpy().tobytes(), [2, 25], real.numpy()),
        ("half", "F16", half.numpy().tobytes(), [2, 25], half.float().numpy()),
        ("brain", "BF16", brain.view(torch.int16).numpy().tobytes(), [2, 25],
         brain.float().numpy()),
        ("scalar", "F32", np.float32(2.5).tobytes(), [], np.array(2.5, np.float32)),
        ("mask", "BOOL", bytes([1, 0, 1]), [3, 1], np.array([[1], [0], [1]], np.uint8)),
    ]
    header, at = {}, 0
    for name, dtype, data, shape, _ in raw:
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    header = {"__metadata__": {"format": "pt", "note": "\u00e4 \"quoted\""},
              **dict(sorted(header.items()))}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(HERE, "types.safetensors"), "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(r[2] for r in raw))
    np.savez_compressed(os.path.join(HERE, "types.npz"), **{r[0]: r[4] for r in raw})


main()
