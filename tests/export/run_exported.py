"""Runs exported models where tfmask cannot be imported: what a stock process sees.

    python -I run_exported.py REQUESTS RESULTS

REQUESTS, an .npz: `i/folder`, `i/signature` and `i/input` of each request i.
RESULTS, an .npz: `i/NAME` of each output, or `i/error`.
"""

import sys

import numpy as np

sys.modules["tfmask"] = None

import tensorflow as tf  # noqa: E402


def main(requests: str, results: str) -> None:
    asked, answers, models = np.load(requests, allow_pickle=True), {}, {}
    for i in sorted({key.split("/")[0] for key in asked}, key=int):
        folder, signature, value = (
            asked[f"{i}/{key}"] for key in ("folder", "signature", "input")
        )
        folder, signature = str(folder), str(signature)
        if folder not in models:
            models[folder] = tf.saved_model.load(folder)
        function = models[folder].signatures[signature]
        (name,) = function.structured_input_signature[1]
        value = value.tolist() if value.dtype == object else value
        try:
            outputs = function(**{name: tf.constant(value)})
        except tf.errors.InvalidArgumentError as error:
            answers[f"{i}/error"] = np.array(error.message)
        else:
            answers |= {f"{i}/{key}": v.numpy() for key, v in outputs.items()}
    assert sys.modules["tfmask"] is None
    np.savez(results, **answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
