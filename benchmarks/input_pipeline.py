"""Training images per second, and the share of a step that the data takes.

    python -m benchmarks.input_pipeline stream                   digit_scenes
    python -m benchmarks.input_pipeline stream --data camvid --root DIR
    python -m benchmarks.input_pipeline wait                     the quick start
    python -m benchmarks.input_pipeline wait --config FILE -- --data.root DIR

`stream` compares jaxseg's training stream with torch's DataLoader and albumentations:
the same encoded images and masks are decoded, scaled, cropped, flipped, distorted and
batched, on the same cores.  `loader` has a worker process per core, as is usual;
`loader 0` has none.  `jaxseg` keeps decoded images in memory (`data.memory`), as a run
does, and is timed after its first epoch.  The batches that were prepared while a
contender rested are taken first, and are not timed.

`wait` takes training steps in turn with batches of the stream, after its first epoch,
and with one batch that is always in memory.  The difference is the cost of the data,
which on a CPU uses the same cores.  The loop asks for a batch while the previous step
is computed, and the device waits if that step ends first.  `waits` is the time that
such steps spent asking, an upper bound of the time that the device waited.

`stream` needs torch and albumentations 2.0.8; see `side_by_side`.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks import side_by_side
from benchmarks.side_by_side import Prepared
from jaxseg.config import Config, DataConfig
from jaxseg.data.catalog import open_dataset
from jaxseg.experiment import load_config
from jaxseg.report.console import print_line, table

CONTENDERS = {
    "loader 0": "benchmarks.input_pipeline:loader",
    "loader": "benchmarks.input_pipeline:loader",
    "jaxseg, first epoch": "benchmarks.input_pipeline:stream",
    "jaxseg": "benchmarks.input_pipeline:stream",
}
SCALE, BRIGHTNESS, FACTOR, HUE = (0.5, 2.0), 32 / 255, 0.5, 36
FLIP = DISTORT = 0.5
PREPARED = 8
"""Largest number of batches that a contender may have ready after a rest."""
IGNORE = 255


def stream(
    data: str,
    root: str,
    crop: int,
    batch: int,
    batches: int,
    contender: str,
    **_: Any,
) -> Prepared:
    """Build ours."""
    from jaxseg.data.pipeline import CachedSamples, TrainingStream
    from jaxseg.data.transforms import training_transforms

    samples = open_dataset(DataConfig(name=data, root=root)).samples("train")
    transform = training_transforms(
        (crop, crop), scale=SCALE, flip=FLIP, photometric=True
    )
    threads = DataConfig().threads
    memory = 0 if "first epoch" in contender else DataConfig().memory
    samples = CachedSamples(samples, memory)
    source = TrainingStream(
        samples, transform, batch_size=batch, seed=0, threads=threads
    )
    for _ in range(len(samples) // batch if memory else 0):
        next(source)
    return Prepared(lambda: _seconds(source, batches))


def _seconds(source: Any, batches: int) -> float:
    """Return the time of `batches` batches, after those that were ready."""
    for _ in range(PREPARED):
        next(source)
    begun = time.perf_counter()
    for _ in range(batches):
        batch = next(source)
        del batch
    return time.perf_counter() - begun


def loader(
    data: str,
    root: str,
    crop: int,
    batch: int,
    batches: int,
    cores: int,
    folder: str,
    contender: str,
) -> Prepared:
    """Build torch's."""
    import albumentations
    import torch

    cv2.setNumThreads(1)
    files = Path(folder) / contender
    count, table = write_files(files, data, root)

    class Files(torch.utils.data.Dataset):
        """Image and mask files, read with OpenCV."""

        def __init__(self) -> None:
            self.transform = albumentations.Compose(
                [
                    albumentations.RandomScale((SCALE[0] - 1, SCALE[1] - 1), p=1.0),
                    albumentations.PadIfNeeded(crop, crop, fill_mask=IGNORE),
                    albumentations.RandomCrop(crop, crop),
                    albumentations.HorizontalFlip(p=FLIP),
                    # Either of two distortions has probability 1/2, one or both 3/4.
                    albumentations.RandomBrightnessContrast(
                        BRIGHTNESS, FACTOR, p=1 - DISTORT**2
                    ),
                    albumentations.HueSaturationValue(
                        HUE // 2, 64, 0, p=1 - DISTORT**2
                    ),
                ]
            )

        def __len__(self) -> int:
            return count

        def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
            image, mask = read_files(files, index, table)
            done = self.transform(image=image, mask=mask)
            image = np.ascontiguousarray(done["image"])
            return torch.from_numpy(image), torch.from_numpy(done["mask"].copy())

    workers = 0 if contender.endswith("0") else cores
    batcher = torch.utils.data.DataLoader(
        Files(),
        batch_size=batch,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )

    def endless() -> Any:
        while True:
            yield from batcher

    source = endless()
    if not workers:
        torch.set_num_threads(1)
    return Prepared(lambda: _seconds(source, batches))


def write_files(
    folder: Path, data: str, root: str, split: str = "train"
) -> tuple[int, np.ndarray]:
    """Write a split's encoded images and masks unchanged, each into a file.

    Returns:
      The number of images, and the table from stored mask values to classes.
    """
    dataset = open_dataset(DataConfig(name=data, root=root))
    samples = dataset.samples(split)
    folder.mkdir()
    for index in range(len(samples)):
        record = samples._record(index)
        (folder / f"{index}.image").write_bytes(record["image"])
        (folder / f"{index}.mask").write_bytes(record["label"])
    values = np.arange(256, dtype=np.uint8)
    values[list(dataset.labels.raw_ignore)] = IGNORE
    return len(samples), values


def read_files(
    folder: Path, index: int, table: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Read RGB and classes from the files of `write_files`, as users of torch do."""
    image: Any = cv2.imread(str(folder / f"{index}.image"), cv2.IMREAD_COLOR)
    mask: Any = cv2.imread(str(folder / f"{index}.mask"), cv2.IMREAD_UNCHANGED)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB), table[mask]


def race_streams(options: argparse.Namespace) -> None:
    """Print images a second."""
    if options.data == "camvid" and not options.root:
        raise SystemExit("--data camvid needs --root")
    open_dataset(DataConfig(name=options.data, root=options.root))
    settings = {
        "data": options.data,
        "root": options.root,
        "crop": options.crop,
        "batch": options.batch,
        "batches": options.batches,
        "cores": options.threads or 2,
    }
    contestants = side_by_side.race(
        side_by_side.chosen(CONTENDERS, options.contenders),
        settings,
        rounds=options.rounds,
        threads=options.threads or 2,
        limits={},
    )
    images = options.batches * options.batch
    side_by_side.show(
        f"Milliseconds an image: {options.data}, crop {options.crop},"
        f" batch {options.batch}",
        contestants,
        unit="ms",
        per_run=images,
        out=options.out,
    )
    for name, contestant in contestants.items():
        if contestant.seconds:
            print_line(f"{name}: {images / contestant.median:.0f} images/s")


def wait(options: argparse.Namespace) -> None:
    """Print how much of a training step the data takes."""
    import jax

    from jaxseg.parallel.mesh import shard_batch
    from jaxseg.trainer.trainer import Trainer

    config: Config = load_config(options.config, options.extra)
    training = Trainer(config)
    training.initialize(weights=False)
    state, step, source = training.state, training.compile(), training.create_stream()
    held = shard_batch(next(source), training.mesh)
    for _ in range(len(training.data.training) // config.train.batch_size):
        next(source)

    def block(steps: int, fed: bool) -> tuple[float, float]:
        """Run steps as the loop does; return all seconds, and those spent waiting."""
        nonlocal state
        pending, waited, begun = None, 0.0, time.perf_counter()
        for _ in range(steps):
            batch = held
            if fed:
                asked = time.perf_counter()
                batch = shard_batch(next(source), training.mesh)
                if pending is not None and pending["loss"].is_ready():
                    waited += time.perf_counter() - asked
            before, (state, pending) = pending, step(state, batch)
            if before is not None:
                float(before["loss"])
        jax.block_until_ready(state)
        return time.perf_counter() - begun, waited

    block(2, fed=False)
    fed, free, waits = [], [], []
    for _ in range(options.rounds):
        block(PREPARED, fed=True)  # the batches that were ready
        total, waited = block(options.steps, fed=True)
        fed.append(total / options.steps)
        waits.append(waited / total)
        free.append(block(options.steps, fed=False)[0] / options.steps)
    with_data, without = (1e3 * statistics.median(values) for values in (fed, free))
    print_line(
        f"\n{config.name}, batch {config.train.batch_size}: milliseconds of a step"
    )
    table(
        [
            (
                f"{with_data:.2f}",
                f"{without:.2f}",
                f"{1 - without / with_data:.1%}",
                f"{statistics.median(waits):.2%}",
                f"{max(waits):.2%}",
            )
        ],
        ("with the stream", "batch in memory", "data costs", "waits", "most"),
    )
    if options.out:
        record = {"title": f"wait: {config.name}", "fed": fed, "free": free}
        side_by_side.write(options.out, {**record, "waits": waits})


def main() -> None:
    """Race the streams, or measure the wait."""
    parser = argparse.ArgumentParser(description="Speed of the training data.")
    commands = parser.add_subparsers(required=True)
    speed = commands.add_parser("stream", help="images a second, beside torch")
    side_by_side.add_arguments(speed, list(CONTENDERS))
    speed.add_argument("--data", choices=("digit_scenes", "camvid"))
    speed.add_argument("--root", default="", help="CamVid's folder")
    speed.add_argument("--crop", type=int, help="default: 96, CamVid 256")
    speed.add_argument("--batch", type=int, default=16)
    speed.add_argument("--batches", type=int, default=100, help="in a run")
    speed.set_defaults(function=race_streams)
    share = commands.add_parser("wait", help="of a training step for its data")
    share.add_argument("--config", default="experiments/deeplab.py")
    share.add_argument("--steps", type=int, default=40, help="in a block")
    share.add_argument("--rounds", type=int, default=5)
    side_by_side.add_out(share)
    share.add_argument("extra", nargs="*", help="overrides, after --")
    share.set_defaults(function=wait)
    options = parser.parse_args()
    if options.function is race_streams:
        options.data = options.data or "digit_scenes"
        options.crop = options.crop or (96 if options.data == "digit_scenes" else 256)
    options.function(options)


if __name__ == "__main__":
    main()
