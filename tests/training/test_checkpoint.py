"""Checkpoints: exact, the latest and the best kept, misfits refused in a line."""

import resource
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxseg.errors import UserError
from jaxseg.parallel.mesh import create_mesh, device_put
from jaxseg.training.checkpoint import Checkpoints
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
            checkpoints.save(make_state(step, step), {"next_index": step})
            if miou is not None:
                checkpoints.record_score(step, miou)
        checkpoints.wait()
        return checkpoints.latest_step(), checkpoints.best_step()


def kept(folder):
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdigit())


def test_a_state_comes_back_bit_for_bit_with_its_place_in_the_data(tmp_path):
    state = make_state(7, 0.1)
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(state, {"next_index": 7})
    with Checkpoints(tmp_path) as checkpoints:
        read, place = checkpoints.restore(make_state(), 7)
    assert fingerprint(read) == fingerprint(state)
    assert place == {"next_index": 7}


def test_the_latest_two_and_the_best_are_kept(tmp_path):
    figures = [(1, 0.3), (2, 0.9), (3, 0.5), (4, 0.4), (5, 0.6)]
    assert save_all(tmp_path, figures) == (5, 2)
    assert kept(tmp_path) == [2, 4, 5]


def test_a_score_of_nan_is_never_the_best(tmp_path):
    assert save_all(tmp_path, [(1, 0.3), (2, float("nan"))]) == (2, 1)


def test_a_checkpoint_between_evaluations_is_only_the_latest(tmp_path):
    assert save_all(tmp_path, [(1, 0.3), (2, None), (3, None)]) == (3, 1)
    assert kept(tmp_path) == [1, 2, 3]


NAN = float("nan")


@pytest.mark.parametrize(
    ("scores", "counts"),
    [
        ([0.3, 0.5, 0.5, 0.4, 0.6, 0.1], [0, 0, 1, 2, 0, 1]),
        ([NAN, 0.0, NAN, 0.1], [1, 0, 1, 0]),
        ([0.9, 0.3, None, None, None, 0.5], [0, 1, 1, 1, 1, 2]),
    ],
)
def test_evaluations_in_a_row_without_a_gain_are_counted_over_every_resume(
    tmp_path, scores, counts
):
    """Of steps that were not evaluated too; superseded steps are deleted by then."""
    for folder, resumed in ((tmp_path / "whole", False), (tmp_path / "parts", True)):
        checkpoints, found = Checkpoints(folder), []
        for step, score in enumerate(scores, 1):
            if resumed:
                checkpoints.__exit__(None)
                checkpoints = Checkpoints(folder)
            checkpoints.save(make_state(step), {})
            if score is not None:
                checkpoints.record_score(step, score)
            checkpoints.wait()
            found.append(checkpoints.without_gain(step))
        checkpoints.__exit__(None)
        assert found == counts


def test_a_step_that_is_evaluated_again_is_counted_once(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        for step, score in ((1, 0.5), (2, 0.4)):
            checkpoints.save(make_state(step), {})
            checkpoints.record_score(step, score)
        checkpoints.record_score(2, 0.3)
        assert checkpoints.without_gain(2) == 1


def test_the_thresholds_of_a_step_are_kept_with_it(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(make_state(1), {})
        checkpoints.record_score(1, 0.5, (0.25, 0.75))
        checkpoints.save(make_state(2), {})
        checkpoints.record_score(2, 0.4)
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.thresholds(1) == (0.25, 0.75)
        assert checkpoints.thresholds(2) == ()
    assert "thresholds" not in (tmp_path / "2.json").read_text()


def test_without_any_score_the_latest_is_the_best(tmp_path):
    assert save_all(tmp_path, [(1, None), (2, None)]) == (2, 2)


def test_an_empty_folder_has_no_steps(tmp_path):
    with Checkpoints(tmp_path / "new") as checkpoints:
        assert checkpoints.latest_step() is None
        assert checkpoints.best_step() is None


@pytest.mark.parametrize("average", [False, True])
def test_variables_are_read_without_the_optimizer(tmp_path, average):
    state = make_state(3, 0.25, average=average)
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(state, {})
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
        checkpoints.save(make_state(1, 0.5), {})
        checkpoints.wait()
        read, _ = checkpoints.restore(device_put(make_state(), create_mesh()), 1)
    assert len(read.params["b"].sharding.device_set) == 8
    np.testing.assert_array_equal(read.params["head"]["kernel"], 0.5)


def test_other_shapes_are_refused_by_name(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(make_state(1), {})
        checkpoints.wait()
        with pytest.raises(UserError, match=r"mean is \(3,\), expected \(4,\)"):
            checkpoints.restore(make_state(width=4), 1)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write the checkpoint"):
        Checkpoints(tmp_path / "file" / "checkpoints").begin()


def test_the_state_may_be_donated_while_it_is_being_written(tmp_path):
    """The bytes on disk are those at the time of `save`."""
    advance = jax.jit(
        lambda tree: jax.tree.map(lambda leaf: leaf + 1, tree), donate_argnums=0
    )
    state = make_state(1, 0.0, width=200_000)
    expected = fingerprint(state)
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(state, {})
        for _ in range(5):
            state = advance(state)
        checkpoints.wait()
        read, _ = checkpoints.restore(make_state(width=200_000), 1)
    assert fingerprint(read) == expected


def damage_by_flipping(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def damage_by_truncating(path):
    path.write_bytes(path.read_bytes()[:-1])


DAMAGES = {
    "flipped": damage_by_flipping,
    "truncated": damage_by_truncating,
    "missing": lambda path: path.unlink(),
}


@pytest.fixture(scope="module")
def two_steps(tmp_path_factory):
    """Steps 1 and 2, and the files that belong to step 2."""
    folder = tmp_path_factory.mktemp("sound")
    save_all(folder, [(1, 0.3), (2, 0.9)])
    files = [path for path in (folder / "2").rglob("*") if path.is_file()]
    return folder, [path.relative_to(folder) for path in files] + ["2.json"]


@pytest.mark.parametrize("kind", DAMAGES)
def test_damage_anywhere_is_found_and_the_step_before_used(two_steps, tmp_path, kind):
    sound, files = two_steps
    assert len(files) > 10
    for number, name in enumerate(files):
        folder = tmp_path / str(number)
        shutil.copytree(sound, folder)
        DAMAGES[kind](folder / name)
        said = []
        with Checkpoints(folder, said.append) as checkpoints:
            assert len(said) == 1 and said[0].endswith("not used")
            checkpoints.begin()
            assert checkpoints.latest_step() == checkpoints.best_step() == 1, name
            read, _ = checkpoints.restore(make_state(), 1)
        assert float(read.params["head"]["kernel"][0, 0]) == 1
        assert len(said) == 2 and said[1].endswith("set aside as 2.damaged")
        assert (folder / "2.damaged").is_dir() and not (folder / "2").exists()


def test_a_step_that_was_set_aside_is_saved_again(two_steps, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(two_steps[0], folder)
    damage_by_flipping(folder / "2.json")
    assert save_all(folder, [(2, 0.5)]) == (2, 2)
    with Checkpoints(folder) as checkpoints:
        assert checkpoints.latest_step() == 2


def test_a_file_that_was_added_is_damage(two_steps, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(two_steps[0], folder)
    (folder / "2" / "more").write_text("")
    with Checkpoints(folder) as checkpoints:
        assert checkpoints.latest_step() == 1


def test_reading_changes_nothing(two_steps, tmp_path):
    folder, said = tmp_path / "copy", []
    shutil.copytree(two_steps[0], folder)
    damage_by_flipping(folder / "2.json")
    (folder / "3.orbax-checkpoint-tmp").mkdir()
    before = sorted(folder.rglob("*"))
    for read_only in (False, True):
        with Checkpoints(folder, said.append, read_only=read_only) as checkpoints:
            assert checkpoints.best_step() == 1
            checkpoints.restore(make_state(), 1)
        assert sorted(folder.rglob("*")) == before
        assert said[-1].endswith("not used")


def test_a_folder_without_one_intact_step_is_refused(two_steps, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(two_steps[0], folder)
    for name in ("1.json", "2.json"):
        damage_by_flipping(folder / name)
    with pytest.raises(UserError, match="every checkpoint is damaged"):
        Checkpoints(folder)
    assert (folder / "2").is_dir()


def test_the_remains_of_kills_are_removed(two_steps, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(two_steps[0], folder)
    for name in ("3.orbax-checkpoint-tmp", "0.old"):
        (folder / name / "state").mkdir(parents=True)
    with Checkpoints(folder) as checkpoints:
        checkpoints.begin()
        assert checkpoints.latest_step() == 2
    assert kept(folder) == [1, 2] and len(list(folder.iterdir())) == 4


def test_a_run_starts_again_after_a_killed_first_save(two_steps, tmp_path):
    """Between Orbax' last word and the manifest, before any other step."""
    folder = tmp_path / "copy"
    shutil.copytree(two_steps[0] / "1", folder / "1")
    with Checkpoints(folder) as checkpoints:
        assert checkpoints.latest_step() is None


def test_a_step_that_exists_is_not_skipped_silently(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(make_state(1), {})
        checkpoints.wait()
        with pytest.raises(ValueError, match="already exists"):
            checkpoints.save(make_state(1), {})


# Orbax leaves the futures of the failed save's other writes behind.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_full_disk_leaves_earlier_steps(tmp_path):
    """A limit on the size of files stands for the disk; it needs no rights."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(make_state(1), {})
        checkpoints.wait()
        noise = np.random.default_rng(0).normal(size=300_000)
        big = make_state(2, width=300_000)
        big = big.replace(params={**big.params, "b": jnp.asarray(noise)})
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limit[1]))
        try:
            checkpoints.save(big, {})
            with pytest.raises(UserError, match="earlier ones are intact"):
                checkpoints.wait()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.latest_step() == 1
        read, _ = checkpoints.restore(make_state(), 1)
    assert fingerprint(read) == fingerprint(make_state(1))
