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
            {"precision": p, "recall": r, "f1": f, "support": int(s)}
            for p, r, f, s in zip(precision, recall, f1, support)
        ]
    return {"precision": precision, "recall": recall, "f1": f1}


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    # As the network gives them: float32. Rounded, so that scores are equal now and then.
    return np.round(powers / powers.sum(axis=1, keepdims=True), 2).astype(np.float32)


def classification(rows, classes, spread):
    truth = random.integers(0, classes, rows)
    logits = random.normal(size=(rows, classes))
    logits[np.arange(rows), truth] += spread
    probabilities = softmax(logits)
    p = probabilities.astype(np.float64)
    predicted = p.argmax(axis=1)
    labels = list(range(classes))
    if classes == 2:
        roc, pr = m.roc_auc_score(truth, p[:, 1]), m.average_precision_score(truth, p[:, 1])
        brier = m.brier_score_loss(truth, p[:, 1])
    else:
        roc = np.mean([m.roc_auc_score(truth == k, p[:, k]) for k in labels])
        pr = np.mean([m.average_precision_score(truth == k, p[:, k]) for k in labels])
        brier = np.mean(((np.eye(classes)[truth] - p) ** 2).sum(axis=1))
    return {
        "truth": truth.tolist(),
        "probabilities": probabilities.astype(np.float64).ravel().tolist(),
        "classes": classes,
        "confusion": m.confusion_matrix(truth, predicted, labels=labels).ravel().tolist(),
        "metrics": {
            "rows": rows,
            "accuracy": m.accuracy_score(truth, predicted),
            "perClass": averages(truth, predicted, None, labels=labels),
            "macro": averages(truth, predicted, "macro"),
            "weighted": averages(truth, predicted, "weighted"),
            "logLoss": m.log_loss(truth, p, labels=labels),
            "brier": brier,
            "rocAuc": roc,
            "prAuc": pr,
        },
        "balanced": compute_class_weight("balanced", classes=np.unique(truth), y=truth).tolist(),
    }


def many_label(rows, labels):
    truth = (random.random((rows, labels)) < 0.3).astype(int)
    p = np.round(1 / (1 + np.exp(-(2.5 * truth - 1 + random.normal(size=truth.shape)))), 2)
    p = p.astype(np.float32).astype(np.float64)
    predicted = (p >= 0.5).astype(int)
    return {
        "truth": truth.ravel().tolist(),
        "probabilities": p.ravel().tolist(),
        "labels": labels,
        "metrics": {
            "rows": rows,
            "accuracy": m.accuracy_score(truth, predicted),
            "hammingLoss": m.hamming_loss(truth, predicted),
            "perClass": averages(truth, predicted, None),
            "micro": averages(truth, predicted, "micro"),
            "macro": averages(truth, predicted, "macro"),
            "weighted": averages(truth, predicted, "weighted"),
            "logLoss": m.log_loss(truth.ravel(), p.ravel()),
            "brier": m.brier_score_loss(truth.ravel(), p.ravel()),
            "rocAuc": m.roc_auc_score(truth, p, average="macro"),
            "prAuc": m.average_precision_score(truth, p, average="macro"),
        },
    }


def regression(rows, targets):
    truth = random.normal(1000, 3, size=(rows, targets))
    predicted = truth + random.normal(0.5, 1, size=truth.shape)
    return {
        "truth": truth.ravel().tolist(),
        "predictions": predicted.ravel().tolist(),
        "targets": targets,
        "metrics": {
            "rows": rows,
            "mse": m.mean_squared_error(truth, predicted),
            "rmse": m.root_mean_squared_error(truth, predicted),
            "mae": m.mean_absolute_error(truth, predicted),
            "r2": m.r2_score(truth, predicted),
            "explainedVariance": m.explained_variance_score(truth, predicted),
            "maxError": float(np.abs(truth - predicted).max()),
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
Path(__file__).with_name("expected.jsonl").write_text(json.dumps(expected) + "\n")
