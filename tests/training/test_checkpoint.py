"""Checkpoints: exact, the latest and the best kept, misfits refused in a line."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxseg.errors import UserError
from jaxseg.training.checkpoint import Checkpoints
from jaxseg.training.mesh import create_mesh, replicate
from jaxseg.training.state import TrainState, fingerprint


def make_state(step=0, value=1.0, width=3, average=False):
    params = {"head": {"kernel": jnp.full((2, width), value)}, "b": jnp.zeros(width)}
    stats = {"mean": jnp.full(width, value)}
    return TrainState(
        step=jnp.asarray(step, jnp.int32),
        params=params,
        batch_stats=stats,
        opt_state=optax.adam(0.1).init(params),
        ema={"params": params, "batch_stats": stats} if average else None,
    )


def save_all(folder, steps):
    """Save (step, miou) pairs."""
    with Checkpoints(folder) as checkpoints:
        for step, miou in steps:
            checkpoints.save(make_state(step, step), {"next_index": step}, miou)
            checkpoints.wait()
        return checkpoints.latest_step(), checkpoints.best_step()


def kept(folder):
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdigit())


def test_a_state_comes_back_bit_for_bit_with_its_place_in_the_data(tmp_path):
    state = make_state(7, 0.1)
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(state, {"next_index": 7}, 0.5)
    with Checkpoints(tmp_path) as checkpoints:
        read, place = checkpoints.restore(make_state(), 7)
    assert fingerprint(read) == fingerprint(state)
    assert place == {"next_index": 7}


def test_the_latest_and_the_best_are_kept(tmp_path):
    latest, best = save_all(tmp_path, [(1, 0.3), (2, 0.9), (3, 0.5), (4, 0.4)])
    assert (latest, best) == (4, 2)
    assert kept(tmp_path) == [2, 4]


def test_a_figure_that_is_no_number_is_never_the_best(tmp_path):
    assert save_all(tmp_path, [(1, 0.3), (2, float("nan"))]) == (2, 1)


def test_a_checkpoint_between_evaluations_is_only_the_latest(tmp_path):
    assert save_all(tmp_path, [(1, 0.3), (2, None), (3, None)]) == (3, 1)
    assert kept(tmp_path) == [1, 3]


def test_without_any_figure_the_latest_is_the_best(tmp_path):
    assert save_all(tmp_path, [(1, None), (2, None)]) == (2, 2)


def test_an_empty_folder_has_no_steps(tmp_path):
    with Checkpoints(tmp_path / "new") as checkpoints:
        assert checkpoints.latest_step() is None
        assert checkpoints.best_step() is None


@pytest.mark.parametrize("average", [False, True])
def test_variables_are_read_without_the_optimizer(tmp_path, average):
    state = make_state(3, 0.25, average=average)
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(state, {}, 0.5)
        checkpoints.wait()
        sharding = jax.sharding.SingleDeviceSharding(jax.devices()[0])
        target = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(
                leaf.shape, leaf.dtype, sharding=sharding
            ),
            state.variables,
        )
        read = checkpoints.restore_variables(target, 3, average)
    assert fingerprint(read) == fingerprint(state.variables)


def test_a_state_saved_on_one_device_is_restored_on_eight(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(make_state(1, 0.5), {}, None)
        checkpoints.wait()
        read, _ = checkpoints.restore(replicate(make_state(), create_mesh()), 1)
    assert len(read.params["b"].sharding.device_set) == 8
    np.testing.assert_array_equal(read.params["head"]["kernel"], 0.5)


def test_other_shapes_are_refused_by_name(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(make_state(1), {}, None)
        checkpoints.wait()
        with pytest.raises(UserError, match=r"mean is \(3,\), expected \(4,\)"):
            checkpoints.restore(make_state(width=4), 1)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write the checkpoint"):
        Checkpoints(tmp_path / "file" / "checkpoints")


def test_the_state_may_be_donated_while_it_is_being_written(tmp_path):
    """The bytes on disk are those at the time of `save`."""
    advance = jax.jit(
        lambda tree: jax.tree.map(lambda leaf: leaf + 1, tree), donate_argnums=0
    )
    state = make_state(1, 0.0, width=200_000)
    expected = fingerprint(state)
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(state, {}, None)
        for _ in range(5):
            state = advance(state)
        checkpoints.wait()
        read, _ = checkpoints.restore(make_state(width=200_000), 1)
    assert fingerprint(read) == expected
