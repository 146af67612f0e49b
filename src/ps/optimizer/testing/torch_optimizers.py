"""Records what PyTorch's optimizers and schedules do, for torch.test.ts.

    python torch_optimizers.py > torch-optimizers.json     # torch 2.15.0; any recent version gives the same to 6 digits

Epsilons are small: it is added at another place than in Keras' formulas.
"""

import json

import torch

STEPS, LENGTH, AT = 20, 6, (1, 5, 20)
torch.manual_seed(1)
START = torch.randn(LENGTH)
GRADIENTS = torch.randn(STEPS, LENGTH)


def values(vector):
    return [float(f"{value:.8g}") for value in vector.tolist()]


def trajectory(make, before=lambda parameters: None):
    theta = START.clone().requires_grad_()
    optimizer = make([theta])
    seen = []
    for step in range(STEPS):
        theta.grad = GRADIENTS[step].clone()
        before([theta])
        optimizer.step()
        if step + 1 in AT:
            seen.append(values(theta.detach()))
    return seen


def case(update, make, before=lambda parameters: None):
    return {"update": update, "theta": trajectory(make, before)}


optim, clip = torch.optim, torch.nn.utils
sgd = {"kind": "sgd", "learningRate": 0.1}
rms = {"kind": "rmsprop", "learningRate": 0.01, "rho": 0.9, "epsilon": 1e-12}
adam = {"kind": "adam", "learningRate": 0.01, "epsilon": 1e-12}
cases = [
    case({"optimizer": sgd}, lambda p: optim.SGD(p, 0.1)),
    case({"optimizer": {**sgd, "momentum": 0.9}}, lambda p: optim.SGD(p, 0.1, momentum=0.9)),
    case({"optimizer": {**sgd, "momentum": 0.9, "nesterov": True}}, lambda p: optim.SGD(p, 0.1, momentum=0.9, nesterov=True)),
    case({"optimizer": {**sgd, "momentum": 0.9}, "l2": 0.05}, lambda p: optim.SGD(p, 0.1, momentum=0.9, weight_decay=0.05)),
    case({"optimizer": sgd, "clipNorm": 0.5}, lambda p: optim.SGD(p, 0.1), lambda p: clip.clip_grad_norm_(p, 0.5)),
    case({"optimizer": sgd, "clipValue": 0.5}, lambda p: optim.SGD(p, 0.1), lambda p: clip.clip_grad_value_(p, 0.5)),
    case(
        {"optimizer": {"kind": "adagrad", "learningRate": 0.1, "initialAccumulator": 0.1, "epsilon": 1e-10}},
        lambda p: optim.Adagrad(p, 0.1, initial_accumulator_value=0.1, eps=1e-10),
    ),
    case({"optimizer": rms}, lambda p: optim.RMSprop(p, 0.01, alpha=0.9, eps=1e-12)),
    case({"optimizer": {**rms, "momentum": 0.8}}, lambda p: optim.RMSprop(p, 0.01, alpha=0.9, eps=1e-12, momentum=0.8)),
    case({"optimizer": {**rms, "centered": True}}, lambda p: optim.RMSprop(p, 0.01, alpha=0.9, eps=1e-12, centered=True)),
    case({"optimizer": adam}, lambda p: optim.Adam(p, 0.01, eps=1e-12)),
    case({"optimizer": {**adam, "amsgrad": True}}, lambda p: optim.Adam(p, 0.01, eps=1e-12, amsgrad=True)),
    case(
        {"optimizer": {**adam, "kind": "adamw", "weightDecay": 0.1}},
        lambda p: optim.AdamW(p, 0.01, eps=1e-12, weight_decay=0.1),
    ),
]


def rates(schedule, make, steps=20):
    optimizer = optim.SGD([torch.zeros(1, requires_grad=True)], 1.0)
    scheduler = make(optimizer)
    seen = []
    for _ in range(steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return {"schedule": schedule, "rates": [float(f"{rate:.10g}") for rate in seen]}


lr = optim.lr_scheduler
schedules = [
    rates({"kind": "step", "every": {"steps": 4}, "factor": 0.5}, lambda o: lr.StepLR(o, 4, 0.5)),
    rates({"kind": "exponential", "every": {"steps": 1}, "factor": 0.9}, lambda o: lr.ExponentialLR(o, 0.9)),
    rates(
        {"kind": "piecewise", "boundaries": [{"steps": 3}, {"steps": 9}], "factors": [1, 0.1, 0.01]},
        lambda o: lr.MultiStepLR(o, [3, 9], 0.1),
    ),
    rates({"kind": "cosine", "over": {"steps": 19}, "final": 0.1}, lambda o: lr.CosineAnnealingLR(o, 19, 0.1)),
    rates({"kind": "polynomial", "over": {"steps": 12}, "power": 2}, lambda o: lr.PolynomialLR(o, 12, 2)),
    rates(
        {"kind": "one-cycle", "over": {"steps": 20}},
        lambda o: lr.OneCycleLR(o, 1.0, total_steps=20, cycle_momentum=False),
        19,
    ),
]

print(
    json.dumps(
        {
            "torch": torch.__version__.split("+")[0],
            "at": AT,
            "start": values(START),
            "gradients": [values(gradient) for gradient in GRADIENTS],
            "cases": cases,
            "schedules": schedules,
        },
        separators=(",", ":"),
    )
)
