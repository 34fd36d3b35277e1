"""Runs a LiteRT file by LiteRT's interpreter alone.

    python -I run_ai_edge_litert.py LIBRARIES MODEL.TFLITE IMAGES.NPZ RESULTS.NPZ

LIBRARIES: where ai_edge_litert is installed.
"""

import sys

import numpy as np


def main(libraries: str, model: str, images: str, results: str) -> None:
    sys.path.append(libraries)
    from ai_edge_litert.interpreter import Interpreter

    detect = Interpreter(model).get_signature_runner("serving_default")
    answers = {}
    for key, image in np.load(images).items():
        outputs = detect(input_tensor=image[None])
        answers |= {f"{key}/{name}": value for name, value in outputs.items()}
    assert not {"tensorflow", "tfmask"} & set(sys.modules)
    np.savez(results, **answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
