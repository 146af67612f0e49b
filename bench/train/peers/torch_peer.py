"""PyTorch on the processor: rows and weights resident, another order of rows in every epoch, each batch gathered in one call
into memory that is kept (no data loader).

    python torch_peer.py eager|compile THREADS          one process
    python torch_peer.py ddp|ddp-compile PROCESSES      DistributedDataParallel over gloo, one thread and core a process
"""

import contextlib
import json
import math
import os
import pathlib
import socket
import subprocess
import sys
import time

sys.path.append(str(pathlib.Path(__file__).parents[2] / "common"))

import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch.distributed as dist  # noqa: E402
from serve_lines import serve_lines  # noqa: E402
from torch.nn.parallel import DistributedDataParallel  # noqa: E402

mode, count, *place = sys.argv[1:]
compiled = mode.endswith("compile")
world = int(count) if mode.startswith("ddp") else 1
rank = int(place[0]) if place else 0
torch.set_num_threads(1 if world > 1 else int(count))
torch.set_flush_denormal(True)


def idx(path):
    data = np.fromfile(path, np.uint8)
    dimensions = int(data[3])
    shape = data[4 : 4 + 4 * dimensions].view(">i4")
    return data[4 + 4 * dimensions :].reshape(shape)


loaded = {}


def resident(files, rows=None):
    """The rows as tensors; of a distributed training this process' part of them."""
    key = (files["images"], rows)
    if key not in loaded:
        images, labels = idx(files["images"])[:rows], idx(files["labels"])[:rows]
        order = np.random.default_rng(1).permutation(len(images))[rank::world] if rows else slice(None)
        x = torch.from_numpy(images.reshape(len(images), -1)[order].astype(np.float32) / 255)
        loaded[key] = x, torch.from_numpy(labels[order].astype(np.int64))
    return loaded[key]


class Trainer:
    def __init__(self, case):
        widths = case["widths"]
        layers = [torch.nn.Linear(a, b) for a, b in zip(widths, widths[1:])]
        stack = [part for layer in layers[:-1] for part in (layer, torch.nn.ReLU())] + [layers[-1]]
        self.case, self.layers, self.model = case, layers, torch.nn.Sequential(*stack)
        self.reset()
        model = self.model
        if world > 1:
            model = DistributedDataParallel(model, gradient_as_bucket_view=True, static_graph=not compiled)
        bf16 = case["precision"] == "bf16"

        def loss_of(x, y):
            with torch.autocast("cpu", torch.bfloat16) if bf16 else contextlib.nullcontext():
                return torch.nn.functional.cross_entropy(model(x), y)

        self.loss_of = torch.compile(loss_of, dynamic=False) if compiled else loss_of

    @torch.no_grad()
    def reset(self):
        """Initial weights as Keras has them for such networks: he-uniform, of the last layer glorot-uniform."""
        torch.manual_seed(1)
        for layer in self.layers:
            outputs, inputs = layer.weight.shape
            limit = math.sqrt(6 / (inputs + (outputs if layer is self.layers[-1] else 0)))
            layer.weight.uniform_(-limit, limit)
            layer.bias.zero_()
            layer.weight.grad = layer.bias.grad = None
        parameters, settings = self.model.parameters(), self.case["optimizer"]
        if settings["kind"] == "adam":
            self.optimizer = torch.optim.Adam(parameters, lr=settings["learningRate"], eps=1e-7, fused=True)
        else:
            rate, momentum = settings["learningRate"], settings["momentum"]
            self.optimizer = torch.optim.SGD(parameters, lr=rate, momentum=momentum, fused=True)

    def epoch(self, x, y):
        """The mean loss; one value is kept a step, and read at the end."""
        batch = self.case["batch"] // world
        order = torch.randperm(len(x))
        rows, labels = torch.empty(batch, x.shape[1]), torch.empty(batch, dtype=y.dtype)
        losses = []
        for at in range(0, len(x), batch):
            chosen = order[at : at + batch]
            torch.index_select(x, 0, chosen, out=rows[: len(chosen)])
            torch.index_select(y, 0, chosen, out=labels[: len(chosen)])
            loss = self.loss_of(rows[: len(chosen)], labels[: len(chosen)])
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            losses.append(loss.detach())
        mean = torch.stack(losses).mean()
        if world > 1:
            dist.all_reduce(mean)
        return mean.item() / world

    @torch.no_grad()
    def accuracy(self, x, y):
        return (self.model(x).argmax(1) == y).double().mean().item()


trainers = {}


def trainer(case):
    """Compiled networks are kept, and begin anew: only the first fit compiles."""
    key = json.dumps(case)
    if not compiled or key not in trainers:
        trainers[key] = Trainer(case)
    else:
        trainers[key].reset()
    return trainers[key]


def fit(case, train):
    x, y = resident(train, case["rows"])
    start = time.perf_counter()
    training = trainer(case)
    seconds, losses = [], []
    for _ in range(case["epochs"]):
        begun = time.perf_counter()
        losses.append(training.epoch(x, y))
        seconds.append(time.perf_counter() - begun)
    return {"seconds": time.perf_counter() - start, "epochSeconds": seconds, "losses": losses}


def race(race, train, test):
    x, y = resident(train, race["case"]["rows"])
    test_x, test_y = resident(test)
    start = time.perf_counter()
    training = trainer(race["case"])
    seconds, accuracy = time.perf_counter() - start, 0.0
    for epoch in range(1, race["maxEpochs"] + 1):
        start = time.perf_counter()
        training.epoch(x, y)
        seconds += time.perf_counter() - start
        accuracy = training.accuracy(test_x, test_y)
        if accuracy >= race["target"]:
            return {"seconds": seconds, "epochs": epoch, "accuracy": accuracy}
    return {"skipped": f"{accuracy:.4f} after {race['maxEpochs']} epochs"}


def run(line):
    name, arguments = line
    return {"fit": fit, "race": race}[name](**json.loads(arguments))


def on_all(line):
    """The first process takes the orders and tells the others."""
    dist.broadcast_object_list([line])
    return run(line)


def serve_distributed():
    cores = sorted(os.sched_getaffinity(0))
    others = []
    if rank == 0:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        for other in range(1, world):
            others.append(subprocess.Popen([sys.executable, *sys.argv[:3], str(other), port], stdin=subprocess.DEVNULL))
    else:
        port = place[1]
    os.sched_setaffinity(0, {cores[rank % len(cores)]})
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=world)
    if rank == 0:
        serve_lines(on_all)
        for other in others:
            other.terminate()
    else:
        while True:
            line = [None]
            dist.broadcast_object_list(line)
            run(line[0])


if world > 1:
    serve_distributed()
else:
    serve_lines(run)
