"""Order, shards, resume and padding of batches."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxseg.data import pipeline
from jaxseg.data.labels import IGNORE
from jaxseg.data.padding import group_by_size, pad_image, padded_size
from jaxseg.data.pipeline import CachedSamples, TrainingStream, evaluation_batches
from jaxseg.errors import UserError


class Numbered:
    """Samples whose pixels are their own index; counts how often each is read."""

    def __init__(self, count, sizes=None):
        self.count, self.sizes = count, sizes or [(4, 5)] * count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        size = self.sizes[index]
        return {
            "image": np.full((*size, 3), index, np.uint8),
            "label": np.full(size, index, np.uint8),
            "name": str(index),
        }


def jitter(sample, rng):
    """Add randomness that shows in the image."""
    noise = rng.integers(0, 200, dtype=np.uint8)
    return {**sample, "image": sample["image"] + noise}


def stream(process=0, processes=1, batch=4, count=10, seed=0, threads=2, repeats=()):
    return TrainingStream(
        Numbered(count),
        jitter,
        batch_size=batch,
        seed=seed,
        repeats=repeats,
        threads=threads,
        process_index=process,
        process_count=processes,
    )


def take(source, count):
    return [next(source) for _ in range(count)]


def pairs(batches):
    """(index, randomness) of every sample in order."""
    return [
        (int(label[0, 0]), int(image[0, 0, 0]))
        for batch in batches
        for image, label in zip(batch["image"], batch["label"], strict=True)
    ]


class Counted(Numbered):
    """Counts how often each sample is read."""

    def __init__(self, count):
        super().__init__(count)
        self.reads = [0] * count

    def __getitem__(self, index):
        self.reads[index] += 1
        return {
            **super().__getitem__(index),
            "image": np.full((512, 512, 3), index, np.uint8),  # 3/4 MiB
        }


@pytest.mark.parametrize(("mebibytes", "kept"), [(0, 0), (2, 2), (100, 6)])
def test_as_many_samples_as_fit_are_kept(mebibytes, kept):
    source = Counted(6)
    samples = CachedSamples(source, mebibytes)
    assert len(samples) == 6
    for _ in range(3):
        for index in range(6):
            sample = samples[index]
            assert sample["image"][0, 0, 0] == index and sample["name"] == str(index)
    assert sorted(source.reads) == [1] * kept + [3] * (6 - kept)


def test_a_kept_sample_cannot_be_changed():
    samples = CachedSamples(Numbered(3), 1)
    with pytest.raises(ValueError, match="read-only"):
        samples[1]["image"][0] = 7


def test_a_batch_has_its_shapes_and_types():
    batch = next(stream())
    assert batch["image"].shape == (4, 4, 5, 3) and batch["image"].dtype == np.uint8
    assert batch["label"].shape == (4, 4, 5) and batch["label"].dtype == np.uint8
    assert batch["valid"].shape == (4,) and batch["valid"].all()


def test_every_epoch_holds_every_sample_once_in_another_order():
    seen = [index for index, _ in pairs(take(stream(), 5))]
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert seen[:10] != seen[10:]


def test_order_and_randomness_are_a_function_of_the_seed():
    assert pairs(take(stream(), 6)) == pairs(take(stream(threads=1), 6))
    assert pairs(take(stream(), 6)) != pairs(take(stream(seed=1), 6))


def test_processes_share_the_batch_of_one():
    whole = take(stream(), 6)
    parts = [take(stream(process, 2), 6) for process in (0, 1)]
    for step in range(6):
        assert pairs([parts[0][step], parts[1][step]]) == pairs([whole[step]])


def test_a_stream_goes_on_in_another_number_of_processes():
    first = stream(1, 2)
    take(first, 3)
    parts = [stream(process, processes) for process, processes in [(0, 1), (0, 4)]]
    for part in parts:
        part.restore(first.state())
    whole, quarter = (pairs(take(part, 3)) for part in parts)
    assert whole == pairs(take(stream(), 6)[3:])
    assert quarter == whole[::4]


@pytest.mark.parametrize("steps", [0, 1, 5])
def test_a_restored_stream_continues_bit_for_bit(steps):
    first = stream()
    take(first, steps)
    place = json.loads(json.dumps(first.state()))
    rest = pairs(take(first, 4))
    second = stream()
    second.restore(place)
    assert pairs(take(second, 4)) == rest


BALANCED = (1.0,) * 8 + (2.5, 1.5)  # an epoch of 12 draws


def test_balanced_epochs_draw_samples_as_often_as_their_factors():
    seen = [index for index, _ in pairs(take(stream(repeats=BALANCED), 6))]
    for epoch in (seen[:12], seen[12:]):
        assert set(epoch) == set(range(10))
        assert epoch.count(8) in (2, 3) and epoch.count(9) in (1, 2)
    assert seen[:12] != seen[12:]


def test_repeated_samples_are_augmented_differently():
    found = pairs(take(stream(repeats=BALANCED), 3))
    often = [noise for index, noise in found if index == 8]
    assert len(set(often)) == len(often) > 1


@pytest.mark.parametrize("steps", [0, 2, 7])
def test_a_balanced_stream_is_the_same_in_any_threads_and_processes_after_a_resume(
    steps,
):
    first = stream(repeats=BALANCED, threads=1)
    take(first, steps)
    place = json.loads(json.dumps(first.state()))
    whole = take(first, 5)
    parts = [stream(process, 2, repeats=BALANCED) for process in (0, 1)]
    for part in parts:
        part.restore(place)
    shared = [take(part, 5) for part in parts]
    for step in range(5):
        assert pairs([shared[0][step], shared[1][step]]) == pairs([whole[step]])


@pytest.mark.parametrize(
    "mebibytes, pixels, asked", [(1, 20, [0, 1]), (1, 19, [0]), (0, 20, [0])]
)
def test_small_crops_in_memory_are_left_to_one_thread(
    monkeypatch, mebibytes, pixels, asked
):
    threads, reading = [], pipeline._read_options
    monkeypatch.setattr(pipeline, "SMALL_CROP", pixels)
    monkeypatch.setattr(
        pipeline, "_read_options", lambda count: threads.append(count) or reading(count)
    )
    samples = CachedSamples(Numbered(10), mebibytes)
    source = TrainingStream(samples, jitter, batch_size=4, seed=0)
    found = pairs(take(source, 12))
    assert threads == asked
    assert found == pairs(take(stream(), 12))
    assert source.state() == {"next_index": 12}


@pytest.mark.parametrize("batch, processes", [(1, 1), (2, 2), (4, 4)])
def test_a_process_may_take_one_sample_a_step(batch, processes):
    parts = [stream(process, processes, batch) for process in range(processes)]
    first = [take(part, 24 // batch) for part in parts]
    assert all(each["image"].shape == (1, 4, 5, 3) for part in first for each in part)
    # The samples are those of any other batch size, in the same order.
    alone = [each for step in zip(*first, strict=True) for each in step]
    assert pairs(alone) == pairs(take(stream(), 6))
    for process, part in enumerate(parts):
        again = stream(process, processes, batch)
        again.restore(json.loads(json.dumps(part.state())))
        assert pairs(take(again, 5)) == pairs(take(part, 5))


def test_a_single_image_can_be_trained_on():
    batches = take(stream(batch=1, count=1), 3)
    assert [index for index, _ in pairs(batches)] == [0, 0, 0]


def test_a_batch_that_processes_do_not_divide_is_refused():
    with pytest.raises(UserError, match="a multiple of 3"):
        stream(processes=3)


def collect(sizes, processes=1, **options):
    """Indices and arrays of an evaluation, by process."""
    return [
        list(
            evaluation_batches(
                Numbered(len(sizes), sizes),
                sizes,
                threads=2,
                process_index=process,
                process_count=processes,
                **options,
            )
        )
        for process in range(processes)
    ]


some_sizes = st.lists(st.sampled_from([(4, 5), (5, 4), (9, 9)]), min_size=1, max_size=9)


@settings(max_examples=30, deadline=None)
@given(
    some_sizes, st.integers(1, 8), st.sampled_from([1, 2]), st.sampled_from([1, 4, 8])
)
def test_every_image_is_evaluated_exactly_once(sizes, batch, processes, multiple):
    groups = collect(
        sizes, processes, batch_size=batch, multiple=multiple, unit=processes
    )
    seen = [index for group in groups for part in group for index in part.indices]
    assert sorted(seen) == list(range(len(sizes)))
    shapes = [[part.arrays["image"].shape for part in group] for group in groups]
    assert all(shape == shapes[0] for shape in shapes), "processes must agree"


def test_what_fills_a_batch_is_marked_and_ignored():
    (batches,) = collect([(4, 5)] * 5, batch_size=4)
    last = batches[-1].arrays
    assert last["image"].shape == (4, 4, 5, 3)
    assert last["valid"].tolist() == [True, False, False, False]
    assert last["index"].tolist() == [4, -1, -1, -1]
    assert (last["label"][1:] == IGNORE).all()


def test_padding_mirrors_the_image_and_ignores_the_label():
    (batches,) = collect([(4, 5)], batch_size=1, multiple=8)
    arrays = batches[0].arrays
    assert arrays["image"].shape == (1, 8, 8, 3)
    assert (arrays["label"][0, 4:] == IGNORE).all()
    assert (arrays["label"][0, :4, :5] == 0).all()
    assert batches[0].sizes == ((4, 5),)


def test_a_batch_is_no_larger_than_its_group_needs():
    (batches,) = collect([(4, 5), (9, 9)], batch_size=8, unit=2)
    assert [part.arrays["image"].shape[0] for part in batches] == [2, 2]


@settings(max_examples=50, deadline=None)
@given(st.tuples(st.integers(1, 99), st.integers(1, 99)), st.integers(1, 64))
def test_a_padded_size_is_the_next_multiple(size, multiple):
    padded = padded_size(size, multiple, 1)
    for before, after in zip(size, padded, strict=True):
        assert after % multiple == 0 and before <= after < before + multiple


any_sizes = st.lists(st.tuples(st.integers(1, 99), st.integers(1, 99)), min_size=1)


@settings(max_examples=50, deadline=None)
@given(any_sizes, st.sampled_from([1, 32]))
def test_what_an_image_is_padded_to_does_not_depend_on_the_others(sizes, multiple):
    together = group_by_size(sizes, multiple, 33)
    for padded, indices in together.items():
        for index in indices:
            assert group_by_size([sizes[index]], multiple, 33) == {padded: [0]}


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (3, 2)])
def test_a_tiny_image_can_be_padded_far(shape):
    image = np.arange(shape[0] * shape[1] * 3, dtype=np.uint8).reshape(*shape, 3)
    padded = pad_image(image, (33, 40))
    assert padded.shape == (33, 40, 3)
    np.testing.assert_array_equal(padded[: shape[0], : shape[1]], image)
