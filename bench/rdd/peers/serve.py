"""A peer's side of the protocol; see serve.ts."""

import json
import sys
import time


def serve(cases):
    answer({"ready": True})
    for line in sys.stdin:
        name, *fields = line.rstrip("\n").split("\t")
        start = time.perf_counter()
        try:
            check = [float(value) for value in cases[name](*fields)]
            answer({"ms": (time.perf_counter() - start) * 1000, "check": check})
        except Exception as error:
            answer({"error": (str(error) or repr(error)).splitlines()[0]})


def answer(line):
    print("@@" + json.dumps(line), flush=True)
