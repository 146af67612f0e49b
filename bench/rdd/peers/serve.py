"""A line names a case and its arguments; the answer holds its time and its result."""

import pathlib
import sys
import time

sys.path.append(str(pathlib.Path(__file__).parents[2] / "common"))
from serve_lines import serve_lines  # noqa: E402


def serve(cases):
    def run(fields):
        name, *arguments = fields
        start = time.perf_counter()
        check = [float(value) for value in cases[name](*arguments)]
        return {"ms": (time.perf_counter() - start) * 1000, "check": check}

    serve_lines(run)
