"""What the cores can do at most: products of square matrices, by the faster of PyTorch's libraries and NumPy's OpenBLAS.

python peak.py THREADS
"""

import json
import pathlib
import sys
import time

sys.path.append(str(pathlib.Path(__file__).parents[2] / "common"))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from serve_lines import serve_lines  # noqa: E402

torch.set_num_threads(int(sys.argv[1]))
SIZE = {"f32": 2048, "bf16": 4096}


def fastest(multiply, size, times=3):
    """GFLOP/s of the fastest of some products: a peak."""
    multiply()
    least = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        multiply()
        least = min(least, time.perf_counter() - start)
    return 2 * size**3 / least / 1e9


def peak(precision):
    size = SIZE[precision]
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b, out = (torch.randn(size, size).to(kind) for _ in range(3))
    libraries = {"PyTorch": fastest(lambda: torch.mm(a, b, out=out), size)}
    if precision != "bf16":
        x, y, z = (matrix.numpy() for matrix in (a, b, out))
        libraries["OpenBLAS"] = fastest(lambda: np.matmul(x, y, out=z), size)
    return {"gflops": max(libraries.values()), "libraries": libraries}


serve_lines(lambda line: peak(**json.loads(line[1])))
