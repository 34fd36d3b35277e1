"""Runs a converted model by OpenVINO alone.

    python -I run_openvino.py LIBRARIES MODEL.XML IMAGES.NPZ RESULTS.NPZ

LIBRARIES: where openvino is installed.
"""

import json
import sys
from pathlib import Path

import numpy as np


def main(libraries: str, model: str, images: str, results: str) -> None:
    sys.path.append(libraries)
    import openvino

    facts = json.loads(Path(model).with_name("tfmask.json").read_text())
    compiled = openvino.Core().compile_model(model, "CPU", facts["compile_options"])
    answers = {}
    for key, image in np.load(images).items():
        outputs = compiled({"input_tensor": image[None]})
        answers |= {f"{key}/{o.get_any_name()}": v for o, v in outputs.items()}
    assert not {"tensorflow", "tfmask"} & set(sys.modules)
    np.savez(results, **answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
