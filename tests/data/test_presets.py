"""A preset becomes values; what is given stays, and combinations are refused."""

import json

import pytest

from jaxseg.build_augmentation import build_augmentation, needs_frequencies
from jaxseg.config import AugmentConfig, Config, TrainConfig
from jaxseg.data.mixing import CutMix
from jaxseg.data.presets import complete, preset
from jaxseg.errors import UserError
from jaxseg.experiment import load_config
from jaxseg.schema import replaced, to_json, validated

NAMES = ("light", "medium", "strong")


def completed(**values):
    return complete(Config(augment=AugmentConfig(**values))).augment


def test_without_a_preset_values_are_the_usual_ones():
    assert completed() == AugmentConfig(
        scale=(0.5, 2.0), flip=0.5, rotation=0.0, photometric=True
    )


def test_a_config_without_anything_left_stays_as_it_is():
    config = complete(Config(augment=AugmentConfig(preset="strong")))
    assert complete(config) == config
    assert config.augment.preset == "" and config.augment.strength == 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0, 2.0])
def test_every_preset_is_sound_at_every_strength(name, strength):
    config = complete(Config(augment=AugmentConfig(preset=name, strength=strength)))
    validated(config)
    build_augmentation(config)


@pytest.mark.parametrize("name", NAMES)
def test_no_strength_changes_nothing_but_the_crop(name):
    assert preset(name, 0.0) == {
        "scale": (1.0, 1.0),
        "flip": 0.0,
        "rotation": 0.0,
        "photometric": False,
        "transforms": (),
        "mix": (),
    }


def test_the_medium_preset_by_hand():
    found = completed(preset="medium")
    assert found.scale == (0.6667, 1.5) and found.rotation == 5 and found.flip == 0.5
    assert found.photometric is False and found.mix == ()
    assert found.transforms == (
        "photometric(brightness=24, contrast=(0.625, 1.375),"
        " saturation=(0.625, 1.375), hue=27)",
        "gamma(probability=0.2, gamma=(0.7692, 1.3))",
        "gaussian_blur(probability=0.1)",
        "gaussian_noise(probability=0.1)",
    )


def test_twice_the_strength_is_twice_the_distance_from_no_change():
    once, twice = (preset("strong", strength) for strength in (1.0, 2.0))
    assert once["scale"] == (0.5, 2.0) and twice["scale"] == (0.25, 4.0)
    assert (once["rotation"], twice["rotation"]) == (15, 30)
    assert (once["flip"], twice["flip"]) == (0.5, 0.5)
    assert twice["mix"] == ("cutmix(probability=0.5)",)


def test_what_is_given_stays():
    found = completed(preset="strong", rotation=0.0, flip=0.0)
    assert (found.rotation, found.flip, found.scale) == (0.0, 0.0, (0.5, 2.0))


@pytest.mark.parametrize("photometric", [True, False])
def test_photometric_stands_in_place_of_the_distortion_of_a_preset(photometric):
    found = completed(preset="medium", photometric=photometric)
    assert found.photometric is photometric
    assert [text.partition("(")[0] for text in found.transforms] == [
        "gamma",
        "gaussian_blur",
        "gaussian_noise",
    ]


def test_given_transforms_and_mixes_come_after_those_of_a_preset():
    found = completed(
        preset="strong",
        transforms=("vertical_flip", "grey(probability=0)"),
        mix=("classmix", "cutmix(probability=0.1)"),
    )
    names = [text.partition("(")[0] for text in found.transforms]
    assert names[-2:] == ["vertical_flip", "grey"] and names.count("grey") == 1
    assert found.mix == ("classmix", "cutmix(probability=0.1)")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"strength": 0.5},
            "augment.strength 0.5 is that of a preset, and none is nam",
        ),
        (
            {
                "preset": "light",
                "scale": (1.0, 1.0),
                "flip": 0.0,
                "rotation": 0.0,
                "photometric": False,
            },
            "augment.preset 'light': scale, flip, rotation, photometric are all given",
        ),
    ],
)
def test_a_combination_that_says_two_things_is_refused(values, said):
    with pytest.raises(UserError) as caught:
        completed(**values)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_an_experiment_is_loaded_with_the_values_of_a_preset(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(to_json(Config(augment=AugmentConfig(rotation=3.0))))
    words = ["--augment.preset", "strong", "--augment.flip", "0"]
    augment = load_config(path, words).augment
    assert augment.preset == "" and augment.mix == ("cutmix(probability=0.25)",)
    assert (augment.rotation, augment.flip) == (3.0, 0.0)


def test_values_that_are_written_are_read_back_and_no_preset_is_laid_over_them(
    tmp_path,
):
    path = tmp_path / "config.json"
    config = complete(Config(name="a", augment=AugmentConfig(preset="medium")))
    path.write_text(to_json(config))
    assert load_config(path) == config
    with pytest.raises(UserError, match="as in the config.json of a run; leave to"):
        load_config(path, ["--augment.preset", "light"])
    again = load_config(path, ["--augment.preset", "light", "--augment.scale", "None"])
    assert again.augment.scale == (0.8, 1.25) and again.augment.rotation == 5


def test_a_config_of_an_earlier_version_has_the_same_values(tmp_path):
    path = tmp_path / "config.json"
    values = json.loads(to_json(complete(Config(name="a"))))
    for name in ("mix", "preset", "strength"):
        del values["augment"][name]
    path.write_text(json.dumps(values))
    assert load_config(path) == complete(Config(name="a"))


def test_a_mix_of_a_preset_is_built():
    assert build_augmentation(Config(augment=AugmentConfig(preset="strong"))).mixes == (
        CutMix(0.25),
    )


@pytest.mark.parametrize(
    ("config", "needed"),
    [
        (Config(), False),
        (Config(augment=AugmentConfig(mix=("cutmix", "classmix"))), False),
        (Config(augment=AugmentConfig(mix=("copy_paste(probability=0.1)",))), True),
        (Config(train=TrainConfig(class_balance="median")), True),
        (replaced(Config(), {"data.balance": "classes"}), True),
    ],
)
def test_classes_are_counted_only_where_that_is_needed(config, needed):
    assert needs_frequencies(config) is needed
