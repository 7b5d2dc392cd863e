"""The samples that are drawn are those that a training begins with."""

import numpy as np
from PIL import Image

from jaxseg import cli
from jaxseg.commands.browse import first_samples
from jaxseg.trainer.data import open_training_data
from jaxseg.trainer.trainer import Trainer


def test_the_samples_are_the_first_of_the_training(tiny_config):
    data = open_training_data(tiny_config.data)
    images, masks = first_samples(tiny_config, data, 10)
    stream = Trainer(tiny_config).create_stream()
    batches = [next(stream), next(stream)]
    stream.close()
    for name, found in (("image", images), ("label", masks)):
        expected = np.concatenate([batch[name] for batch in batches])[:10]
        np.testing.assert_array_equal(found, expected)


def test_a_picture_is_written(shapes_folder, tmp_path, capsys):
    words = ["--data.root", str(shapes_folder), "--data.cache", str(tmp_path / "cache")]
    words += ["--augment.crop", "40", "48", "--train.batch_size", "2"]
    out = tmp_path / "new" / "grid.png"
    code = cli.main(
        ["browse", "--config", "folder", "--count", "3", "--out", str(out), *words]
    )
    assert code == 0
    assert capsys.readouterr().out == f"{out}\n"
    assert Image.open(out).width == 3 * (2 * 192 + 8) - 8


def test_another_ending_or_no_sample_is_refused(capsys):
    words = ["browse", "--config", "folder"]
    assert cli.main([*words, "--out", "grid.txt"]) == 2
    assert "name a .png or .jpg" in capsys.readouterr().err
    assert cli.main([*words, "--count", "0"]) == 2
    assert "--count 0: 1 to 256 samples" in capsys.readouterr().err
