"""Seconds of an evaluation over a split, jaxseg's and its peers', side by side.

    python -m benchmarks.evaluation --root DIR              CamVid's 233 test images
    python -m benchmarks.evaluation --root DIR --models deeplabv3plus_resnet50

An evaluation reads encoded images and masks (from records here, from files there),
predicts whole images and ends with the IoU of every class.  The peers are the model of
segmentation_models_pytorch, torch's DataLoader with a worker per core, and
torchmetrics' confusion matrix.  Both sides pad images to a multiple of 32 by
reflection.  The IoU must be equal before anything is timed.

Needs torch, segmentation_models_pytorch and torchmetrics; see `side_by_side`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import model_cases, side_by_side
from benchmarks.input_pipeline import read_files, write_files
from benchmarks.model_cases import IGNORE, MEAN, STD, Case
from benchmarks.side_by_side import Prepared, timed
from jaxseg.config import DataConfig
from jaxseg.data.catalog import open_dataset

CONTENDERS = {
    "torch eager": "benchmarks.evaluation:torch_evaluation",
    "torch channels_last": "benchmarks.evaluation:torch_evaluation",
    "torch compile": "benchmarks.evaluation:torch_evaluation",
    "jaxseg": "benchmarks.evaluation:evaluation",
}
MULTIPLE = 32
SPLIT = "test"


def evaluation(root: str, cores: int, **settings: Any) -> Prepared:
    """Build ours."""
    import jax

    from benchmarks import jaxseg_side
    from jaxseg.evaluation.evaluate import evaluate
    from jaxseg.evaluation.inference import create_scores
    from jaxseg.evaluation.step import create_evaluation_step
    from jaxseg.parallel.mesh import create_mesh

    case = Case(**settings)
    samples = open_dataset(DataConfig(name="camvid", root=root)).samples(SPLIT)
    mesh = create_mesh(jax.devices()[:1])
    model = jaxseg_side.build(case, auxiliary=False)
    variables = jax.device_put(jaxseg_side.read_weights(model, case))
    scores = create_scores(model, mean=MEAN, std=STD)
    step = create_evaluation_step(scores, case.classes, mesh)

    def work() -> np.ndarray:
        done = evaluate(
            step,
            variables,
            samples,
            samples.sizes(),
            mesh,
            batch_size=case.batch,
            multiple=MULTIPLE,
            threads=DataConfig().threads,
        )
        return done.confusion.iou

    return Prepared(timed(work), {"IoU": work()}, runs=1)


def torch_evaluation(root: str, cores: int, **settings: Any) -> Prepared:
    """Build torch's."""
    import cv2
    import torch

    from benchmarks import torch_side  # before torchmetrics, which loads torchvision
    from torchmetrics.classification import MulticlassConfusionMatrix  # isort: skip

    case = Case(**settings)
    files = Path(case.folder) / case.contender
    count, table = write_files(files, "camvid", root, SPLIT)
    model = torch_side.Normalized(torch_side.build(case, auxiliary=False), case).eval()

    def classes(image: torch.Tensor) -> torch.Tensor:
        return model(image)["out"].argmax(1)

    predict = torch_side.maybe_compiled(case, classes)

    class Files(torch.utils.data.Dataset):
        """Image and mask files, read with OpenCV."""

        def __len__(self) -> int:
            return count

        def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
            image, mask = read_files(files, index, table)
            edges = (0, -mask.shape[0] % MULTIPLE, 0, -mask.shape[1] % MULTIPLE)
            image = cv2.copyMakeBorder(image, *edges, cv2.BORDER_REFLECT_101)
            mask = cv2.copyMakeBorder(mask, *edges, cv2.BORDER_CONSTANT, value=IGNORE)
            return torch.from_numpy(image), torch.from_numpy(mask)

    batches = torch.utils.data.DataLoader(
        Files(), batch_size=case.batch, num_workers=cores, persistent_workers=True
    )

    @torch.no_grad()
    def work() -> np.ndarray:
        metric = MulticlassConfusionMatrix(
            case.classes, ignore_index=IGNORE, validate_args=False
        )
        for image, label in batches:
            image = image.permute(0, 3, 1, 2)
            if case.contender == torch_side.REFERENCE:
                image = image.contiguous()
            metric.update(predict(image), label.long())
        counts = metric.compute().numpy().astype(np.float64)
        hits = np.diag(counts)
        return hits / (counts.sum(0) + counts.sum(1) - hits)

    return Prepared(timed(work), {"IoU": work()}, runs=1)


def main() -> None:
    """Race over the models that the command line asks for."""
    parser = argparse.ArgumentParser(description="An evaluation, side by side.")
    parser.add_argument("--root", required=True, help="CamVid's folder")
    parser.add_argument(
        "--models",
        nargs="+",
        choices=model_cases.MODELS,
        default=["unet_resnet34"],
    )
    parser.add_argument("--batch", type=int, default=8)
    side_by_side.add_arguments(parser, list(CONTENDERS))
    parser.set_defaults(rounds=4)
    options = parser.parse_args()
    data = open_dataset(DataConfig(name="camvid", root=options.root))
    classes, images = data.labels.num_classes, len(data.samples(SPLIT))
    cores = options.threads or 2
    for model in options.models:
        case = Case(model, 0, options.batch, classes, steps=1, gpu=False)
        side_by_side.show(
            f"Evaluation of {images} CamVid images: {model}, batch {options.batch}",
            side_by_side.race(
                side_by_side.chosen(CONTENDERS, options.contenders),
                {
                    **model_cases.settings(case),
                    "root": options.root,
                    "cores": cores,
                },
                rounds=options.rounds,
                threads=cores,
                limits={"IoU": 1e-3},
            ),
            out=options.out,
        )


if __name__ == "__main__":
    main()
