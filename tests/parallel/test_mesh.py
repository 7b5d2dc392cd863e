"""Meshes, batch sizes, and the shardings of arrays."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closeness import assert_close

from jaxseg.errors import UserError
from jaxseg.parallel.mesh import (
    by_image,
    check_batch_size,
    constrain,
    create_mesh,
    device_put,
    local_rows,
    replicated,
    shard_batch,
)


def shapes(array):
    return {shard.data.shape for shard in array.addressable_shards}


def test_a_batch_is_split_over_the_devices():
    batch = shard_batch({"image": np.arange(16).reshape(16, 1)}, create_mesh())
    assert shapes(batch["image"]) == {(2, 1)}
    np.testing.assert_array_equal(batch["image"][:, 0], np.arange(16))


def test_images_are_split_into_bands_of_rows_if_the_devices_divide_them():
    mesh = create_mesh(spatial=2)
    batch = {name: np.zeros((8, rows, 5)) for name, rows in (("even", 6), ("odd", 7))}
    placed = shard_batch({**batch, "valid": np.ones(8, bool)}, mesh)
    assert shapes(placed["even"]) == {(2, 3, 5)}
    assert shapes(placed["odd"]) == {(2, 7, 5)}
    assert shapes(placed["valid"]) == {(2,)}


def test_bands_that_do_not_divide_the_devices_are_refused():
    with pytest.raises(UserError, match="mesh.spatial 3: must divide the 8 devices"):
        create_mesh(spatial=3)


@pytest.mark.parametrize("rows", [1, 7, 8, 12])
def test_what_the_devices_do_not_divide_is_spread_as_evenly_as_it_goes(rows):
    mesh = create_mesh()
    image = np.random.default_rng(0).normal(size=(rows, 13, 3)).astype(np.float32)

    @jax.jit
    def variance(batch):
        image = jnp.tanh(constrain(batch["image"], mesh))
        return jnp.var(image), jnp.tanh(image).sum((1, 2))

    total, each = variance(shard_batch({"image": image}, mesh))
    assert float(total) == pytest.approx(np.tanh(image).var(), rel=1e-5)
    expected = np.tanh(np.tanh(image)).sum((1, 2))
    assert_close(each, expected)


def test_a_state_is_whole_on_every_device():
    tree = device_put({"w": np.arange(4)}, create_mesh())
    assert len(tree["w"].addressable_shards) == jax.device_count()
    assert tree["w"].addressable_shards[-1].data.shape == (4,)


def test_large_leaves_are_split_along_their_longest_axis_that_fits():
    tree = {"large": np.zeros((30, 40, 64)), "small": np.zeros(64), "odd": np.zeros(99)}
    split = device_put(tree, create_mesh(), split=True)
    assert shapes(split["large"]) == {(30, 40, 8)}
    assert shapes(split["small"]) == {(64,)}
    assert shapes(split["odd"]) == {(99,)}


def test_a_batch_that_micro_batches_do_not_divide_is_refused_with_those_that_fit():
    with pytest.raises(UserError, match="use 18 or 20"):
        check_batch_size(19, 2, create_mesh())
    with pytest.raises(UserError, match="use 4$"):
        check_batch_size(3, 4, create_mesh())
    check_batch_size(12, 4, create_mesh())


@pytest.mark.parametrize("devices, spatial", [(1, 1), (4, 1), (8, 2)])
def test_rows_of_an_array_are_found_by_their_places(devices, spatial):
    mesh = create_mesh(jax.devices()[:devices], spatial)
    array = np.arange(8 * 6).reshape(8, 6)
    for sharding in (by_image(mesh), replicated(mesh)):
        found = local_rows(jax.device_put(array, sharding))
        assert sorted(found) == list(range(8))
        for place, row in found.items():
            np.testing.assert_array_equal(row, array[place])
