"""The public weight files, written in their real formats, and their import."""

import json
import pickle
from pathlib import Path

import numpy as np
from weights import public_names
from weights.keras_files import write_keras_2
from weights.torch_files import write_legacy, write_zip

from tfmask.config import ModelConfig
from tfmask.configs import lineages
from tfmask.weights import importer

MANIFEST = Path(__file__).parents[1] / "golden" / "manifest.json"
FULL_SIZE = (
    "torchvision today",
    "detectron2 zoo",
    "tensorpack",
    "maskrcnn_benchmark",
    "keras_applications",
)
CLASS_LAYERS = [
    f"{layer}/{weight}"
    for layer in ("box_head/class_logits", "box_head/deltas", "mask_head/predictor")
    for weight in ("kernel", "bias")
]


def manifest_shapes(case):
    entry = json.loads(MANIFEST.read_text())[case]
    return {name: tuple(shape) for name, shape in entry["parameters"].items()}


def write_pickle(path, arrays):
    content = {"model": arrays, "__author__": "Detectron2 Model Zoo"}
    path.write_bytes(pickle.dumps(content))
    return str(path)


def write_blobs(path, arrays):
    path.write_bytes(pickle.dumps({"blobs": arrays}, protocol=2))
    return str(path)


def write_npz(path, arrays):
    np.savez(path, **arrays)
    return str(path)


def write_wrapped(path, arrays):
    arrays = {f"module.{name}": value for name, value in arrays.items()}
    return write_zip(path, arrays, lambda w: {"model": w, "iteration": 90000})


# name: (format, preset, writer, file, shapes)
FILES = {
    "torchvision today": (
        "torchvision",
        lineages.torchvision,
        write_zip,
        "maskrcnn.pth",
        lambda: manifest_shapes("torchvision_maskrcnn_r50_fpn"),
    ),
    "torchvision released": (
        "torchvision",
        lineages.torchvision,
        write_legacy,
        "maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth",
        public_names.torchvision_released,
    ),
    "torchvision ImageNet": (
        "torchvision",
        lineages.torchvision,
        write_zip,
        "resnet50-0676ba61.pth",
        public_names.torchvision_imagenet,
    ),
    "detectron2 zoo": (
        "detectron2",
        lineages.detectron2,
        write_pickle,
        "model_final_a54504.pkl",
        lambda: manifest_shapes("detectron2_mask_rcnn_r50_fpn"),
    ),
    "detectron2 training": (
        "detectron2",
        lineages.detectron2,
        lambda path, arrays: write_zip(path, arrays, lambda w: {"model": w}),
        "model_final.pth",
        lambda: manifest_shapes("detectron2_mask_rcnn_r50_fpn"),
    ),
    "detectron2 MSRA": (
        "detectron2",
        lineages.detectron2,
        write_blobs,
        "R-50.pkl",
        public_names.caffe2_trunk,
    ),
    "detectron2 renamed trunk": (
        "detectron2",
        lineages.detectron2,
        write_pickle,
        "r50.pkl",
        public_names.detectron2_trunk,
    ),
    "tensorpack": (
        "tensorpack",
        lineages.tensorpack,
        write_npz,
        "COCO-MaskRCNN-R50FPN2x.npz",
        public_names.tensorpack_detector,
    ),
    "tensorpack ImageNet": (
        "tensorpack",
        lineages.tensorpack,
        write_npz,
        "ImageNet-R50-AlignPadding.npz",
        public_names.tensorpack_trunk,
    ),
    "maskrcnn_benchmark": (
        "maskrcnn_benchmark",
        lineages.maskrcnn_benchmark,
        write_wrapped,
        "e2e_mask_rcnn_R_50_FPN_1x.pth",
        public_names.maskrcnn_benchmark,
    ),
    "keras_applications": (
        "keras_applications",
        lineages.detectron2,
        write_keras_2,
        "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
        public_names.keras_applications,
    ),
    "keras_applications 2016": (
        "keras_applications",
        lineages.detectron2,
        write_keras_2,
        "resnet50_weights_notop_2016.h5",
        lambda: public_names.keras_applications(old=True),
    ),
}


def widened(shapes: dict) -> dict:
    """Shapes of the full-size model."""
    narrow = {8, 16, 32, 64, 128, 256, 32 * 49}
    return {
        path: tuple(8 * n if n in narrow else n for n in shape)
        for path, shape in shapes.items()
    }


def model_shapes(built_shapes, settings: ModelConfig) -> dict:
    """Shapes of the model of these settings: the class layers are all that varies."""
    deltas = 4 * (settings.num_classes + settings.boxes.head.background_row)
    masks = settings.num_classes + settings.mask.head.background_channel
    sizes = {"class_logits": settings.num_classes + 1}
    sizes |= {"deltas": deltas, "predictor": masks}
    return {
        path: (*shape[:-1], sizes[path.split("/")[1]])
        if path in CLASS_LAYERS
        else shape
        for path, shape in built_shapes.items()
    }


def settings_of(preset, format_name):
    settings = preset().model
    settings.num_classes = 90 if format_name == "torchvision" else 80
    return settings


def imported(
    name,
    built_shapes,
    tmp_path,
    change=lambda settings: None,
    full_size=False,
    **options,
):
    format_name, preset, write, file, shapes = FILES[name]
    arrays = public_names.fill(shapes() if full_size else public_names.narrow(shapes()))
    path = write(tmp_path / file, arrays)
    settings = settings_of(preset, format_name)
    change(settings)
    built = widened(built_shapes) if full_size else built_shapes
    plan = importer.plan_import(
        format_name,
        importer.read_source(format_name, path),
        model_shapes(built, settings),
        settings,
        f"{format_name}:{path}",
        **options,
    )
    return arrays, plan, settings
