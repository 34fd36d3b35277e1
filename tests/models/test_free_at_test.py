"""Quasi-multitask branches cost nothing at test (MaskPlus sec. 3.4)."""

from collections import Counter

import keras
import numpy as np
import pytest
import tensorflow as tf
from models.model_cases import (
    losses_and_gradients,
    small_batch,
    small_config,
    small_mask,
    small_model,
)

from tfmask.cli.model import load_model
from tfmask.config import (
    BoundaryRefinementConfig,
    Config,
    ContextConfig,
    PyramidConfig,
    QuasiConfig,
)
from tfmask.errors import CheckpointError
from tfmask.layers.naming import named_weights, raw_variable
from tfmask.structures import ClassMap
from tfmask.weights import files as weight_files
from tfmask.weights.load import load_weights

CLASSES = ClassMap((1, 2, 3), ("a", "b", "c"))
BRANCHES = ("quasi_half", "quasi_double")
COSTLY = (
    "Conv2D",
    "Conv2DBackpropInput",
    "MatMul",
    "BatchMatMulV2",
    "FusedBatchNormV3",
)


def mask_config(sizes, **changes):
    return small_mask(
        context=ContextConfig(filters=(16, 32)),
        pyramid=PyramidConfig(enabled=True),
        refinement=BoundaryRefinementConfig(kind="improved"),
        quasi=QuasiConfig(sizes=sizes),
        **changes,
    )


def without_branches(seed=9):
    return small_model(seed, mask=mask_config(()))


@pytest.fixture(scope="module")
def trained():
    """A model with branches after two steps of training."""
    model, batch = small_model(mask=mask_config((0.5, 2.0))), small_batch()
    optimizer = keras.optimizers.SGD(0.01)
    before = {k: np.array(v) for k, v in named_weights(model).items()}
    for _ in range(2):
        _, gradients = losses_and_gradients(model, batch)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    for branch in BRANCHES:
        path = f"{branch}/mask_fcn1/kernel"
        assert (np.array(named_weights(model)[path]) != before[path]).any()
    return model


@pytest.fixture
def plain(trained):
    """A model without branches and with the other weights of `trained`."""
    model, theirs = without_branches(), named_weights(trained)
    for path, weight in named_weights(model).items():
        weight.assign(theirs[path])
    return model


def inference(model):
    """The traced inference function: what an exported model runs."""
    signature = {
        "images": tf.TensorSpec([None, None, None, 3], tf.uint8),
        "image_sizes": tf.TensorSpec([None, 2], tf.int32),
    }
    function = tf.function(
        lambda inputs: model(inputs, training=False), input_signature=[signature]
    )
    return function.get_concrete_function()


def weights_read(model, function):
    """Paths of the weights that a traced function reads."""
    read = {id(variable) for variable in function.graph.variables}
    weights = named_weights(model).items()
    return {path for path, weight in weights if id(raw_variable(weight)) in read}


def operations(function):
    """Every kind of operation with its count, those in branches and loops too."""
    graph = function.graph.as_graph_def()
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    return Counter(node.op for node in nodes)


def multiply_adds(function):
    """(kind, shape of the weights) of each operation that multiplies, with counts.

    Numbers of rois are not known in the graph; equal weights on equal features are
    equal multiply-adds.
    """
    return Counter(
        (op.type, *(tuple(value.shape) for value in op.inputs if value.shape.rank))
        for op in function.graph.get_operations()
        if op.type in COSTLY
    )


def results(model):
    batch = small_batch()
    inputs = {name: batch[name] for name in ("images", "image_sizes")}
    return {k: v.numpy() for k, v in inference(model)(inputs).items()}


def test_inference_reads_the_weights_of_the_model_without_branches(trained, plain):
    ours = weights_read(trained, inference(trained))
    theirs = weights_read(plain, inference(plain))
    assert ours == theirs
    parts = {path.split("/")[0] for path in ours}
    assert {"contextual_fusion", "deconvolutional_pyramid"} <= parts
    assert not parts & set(BRANCHES)
    # And these are all that it has, in numbers too.
    assert ours == {p for p in named_weights(plain) if not p.startswith("loss_weights")}


def test_inference_does_the_work_of_the_model_without_branches(trained, plain):
    ours, theirs = inference(trained), inference(plain)
    assert operations(ours) == operations(theirs)
    assert operations(ours)["Conv2D"] > 20
    found = multiply_adds(ours)
    assert found == multiply_adds(theirs)
    assert {kind for kind, *_ in found} >= {"Conv2D", "Conv2DBackpropInput", "MatMul"}


def test_branches_do_work_in_training(trained, plain):
    counts = []
    for model in (trained, plain):
        step = tf.function(lambda batch, model=model: model(batch, training=True))
        counts.append(operations(step.get_concrete_function(small_batch())))
    # Two convolutions and a predictor in each.
    assert counts[0]["Conv2D"] - counts[1]["Conv2D"] == 6


def test_results_are_equal_to_the_bit(trained, plain):
    ours, theirs = results(trained), results(plain)
    assert ours["valid"].any()
    for name, value in theirs.items():
        np.testing.assert_array_equal(ours[name], value, name)


def test_weights_with_branches_load_into_a_model_without(trained, tmp_path):
    path = tmp_path / "best.weights.h5"
    weight_files.write(path, trained, CLASSES, None)
    model = without_branches()
    report = load_weights(model, path, class_map=CLASSES)
    assert {name.split("/")[0] for name in report.skipped} == set(BRANCHES)
    for part in BRANCHES:
        assert (
            f"{part}: the file has weights of it, the model has no such part; "
            "inference does without it"
        ) in str(report)
    ours, theirs = results(model), results(trained)
    for name, value in theirs.items():
        np.testing.assert_array_equal(ours[name], value, name)


def test_weights_without_branches_load_into_a_model_with(plain, tmp_path, capsys):
    path = tmp_path / "best.weights.h5"
    weight_files.write(path, plain, CLASSES, None)
    config = Config(model=small_config(mask=mask_config((0.5, 2.0))))
    model = load_model(config, str(path), CLASSES)
    said = capsys.readouterr().err
    for part in BRANCHES:
        assert f"{part}: the file has no weights of it, it keeps its initial" in said
    ours, theirs = results(model), results(plain)
    for name, value in theirs.items():
        np.testing.assert_array_equal(ours[name], value, name)


def test_branches_of_another_width_do_not_keep_weights_from_inference(
    trained, tmp_path
):
    path = tmp_path / "best.weights.h5"
    weight_files.write(path, trained, CLASSES, None)
    model = small_model(mask=mask_config((0.5, 2.0)))
    weights = weight_files.read(path).weights
    weights = {
        k: v[..., :1] if k.startswith(BRANCHES) else v for k, v in weights.items()
    }
    weight_files.write(path, weights, CLASSES, None)
    report = load_weights(model, path, class_map=CLASSES)
    assert {name.split("/")[0] for name in report.reset} == set(BRANCHES)


def test_parts_that_run_at_test_must_be_in_the_file(plain, tmp_path):
    path = tmp_path / "best.weights.h5"
    weights = {
        name: np.array(value)
        for name, value in weight_files.model_weights(plain).items()
        if not name.startswith("deconvolutional_pyramid")
    }
    weight_files.write(path, weights, CLASSES, None)
    with pytest.raises(CheckpointError, match="deconvolutional_pyramid/up1/kernel is"):
        load_weights(without_branches(), path, class_map=CLASSES)


def test_parts_of_the_file_that_the_model_lacks_are_named(plain, tmp_path):
    path = tmp_path / "best.weights.h5"
    weight_files.write(path, plain, CLASSES, None)
    bare = small_model()
    lines = load_weights(bare, path, class_map=CLASSES).differences()
    assert [line.split(":")[0] for line in lines] == sorted(
        ["boundary_refinement", "contextual_fusion", "deconvolutional_pyramid"]
    )
    assert not any("inference does without" in line for line in lines)
