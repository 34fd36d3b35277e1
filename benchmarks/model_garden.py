"""TensorFlow Model Garden's Mask R-CNN at the same work, in its own environment.

    make garden
    .venv-garden/bin/python benchmarks/model_garden.py --what inference --size 512x512

R50-FPN with the two fully connected layers of the paper's box head, batched suppression
(its fastest), score threshold 0, 81 classes with background, 512 sampled rois. It
trains all layers with live batch normalisation. Its mask head runs on `--mask-rois`
rois an image, padded, 128 by default. Assigning anchors belongs to its input pipeline
and is not timed; it is part of tfmask's step.
"""

import json
import time

import common

common.quiet()

MAX_INSTANCES = 100  # its fixed padding of the ground truth


def task_config(shape, mask_rois: int):
    from official.vision.configs import maskrcnn as configs

    model = configs.MaskRCNN(
        num_classes=81,
        input_size=[shape[1], shape[2], 3],
        detection_head=configs.DetectionHead(num_convs=0, num_fcs=2),
        detection_generator=configs.DetectionGenerator(
            nms_version="batched", pre_nms_score_threshold=0.0
        ),
        mask_sampler=configs.MaskSampler(num_sampled_masks=mask_rois),
    )
    model.norm_activation.use_sync_bn = False
    return configs.MaskRCNNTask(
        model=model, losses=configs.Losses(l2_weight_decay=1e-4)
    )


def build(images, mask_rois: int):
    from official.vision.tasks import maskrcnn

    task = maskrcnn.MaskRCNNTask(task_config(images.shape, mask_rois))
    return task, task.build_model()


def normalised(images):
    import numpy as np

    mean, std = np.array([123.675, 116.28, 103.53]), np.array([58.395, 57.12, 57.375])
    return ((images - mean) / std).astype(np.float32)


def anchors(shape):
    """Anchors of an image, by level."""
    from official.vision.ops import anchor

    generator = anchor.build_anchor_generator(
        min_level=2,
        max_level=6,
        num_scales=1,
        aspect_ratios=[0.5, 1.0, 2.0],
        anchor_size=8.0,
    )
    return generator(image_size=(shape[1], shape[2]))


def labels(options, images):
    """What its input pipeline makes of the ground truth."""
    import numpy as np
    import tensorflow as tf
    from official.vision.ops import anchor

    boxes, classes, masks = common.instances(options.size, options.batch)
    boxes = boxes[..., [1, 0, 3, 2]]  # its boxes are y1 x1 y2 x2
    by_level = anchors(images.shape)
    labeler = anchor.RpnAnchorLabeler(0.7, 0.3, 256, 0.5)
    targets = [
        labeler.label_anchors(
            by_level, tf.constant(b), tf.constant(c[:, None], tf.float32)
        )
        for b, c in zip(boxes, classes)
    ]
    missing = MAX_INSTANCES - boxes.shape[1]

    def padded(value):
        pad = [(0, 0), (0, missing)] + [(0, 0)] * (value.ndim - 2)
        return tf.constant(np.pad(value, pad, constant_values=-1))

    def stacked(values):
        return tf.nest.map_structure(lambda *v: tf.stack(v), *values)

    height, width = common.height_width(options.size)
    info = np.array([[height, width], [height, width], [1, 1], [0, 0]], np.float32)
    return {
        "anchor_boxes": stacked([by_level] * len(boxes)),
        "image_info": tf.constant(np.tile(info, (len(boxes), 1, 1))),
        "rpn_score_targets": stacked([t[0] for t in targets]),
        "rpn_box_targets": stacked([t[1] for t in targets]),
        "gt_boxes": padded(boxes),
        "gt_classes": padded(classes),
        "gt_masks": padded(masks),
        "gt_outer_boxes": padded(boxes),
    }


def inference_call(options, model, images):
    """A function without arguments that runs the model once."""
    import tensorflow as tf

    x = tf.constant(normalised(images))
    shape = tf.constant([common.height_width(options.size)], tf.float32)
    by_level = tf.nest.map_structure(lambda a: a[None], anchors(images.shape))

    @tf.function
    def infer(images, image_shape):
        return model(images, image_shape, anchor_boxes=by_level, training=False)

    def call():
        return {k: v.numpy() for k, v in infer(x, shape).items() if "detection" in k}

    return call


def inference(options) -> dict:
    images = common.image_batch(options.size, 1)
    _, model = build(images, options.mask_rois)
    call = inference_call(options, model, images)
    seconds, times = common.time_calls(call, options)
    return {
        "seconds": seconds,
        "fastest": min(times),
        "peak GiB": common.peak_gib(),
        "detections": int(call()["num_detections"][0]),
    }


def exported(options) -> dict:
    """Its SavedModel, written by its own exporter for images of one size.

    The exporter asks for sides that are multiples of 64, the stride of its last level.
    """
    import tempfile

    import numpy as np
    import tensorflow as tf
    from official.core import config_definitions, export_base
    from official.vision.serving import detection

    sides = [-(-side // 64) * 64 for side in common.height_width(options.size)]
    task = task_config((1, *sides, 3), options.mask_rois)
    module = detection.DetectionModule(
        params=config_definitions.ExperimentConfig(task=task),
        batch_size=1,
        input_image_size=sides,
        input_type="image_tensor",
    )
    image = np.zeros((1, *sides, 3), np.uint8)
    pixels = common.image_batch(options.size, 1)
    image[:, : pixels.shape[1], : pixels.shape[2]] = pixels
    with tempfile.TemporaryDirectory() as folder:
        export_base.export(module, ["image_tensor"], folder, timestamped=False)
        started = time.perf_counter()
        model = tf.saved_model.load(folder)
        load = time.perf_counter() - started
        run = model.signatures["serving_default"]
        x = tf.constant(image)

        def call():
            return {name: value.numpy() for name, value in run(x).items()}

        count = int(call()["num_detections"][0])
        first = time.perf_counter() - started - load
        seconds, times = common.time_calls(call, options)
    return {
        "seconds": seconds,
        "fastest": min(times),
        "load": load,
        "first call": first,
        "peak GiB": common.peak_gib(),
        "detections": count,
    }


def training(options) -> dict:
    import tensorflow as tf
    import tf_keras

    images = common.image_batch(options.size, options.batch)
    task, model = build(images, options.mask_rois)
    optimizer = tf_keras.optimizers.SGD(1e-5, momentum=0.9)
    inputs = (tf.constant(normalised(images)), labels(options, images))

    @tf.function
    def step(inputs):
        return task.train_step(inputs, model, optimizer)

    def call():
        return {k: float(v) for k, v in step(inputs).items()}

    seconds, times = common.time_calls(call, options)
    return {
        "batch": options.batch,
        "trained": "all, live BN",
        "seconds": seconds,
        "fastest": min(times),
        "peak GiB": common.peak_gib(),
        "mask rois": options.mask_rois * options.batch,
        "loss": call()["loss"],
    }


def startup(options) -> dict:
    started = time.perf_counter()
    import tensorflow as tf
    from official.vision.tasks import maskrcnn  # noqa: F401

    tf.zeros([]).numpy()
    imported = time.perf_counter()
    images = common.image_batch(options.size, 1)
    _, model = build(images, options.mask_rois)
    built = time.perf_counter()
    call = inference_call(options, model, images)
    call()
    called = time.perf_counter()
    call()
    return {
        "import": imported - started,
        "build": built - imported,
        "first call": called - built,
        "second call": time.perf_counter() - called,
    }


def main() -> None:
    parser = common.parser(__doc__.splitlines()[0], repeats=5)
    works = {
        "inference": inference,
        "exported": exported,
        "training": training,
        "startup": startup,
    }
    parser.add_argument("--what", choices=works, default="inference")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--mask-rois", type=int, default=128)
    options = parser.parse_args()
    options.size = options.size or common.SIZES[0]
    row = {"what": options.what, "program": "Model Garden", "size": options.size}
    row |= works[options.what](options)
    if options.json:
        print(json.dumps(row))
    else:
        common.print_table([row], list(row))


if __name__ == "__main__":
    main()
