import keras
import pytest
import tensorflow as tf
from models.model_cases import small_config, small_model

from tfmask.config import load_config
from tfmask.heads.boundary_preserving_head import BoundaryPreservingMaskHead
from tfmask.heads.encoder_decoder_head import EncoderDecoderMaskHead
from tfmask.heads.mask_head import FCNMaskHead
from tfmask.layers.conv_norm import ConvNorm
from tfmask.models.build import build_model
from tfmask.models.macs import count_macs, model_macs

LAYERS = {
    # output cells x kernel x input channels x output channels
    "conv": (ConvNorm(5), (1, 6, 8, 3), 6 * 8 * 9 * 3 * 5),
    "strided": (ConvNorm(5, strides=2), (1, 6, 8, 3), 3 * 4 * 9 * 3 * 5),
    "1x1": (ConvNorm(5, 1), (1, 6, 8, 3), 6 * 8 * 3 * 5),
    "strided 1x1": (ConvNorm(5, 1, strides=2), (1, 6, 8, 3), 3 * 4 * 3 * 5),
    "depthwise": (keras.layers.DepthwiseConv2D(3), (1, 6, 8, 3), 4 * 6 * 9 * 3),
    # input cells x kernel x input channels x output channels
    "transposed": (
        keras.layers.Conv2DTranspose(5, 2, 2),
        (1, 6, 8, 3),
        6 * 8 * 4 * 3 * 5,
    ),
    "dense": (keras.layers.Dense(7), (1, 11), 11 * 7),
    "two images": (ConvNorm(5), (2, 6, 8, 3), 2 * 6 * 8 * 9 * 3 * 5),
    "images unknown": (ConvNorm(5), (None, 6, 8, 3), 6 * 8 * 9 * 3 * 5),
}


def spec(*shape):
    return tf.TensorSpec(shape, tf.float32)


@pytest.mark.parametrize("name", LAYERS)
def test_layers_counted_by_hand(name):
    layer, shape, macs = LAYERS[name]
    layer.build(shape)
    assert count_macs(layer, spec(*shape)) == macs


def test_a_grouped_convolution_sees_the_channels_of_its_group():
    kernel = tf.ones([3, 3, 2, 9])  # three groups of six channels

    def grouped(x):
        return tf.nn.conv2d(x, kernel, 1, "SAME")

    assert count_macs(grouped, spec(1, 4, 5, 6)) == 4 * 5 * 9 * 2 * 9


def test_bias_adds_are_one_for_each_output():
    layer = keras.Sequential(
        [
            keras.layers.Conv2D(5, 3, padding="same"),
            keras.layers.Flatten(),
            keras.layers.Dense(7),
        ]
    )
    layer.build((None, 4, 4, 3))
    macs = 16 * 9 * 3 * 5 + 80 * 7
    assert count_macs(layer, spec(1, 4, 4, 3)) == macs
    assert count_macs(layer, spec(1, 4, 4, 3), bias_adds=True) == macs + 80 + 7
    bare = keras.layers.Dense(7, use_bias=False)
    assert count_macs(lambda x: x + bare(x), spec(1, 7), bias_adds=True) == 49


def test_products_of_matrices_count_and_interpolation_does_not():
    def product(a, b):
        return tf.matmul(a, b, transpose_a=True)

    assert count_macs(product, spec(5, 3), spec(5, 4)) == 3 * 5 * 4
    assert count_macs(product, spec(2, 5, 3), spec(2, 5, 4)) == 2 * 3 * 5 * 4
    weights = tf.constant([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5]])
    assert count_macs(lambda x: tf.matmul(weights.numpy(), x), spec(3, 9)) == 0


def test_what_cannot_be_counted_is_an_error():
    layer = ConvNorm(3)
    layer.build((None, None, None, 3))
    with pytest.raises(ValueError, match="expected a known one"):
        count_macs(layer, spec(1, None, 8, 3))

    def repeated(x):
        for _ in tf.range(tf.cast(x[0, 0, 0, 0], tf.int32)):
            x = layer(x)
        return x

    with pytest.raises(ValueError, match="Conv2D in a loop"):
        count_macs(repeated, spec(1, 8, 8, 3))


# BMask R-CNN, Table 8, prints 0.46, 0.93 and 0.95 G a roi: what the trunks cost,
# without deconvolution and predictor; the 0.93 needs the additions of the biases.
TRUNKS = {
    "fcn": (lambda: FCNMaskHead(80), 0.462422, 0.462623),
    "larger": (lambda: FCNMaskHead(80, conv_layers=8), 0.924844, 0.925245),
    "boundary": (lambda: BoundaryPreservingMaskHead(80), 0.950534, 0.951036),
}
# The whole heads, with all that they predict.
HEADS = {
    "fcn": (lambda: FCNMaskHead(80), 0.529859),
    "boundary": (lambda: BoundaryPreservingMaskHead(80), 1.085407),
    "encoder_decoder": (lambda: EncoderDecoderMaskHead(80, 28), 3.715432),
}


def roi_inputs(head):
    return {k: spec(1, s.size, s.size, 256) for k, s in head.roi_specs.items()}


def built(head):
    head.build({k: (None, *v.shape[1:]) for k, v in roi_inputs(head).items()})
    return head


@pytest.mark.parametrize("name", TRUNKS)
def test_trunks_of_mask_heads_cost_what_is_published(name):
    make, macs, with_biases = TRUNKS[name]
    head = built(make())
    inputs = roi_inputs(head)
    assert count_macs(head.trunk, inputs) / 1e9 == pytest.approx(macs, abs=1e-6)
    found = count_macs(head.trunk, inputs, bias_adds=True) / 1e9
    assert found == pytest.approx(with_biases, abs=1e-6)


@pytest.mark.parametrize("name", HEADS)
def test_mask_heads_cost_what_was_counted_of_the_releases(name):
    make, macs = HEADS[name]
    head = built(make())
    assert count_macs(head, roi_inputs(head)) / 1e9 == pytest.approx(macs, abs=1e-6)


def test_whole_model_is_near_the_published_cost():
    # IEMask R-CNN, Table 8, has 203.7 G as a mean over images; 26.8 detections on
    # images of 800x1197 are what explains it and BMask R-CNN's row, 218.6 G, best.
    config = load_config("mask_rcnn/detectron2_r50")
    config.model.num_classes = 80
    costs = model_macs(build_model(config.model), 800, 1197, rois=27)
    each = {part.name: part.each / 1e9 for part in costs.parts}
    trunk = each["backbone"] + each["neck"] + each["rpn_head"]
    # The image is padded to 1216 columns; the published mean has no padding.
    assert trunk * 1197 / 1216 == pytest.approx(175.2, rel=0.005)
    assert each["box_head"] == pytest.approx(0.0143, abs=1e-5)
    assert each["mask_branch"] == pytest.approx(0.529859, abs=1e-6)
    assert costs.total / 1e9 == pytest.approx(203.7, rel=0.02)


def test_parts_of_a_model_add_up():
    model = small_model()
    costs = model_macs(model, 60, 100, rois=3)
    assert (costs.proposals, costs.rois) == (40, 3)
    assert [(p.name, p.times) for p in costs.parts] == [
        ("backbone", 1),
        ("neck", 1),
        ("rpn_head", 1),
        ("box_head", 40),
        ("mask_branch", 3),
    ]
    assert costs.total == sum(p.each * p.times for p in costs.parts)
    assert costs == model_macs(model, 64, 128, rois=3)  # padded to multiples of 32
    assert model_macs(model, 64, 128).rois == 20


def test_context_is_paid_once_an_image():
    plain, config = small_config(), small_config()
    config.mask.context.filters = (48, 32)
    found = [
        {p.name: p.each for p in model_macs(build_model(c), 64, 64).parts}
        for c in (plain, config)
    ]
    assert found[1]["contextual_fusion"] == 14 * 14 * 9 * 32 * (48 + 32 * 48 // 32)
    assert found[0]["mask_branch"] == found[1]["mask_branch"]


@pytest.mark.parametrize("candidates", ["detections", "proposals"])
def test_refining_reads_each_candidate_and_masks_each_detection(candidates):
    config = small_config()
    base = {p.name: p.each for p in model_macs(build_model(config), 64, 64).parts}
    config.refine.enabled = True
    config.refine.candidates = candidates
    costs = model_macs(build_model(config), 64, 64, rois=5)
    parts = {p.name: p for p in costs.parts}
    # Base masks and the second box head; a 1x1 convolution and the second mask head.
    assert parts["refine_boxes"].each == base["mask_branch"] + base["box_head"]
    assert parts["refine_boxes"].times == (5 if candidates == "detections" else 40)
    assert parts["refine_masks"].each == base["mask_branch"] + 14 * 14 * 32 * 32
    assert parts["refine_masks"].times == 5
