"""The same file gives the same pixels to training, evaluation and prediction."""

from __future__ import annotations

import numpy as np
import pytest
from image_kinds import KINDS
from PIL import Image

import jaxseg
from jaxseg.config import DataConfig
from jaxseg.data.catalog import open_dataset
from jaxseg.data.images import image_size
from jaxseg.errors import UserError


def to_train(path, size, tmp_path):
    """Lay an image out as the only one of a data set and read its sample."""
    folder = tmp_path / "data" / "train"
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    (folder / "images" / path.name).write_bytes(path.read_bytes())
    mask = np.arange(size[0] * size[1], dtype=np.uint8).reshape(size) % 2
    Image.fromarray(mask).save(folder / "masks" / f"{path.stem}.png")
    config = DataConfig(
        name="folder",
        root=str(folder.parent),
        cache=str(tmp_path / "cache"),
        num_classes=2,
    )
    dataset = open_dataset(config)
    assert dataset.sizes("train") == [size]
    return dataset.samples("train")[0]["image"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_of_image_is_read_or_refused_alike_everywhere(kind, tmp_path):
    suffix, content, expected = KINDS[kind]
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(content)
    if isinstance(expected, str):
        said = []
        for read in (jaxseg.load_image, image_size):
            with pytest.raises(UserError, match=expected) as error:
                read(path)
            said.append(str(error.value))
        with pytest.raises(UserError, match=expected) as error:
            to_train(path, (6, 9), tmp_path)
        trained = tmp_path / "data" / "train" / "images" / path.name
        said.append(str(error.value).replace(str(trained), str(path)))
        assert len(set(said)) == 1 and "\n" not in said[0]
        return
    np.testing.assert_array_equal(jaxseg.load_image(path), expected)
    assert image_size(path) == expected.shape[:2]
    trained = to_train(path, expected.shape[:2], tmp_path)
    np.testing.assert_array_equal(trained, expected)
