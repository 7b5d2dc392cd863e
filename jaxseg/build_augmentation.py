"""From a Config to the augmentation of its training samples."""

from __future__ import annotations

from collections.abc import Sequence

from jaxseg.config import AugmentConfig, Config
from jaxseg.data.balance import parse_sampling
from jaxseg.data.border_weights import BorderWeights
from jaxseg.data.frequencies import ClassFrequencies
from jaxseg.data.mixing import Augmentation, CopyPaste, parse_mix
from jaxseg.data.named_transforms import TRANSFORMS, Checked
from jaxseg.data.presets import complete
from jaxseg.data.transforms import Compose, training_transforms
from jaxseg.errors import UserError
from jaxseg.registry import check_class_options, create, parse
from jaxseg.segmenter import SMALLEST


def build_augmentation(
    config: Config,
    mean: Sequence[float] = (0.0, 0.0, 0.0),
    frequencies: ClassFrequencies | None = None,
) -> Augmentation:
    """Build the augmentation of training samples.

    Args:
      config: of the run.
      mean: RGB of what is filled, 0..1.
      frequencies: of the classes in the training split, for mixes that paste rare
        classes; None where they are not known yet.

    Raises:
      UserError: an unknown name, `data.balance` included, a crop that is too small,
        scales out of order, a preset that sets nothing, or no class that is rare.
    """
    config = complete(config)
    augment, weight = config.augment, config.train.border_weight
    mixes = tuple(map(parse_mix, augment.mix))
    images: list[list[int]] = []
    if frequencies:
        mixes = tuple(
            mix.with_classes(frequencies) if isinstance(mix, CopyPaste) else mix
            for mix in mixes
        )
        images = [[] for _ in frequencies.pixels]
        for index, there in enumerate(frequencies.images):
            for each in there:
                images[each].append(index)
    sampling = parse_sampling(config.data.balance)
    return Augmentation(
        chain=_chain(augment, sampling.crops if sampling else 0.0, mean),
        mixes=mixes,
        last=(BorderWeights(w0=weight),) if weight else (),
        images=tuple(map(tuple, images)),
    )


def needs_frequencies(config: Config) -> bool:
    """Whether a run needs to know how often its training split has each class.

    Raises:
      UserError: an unknown name in `augment.mix`.
    """
    mixes = map(parse_mix, complete(config).augment.mix)
    pastes = any(isinstance(mix, CopyPaste) for mix in mixes)
    return bool(config.train.class_balance or config.data.balance or pastes)


def _chain(augment: AugmentConfig, by_class: float, mean: Sequence[float]) -> Compose:
    """Return what makes any sample one of the crop's size."""
    if min(augment.crop) < SMALLEST:
        height, width = augment.crop
        raise UserError(
            f"augment.crop {height} {width}: at least {SMALLEST} pixels a side"
        )
    further = []
    for text in augment.transforms:
        named = parse("transform", text)
        kind = TRANSFORMS.find(named.name)
        owner = f"transform {named.name!r}"
        options = check_class_options(owner, kind, named.options)
        further.append(Checked(owner, create(owner, kind, options)))
    assert augment.scale is not None and augment.flip is not None
    assert augment.rotation is not None
    return training_transforms(
        augment.crop,
        by_class=by_class,
        scale=augment.scale,
        max_class_share=augment.max_class_share,
        flip=augment.flip,
        rotation=augment.rotation,
        elastic=augment.elastic,
        photometric=bool(augment.photometric),
        further=further,
        mean=mean,
    )
