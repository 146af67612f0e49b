"""What TensorFlow for Python reads from a folder of exports, as JSON on stdout: python_reads.py FOLDER"""

import glob
import json
import os
import sys

import numpy as np
import tensorflow as tf

folder = sys.argv[1]
features = np.fromfile(os.path.join(folder, "features.f32"), np.float32)
answers = {}
for path in sorted(glob.glob(os.path.join(folder, "models", "*"))):
    serve = tf.saved_model.load(path).signatures["serving_default"]
    (spec,) = serve.structured_input_signature[1].values()
    given = serve(features=tf.constant(features.reshape(-1, spec.shape[1])))
    answers[os.path.basename(path)] = {
        "inputs": [str(spec.dtype.name), spec.shape.as_list()],
        "outputs": {
            name: [text.decode() for text in value.numpy()] if value.dtype == tf.string else value.numpy().tolist()
            for name, value in given.items()
        },
    }

scalars = []
for path in sorted(glob.glob(os.path.join(folder, "board", "**", "events.*"), recursive=True)):
    for event in tf.compat.v1.train.summary_iterator(path):
        for value in event.summary.value:
            run = os.path.relpath(os.path.dirname(path), os.path.join(folder, "board"))
            scalars.append([run, event.step, value.tag, value.simple_value])

json.dump({"answers": answers, "scalars": scalars}, sys.stdout)
