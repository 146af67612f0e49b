"""Records how PyTorch trains small networks from given weights, for torch-training.ts.

    python torch_training.py > torch-training.json     # torch 2.15.0, float64; any recent version gives the same
    npx biome format --write torch-training.json

Networks and updates are described as Sheaf describes them; what is made of them here is PyTorch's own modules, losses and
optimizers. All numbers that go in are float32, so both begin alike. Two habits of PyTorch are undone: its moving variance
is that of a sample (Keras': of the population), and its weight decay would act on biases too.
"""

import json

import torch
from torch import nn
from torch.nn import functional as F

torch.set_default_dtype(torch.float64)
ROWS, BATCH, STEPS = 24, 12, 12


def float32(tensor):
    """Values with few digits that float32 holds as written."""
    return (tensor * 4096).round() / 4096


def numbers(tensor):
    return [float(f"{value:.9g}") for value in tensor.detach().flatten().tolist()]


def activation(spec):
    kind, options = (spec, {}) if isinstance(spec, str) else (spec["kind"], spec)
    return {
        "relu": nn.ReLU,
        "leaky-relu": lambda: nn.LeakyReLU(options.get("negativeSlope", 0.2)),
        "elu": lambda: nn.ELU(options.get("alpha", 1.0)),
        "gelu": lambda: nn.GELU("tanh" if options.get("approximate") else "none"),
        "tanh": nn.Tanh,
        "sigmoid": nn.Sigmoid,
        "softplus": nn.Softplus,
    }[kind]()


def modules(network):
    width, made = network["inputs"], []
    for layer in network["hidden"]:
        made.append(nn.Linear(width, layer["units"]))
        width = layer["units"]
        if layer.get("normalization") == "layer":
            made.append(nn.LayerNorm(width, eps=1e-3))
        elif "normalization" in layer:
            momentum = layer["normalization"]["momentum"]
            made.append(nn.BatchNorm1d(width, eps=1e-3, momentum=1 - momentum))
        if "activation" in layer:
            made.append(activation(layer["activation"]))
    return nn.Sequential(*made, nn.Linear(width, network["outputs"]))


def loss_of(network):
    """A function of outputs, labels and weights of rows, the mean over the batch."""
    spec = network["loss"] if isinstance(network["loss"], dict) else {"kind": network["loss"]}
    classes = torch.tensor(network["classWeights"]) if "classWeights" in network else None
    smoothing = spec.get("labelSmoothing", 0)
    if spec["kind"] == "softmax-cross-entropy" and classes is not None:
        return lambda y, labels, weights: nn.CrossEntropyLoss(weight=classes)(y, labels)

    def each(y, labels):
        if spec["kind"] == "softmax-cross-entropy":
            return F.cross_entropy(y, labels, reduction="none", label_smoothing=smoothing)
        positive = torch.tensor(spec["positiveWeights"]) if "positiveWeights" in spec else None
        per_value = {
            "binary-cross-entropy": lambda: F.binary_cross_entropy_with_logits(
                y, labels, reduction="none", pos_weight=positive
            ),
            "mean-squared-error": lambda: F.mse_loss(y, labels, reduction="none"),
            "mean-absolute-error": lambda: F.l1_loss(y, labels, reduction="none"),
            "huber": lambda: F.huber_loss(y, labels, reduction="none", delta=spec.get("delta", 1.0)),
        }[spec["kind"]]()
        return per_value.mean(1)

    return lambda y, labels, weights: (each(y, labels) * weights).sum() / weights.sum()


def optimizer_of(model, network, spec):
    kernels = [module.weight for module in model if isinstance(module, nn.Linear)]
    others = [p for p in model.parameters() if all(p is not kernel for kernel in kernels)]
    groups = [{"params": kernels, "weight_decay": network.get("l2", 0)}, {"params": others, "weight_decay": 0}]
    if spec["kind"] == "adam":
        return torch.optim.Adam(groups, lr=spec["learningRate"], eps=spec["epsilon"])
    momentum, nesterov = spec.get("momentum", 0), spec.get("nesterov", False)
    return torch.optim.SGD(groups, lr=spec["learningRate"], momentum=momentum, nesterov=nesterov)


def population_variance(module, steps):
    """Of the moving variance, which began at 1, what batches of this size would have left without Bessel's correction."""
    kept = (1 - module.momentum) ** steps
    return (module.running_var - kept) * (BATCH - 1) / BATCH + kept


def theta_of(model, steps):
    """All parameters in Sheaf's layout."""
    parts = []
    for module in model:
        if isinstance(module, nn.Linear):
            parts += [module.weight.T, module.bias]
        elif isinstance(module, nn.LayerNorm):
            parts += [module.weight, module.bias]
        elif isinstance(module, nn.BatchNorm1d):
            parts += [module.weight, module.bias, module.running_mean, population_variance(module, steps)]
    return torch.cat([part.flatten() for part in parts])


def record(network, optimizer, weighted=False):
    torch.manual_seed(7)
    model = modules(network)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(float32(parameter + 0.05 * torch.randn_like(parameter)))
    features = float32(torch.randn(ROWS, network["inputs"]))
    outputs, kind = network["outputs"], str(network["loss"])
    if "softmax" in kind:
        labels = torch.randint(outputs, (ROWS,))
    elif "binary" in kind:
        labels = torch.randint(2, (ROWS, outputs)).to(torch.float64)
    else:
        labels = float32(2 * torch.randn(ROWS, outputs))
    weights = float32(torch.rand(ROWS) * 2) if weighted else torch.ones(ROWS)
    case = {"network": network, "optimizer": optimizer, "start": numbers(theta_of(model, 0))}
    case |= {"features": numbers(features), "labels": numbers(labels)}
    if weighted:
        case["weights"] = numbers(weights)
    loss, steps = loss_of(network), optimizer_of(model, network, optimizer)
    batches, losses = [], []
    for step in range(STEPS):
        rows = torch.randperm(ROWS)[:BATCH]
        value = loss(model(features[rows]), labels[rows], weights[rows])
        steps.zero_grad()
        value.backward()
        steps.step()
        batches.append(rows.tolist())
        losses.append(value)
        if step == 0:
            case["first"] = numbers(theta_of(model, 1))
    case |= {"batches": batches, "losses": numbers(torch.stack(losses)), "last": numbers(theta_of(model, STEPS))}
    model.eval()
    for module in model:
        if isinstance(module, nn.BatchNorm1d):
            module.running_var.copy_(population_variance(module, STEPS))
    return case | {"values": numbers(model(features))}


def network(hidden, outputs, loss, **more):
    return {"inputs": 4, "hidden": hidden, "outputs": outputs, "loss": loss, **more}


SOFTMAX, BINARY = "softmax-cross-entropy", "binary-cross-entropy"
MOMENTUM = {"kind": "sgd", "learningRate": 0.1, "momentum": 0.9}
NESTEROV = {**MOMENTUM, "nesterov": True}
SGD = {"kind": "sgd", "learningRate": 0.2}
# Epsilon is added at another place than in Keras' formula: a small one makes no difference. (But not below batch
# normalisation, where the biases' gradients are nothing but rounding, of which Adam would make whole steps.)
ADAM = {"kind": "adam", "learningRate": 0.02, "epsilon": 1e-12}
BATCH_NORM = {"kind": "batch-normalization", "momentum": 0.9}

CASES = [
    record(network([{"units": 6, "activation": "relu"}, {"units": 5, "activation": "relu"}], 3, SOFTMAX, l2=0.05), MOMENTUM),
    record(network([{"units": 6, "activation": "gelu", "normalization": BATCH_NORM}], 3, SOFTMAX), MOMENTUM),
    record(network([{"units": 6, "activation": "relu", "normalization": BATCH_NORM}], 1, "mean-squared-error"), SGD),
    record(network([{"units": 6, "activation": "tanh", "normalization": "layer"}], 3, SOFTMAX), ADAM),
    record(network([{"units": 6, "activation": "leaky-relu"}], 3, SOFTMAX, classWeights=[0.5, 1, 3]), NESTEROV),
    record(network([{"units": 6, "activation": "elu"}], 3, {"kind": SOFTMAX, "labelSmoothing": 0.1}), MOMENTUM, True),
    record(network([{"units": 6, "activation": {"kind": "gelu", "approximate": True}}], 1, BINARY), NESTEROV),
    record(network([{"units": 6, "activation": "softplus"}], 3, {"kind": BINARY, "positiveWeights": [1, 4, 0.5]}), ADAM),
    record(network([{"units": 6, "activation": "sigmoid"}], 2, {"kind": "huber", "delta": 0.5}), MOMENTUM, True),
    record(network([{"units": 6, "activation": "tanh"}], 2, "mean-absolute-error"), ADAM),
]
print("[\n" + ",\n".join(json.dumps(case) for case in CASES) + "\n]")
