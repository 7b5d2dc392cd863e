"""A callable with albumentations' signature, here a stand-in of the same interface."""

import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from jaxseg.data.image_mask_transform import ImageMaskTransform
from jaxseg.data.named_transforms import Checked
from jaxseg.errors import UserError
from jaxseg.ranges import Share
from jaxseg.registry import check_class_options, create


class Shift:
    """Adds a random number to the image and mirrors both at random."""

    def set_random_seed(self, seed):
        self.random = np.random.default_rng(seed)

    def __call__(self, *, image, mask):
        image += self.random.integers(0, 200, dtype=np.uint8)  # in place: a copy
        if self.random.random() < 0.5:
            image, mask = image[:, ::-1], mask[:, ::-1]
        return {"image": image, "mask": mask}


@dataclasses.dataclass(frozen=True)
class Shifted(ImageMaskTransform):
    """What a user writes."""

    probability: Share = 0.5

    def create(self):
        return Shift()


def scene(planes=()):
    label = np.arange(12, dtype=np.uint8).reshape(3, 4)
    image = np.repeat(label[..., None], 3, axis=2)
    if planes:
        label = np.stack([label % 2] * planes[0], axis=-1)
    image.flags.writeable = label.flags.writeable = False  # as samples in memory are
    return {"image": image, "label": label, "name": "scene"}


def returning(function):
    """The transform of a function (image, mask) -> whatever, as a chain holds it."""

    @dataclasses.dataclass(frozen=True)
    class Own(ImageMaskTransform):
        def create(self):
            return lambda *, image, mask: function(image, mask)

        def seed(self, function, rng):
            pass

    return Checked("transform 'own'", Own())


@pytest.mark.parametrize("planes", [(), (5,)])
def test_image_and_mask_go_in_and_come_out_together(planes):
    sample = scene(planes)
    for seed in range(6):
        out = Shifted()(sample, np.random.default_rng(seed))
        shift = out["image"][..., 0] - out["image"].min()
        expected = shift % 2 if planes else shift
        found = out["label"][..., 4] if planes else out["label"]
        np.testing.assert_array_equal(found, expected)
        assert out["name"] == "scene"


def test_a_sample_is_a_function_of_the_generator_in_any_thread():
    transform = Shifted()

    def images(seed):
        return transform(scene(), np.random.default_rng(seed))["image"].tolist()

    alone = [images(seed) for seed in range(40)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(images, range(40))) == alone
    assert len({str(each) for each in alone}) > 20


def test_each_thread_has_a_callable_of_its_own():
    made = []

    @dataclasses.dataclass(frozen=True)
    class Counted(ImageMaskTransform):
        def create(self):
            made.append(threading.get_ident())
            return Shift()

    transform = Counted()
    barrier = threading.Barrier(2)

    def twice(_):
        barrier.wait()
        for seed in range(2):
            transform(scene(), np.random.default_rng(seed))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(twice, range(2)))
    assert len(made) == len(set(made)) == 2


def test_its_fields_are_its_options():
    with pytest.raises(UserError, match="it has probability"):
        check_class_options("transform 'shifted'", Shifted, {"_local": 1})
    assert Shifted(0.3) == Shifted(0.3) != Shifted(0.4)


def test_what_cannot_be_seeded_is_refused():
    @dataclasses.dataclass(frozen=True)
    class Unseeded(ImageMaskTransform):
        def create(self):
            return lambda image, mask: {"image": image, "mask": mask}

    with pytest.raises(
        UserError, match="function, which create returns, has neither set_r"
    ):
        Unseeded()(scene(), np.random.default_rng(0))


class Several:
    """Two parts that draw by themselves, seeded as a `Compose` of albumentations is."""

    def set_random_seed(self, seed):
        raise AssertionError("both parts would draw the same numbers")

    def set_random_state(self, random_generator, py_random):
        self.generator, self.python = random_generator, py_random

    def __call__(self, *, image, mask):
        image[0, 0, 0] = self.generator.integers(256)
        image[0, 0, 1] = self.generator.integers(256)
        image[0, 0, 2] = self.python.randrange(256)
        return {"image": image, "mask": mask}


def test_parts_of_a_callable_draw_from_one_generator():
    @dataclasses.dataclass(frozen=True)
    class Own(ImageMaskTransform):
        def create(self):
            return Several()

    transform = Own()
    first, again = (
        [transform(scene(), np.random.default_rng(s))["image"][0, 0] for s in range(20)]
        for _ in range(2)
    )
    np.testing.assert_array_equal(first, again)
    assert len({tuple(each) for each in first}) == 20
    assert sum(each[0] == each[1] for each in first) < 3


def test_a_class_without_create_is_one_line():
    @dataclasses.dataclass(frozen=True)
    class Empty(ImageMaskTransform):
        pass

    with pytest.raises(UserError, match="transform 'empty': Can't instantiate"):
        create("transform 'empty'", Empty, {})


def interpolated(image, mask):
    return {"image": image, "mask": np.where(mask == 3, 100, mask).astype(np.uint8)}


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda image, mask: image, "gave ndarray; it must give a dict of image and"),
        (lambda image, mask: {"image": image}, "gave ['image']; it must give a dict"),
        (
            lambda image, mask: {"image": image / 255, "mask": mask},
            "transform 'own' returned image float64 [3, 4, 3], label uint8 [3, 4]; it",
        ),
        (
            lambda image, mask: {"image": image, "mask": mask.astype(int)},
            "label int64 [3, 4]; it must return",
        ),
        (
            lambda image, mask: {"image": image[:2], "mask": mask},
            "image uint8 [2, 4, 3], label uint8 [3, 4]; it must return",
        ),
        (
            lambda image, mask: {
                "image": image.repeat(2, 0),
                "mask": mask.repeat(2, 0),
            },
            "larger than the [3, 4] that it was given",
        ),
        (interpolated, "its mask has the value 100, which the mask before has not"),
        (lambda image, mask: {"image": image[9], "mask": mask}, "IndexError"),
    ],
)
def test_what_it_must_not_return_is_one_line(function, said):
    with pytest.raises(UserError) as caught:
        returning(function)(scene(), np.random.default_rng(0))
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_a_smaller_sample_and_ignored_pixels_are_taken():
    def cut(image, mask):
        mask[0, 0] = 255
        return {"image": image[:2], "mask": mask[:2]}

    out = returning(cut)(scene(), np.random.default_rng(0))
    assert out["label"].tolist() == [[255, 1, 2, 3], [4, 5, 6, 7]]
