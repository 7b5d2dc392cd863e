"""Draw the figures of the documentation again: `python docs/figures/make.py [NAME...]`.

One function a figure, named as its file; without names all are drawn.  Measured where
they are drawn, from random initialisations, on a CPU in a minute or two each.
"""

from __future__ import annotations

import argparse
import functools
import io
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parents[1]))

import analysis_figures  # noqa: E402
import flax.linen as nn  # noqa: E402
import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from architecture_figures import draw_architecture  # noqa: E402
from PIL import Image  # noqa: E402
from sklearn.datasets import load_sample_image  # noqa: E402

from jaxseg.analysis import checkerboard as checkerboards  # noqa: E402
from jaxseg.analysis.receptive_field import effective, theoretical  # noqa: E402
from jaxseg.data.labels import LabelSet  # noqa: E402
from jaxseg.models import create_backbone, create_model  # noqa: E402
from jaxseg.nn.crf import dense_crf  # noqa: E402
from jaxseg.nn.upsampling import (  # noqa: E402
    TransposedConv,
    Upsample,
    resize_bilinear,
)
from jaxseg.report.pictures import overlay  # noqa: E402

DPI, COLOURS = 120, 96
STEPS = 200
"""Steps of the short training before the checkerboard scores."""


def receptive_field() -> Any:
    """Effective receptive fields at initialisation in their theoretical boxes."""
    small: Any = {"width": 0.25}
    networks = [
        ("ResNet-18, stride 32", create_backbone("resnet18", **small), 513, {}),
        (
            "ResNet-50, stride 8",
            create_backbone("resnet50", output_stride=8, **small),
            513,
            {},
        ),
        ("U-Net on ResNet-18", create_model("unet", "resnet18", 2, **small), 609, {}),
        (
            "DeepLabV3+ on ResNet-18",
            create_model("deeplabv3plus", "resnet18", 2, **small),
            1089,
            {"method": "low_resolution", "output": 0},
        ),
    ]
    panels = []
    for title, module, side, options in networks:
        seen = effective(
            module, (side, side), jax.random.key(0), count=1, seeds=3, **options
        )
        fields = [
            theoretical(module, (side, side), axis=axis, image_level=False, **options)
            for axis in (0, 1)
        ]
        panels.append(analysis_figures.FieldPanel(title, seen, *fields))
    return analysis_figures.receptive_fields(panels)


def gridding() -> Any:
    """Which pixels stacks of dilated convolutions read."""
    return analysis_figures.gridding([(2, 2, 2), (1, 2, 3), (1, 2, 5), (1, 2, 9)])


class Enlarge(nn.Module):
    """`Upsample` to twice the size."""

    method: str

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map `[B, h, w, C]` to `[B, 2 h, 2 w, C]`."""
        size = (2 * x.shape[1], 2 * x.shape[2])
        return Upsample(self.method, name="upsample")(x, size)


def checkerboard() -> Any:
    """Answers of upsampling modules to a constant, and their scores."""
    modules = {
        **{f"transposed {k} x {k}": TransposedConv(4, 2, k) for k in (2, 3, 4, 5)},
        "transposed 4 x 4, from bilinear": Enlarge("transposed"),
        "sub-pixel": Enlarge("pixel_shuffle"),
        "nearest, convolution": Enlarge("nearest_conv"),
        "bilinear, convolution": Enlarge("bilinear_conv"),
        "nearest": Enlarge("nearest"),
        "bilinear": Enlarge("bilinear"),
    }
    shown = {
        "equal weights, 3 x 3": TransposedConv(
            4, 2, 3, kernel_init=nn.initializers.ones
        ),
        "equal weights, 4 x 4": TransposedConv(
            4, 2, 4, kernel_init=nn.initializers.ones
        ),
        "random, 3 x 3": modules["transposed 3 x 3"],
        "random, 4 x 4": modules["transposed 4 x 4"],
        "sub-pixel": modules["sub-pixel"],
        "nearest, conv": modules["nearest, convolution"],
    }
    value = jnp.ones(4)
    responses = {}
    for title, module in shown.items():
        variables = module.init(jax.random.key(1), jnp.ones((1, 8, 8, 4)))
        answer = checkerboards.respond(module, variables, 2, value)
        responses[title] = answer[:12, :12, 0]
    scores = {
        name: (
            checkerboards.measure(module, 2),
            checkerboards.measure(module, 2, steps=STEPS),
        )
        for name, module in modules.items()
    }
    return analysis_figures.checkerboards(responses, scores, STEPS)


def crf() -> Any:
    """A coarse, noisy prediction on a photograph, before and after the dense CRF."""
    photograph = load_sample_image("flower.jpg")[60:300, 100:420]
    petal = photograph[..., 0].astype(int) - photograph[..., 2] > 60
    noise = np.random.default_rng(0).normal(0, 1.5, petal.shape)
    logits = np.stack([-(2.0 * petal - 1), 2.0 * petal - 1], -1) + noise[..., None] * [
        -1,
        1,
    ]
    small = jnp.asarray(logits[None, ::8, ::8], jnp.float32)
    coarse = resize_bilinear(small, petal.shape)[0]
    sharp = dense_crf(coarse, jnp.asarray(photograph))
    labels = LabelSet(("background", "flower"), ((0, 0, 0), (40, 110, 255)))
    return analysis_figures.pictures(
        {
            "photograph": photograph,
            "prediction at stride 8": overlay(
                photograph, np.asarray(coarse.argmax(-1)), labels
            ),
            "after the dense CRF": overlay(
                photograph, np.asarray(sharp.argmax(-1)), labels
            ),
        }
    )


ARCHITECTURES: dict[str, tuple[str, str, str | None, dict[str, Any]]] = {
    "fcn": ("FCN-8s on VGG-16", "fcn8s", "vgg16", {"channels": 4096}),
    "hypercolumns": ("Hypercolumns on VGG-16", "hypercolumns", "vgg16", {}),
    "unet": ("U-Net on ResNet-34", "unet", "resnet34", {}),
    "deeplab": ("DeepLabV3+ on Xception-65", "deeplabv3plus", "xception65", {}),
    "pspnet": ("PSPNet on ResNet-50", "pspnet", "resnet50", {}),
    "upernet": ("UPerNet on ConvNeXt-T", "upernet", "convnext_tiny", {}),
    "lraspp": ("LR-ASPP on MobileNetV3-Large", "lraspp", "mobilenet_v3_large", {}),
    "segformer": ("SegFormer on MiT-B0", "segformer", "mit_b0", {}),
    "vgg": ("VGG-16", "classifier", "vgg16", {}),
    "googlenet": ("GoogLeNet", "classifier", "googlenet", {}),
    "resnet": ("ResNet-50", "classifier", "resnet50", {}),
    "senet": ("SE-ResNet-50", "classifier", "seresnet50", {}),
    "densenet": ("DenseNet-121", "classifier", "densenet121", {}),
    "efficientnet": ("EfficientNet-B0", "classifier", "efficientnet_b0", {}),
    "xception": ("Xception-65", "classifier", "xception65", {}),
    "convnext": ("ConvNeXt-T", "classifier", "convnext_tiny", {}),
}
"""Figure -> title, head, backbone, options of the model whose maps it shows."""


def architecture(name: str) -> Any:
    """The maps of a model."""
    title, head, backbone, options = ARCHITECTURES[name]
    classes = 1000 if head == "classifier" else 21
    model = create_model(head, backbone, classes, **options)
    return draw_architecture(model, (256, 320), title)


FIGURES = {
    **{
        function.__name__: function
        for function in (receptive_field, gridding, checkerboard, crf)
    },
    **{name: functools.partial(architecture, name) for name in ARCHITECTURES},
}
"""File name without its ending -> what draws it."""


def main() -> None:
    """Draw the figures that are named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(FIGURES))
    names = parser.parse_args().names or list(FIGURES)
    if unknown := set(names) - set(FIGURES):
        parser.error(f"no figure {', '.join(sorted(unknown))}; {', '.join(FIGURES)}")
    for name in names:
        _save(FIGURES[name](), FOLDER / f"{name}.png")


def _save(figure: Any, path: Path) -> None:
    """Write a PNG of few colours: a third of the size, and no difference to the eye."""
    picture = io.BytesIO()
    figure.savefig(picture, dpi=DPI)
    image = Image.open(picture).convert("RGB")
    image.quantize(COLOURS, Image.Quantize.MAXCOVERAGE).save(path, optimize=True)


if __name__ == "__main__":
    main()
