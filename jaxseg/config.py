"""What a run is: one schema of frozen dataclasses.

Beside each field stand its type with its range, its default, and the sentence that
explains it.  `jaxseg.schema` checks values by it, makes the options of the command line
and their documentation from it, and writes and reads it as JSON.  Names of heads,
losses and so on are those of registries, in which `jaxseg.build` looks them up.
"""

from __future__ import annotations

from dataclasses import InitVar, dataclass, field
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from jaxseg.ranges import (
    Byte,
    Channels,
    Count,
    Decay,
    Factor,
    Off,
    Rate,
    Scale,
    Share,
    Side,
    Small,
)

MaskValue = Annotated[int, Field(ge=0, le=65535)]
Mean = Annotated[float, Field(ge=-1000, le=1000)]
Deviation = Annotated[float, Field(gt=0, le=1000)]
ClassWeight = Annotated[float, Field(ge=0, le=1e30)]


class Section:
    """A part of a Config: values keep their types, and unknown names are refused."""

    __pydantic_config__ = ConfigDict(
        strict=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )


@dataclass(frozen=True)
class DataConfig(Section):
    """Which data set a run is of, and how its files and labels are read."""

    name: str = "digit_scenes"
    """Name of a data set; `python main.py datasets` lists them."""
    task: Literal["multiclass", "binary", "multilabel"] = "multiclass"
    """What a pixel is asked: "multiclass" (which class: a softmax), "binary" (whether
    it is the foreground: one logit, a sigmoid and a threshold) or "multilabel" (of each
    class whether it has it: a sigmoid a class; classes may overlap)."""
    root: str = ""
    """Folder of the raw files (folder, camvid) or of prepared TFDS data (others)."""
    images: str = ""
    """For `folder`: pattern of the images below `root`, such as "img/{split}/*.tif"."""
    masks: str = ""
    """For `folder`: pattern of the masks.  An image and its mask agree in what the
    wildcards stand for, and {split} is the name of a split; {class} is that of a class
    which has a mask file of its own, as in "masks/{class}/*.png"."""
    annotations: str = ""
    """For `folder`: pattern of annotations to draw the masks from, such as
    "annotations/instances_{split}.json": COCO, LabelMe, CVAT for images 1.1 or YOLO
    segmentation.  Without it the usual exports are found where there are no masks."""
    roi: str = ""
    """For `folder` and `camvid`: pattern of masks that mark a region of interest in
    each image, such as "{split}/roi/*.png"; where one is 0 (black) the pixels neither
    train nor count."""
    allow_leakage: bool = False
    """For `folder`: train although an image lies in two splits."""
    cache: str = ""
    """Folder of the prepared records; empty is $JAXSEG_CACHE, else ~/.cache/jaxseg."""
    train_split: str = "train"
    """Split that is trained on."""
    eval_split: str = "val"
    """Split that is evaluated."""
    balance: str = ""
    """Balanced sampling of the training images: classes(threshold=0.1, crops=0.5) draws
    images of classes that fewer than `threshold` of the images have more often, and
    centres that share of the crops on a pixel of a class drawn among the image's; empty
    draws all alike."""
    num_classes: Byte = 0
    """For `folder`: the number of classes; 0 infers it from the masks."""
    class_names: tuple[str, ...] = ()
    """For `folder`: the names of the classes, in their order."""
    palette: tuple[tuple[Byte, Byte, Byte], ...] = ()
    """For `folder`: RGB colour of each class, in the masks and in pictures.  Indexed
    masks are read by it too, unless mask_values or mask_map say what their indices
    are."""
    nearest_colour: bool = False
    """For `folder` with a palette: a pixel whose colour is that of no class takes the
    class of the nearest colour."""
    mask_values: tuple[MaskValue, ...] = ()
    """For `folder`: the mask value of class 0, 1, ... where it is not 0, 1, ..."""
    mask_map: tuple[str, ...] = ()
    """For `folder`, in place of mask_values: the class of each mask value or range of
    values, as in 0:0 1:1 255:1, 0-127:0 128-255:1 or 9:ignore."""
    ignore_values: tuple[MaskValue, ...] = (255,)
    """For `folder`: mask values of pixels that neither train nor count.  The default is
    not ignored where mask_values or mask_map give 255 a class."""
    mask_bits: bool = False
    """For `folder` and "multilabel": a mask's bits are the classes, 1 the first, 2 the
    second, 4 the third, and so on; up to 8, or 16 in masks of 16 bits."""
    absent_masks: bool = False
    """For `folder` with a mask file a class: an image that lacks the file of a class
    has none of it."""
    threads: Annotated[int, Field(ge=0, le=1024)] = 0
    """Threads that read and augment; 0 is one a core, eight at most."""
    memory: Annotated[int, Field(ge=0, le=2**24)] = 1024
    """MiB of decoded training images that a process keeps; 0 decodes every time."""
    ignore_value: InitVar[int | None] = None

    def __post_init__(self, ignore_value: int | None) -> None:
        """Take `ignore_value`, the earlier name of `ignore_values`; -1 is none."""
        if ignore_value is not None:
            values = () if ignore_value == -1 else (ignore_value,)
            object.__setattr__(self, "ignore_values", values)


@dataclass(frozen=True)
class AugmentConfig(Section):
    """Random changes to a training image and its mask together."""

    crop: tuple[Side, Side] = (256, 256)
    """Height and width of a training sample, pixels; at least 33 each."""
    scale: tuple[Scale, Scale] = (0.5, 2.0)
    """Smallest and largest factor by which an image is scaled before it is cropped."""
    max_class_share: Annotated[float, Field(gt=0, le=1)] = 0.75
    """Crops in which one class has more than this share are drawn again."""
    flip: Share = 0.5
    """Probability of a left-right flip."""
    rotation: Annotated[float, Field(ge=0, le=180)] = 0.0
    """Largest angle of a rotation either way, degrees."""
    elastic: Annotated[float, Field(ge=0, le=10_000)] = 0.0
    """Standard deviation of elastic displacements, pixels; the U-Net paper's is 10."""
    photometric: bool = True
    """Random brightness, contrast, saturation and hue."""
    transforms: tuple[str, ...] = ()
    """Further transforms by name, applied in this order after the others and before
    padding; options in brackets, as in "rotation(degrees=5)"."""


@dataclass(frozen=True)
class ModelConfig(Section):
    """A backbone, a head, and the arithmetic they run in."""

    head: str = "deeplabv3plus"
    """Name of a head, which `python main.py models` lists, or "classifier" for one
    class an image.  Options of its own are given in brackets, as in
    "pspnet(bins=(1, 2, 4))"."""
    backbone: str | None = None
    """Name of a backbone; None is the head's usual one."""
    arithmetic: str = ""
    """Whose weights the backbone computes like, such as "timm" or "tensorflow";
    `python main.py models` lists what each has, empty is its usual one."""
    preset: str = ""
    """"smp" computes as segmentation_models.pytorch does, for its weights."""
    weights: str = ""
    """Weights to start from: a .pth, .safetensors, ... file, a folder of weights, a
    run, or package:NAME."""
    bgr: bool = False
    """Reverse the channels of the weights' first convolution, which was trained on
    images whose first channel is blue."""
    freeze: str = ""
    """What training leaves as it is: "statistics" (the backbone's batch-norm
    statistics) or the whole "backbone"."""
    width: Scale = 1.0
    """Factor on the backbone's channels."""
    max_channels: Channels | None = None
    """Upper bound on a backbone stage's channels."""
    output_stride: int | None = None
    """Output stride of the backbone, 32, 16 or 8; None is the head's usual one."""
    channels: int | None = None
    """Option of most heads: their own width; None is the paper's."""
    uniform_dilation: bool = False
    """Dilate as segmentation_models.pytorch does, for its weights, not torchvision."""
    multi_grid: tuple[Rate, ...] = ()
    """Factors on the atrous rates of a ResNet's last blocks; DeepLabV3 has 1 2 4."""
    upsampling: str | None = None
    """Option of many heads: bilinear, nearest, transposed, pixel_shuffle, ...; None is
    the head's usual one."""
    rates: tuple[int, ...] | None = None
    """Option of the DeepLab heads: atrous rates at output stride 16; None is the
    paper's."""
    separable: bool | None = None
    """Option of DeepLabV3 and V3+: depthwise separable convolutions; None is the
    paper's choice."""
    dropout: float | None = None
    """Option of many heads: probability of dropout; None is the paper's."""
    auxiliary: bool = False
    """Add an FCN head on the next to last features, which is used in training only."""
    dtype: str = "float32"
    """Compute type: float32 or bfloat16.  Parameters and losses stay float32."""
    remat: bool = False
    """Recompute the backbone's blocks in the backward pass to save memory."""
    mean: tuple[Mean, Mean, Mean] | None = None
    """Mean of RGB values scaled to 0..1, which is subtracted from an image; None is
    that of the backbone's published weights."""
    std: tuple[Deviation, Deviation, Deviation] | None = None
    """Standard deviation of RGB values scaled to 0..1, by which an image is divided;
    None is that of the backbone's published weights."""


@dataclass(frozen=True)
class OptimizerConfig(Section):
    """The update rule and its learning-rate schedule."""

    name: str = "sgd"
    """Update rule: sgd or adamw."""
    learning_rate: Annotated[float, Field(gt=0, le=1e6)] = 0.01
    """Learning rate after the warm-up."""
    momentum: Share = 0.9
    """Momentum of SGD, or the first decay rate of AdamW."""
    weight_decay: Factor = 5e-4
    """Weight decay of kernels; biases and the parameters of norms have none."""
    schedule: str = "poly"
    """Shape of the learning rate over the steps: poly, cosine or constant."""
    power: Annotated[float, Field(ge=0, le=1000)] = 0.9
    """Exponent of the poly schedule."""
    warmup_steps: Annotated[int, Field(ge=0, le=10**9)] = 0
    """Steps in which the learning rate climbs linearly to `learning_rate`."""
    warmup_ratio: Decay = 0.0
    """Length of the warm-up as a share of train.steps, in place of `warmup_steps`."""
    final_learning_rate: Factor = 1e-4
    """Learning rate at the last step of the poly and cosine schedules."""
    backbone_factor: Factor = 1.0
    """Factor on the learning rate of the backbone."""
    clip_norm: Annotated[float, Field(gt=0, le=1e30)] | None = None
    """Largest global norm of the gradient; None does not clip."""


@dataclass(frozen=True)
class TrainConfig(Section):
    """How long a model is trained, and on what loss."""

    steps: Count = 40000
    """Training steps of the whole run."""
    minutes: Annotated[float, Field(ge=0, le=10**6)] = 0.0
    """In place of steps, the wall time of the training, minutes: the pace is measured
    first, and gives the number of steps, which the run keeps; 0 takes `steps`."""
    batch_size: Small = 16
    """Images per step over all devices."""
    accumulate: Small = 1
    """Micro-batches that a step's batch is split into."""
    loss: str = "cross_entropy"
    """Name of a loss, or a sum of several with a weight each, as in "cross_entropy +
    0.5*dice".  Options of its own are given in brackets, as in "focal(gamma=2.0)"."""
    label_smoothing: Decay = 0.0
    """Share of a pixel's target that is spread over all classes."""
    class_weights: tuple[ClassWeight, ...] = ()
    """Weight of each class in the loss; empty weights all alike."""
    class_balance: str = ""
    """In place of class_weights, weights from how often the training split has each
    class: inverse, median or effective(beta=0.999999)."""
    border_weight: Factor = 0.0
    """w0 of the U-Net paper's weights between touching cells of class 1, where it is
    10; 0 weights no borders."""
    auxiliary_weight: Factor = 0.4
    """Weight of an auxiliary head's loss."""
    ema: Decay = 0.0
    """Decay of the moving average of the weights that is evaluated; 0 is none."""
    deterministic: bool = False
    """On GPUs, refuse faster algorithms whose sums have no fixed order, so that equal
    runs are equal bit for bit.  On CPUs and TPUs equal runs are equal without it."""
    log_every: Count = 20
    """Steps from one line of metrics.jsonl to the next."""
    eval_every: Count = 1000
    """Steps from one evaluation to the next; the last step is always evaluated."""
    checkpoint_every: Count = 1000
    """Steps from one checkpoint to the next; each evaluated step has one too."""
    patience: Annotated[int, Field(ge=0, le=10**6)] = 0
    """Evaluations in a row without a gain of the score that chooses the best
    checkpoint, after which the training ends; 0 takes all steps."""


@dataclass(frozen=True)
class MeshConfig(Section):
    """How the work is split over the devices; the result does not depend on it."""

    sharded_parameters: bool = False
    """Split parameters and optimizer state over the devices instead of copying them."""
    spatial: Small = 1
    """Devices that share an image, each a band of its rows, for images too large for
    one device.  Heights divisible by 32 times this gain most."""


@dataclass(frozen=True)
class EvaluationConfig(Section):
    """How an image becomes a prediction in evaluation and in `predict`."""

    batch_size: Small = 8
    """Images at a time.  With a sliding window, one image at a time and at most so many
    of its windows."""
    scales: Annotated[
        tuple[Annotated[float, Field(ge=0.05, le=10)], ...], Field(min_length=1)
    ] = (1.0,)
    """Factors by which an image is scaled; the predictions are averaged."""
    flip: bool = False
    """Average with the prediction of the mirrored image."""
    turns: bool = False
    """Average with the predictions of the image turned by 90, 180 and 270 degrees, with
    `flip` of its mirror image too."""
    crf: Annotated[int, Field(ge=0, le=1000)] = 0
    """Mean-field iterations of a dense CRF on the scores; DeepLab takes 10, 0 is no
    CRF."""
    crf_stride: Rate = 2
    """Sampling of the CRF's pairs: 1 is exact, n is n * n times faster."""
    window: Off | Annotated[int, Field(ge=33, le=16384)] = 0
    """Side of the sliding window, pixels; 0 takes the image whole."""
    overlap: Annotated[float, Field(ge=0, le=0.9)] = 1 / 3
    """Share of a window's side that the next window covers too; a half takes about 1.8
    times as long as a third."""
    window_weights: Literal["uniform", "gaussian"] = "uniform"
    """How the scores of overlapping windows are averaged: all alike, or the higher the
    nearer to the middle of a window (nnU-Net)."""
    threshold: Literal["best"] | Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Of "binary" and "multilabel": a pixel has the class from this probability on,
    rounded to a multiple of 2^-16.  "best" is that of the best IoU on the evaluation
    split, of each class its own, which the run keeps."""
    calibration_bins: Annotated[int, Field(ge=1, le=1000)] = 15
    """Parts of 0..1, equally wide, of the expected calibration error."""
    surfaces: bool = False
    """Measure boundaries too (boundary IoU and F1, Hausdorff and surface distance); a
    training does so once, in the end."""
    boundary_ratio: Annotated[float, Field(gt=0, le=1)] = 0.02
    """Width of the bands of the boundary IoU, of the image's diagonal."""
    boundary_tolerance: Annotated[float, Field(ge=0, le=1000)] = 2.0
    """Distance within which boundaries agree in the boundary F1, pixels."""
    size_multiple: Annotated[int, Field(ge=0, le=4096)] = 0
    """Pad an image's sides to multiples of this by reflection; 0 is 32 (of a classifier
    1), 1 pads none.  A window's side is rounded up to it."""


@dataclass(frozen=True)
class Config(Section):
    """Everything that determines a run."""

    name: str = ""
    """The run folder is `runs/<name>`; empty takes the experiment's file name."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Seed of initialisation, order, augmentation and dropout."""
    data: DataConfig = field(default_factory=DataConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    mesh: MeshConfig = field(default_factory=MeshConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
