"""The schema of a run's options: frozen dataclasses.

Each field has its type with its range, its default, and the sentence that explains it.
`jaxseg.schema` checks values by this schema, makes the options of the command line and
their documentation from it, and writes and reads configurations as JSON.  Names of
heads, losses and so on are looked up in registries by `jaxseg.build`.
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
    """A part of a Config; values are not converted, and unknown names are refused."""

    __pydantic_config__ = ConfigDict(
        strict=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )


@dataclass(frozen=True)
class DataConfig(Section):
    """Which data set a run uses, and how its files and labels are read."""

    name: str = "digit_scenes"
    """Name of a data set; `python main.py datasets` lists them."""
    task: Literal["multiclass", "binary", "multilabel"] = "multiclass"
    """What is predicted of a pixel: "multiclass" (one class of several, by a softmax),
    "binary" (foreground or background, by one logit, a sigmoid and a threshold) or
    "multilabel" (any number of classes, by a sigmoid for each; classes may overlap)."""
    root: str = ""
    """Folder of the raw files (for `folder` and `camvid`; for published data sets as
    their archives unpack), or of prepared TFDS data (for oxford_iiit_pet and
    cityscapes)."""
    images: str = ""
    """For `folder`: pattern of the images below `root`, such as "img/{split}/*.tif"."""
    masks: str = ""
    """For `folder`: pattern of the masks.  Wildcards match the same text in the paths
    of an image and its mask, and {split} stands for the name of a split.  {class}
    stands for the name of a class that has mask files of its own, as in
    "masks/{class}/*.png"."""
    annotations: str = ""
    """For `folder`: pattern of the annotations that masks are drawn from, such as
    "annotations/instances_{split}.json": COCO, LabelMe, CVAT for images 1.1 or YOLO
    segmentation.  If it is empty and there are no masks, the usual exports are looked
    for."""
    roi: str = ""
    """For `folder` and `camvid`: pattern of the masks of a region of interest, one for
    each image, such as "{split}/roi/*.png".  Pixels where it is 0 (black) are left out
    of training and evaluation."""
    allow_leakage: bool = False
    """For `folder`: train even though the same image is in two splits."""
    cache: str = ""
    """Folder of the prepared records; empty takes $JAXSEG_CACHE, or ~/.cache/jaxseg if
    that is not set."""
    train_split: str = "train"
    """Split that is trained on."""
    eval_split: str = "val"
    """Split that is evaluated."""
    balance: str = ""
    """Balanced sampling of the training images.  classes(threshold=0.1, crops=0.5)
    draws an image more often if it has a class that less than the share `threshold` of
    the images have, and centres the share `crops` of the crops on a pixel of a random
    class of the image.  Empty draws all images equally often."""
    num_classes: Byte = 0
    """For `folder`: the number of classes; 0 infers it from the masks."""
    class_names: tuple[str, ...] = ()
    """For `folder`: the names of the classes, in their order."""
    palette: tuple[tuple[Byte, Byte, Byte], ...] = ()
    """For `folder`: RGB colour of each class, in the masks and in pictures.  Indexed
    masks are read by their colours too, unless mask_values or mask_map give their
    indices."""
    nearest_colour: bool = False
    """For `folder` with a palette: a pixel whose colour is that of no class takes the
    class of the nearest colour."""
    mask_values: tuple[MaskValue, ...] = ()
    """For `folder`: the mask value of class 0, 1, ... where it is not 0, 1, ..."""
    mask_map: tuple[str, ...] = ()
    """For `folder`, instead of mask_values: the class of each mask value or range of
    values, as in 0:0 1:1 255:1, 0-127:0 128-255:1 or 9:ignore."""
    ignore_values: tuple[MaskValue, ...] = (255,)
    """For `folder`: mask values of pixels that are left out of training and evaluation.
    The default 255 is not ignored if mask_values or mask_map give it a class."""
    mask_bits: bool = False
    """For `folder` and "multilabel": each bit of a mask value is a class; 1 is the
    first class, 2 the second, 4 the third, and so on.  Masks of 8 bits have up to 8
    classes, masks of 16 bits up to 16."""
    absent_masks: bool = False
    """For `folder` with one mask file per class: an image without the file of a class
    has no pixel of that class."""
    threads: Annotated[int, Field(ge=0, le=1024)] = 0
    """Threads that read and augment; 0 takes one per core, at most eight."""
    memory: Annotated[int, Field(ge=0, le=2**24)] = 1024
    """MiB of decoded training images that a process keeps; 0 decodes every time."""
    ignore_value: InitVar[int | None] = None

    def __post_init__(self, ignore_value: int | None) -> None:
        """Accept `ignore_value`, the earlier name of `ignore_values`; -1 is none."""
        if ignore_value is not None:
            values = () if ignore_value == -1 else (ignore_value,)
            object.__setattr__(self, "ignore_values", values)


@dataclass(frozen=True)
class AugmentConfig(Section):
    """Random changes that are made to a training image and its mask alike."""

    crop: tuple[Side, Side] = (256, 256)
    """Height and width of a training sample, pixels; at least 33 each."""
    scale: tuple[Scale, Scale] | None = None
    """Smallest and largest factor by which an image is scaled before it is cropped;
    None takes the preset's, or 0.5 2.0 if there is none."""
    max_class_share: Annotated[float, Field(gt=0, le=1)] = 0.75
    """Crops in which one class has more than this share are drawn again."""
    flip: Share | None = None
    """Probability of a left-right flip; None takes the preset's, or 0.5 if there is
    none."""
    rotation: Annotated[float, Field(ge=0, le=180)] | None = None
    """Largest angle of a random rotation in either direction, degrees; None takes the
    preset's, or 0 if there is none."""
    elastic: Annotated[float, Field(ge=0, le=10_000)] = 0.0
    """Standard deviation of elastic displacements, pixels; the U-Net paper's is 10."""
    photometric: bool | None = None
    """Random brightness, contrast, saturation and hue; None takes the preset's choice,
    or True if there is none."""
    transforms: tuple[str, ...] = ()
    """Names of further transforms, applied in this order after the others and before
    padding.  Their options are given in brackets, as in "rotation(degrees=5)".  Those
    of a preset come first; one that is given here replaces that of the same name."""
    mix: tuple[str, ...] = ()
    """How a sample is mixed with another one of its split: cutmix, classmix or
    copy_paste, with options in brackets, as in "cutmix(probability=0.5)".  Several are
    applied in this order, a preset's first."""
    preset: Literal["", "light", "medium", "strong"] = ""
    """Sets scale, flip, rotation and photometric where they are not given, and adds to
    transforms and mix; config.json holds the resulting values."""
    strength: Annotated[float, Field(ge=0, le=2)] = 1.0
    """Strength of a preset: 0 changes nothing, 1 is the preset as it is, 2 is twice as
    strong."""


@dataclass(frozen=True)
class ModelConfig(Section):
    """A backbone, a head, and the arithmetic that they compute in."""

    head: str = "deeplabv3plus"
    """Name of a head; `python main.py models` lists them.  "classifier" predicts one
    class per image.  Options of the head are given in brackets, as in
    "pspnet(bins=(1, 2, 4))"."""
    backbone: str | None = None
    """Name of a backbone; None takes the head's usual one."""
    arithmetic: str = ""
    """Library whose arithmetic the backbone follows, such as "timm" or "tensorflow", so
    that its weights fit.  `python main.py models` lists those of each backbone; empty
    takes the backbone's usual one."""
    preset: str = ""
    """"smp" computes as segmentation_models.pytorch does, so that its weights fit."""
    weights: str = ""
    """Weights to start from: a file (.pth, .safetensors, ...), a folder of weights, a
    run folder, or package:NAME for the weights in a Python package."""
    bgr: bool = False
    """Reverse the input channels of the weights' first convolution, for weights trained
    on images whose first channel is blue."""
    freeze: str = ""
    """What training does not change: "statistics" (the backbone's batch-norm
    statistics) or "backbone" (all of the backbone)."""
    width: Scale = 1.0
    """Factor on the number of channels of the backbone."""
    max_channels: Channels | None = None
    """Largest number of channels of a backbone stage; None sets no bound."""
    output_stride: int | None = None
    """Output stride of the backbone: 32, 16 or 8; None takes the head's usual one."""
    channels: int | None = None
    """Option of most heads: number of channels inside the head; None takes the
    paper's."""
    uniform_dilation: bool = False
    """Dilate the backbone's convolutions as segmentation_models.pytorch does, so that
    its weights fit, instead of as torchvision does."""
    multi_grid: tuple[Rate, ...] = ()
    """Factors on the atrous rates of a ResNet's last blocks; DeepLabV3's are 1 2 4."""
    upsampling: str | None = None
    """Option of many heads: bilinear, nearest, transposed, pixel_shuffle, ...; None
    takes the head's usual one."""
    rates: tuple[int, ...] | None = None
    """Option of the DeepLab heads: atrous rates at output stride 16; None takes the
    paper's."""
    separable: bool | None = None
    """Option of DeepLabV3 and V3+: use depthwise separable convolutions; None takes the
    paper's choice."""
    dropout: float | None = None
    """Option of many heads: probability of dropout; None takes the paper's."""
    auxiliary: bool = False
    """Add an FCN head on the next to last features, which is used in training only."""
    dtype: str = "float32"
    """Data type of the computation: float32 or bfloat16.  Parameters and losses stay
    float32."""
    remat: bool = False
    """Recompute the backbone's blocks in the backward pass to save memory."""
    mean: tuple[Mean, Mean, Mean] | None = None
    """Mean of RGB values scaled to 0..1, which is subtracted from an image; None takes
    that of the backbone's published weights."""
    std: tuple[Deviation, Deviation, Deviation] | None = None
    """Standard deviation of RGB values scaled to 0..1, by which an image is divided;
    None takes that of the backbone's published weights."""


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
    """Weight decay of kernels; biases and the parameters of normalisation layers have
    none."""
    schedule: str = "poly"
    """Shape of the learning rate over the steps: poly, cosine or constant."""
    power: Annotated[float, Field(ge=0, le=1000)] = 0.9
    """Exponent of the poly schedule."""
    warmup_steps: Annotated[int, Field(ge=0, le=10**9)] = 0
    """Steps in which the learning rate rises linearly to `learning_rate`."""
    warmup_ratio: Decay = 0.0
    """Length of the warm-up as a share of train.steps, instead of `warmup_steps`."""
    final_learning_rate: Factor = 1e-4
    """Learning rate at the last step of the poly and cosine schedules."""
    backbone_factor: Factor = 1.0
    """Factor on the learning rate of the backbone."""
    clip_norm: Annotated[float, Field(gt=0, le=1e30)] | None = None
    """Largest global norm of the gradient; None does not clip."""


@dataclass(frozen=True)
class TrainConfig(Section):
    """How long a model is trained, and with what loss."""

    steps: Count = 40000
    """Training steps of the whole run."""
    minutes: Annotated[float, Field(ge=0, le=10**6)] = 0.0
    """Wall time of the training in minutes, instead of `steps`.  The time of a step is
    measured first and gives the number of steps, which is stored in the run; 0 takes
    `steps`."""
    batch_size: Small = 16
    """Images per step over all devices."""
    accumulate: Small = 1
    """Micro-batches that a step's batch is split into."""
    loss: str = "cross_entropy"
    """Name of a loss, or a weighted sum of several, as in "cross_entropy + 0.5*dice".
    Options of a loss are given in brackets, as in "focal(gamma=2.0)"."""
    label_smoothing: Decay = 0.0
    """Share of a pixel's target that is spread over all classes."""
    class_weights: tuple[ClassWeight, ...] = ()
    """Weight of each class in the loss; empty gives all the same weight."""
    class_balance: str = ""
    """Compute class_weights from how often each class occurs in the training split:
    inverse, median or effective(beta=0.999999)."""
    border_weight: Factor = 0.0
    """w0 of the U-Net paper: how much more the pixels between touching cells of class 1
    weigh.  The paper takes 10; 0 weights no borders."""
    auxiliary_weight: Factor = 0.4
    """Weight of an auxiliary head's loss."""
    ema: Decay = 0.0
    """Decay of the exponential moving average of the weights, which is evaluated in
    their place; 0 averages nothing."""
    deterministic: bool = False
    """On GPUs, use no algorithm whose sums have no fixed order, so that a repeated run
    gives the same bits; it is slower.  On CPUs and TPUs it always does."""
    log_every: Count = 20
    """Steps from one line of metrics.jsonl to the next."""
    eval_every: Count = 1000
    """Steps from one evaluation to the next; the last step is always evaluated."""
    checkpoint_every: Count = 1000
    """Steps from one checkpoint to the next; each evaluated step has one too."""
    patience: Annotated[int, Field(ge=0, le=10**6)] = 0
    """Number of evaluations in a row without a better score after which the training
    ends; the score is that which chooses the best checkpoint.  0 takes all steps."""


@dataclass(frozen=True)
class MeshConfig(Section):
    """How the work is divided among the devices; the result does not depend on it."""

    sharded_parameters: bool = False
    """Split parameters and optimizer state over the devices instead of copying them."""
    spatial: Small = 1
    """Number of devices that share an image, each with a band of its rows, for images
    too large for one device.  It is fastest if the height is divisible by 32 times this
    number."""


@dataclass(frozen=True)
class EvaluationConfig(Section):
    """How an image becomes a prediction in evaluation and in `predict`."""

    batch_size: Small = 8
    """Number of images at a time.  With a sliding window, the largest number of windows
    at a time; images are then taken one by one."""
    scales: Annotated[
        tuple[Annotated[float, Field(ge=0.05, le=10)], ...], Field(min_length=1)
    ] = (1.0,)
    """Factors by which an image is scaled; the predictions are averaged."""
    flip: bool = False
    """Average with the prediction of the mirrored image."""
    turns: bool = False
    """Average with the predictions of the image rotated by 90, 180 and 270 degrees;
    with `flip`, the mirrored image is rotated too."""
    crf: Annotated[int, Field(ge=0, le=1000)] = 0
    """Mean-field iterations of a dense CRF on the scores; DeepLab takes 10, 0 uses no
    CRF."""
    crf_stride: Rate = 2
    """Sampling of the CRF's pairs of pixels: 1 takes all pairs and is exact, n is n * n
    times faster."""
    window: Off | Annotated[int, Field(ge=33, le=16384)] = 0
    """Side of the sliding window, pixels; 0 predicts the whole image at once."""
    overlap: Annotated[float, Field(ge=0, le=0.9)] = 1 / 3
    """Share of a window's side that the next window covers too; a half takes about 1.8
    times as long as a third."""
    window_weights: Literal["uniform", "gaussian"] = "uniform"
    """How the scores of overlapping windows are averaged: "uniform" weights all pixels
    of a window alike, "gaussian" those near its middle more (as nnU-Net)."""
    threshold: Literal["best"] | Annotated[float, Field(gt=0, lt=1)] = 0.5
    """For "binary" and "multilabel": the probability from which on a pixel has the
    class, rounded to a multiple of 2^-16.  "best" takes for each class the threshold of
    the best IoU on the evaluation split; the run stores it."""
    calibration_bins: Annotated[int, Field(ge=1, le=1000)] = 15
    """Number of bins of equal width, from 0 to 1, of the expected calibration error."""
    surfaces: bool = False
    """Measure boundaries too (boundary IoU and F1, Hausdorff and surface distance); a
    training does so once, at its end."""
    boundary_ratio: Annotated[float, Field(gt=0, le=1)] = 0.02
    """Width of the bands of the boundary IoU, as a share of the image's diagonal."""
    boundary_tolerance: Annotated[float, Field(ge=0, le=1000)] = 2.0
    """Distance within which boundaries agree in the boundary F1, pixels."""
    size_multiple: Annotated[int, Field(ge=0, le=4096)] = 0
    """Pad the sides of an image by reflection to multiples of this; 0 takes 32 (for a
    classifier 1), and 1 does not pad.  The side of a window is rounded up to a multiple
    too."""


@dataclass(frozen=True)
class Config(Section):
    """Everything that determines a run."""

    name: str = ""
    """Name of the run, whose folder is `runs/<name>`; empty takes the name of the
    experiment's file."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Seed of initialisation, order of the images, augmentation and dropout."""
    data: DataConfig = field(default_factory=DataConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    mesh: MeshConfig = field(default_factory=MeshConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
