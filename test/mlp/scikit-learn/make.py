"""Writes expected.jsonl: small random cases and what scikit-learn makes of them.

    pip install scikit-learn && python test/mlp/scikit-learn/make.py
"""

import json
from pathlib import Path

import numpy as np
import sklearn
from sklearn import metrics as m
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils.class_weight import compute_class_weight

random = np.random.default_rng(7)


def averages(truth, predicted, average, **more):
    precision, recall, f1, support = m.precision_recall_fscore_support(
        truth, predicted, average=average, zero_division=0, **more
    )
    if average is None:
        return [
            {"precision": p, "recall": r, "f1": f, "support": float(s)}
            for p, r, f, s in zip(precision, recall, f1, support)
        ]
    return {"precision": precision, "recall": recall, "f1": f1}


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    # As the network gives them: float32. Rounded, so that scores are equal now and then.
    return np.round(powers / powers.sum(axis=1, keepdims=True), 2).astype(np.float32)


def weights_of(rows):
    # Some that no sum of float64 holds exactly, and rows that do not count.
    return random.choice([0, 0.1, 1 / 3, 2.5, 7], rows)


def classification(rows, classes, spread, weighted=False):
    truth = random.integers(0, classes, rows)
    logits = random.normal(size=(rows, classes))
    logits[np.arange(rows), truth] += spread
    probabilities = softmax(logits)
    p = probabilities.astype(np.float64)
    predicted = p.argmax(axis=1)
    labels = list(range(classes))
    w = {"sample_weight": weights_of(rows)} if weighted else {}
    if classes == 2:
        roc, pr = m.roc_auc_score(truth, p[:, 1], **w), m.average_precision_score(truth, p[:, 1], **w)
        brier = m.brier_score_loss(truth, p[:, 1], **w)
    else:
        roc = np.mean([m.roc_auc_score(truth == k, p[:, k], **w) for k in labels])
        pr = np.mean([m.average_precision_score(truth == k, p[:, k], **w) for k in labels])
        brier = np.average(((np.eye(classes)[truth] - p) ** 2).sum(axis=1), weights=w.get("sample_weight"))
    return {
        **given(w),
        "truth": truth.tolist(),
        "probabilities": probabilities.astype(np.float64).ravel().tolist(),
        "classes": classes,
        "confusion": m.confusion_matrix(truth, predicted, labels=labels, **w).ravel().tolist(),
        "metrics": {
            "rows": rows,
            "accuracy": m.accuracy_score(truth, predicted, **w),
            "perClass": averages(truth, predicted, None, labels=labels, **w),
            "macro": averages(truth, predicted, "macro", **w),
            "weighted": averages(truth, predicted, "weighted", **w),
            "logLoss": m.log_loss(truth, p, labels=labels, **w),
            "brier": brier,
            "rocAuc": roc,
            "prAuc": pr,
        },
        "balanced": compute_class_weight("balanced", classes=np.unique(truth), y=truth).tolist(),
    }


def given(w):
    return {"weights": w["sample_weight"].tolist()} if w else {}


def many_label(rows, labels, weighted=False):
    truth = (random.random((rows, labels)) < 0.3).astype(int)
    p = np.round(1 / (1 + np.exp(-(2.5 * truth - 1 + random.normal(size=truth.shape)))), 2)
    p = p.astype(np.float32).astype(np.float64)
    predicted = (p >= 0.5).astype(int)
    w = {"sample_weight": weights_of(rows)} if weighted else {}
    each = {"sample_weight": np.repeat(w["sample_weight"], labels)} if weighted else {}
    return {
        **given(w),
        "truth": truth.ravel().tolist(),
        "probabilities": p.ravel().tolist(),
        "labels": labels,
        "metrics": {
            "rows": rows,
            "accuracy": m.accuracy_score(truth, predicted, **w),
            "hammingLoss": m.hamming_loss(truth, predicted, **w),
            "perClass": averages(truth, predicted, None, **w),
            "micro": averages(truth, predicted, "micro", **w),
            "macro": averages(truth, predicted, "macro", **w),
            "weighted": averages(truth, predicted, "weighted", **w),
            "logLoss": m.log_loss(truth.ravel(), p.ravel(), **each),
            "brier": m.brier_score_loss(truth.ravel(), p.ravel(), **each),
            "rocAuc": m.roc_auc_score(truth, p, average="macro", **w),
            "prAuc": m.average_precision_score(truth, p, average="macro", **w),
        },
    }


def regression(rows, targets, weighted=False):
    truth = random.normal(1000, 3, size=(rows, targets))
    predicted = truth + random.normal(0.5, 1, size=truth.shape)
    w = {"sample_weight": weights_of(rows)} if weighted else {}
    counts = w["sample_weight"] > 0 if weighted else np.full(rows, True)
    return {
        **given(w),
        "truth": truth.ravel().tolist(),
        "predictions": predicted.ravel().tolist(),
        "targets": targets,
        "metrics": {
            "rows": rows,
            "mse": m.mean_squared_error(truth, predicted, **w),
            "rmse": m.root_mean_squared_error(truth, predicted, **w),
            "mae": m.mean_absolute_error(truth, predicted, **w),
            "r2": m.r2_score(truth, predicted, **w),
            "explainedVariance": m.explained_variance_score(truth, predicted, **w),
            "maxError": float(np.abs(truth - predicted)[counts].max()),
        },
    }


def scaling(rows, columns):
    matrix = random.normal(50, 20, size=(rows, columns)).astype(np.float32)
    matrix[:, 0] = 7
    x = matrix.astype(np.float64)
    return {
        "matrix": x.ravel().tolist(),
        "columns": columns,
        "standard": StandardScaler().fit_transform(x).ravel().tolist(),
        "centred": StandardScaler(with_std=False).fit_transform(x).ravel().tolist(),
        "spread": StandardScaler(with_mean=False).fit_transform(x).ravel().tolist(),
        "minMax": MinMaxScaler(feature_range=(-1, 2)).fit_transform(x).ravel().tolist(),
    }


expected = {
    "version": sklearn.__version__,
    "classification": [classification(120, 2, 1.0), classification(150, 5, 0.7), classification(40, 3, 6.0)],
    "manyLabel": [many_label(80, 4)],
    "regression": [regression(90, 1), regression(60, 3)],
    "scaling": scaling(40, 3),
}
expected["classification"] += [classification(120, 2, 1.0, True), classification(150, 5, 0.7, True)]
expected["manyLabel"].append(many_label(80, 4, True))
expected["regression"] += [regression(90, 1, True), regression(60, 3, True)]
Path(__file__).with_name("expected.jsonl").write_text(json.dumps(expected) + "\n")
