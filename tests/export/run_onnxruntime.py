"""Runs an ONNX file by ONNX Runtime alone.

    python -I run_onnxruntime.py LIBRARIES MODEL.ONNX IMAGES.NPZ RESULTS.NPZ

LIBRARIES: where onnxruntime is installed.
"""

import sys

import numpy as np


def main(libraries: str, model: str, images: str, results: str) -> None:
    sys.path.append(libraries)
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    answers = {}
    for key, image in np.load(images).items():
        outputs = session.run(names, {"input_tensor": image[None]})
        answers |= {f"{key}/{name}": value for name, value in zip(names, outputs)}
    assert not {"tensorflow", "tfmask"} & set(sys.modules)
    np.savez(results, **answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
