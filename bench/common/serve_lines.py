"""A peer's side of the protocol; see serve.ts."""

import json
import sys


def serve_lines(run):
    answer({"ready": True})
    for line in sys.stdin:
        try:
            answer(run(line.rstrip("\n").split("\t")))
        except Exception as error:
            answer({"error": (str(error) or repr(error)).splitlines()[0]})


def answer(line):
    print("@@" + json.dumps(line), flush=True)
