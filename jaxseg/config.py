"""What a run is: frozen dataclasses, and loading an experiment with overrides.

An experiment is a Python file with `get_config() -> Config`.  Values can be overridden
by their dotted name, typed by the dataclass field (`--train.steps 200`).  Nothing here
opens data or builds a model; `jaxseg.checks` says what is wrong with a config.
"""

from __future__ import annotations

import contextlib
import dataclasses
import glob
import io
import json
import os
import runpy
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jaxseg.checks import check
from jaxseg.errors import UserError, nearest
from jaxseg.limits import check_ranges
from jaxseg.typed_json import read


@dataclass(frozen=True)
class DataConfig:
    """Which data set, and how its files and labels are read."""

    name: str = "digit_scenes"
    """A name that `python main.py datasets` lists."""
    root: str = ""
    """Folder of the raw files (folder, camvid) or of prepared TFDS data (others)."""
    images: str = ""
    """For `folder`: pattern of the images below `root`, such as "img/{split}/*.tif"."""
    masks: str = ""
    """For `folder`: pattern of the masks; an image and its mask share what the
    wildcards stand for, and {split} is the name of a split."""
    allow_leakage: bool = False
    """For `folder`: go on where an image lies in two splits."""
    cache: str = ""
    """Where prepared records go; empty: $JAXSEG_CACHE, else ~/.cache/jaxseg."""
    train_split: str = "train"
    eval_split: str = "val"
    num_classes: int = 0
    """For `folder`: the number of classes; 0 infers it from the masks."""
    class_names: tuple[str, ...] = ()
    palette: tuple[tuple[int, int, int], ...] = ()
    """For `folder`: RGB colour of each class, in the masks and in pictures.  Indexed
    masks are read by it too, unless mask_values or mask_map say what their indices
    are."""
    nearest_colour: bool = False
    """For `folder` with a palette: colours of no class take the nearest one's."""
    mask_values: tuple[int, ...] = ()
    """For `folder`: the mask value of class 0, 1, ... where it is not 0, 1, ..."""
    mask_map: tuple[str, ...] = ()
    """For `folder`, in place of mask_values: the class of each mask value or range of
    them, as in 0:0 1:1 255:1, 0-127:0 128-255:1 or 9:ignore."""
    ignore_values: tuple[int, ...] = (255,)
    """For `folder`: mask values of pixels that neither train nor count, unless
    mask_values or mask_map name 255."""
    ignore_value: int | None = None
    """The earlier name of ignore_values, for one value; -1 is none."""
    threads: int = 0
    """Threads that read and augment; 0 is one a core, eight at most."""
    memory: int = 1024
    """MiB of decoded training images that a process keeps; 0 decodes every time."""

    def __post_init__(self) -> None:
        """Turn an `ignore_value`, of older files and commands, into `ignore_values`."""
        if type(self.ignore_value) is int:  # another type is refused when it is checked
            object.__setattr__(self, "ignore_values", (self.ignore_value,))
            object.__setattr__(self, "ignore_value", None)
        if self.ignore_values == (-1,):
            object.__setattr__(self, "ignore_values", ())


@dataclass(frozen=True)
class AugmentConfig:
    """Random changes to a training image and its mask together."""

    crop: tuple[int, int] = (256, 256)
    """Height and width of a training sample, pixels."""
    scale: tuple[float, float] = (0.5, 2.0)
    max_class_share: float = 0.75
    """Crops in which one class has more than this share are drawn again."""
    flip: float = 0.5
    """Probability of a left-right flip."""
    rotation: float = 0.0
    """Largest angle either way, degrees."""
    elastic: float = 0.0
    """Standard deviation of elastic displacements, pixels; the U-Net paper's is 10."""
    photometric: bool = True
    """Random brightness, contrast, saturation and hue."""


@dataclass(frozen=True)
class ModelConfig:
    """A backbone, a head, and the arithmetic they run in."""

    head: str = "deeplabv3plus"
    """A name of `main.py models`, or "classifier" for a class an image."""
    backbone: str | None = None
    """None is the head's usual one."""
    arithmetic: str = ""
    """Whose weights the backbone computes like, see `main.py models`; "" is usual."""
    preset: str = ""
    """"smp" computes as segmentation_models.pytorch does, for its weights."""
    weights: str = ""
    """What to start from: a .pth, .safetensors, ... file, a run or package:NAME."""
    bgr: bool = False
    """The weights' first convolution wants blue first; it is turned round."""
    freeze: str = ""
    """Keep fixed: "statistics" (the backbone's batch norm) or the whole "backbone"."""
    width: float = 1.0
    """Factor on the backbone's channels."""
    max_channels: int | None = None
    """Upper bound on a backbone stage's channels."""
    output_stride: int | None = None
    """The backbone's: 32, 16 or 8; None is the head's usual one."""
    channels: int | None = None
    """The head's own width; None is the paper's."""
    uniform_dilation: bool = False
    """Dilate as segmentation_models.pytorch does, for its weights, not torchvision."""
    multi_grid: tuple[int, ...] = ()
    """Factors on the atrous rates of a ResNet's last blocks; DeepLabV3 has 1 2 4."""
    upsampling: str | None = None
    """Of the head: bilinear, nearest, transposed, pixel_shuffle, ...; None is usual."""
    rates: tuple[int, ...] | None = None
    """Atrous rates of ASPP at output stride 16; None is the paper's."""
    separable: bool | None = None
    """Depthwise separable convolutions in the head; None is the paper's choice."""
    dropout: float | None = None
    auxiliary: bool = False
    """A second, FCN head on the next to last features, used in training only."""
    dtype: str = "float32"
    """Compute type: float32 or bfloat16. Parameters and losses stay float32."""
    remat: bool = False
    """Recompute the backbone's blocks in the backward pass to save memory."""
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    """Normalisation of RGB values scaled to 0..1; None is the backbone's usual one."""


@dataclass(frozen=True)
class OptimizerConfig:
    """The update rule and its learning-rate schedule."""

    name: str = "sgd"
    learning_rate: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 5e-4
    """Applied to kernels, not to biases and norms."""
    schedule: str = "poly"
    power: float = 0.9
    """Exponent of the poly schedule."""
    warmup_steps: float = 0.0
    """Steps in which the learning rate climbs; below 1 their share of train.steps."""
    final_learning_rate: float = 1e-4
    backbone_factor: float = 1.0
    """The backbone's learning rate over the head's."""
    clip_norm: float | None = None
    """Largest global norm of the gradient."""


@dataclass(frozen=True)
class TrainConfig:
    """How long and on what loss."""

    steps: int = 40000
    batch_size: int = 16
    """Images per step over all devices."""
    accumulate: int = 1
    """Micro-batches that a step's batch is split into."""
    loss: str = "cross_entropy"
    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] = ()
    border_weight: float = 0.0
    """w0 of the U-Net paper's weights between touching cells of class 1; its is 10."""
    auxiliary_weight: float = 0.4
    ema: float = 0.0
    """Decay of the moving average of the weights that is evaluated; 0 is none."""
    deterministic: bool = False
    """On GPUs, refuse faster algorithms whose sums have no fixed order, so that equal
    runs are equal bit for bit.  On CPUs and TPUs they are in any case."""
    log_every: int = 20
    eval_every: int = 1000
    checkpoint_every: int = 1000


@dataclass(frozen=True)
class MeshConfig:
    """How the work is spread over the devices; the result does not depend on it."""

    sharded_parameters: bool = False
    """Split parameters and optimiser state over the devices instead of copying them."""
    spatial: int = 1
    """Devices that share an image, each a band of its rows: for images too large for
    one; heights divisible by 32 times this gain most."""


@dataclass(frozen=True)
class EvaluationConfig:
    """How an image is turned into a prediction when it counts."""

    batch_size: int = 8
    """Images at a time; of a sliding window, at most as many windows of an image."""
    scales: tuple[float, ...] = (1.0,)
    """Factors of multi-scale evaluation."""
    flip: bool = False
    """Average with the prediction of the mirrored image."""
    crf: int = 0
    """Mean-field iterations of a dense CRF on the scores; DeepLab takes 10."""
    crf_stride: int = 2
    """Sampling of the CRF's pairs; 1 is exact, each step is its square times faster."""
    window: int = 0
    """Side of the sliding window, pixels; 0 takes the image whole."""
    size_multiple: int = 0
    """Pad an image's sides to multiples of this by reflection; 0 is 32 (of a classifier
    1), 1 pads none.  A window's side is rounded up to it."""


@dataclass(frozen=True)
class Config:
    """Everything that determines a run."""

    name: str = ""
    """The run folder is runs/<name>; empty takes the experiment's file name."""
    seed: int = 0
    data: DataConfig = field(default_factory=DataConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    mesh: MeshConfig = field(default_factory=MeshConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)


_EARLIER = {"--data.ignore_value": "--data.ignore_values"}
"""Names on the command line that have changed."""


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read an experiment and apply overrides.

    Args:
      path: a Python file that defines `get_config() -> Config`, or a `config.json`.
      overrides: command-line words, `["--train.steps", "500"]`.

    Raises:
      UserError: the file is missing or broken, an override does not fit, a value is of
        another type or out of its range, a name is unknown, or values do not go
        together.
    """
    path = Path(path)
    if not os.path.isfile(path):
        close = nearest(path.name, glob.glob("*.py", root_dir=path.parent))
        hint = f" Did you mean {path.parent / close}?" if close else ""
        raise UserError(f"{path}: no such experiment file.{hint}")
    config = from_file(path) if path.suffix == ".json" else _run_experiment(path)
    if not config.name:
        config = dataclasses.replace(config, name=path.stem)
    config = override(config, overrides)
    check(flatten(config))
    return config


def _run_experiment(path: Path) -> Config:
    try:
        get_config = runpy.run_path(str(path)).get("get_config")
        config = get_config() if callable(get_config) else None
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # whatever the user's code does
        raise UserError(f"{path}: {type(error).__name__}: {error}") from error
    if not callable(get_config):
        raise UserError(f"{path}: define get_config() -> jaxseg.Config in it")
    if not isinstance(config, Config):
        raise UserError(f"{path}: get_config() must return a jaxseg.Config")
    try:
        text = to_json(config)
    except (ValueError, TypeError, RecursionError) as error:
        raise UserError(f"{path}: not a jaxseg config: {error}") from error
    return from_json(text, str(path))  # the types are checked on the way


def override(config: Config, words: Sequence[str]) -> Config:
    """Return `config` with command-line words (`--train.steps 200`) applied.

    Raises:
      UserError: an unknown name (the nearest is named) or a value of another type.
    """
    if not words:
        return config
    words = [_EARLIER.get(word, word) for word in words]
    known = flatten(config)
    for word in words:
        name = word.split("=")[0].removeprefix("--").replace("-", "_")
        if word.startswith("--") and name not in known:
            close = nearest(name, known)
            hint = f"did you mean --{close}?" if close else "see --help for all names"
            raise UserError(f"unknown override {word.split('=')[0]}: {hint}")
    return _tyro(config, words)


def print_overrides(config: Config) -> None:
    """Print every name that can be overridden, with its type and value."""
    _tyro(config, ["--help"], quiet=False)


def _tyro(config: Config, words: Sequence[str], quiet: bool = True) -> Config:
    import tyro

    printed = io.StringIO()
    capture = contextlib.redirect_stderr(printed) if quiet else contextlib.nullcontext()
    try:
        with capture:
            return tyro.cli(
                Config,
                prog="main.py --config FILE",
                description="Typed overrides of the experiment.",
                default=config,
                args=list(words),
                use_underscores=True,
                config=(tyro.conf.FlagConversionOff,),
            )
    except SystemExit as stop:
        if stop.code in (0, None):
            raise
        lines = [line.strip(" │╭╮╰╯─-") for line in printed.getvalue().splitlines()]
        said = [line for line in lines if line][1:2] or ["not understood"]
        raise UserError(f"{' '.join(words)}: {said[0]}") from stop


def flatten(config: Any, prefix: str = "") -> dict[str, Any]:
    """Return every value of a config under its dotted name."""
    values: dict[str, Any] = {}
    for entry in dataclasses.fields(config):
        value = getattr(config, entry.name)
        if dataclasses.is_dataclass(value):
            values |= flatten(value, f"{prefix}{entry.name}.")
        else:
            values[prefix + entry.name] = value
    return values


def to_json(config: Config) -> str:
    """Write a config as JSON text; `from_json` reads it back equal."""
    return json.dumps(dataclasses.asdict(config), indent=2) + "\n"


def from_file(path: Path) -> Config:
    """Read a file that `to_json` wrote.

    Raises:
      UserError: it cannot be read, or is no config.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a jaxseg config: {error}") from error
    return from_json(text, str(path))


def from_json(text: str, source: str = "config.json") -> Config:
    """Read what `to_json` wrote.

    Raises:
      UserError: the text is no config, or a value is out of its range; `source` names
        it in the message.
    """
    try:
        config = read(Config, text)
    except (ValueError, TypeError, RecursionError) as error:
        raise UserError(f"{source}: not a jaxseg config: {error}") from error
    check_ranges(flatten(config), source)
    return config
