"""Meshes and batch sizes."""

import jax
import numpy as np
import pytest

from jaxseg.errors import UserError
from jaxseg.training.mesh import check_batch_size, create_mesh, replicate, shard_batch


def test_a_batch_is_split_over_the_devices():
    batch = shard_batch({"image": np.arange(16).reshape(16, 1)}, create_mesh())
    assert {shard.data.shape for shard in batch["image"].addressable_shards} == {(2, 1)}
    np.testing.assert_array_equal(batch["image"][:, 0], np.arange(16))


def test_a_state_is_whole_on_every_device():
    tree = replicate({"w": np.arange(4)}, create_mesh())
    assert len(tree["w"].addressable_shards) == jax.device_count()
    assert tree["w"].addressable_shards[-1].data.shape == (4,)


def test_an_indivisible_batch_is_refused_with_those_that_fit():
    with pytest.raises(UserError, match="use 16 or 32"):
        check_batch_size(20, 2, create_mesh())
    with pytest.raises(UserError, match="use 8$"):
        check_batch_size(3, 1, create_mesh())
    check_batch_size(32, 4, create_mesh())
