"""Logits of torchvision, timm and SMP, from golden files and without torch."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest
from peer_tensors import STEP, image_of, tensor_of
from slow_cases import slow_but

from jaxseg.models import create_classifier, create_model
from jaxseg.weights.families.heads_smp import SMP_ARGUMENTS
from jaxseg.weights.families.heads_torchvision import TORCHVISION_ARGUMENTS
from jaxseg.weights.load import load_weights, save_weights
from jaxseg.weights.names import unused
from jaxseg.weights.readers import read_tensors

GOLDEN = Path(__file__).parent / "golden/peers"
QUICK = {"xla_backend_optimization_level": 0}
CLASSES = 5
FEW = [
    "smp-deeplabv3plus_resnet18",
    "smp-segformer_mit_b0",
    "smp-unet_resnet18",
    "timm-seresnet18",
    "timm-tf_mobilenetv3_small_100",
    "torchvision-convnext_tiny",
    "torchvision-lraspp_mobilenet_v3_large",
    "torchvision-resnet18",
    "torchvision-vgg11_bn",
]
"""One of each library and kind of network; the others are marked slow."""


def model_of(source, head, backbone, arithmetic):
    if head == "classifier":
        auxiliary = backbone == "googlenet"
        return create_classifier(backbone, arithmetic=arithmetic, auxiliary=auxiliary)
    library = {"smp": SMP_ARGUMENTS, "torchvision": TORCHVISION_ARGUMENTS}[source]
    options = dict(library[head], auxiliary=head == "fcn")
    if head == "lraspp":
        options["output_stride"] = 16
    return create_model(head, backbone, CLASSES, arithmetic=arithmetic, **options)


def read(name):
    """Return the facts and logits of a golden file, its tensors and our model."""
    golden = np.load(GOLDEN / f"{name}.npz")
    facts, logits = json.loads(str(golden["facts"])), golden["logits"]
    tensors = {key: tensor_of(key, shape) for key, shape in facts["shapes"].items()}
    arithmetic = facts.get("arithmetic", "")  # older files have former names instead
    network = facts["head"], facts["backbone"], arithmetic
    model = model_of(name.split("-")[0], *network)
    return facts, logits, tensors, model


@pytest.mark.parametrize(
    "name", slow_but(FEW, sorted(path.stem for path in GOLDEN.glob("*.npz")))
)
def test_the_logits_are_the_peers(name):
    facts, logits, tensors, model = read(name)
    variables = load_weights(model, tensors)
    apply = jax.jit(model.apply, compiler_options=QUICK)
    image = image_of(*facts["size"])
    ours = np.asarray(apply(variables, image))
    other = np.asarray(apply(variables, image[:, ::-1]))
    if facts["head"] != "classifier":
        ours, other = ours[:, ::STEP, ::STEP], other[:, ::STEP, ::STEP]
    spread = logits.std()
    assert np.abs(other - ours).max() > 0.01 * spread  # they tell of the image
    np.testing.assert_allclose(ours / spread, logits / spread, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("timm-seresnet18", "timm"),
        ("torchvision-lraspp_mobilenet_v3_large", "torchvision"),
        ("smp-unet_efficientnet-b0", "smp"),
    ],
)
def test_written_back_they_equal_the_peers(name, source, tmp_path):
    _, _, tensors, model = read(name)
    variables = load_weights(model, tensors)
    file = save_weights(model, variables, tmp_path / "x.safetensors", names=source)
    written = read_tensors(file)
    assert written.keys() == tensors.keys()  # so `load_state_dict(strict=True)` is
    idle = unused(model, source)
    for key, tensor in tensors.items():
        assert written[key].shape == tensor.shape
        if key not in idle:
            np.testing.assert_array_equal(written[key], tensor, err_msg=key)


def test_there_are_golden_files():
    assert len(list(GOLDEN.glob("*.npz"))) == 22
