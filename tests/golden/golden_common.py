"""What the make_*.py scripts share: one seeded source of numbers and one way to write them.

All numbers drawn here are multiples of 2^-12 below 8 in magnitude, so that a test may feed them
to an f32 and to an f64 kernel and both see the very same input; PyTorch computes in f64 on one
thread.
"""
import os

import numpy as np
import torch

LIMIT = 200 * 1000  # bytes a committed file may have


class Archive:
    """Arrays by name, written as one deterministic compressed .npz beside the scripts."""

    def __init__(self, seed):
        torch.set_num_threads(1)
        torch.manual_seed(seed)
        self.rng = np.random.RandomState(seed)
        self.arrays = {}

    def draw(self, *shape, scale=1.0):
        """Uniform in [-scale, scale], exactly representable in f32; f64 tensor."""
        v = np.round(self.rng.uniform(-scale, scale, shape) * 4096) / 4096
        return torch.tensor(v, dtype=torch.float64)

    def fill(self, module, scale=0.5):
        """Draws every parameter of a module anew (biases too)."""
        with torch.no_grad():
            for _, p in sorted(module.named_parameters()):
                p.copy_(self.draw(*p.shape, scale=scale))

    def put(self, name, value, dtype=None):
        """Integers become i32, masks u8, everything else f64."""
        if isinstance(value, torch.Tensor):
            value = value.detach().cpu().numpy()
        value = np.array(value, order="C")
        if dtype is None:
            if value.dtype == np.bool_:
                dtype = np.uint8
            elif np.issubdtype(value.dtype, np.integer):
                dtype = np.int32
            else:
                dtype = np.float64
        assert name not in self.arrays, name
        assert not np.isnan(value.astype(np.float64)).any(), name
        self.arrays[name] = value.astype(dtype).copy()

    def write(self, name):
        here = os.path.dirname(os.path.abspath(__file__))
        path = os.path.join(os.environ.get("GOLDEN_OUT", here), name)
        np.savez_compressed(path, **self.arrays)
        size = os.path.getsize(path)
        with np.load(path) as back:
            assert sorted(back.files) == sorted(self.arrays)
            for key in back.files:
                assert np.array_equal(back[key], self.arrays[key]), key
        print(f"{path}: {len(self.arrays)} arrays, {size} bytes, torch {torch.__version__}, "
              f"numpy {np.__version__}")
        assert size < LIMIT, "too large to commit"
