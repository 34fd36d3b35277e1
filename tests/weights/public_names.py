"""Names and shapes of the public weight files, as their code bases document them."""

import numpy as np

DEPTHS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
_TORCH_NORM = ("weight", "bias", "running_mean", "running_var")


def blocks(depth):
    """(stage 0..3, block, input channels, inner channels, has a shortcut)."""
    channels = 64
    for stage, count in enumerate(DEPTHS[depth]):
        inner = 64 * 2**stage
        for block in range(count):
            yield stage, block, channels, inner, block == 0
            channels = 4 * inner


def _torch_resnet(prefix, stem, depth, buffers):
    shapes = {f"{prefix}{stem}conv1.weight": (64, 3, 7, 7)}

    def norm(name, channels):
        for key in _TORCH_NORM:
            shapes[f"{prefix}{name}.{key}"] = (channels,)
        if buffers:
            shapes[f"{prefix}{name}.num_batches_tracked"] = ()

    norm(f"{stem}bn1", 64)
    for stage, block, channels, inner, shortcut in blocks(depth):
        name = f"layer{stage + 1}.{block}."
        shapes[f"{prefix}{name}conv1.weight"] = (inner, channels, 1, 1)
        norm(name + "bn1", inner)
        shapes[f"{prefix}{name}conv2.weight"] = (inner, inner, 3, 3)
        norm(name + "bn2", inner)
        shapes[f"{prefix}{name}conv3.weight"] = (4 * inner, inner, 1, 1)
        norm(name + "bn3", 4 * inner)
        if shortcut:
            shapes[f"{prefix}{name}downsample.0.weight"] = (4 * inner, channels, 1, 1)
            norm(name + "downsample.1", 4 * inner)
    return shapes


def torchvision_imagenet(depth=50):
    """`resnet50-0676ba61.pth`."""
    return _torch_resnet("", "", depth, True) | {
        "fc.weight": (1000, 2048),
        "fc.bias": (1000,),
    }


def _torch_heads(names, classes):
    """Neck and heads; `names` are the names of the layers in the order used here."""
    layers = iter(names)
    shapes = {}

    def add(*shape, out=0):
        name = next(layers)
        shapes[f"{name}.weight"] = shape
        shapes[f"{name}.bias"] = (shape[out],)

    for channels in (256, 512, 1024, 2048):
        add(256, channels, 1, 1)
    for _ in range(4):
        add(256, 256, 3, 3)
    add(256, 256, 3, 3)
    add(3, 256, 1, 1)
    add(12, 256, 1, 1)
    add(1024, 256 * 49)
    add(1024, 1024)
    add(classes + 1, 1024)
    add(4 * (classes + 1), 1024)
    for _ in range(4):
        add(256, 256, 3, 3)
    add(256, 256, 2, 2, out=1)
    add(classes + 1, 256, 1, 1)
    return shapes


def torchvision_released():
    """`maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth`, older than today's module nesting."""
    fpn = [f"backbone.fpn.inner_blocks.{i}" for i in range(4)]
    fpn += [f"backbone.fpn.layer_blocks.{i}" for i in range(4)]
    rpn = [f"rpn.head.{n}" for n in ("conv", "cls_logits", "bbox_pred")]
    box = [f"roi_heads.box_head.{n}" for n in ("fc6", "fc7")]
    box += [f"roi_heads.box_predictor.{n}" for n in ("cls_score", "bbox_pred")]
    mask = [f"roi_heads.mask_head.mask_fcn{i}" for i in range(1, 5)]
    mask += [f"roi_heads.mask_predictor.{n}" for n in ("conv5_mask", "mask_fcn_logits")]
    trunk = _torch_resnet("backbone.body.", "", 50, False)
    return trunk | _torch_heads(fpn + rpn + box + mask, 90)


def maskrcnn_benchmark(classes=80, depth=50):
    """`e2e_mask_rcnn_R_50_FPN_1x.pth`, without its `module.` prefix."""
    fpn = [f"backbone.fpn.fpn_inner{i}" for i in range(1, 5)]
    fpn += [f"backbone.fpn.fpn_layer{i}" for i in range(1, 5)]
    rpn = [f"rpn.head.{n}" for n in ("conv", "cls_logits", "bbox_pred")]
    box = [f"roi_heads.box.feature_extractor.{n}" for n in ("fc6", "fc7")]
    box += [f"roi_heads.box.predictor.{n}" for n in ("cls_score", "bbox_pred")]
    mask = [f"roi_heads.mask.feature_extractor.mask_fcn{i}" for i in range(1, 5)]
    mask += [f"roi_heads.mask.predictor.{n}" for n in ("conv5_mask", "mask_fcn_logits")]
    trunk = _torch_resnet("backbone.body.", "stem.", depth, False)
    anchors = {f"rpn.anchor_generator.cell_anchors.{i}": (3, 4) for i in range(5)}
    return trunk | anchors | _torch_heads(fpn + rpn + box + mask, classes)


def caffe2_trunk(depth=50):
    """MSRA's `R-50.pkl` and `R-101.pkl`."""
    shapes = {"conv1_w": (64, 3, 7, 7), "fc1000_w": (1000, 2048), "fc1000_b": (1000,)}
    if depth == 50:
        shapes["conv1_b"] = (64,)
    shapes |= {"res_conv1_bn_s": (64,), "res_conv1_bn_b": (64,)}
    for stage, block, channels, inner, shortcut in blocks(depth):
        convs = {
            "branch2a": (inner, channels, 1, 1),
            "branch2b": (inner, inner, 3, 3),
            "branch2c": (4 * inner, inner, 1, 1),
        }
        if shortcut:
            convs["branch1"] = (4 * inner, channels, 1, 1)
        for branch, shape in convs.items():
            name = f"res{stage + 2}_{block}_{branch}"
            shapes |= {f"{name}_w": shape}
            shapes |= {f"{name}_bn_s": shape[:1], f"{name}_bn_b": shape[:1]}
    return shapes


def detectron2_trunk(depth=50):
    """A torchvision trunk that Detectron2's script has renamed."""
    return {
        (name if name.startswith("res") else "stem." + name): shape
        for name, shape in (
            (_renamed(name), shape)
            for name, shape in torchvision_imagenet(depth).items()
        )
    }


def _renamed(name):
    for i in range(1, 5):
        name = name.replace(f"layer{i}", f"res{i + 1}")
    for i in range(1, 4):
        name = name.replace(f"bn{i}", f"conv{i}.norm")
    name = name.replace("downsample.0", "shortcut")
    return name.replace("downsample.1", "shortcut.norm")


def tensorpack_trunk(depth=50):
    """`ImageNet-R50-AlignPadding.npz`."""
    shapes = {}

    def conv(name, *shape):
        shapes[f"{name}/W"] = shape
        for key in ("gamma", "beta", "mean/EMA", "variance/EMA"):
            shapes[f"{name}/bn/{key}"] = shape[-1:]

    conv("conv0", 7, 7, 3, 64)
    for stage, block, channels, inner, shortcut in blocks(depth):
        name = f"group{stage}/block{block}/"
        conv(name + "conv1", 1, 1, channels, inner)
        conv(name + "conv2", 3, 3, inner, inner)
        conv(name + "conv3", 1, 1, inner, 4 * inner)
        if shortcut:
            conv(name + "convshortcut", 1, 1, channels, 4 * inner)
    return shapes | {"linear/W": (2048, 1000), "linear/b": (1000,)}


def tensorpack_detector(classes=80):
    """`COCO-MaskRCNN-R50FPN2x.npz`."""
    shapes = {k: v for k, v in tensorpack_trunk().items() if "linear" not in k}

    def layer(name, *shape, out=-1):
        shapes[f"{name}/W"] = shape
        shapes[f"{name}/b"] = (shape[out],)

    for i, channels in enumerate((256, 512, 1024, 2048), 2):
        layer(f"fpn/lateral_1x1_c{i}", 1, 1, channels, 256)
        layer(f"fpn/posthoc_3x3_p{i}", 3, 3, 256, 256)
    layer("rpn/conv0", 3, 3, 256, 256)
    layer("rpn/class", 1, 1, 256, 3)
    layer("rpn/box", 1, 1, 256, 12)
    layer("fastrcnn/fc6", 256 * 49, 1024)
    layer("fastrcnn/fc7", 1024, 1024)
    layer("fastrcnn/outputs/class", 1024, classes + 1)
    layer("fastrcnn/outputs/box", 1024, 4 * (classes + 1))
    for i in range(4):
        layer(f"maskrcnn/fcn{i}", 3, 3, 256, 256)
    layer("maskrcnn/deconv", 2, 2, 256, 256)
    layer("maskrcnn/conv", 1, 1, 256, classes)
    return shapes


def keras_applications(depth=50, old=False):
    """`resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5`, of today or of 2016."""
    shapes = {}

    def conv(layer, norm, *shape):
        shapes[f"{layer}/kernel"] = shape
        shapes[f"{layer}/bias"] = shape[-1:]
        for key in ("gamma", "beta", "moving_mean", "moving_variance"):
            shapes[f"{norm}/{key}"] = shape[-1:]

    conv(
        "conv1" if old else "conv1_conv", "bn_conv1" if old else "conv1_bn", 7, 7, 3, 64
    )
    for stage, block, channels, inner, shortcut in blocks(depth):
        specs = [(1, channels, inner), (3, inner, inner), (1, inner, 4 * inner)]
        specs = dict(zip(("1", "2", "3"), specs))
        if shortcut:
            specs["0"] = (1, channels, 4 * inner)
        for number, (side, source, target) in specs.items():
            if old:
                branch = {"0": "1", "1": "2a", "2": "2b", "3": "2c"}[number]
                place = f"{stage + 2}{'abcdef'[block]}_branch{branch}"
                names = f"res{place}", f"bn{place}"
            else:
                place = f"conv{stage + 2}_block{block + 1}_{number}"
                names = f"{place}_conv", f"{place}_bn"
            conv(*names, side, side, source, target)
    return shapes


def matterport(classes=80, depth=101):
    """`mask_rcnn_coco.h5` of matterport's Mask_RCNN."""
    shapes = {}

    def layer(name, *shape, out=-1):
        shapes[f"{name}/kernel"] = shape
        shapes[f"{name}/bias"] = (shape[out],)

    def norm(name, channels):
        for key in ("gamma", "beta", "moving_mean", "moving_variance"):
            shapes[f"{name}/{key}"] = (channels,)

    layer("conv1", 7, 7, 3, 64)
    norm("bn_conv1", 64)
    for stage, block, channels, inner, shortcut in blocks(depth):
        specs = {"2a": (1, channels, inner), "2b": (3, inner, inner)}
        specs["2c"] = (1, inner, 4 * inner)
        if shortcut:
            specs["1"] = (1, channels, 4 * inner)
        for branch, (side, source, target) in specs.items():
            place = f"{stage + 2}{chr(ord('a') + block)}_branch{branch}"
            layer(f"res{place}", side, side, source, target)
            norm(f"bn{place}", target)
    for level, channels in zip("2345", (256, 512, 1024, 2048)):
        layer(f"fpn_c{level}p{level}", 1, 1, channels, 256)
        layer(f"fpn_p{level}", 3, 3, 256, 256)
    layer("rpn_conv_shared", 3, 3, 256, 512)
    layer("rpn_class_raw", 1, 1, 512, 6)
    layer("rpn_bbox_pred", 1, 1, 512, 12)
    layer("mrcnn_class_conv1", 7, 7, 256, 1024)
    layer("mrcnn_class_conv2", 1, 1, 1024, 1024)
    layer("mrcnn_class_logits", 1024, classes + 1)
    layer("mrcnn_bbox_fc", 1024, 4 * (classes + 1))
    for i in (1, 2):
        norm(f"mrcnn_class_bn{i}", 1024)
    for i in range(1, 5):
        layer(f"mrcnn_mask_conv{i}", 3, 3, 256, 256)
        norm(f"mrcnn_mask_bn{i}", 256)
    layer("mrcnn_mask_deconv", 2, 2, 256, 256)
    layer("mrcnn_mask", 1, 1, 256, classes + 1)
    return shapes


def narrow(shapes: dict) -> dict:
    """The same names with an eighth of the channels, for a model of width 8."""
    wide = {64, 128, 256, 512, 1024, 2048, 256 * 49}
    return {
        name: tuple(n // 8 if n in wide else n for n in shape)
        for name, shape in shapes.items()
    }


def narrow_hrnet(shapes: dict) -> dict:
    """HRNet's names with a quarter of the channels of its branches.

    The stem and the bottlenecks have as many channels in every width of the network.
    """
    narrowed = {}
    for name, shape in shapes.items():
        if name.startswith(("stage", "transition")):
            first, *rest = (n // 4 if n > 7 else n for n in shape) if shape else (None,)
            if name.startswith("transition1.") and len(shape) == 4:
                rest[0] = shape[1]  # what the bottlenecks give
            shape = (first, *rest) if shape else ()
        narrowed[name] = tuple(shape)
    return narrowed


def fill(shapes: dict, seed=0) -> dict:
    """Random arrays; variances are positive. Cheap: one draw, cut at many places."""
    rng = np.random.RandomState(seed)
    pool = rng.standard_normal(1 << 16).astype(np.float32)
    arrays = {}
    for name, shape in shapes.items():
        start = rng.randint(1 << 15)
        values = np.resize(pool[start:], shape)
        if name.endswith(("running_var", "variance/EMA", "moving_variance")):
            values = np.abs(values) + 0.5
        if name.endswith("num_batches_tracked"):
            values = np.zeros(shape, np.int64)
        arrays[name] = values
    return arrays
