"""Data sets of a user's own sequences: read lazily, checked sample by sample."""

import numpy as np
import pytest

from jaxseg.config import DataConfig
from jaxseg.data.catalog import DATASETS, open_dataset, register_dataset
from jaxseg.data.identity import Identity
from jaxseg.data.labels import IGNORE, LabelSet
from jaxseg.data.sequences import SequenceDataset
from jaxseg.errors import UserError

LABELS = LabelSet(("sky", "road"))
IMAGE = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
LABEL = np.zeros((4, 5), np.uint8)


def dataset(*elements, labels=LABELS):
    return SequenceDataset(labels, {"train": list(elements)}, name="mine")


def only(element, labels=LABELS):
    return dataset(element, labels=labels).samples("train")[0]


@pytest.mark.parametrize(
    "element",
    [
        (IMAGE, LABEL),
        [IMAGE, LABEL],
        {"image": IMAGE, "label": LABEL},
        {"image": IMAGE, "label": LABEL.astype(np.int64), "name": 0},
        (IMAGE[:, ::-1][:, ::-1], LABEL),
    ],
)
def test_a_sample_is_a_pair_or_a_mapping(element):
    sample = only(element)
    np.testing.assert_array_equal(sample["image"], IMAGE)
    np.testing.assert_array_equal(sample["label"], LABEL)
    assert sample["image"].dtype == sample["label"].dtype == np.uint8
    assert sample["image"].flags.c_contiguous
    assert sample["name"] == "0"


def test_a_name_that_is_given_is_kept():
    assert only({"image": IMAGE, "label": LABEL, "name": "a"})["name"] == "a"


def test_the_users_own_arrays_stay_writable_and_their_samples_are_not():
    image = IMAGE.copy()
    sample = only((image, LABEL))
    with pytest.raises(ValueError, match="read-only"):
        sample["image"][0] = 0
    image[0] = 0


def test_ignored_pixels_and_raw_values_become_labels():
    label = np.array([[7, 26], [255, 7]])
    found = only((IMAGE[:2, :2], label), LabelSet(("road", "car"), raw_values=(7, 26)))
    assert found["label"].tolist() == [[0, 1], [IGNORE, 0]]


@pytest.mark.parametrize(
    ("element", "said"),
    [
        (IMAGE, r"a ndarray; it must be \(image, label\)"),
        ((IMAGE,), "a tuple; it must be"),
        ({"image": IMAGE, "mask": LABEL}, "no 'label' in it; it has 'image', 'mask'"),
        ({}, "no 'image' in it; it has nothing"),
        (("a.png", LABEL), "the image is of type str; it must be a NumPy array"),
        ((IMAGE / 255, LABEL), r"float64 \[4, 5, 3\]; it must be uint8, 0..255"),
        ((IMAGE.transpose(2, 0, 1), LABEL), r"uint8 \[3, 4, 5\].*channels last"),
        ((LABEL, LABEL), r"uint8 \[4, 5\]; it must be \[H, W, 3\]"),
        ((IMAGE[:0], LABEL[:0]), r"\[0, 5, 3\]; it must be \[H, W, 3\]"),
        ((IMAGE, None), "the label is of type NoneType"),
        ((IMAGE, LABEL / 1), r"float64 \[4, 5\]; it must be of integers"),
        ((IMAGE, LABEL > 0), r"bool \[4, 5\]; it must be of integers, as label.astype"),
        ((IMAGE, LABEL.T), r"label is uint8 \[5, 4\].*label must be \[4, 5\]"),
        ((IMAGE, LABEL[None]), r"label is uint8 \[1, 4, 5\]"),
        ((IMAGE, LABEL + 2), "mask value 2 is not one of 2 classes"),
        ((IMAGE, LABEL.astype(int) - 1), "must lie in 0..65535"),
    ],
)
def test_an_invalid_sample_is_named_with_its_index(element, said):
    samples = dataset((IMAGE, LABEL), element, (IMAGE, LABEL)).samples("train")
    with pytest.raises(UserError, match=f"mine: split 'train', element 1: .*{said}"):
        samples[1]


def test_an_error_in_the_users_code_is_named_with_its_index():
    class Failing(list):
        def __getitem__(self, index):
            raise FileNotFoundError("a.png is gone")

    failing = SequenceDataset(LABELS, {"val": Failing([0])}, name="mine")
    said = "split 'val', element 0: FileNotFoundError: a.png is gone"
    with pytest.raises(UserError, match=said):
        failing.samples("val")


def test_samples_end_where_the_sequence_ends():
    samples = dataset((IMAGE, LABEL)).samples("train")
    assert len(samples) == len(list(samples)) == 1
    with pytest.raises(IndexError):
        samples[-1]


def test_sizes_are_those_of_the_images():
    pair = (IMAGE, LABEL), (IMAGE[:3], LABEL[:3])
    assert dataset(*pair).sizes("train") == [(4, 5), (3, 5)]


def test_nothing_is_read_before_a_split_is_opened():
    class Unread(list):
        def __getitem__(self, index):
            raise AssertionError("it was read")

    found = SequenceDataset(LABELS, {"train": Unread([1, 2]), "val": Unread()})
    assert found.splits == {"train": 2, "val": 0}


def test_an_unknown_or_empty_split_is_refused_as_of_any_data_set():
    with pytest.raises(UserError, match="unknown split of mine 'vall'"):
        dataset().samples("vall")
    with pytest.raises(UserError, match="mine: split 'train' is empty"):
        dataset().samples("train")


def test_a_sample_that_changes_when_it_is_read_again_is_refused():
    class Changing(list):
        def __getitem__(self, index):
            self.append(None)
            return IMAGE, np.full((4, 5), len(self) % 2)

    changing = SequenceDataset(LABELS, {"train": Changing([None])}, name="mine")
    with pytest.raises(UserError, match="element 0: it differs.*augment.transforms"):
        changing.samples("train")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((LABELS, {"train": iter([])}), "split 'train' is of type list_iterator"),
        ((LABELS, {"train": {1, 2}}), "of type set, which has no length or no"),
    ],
)
def test_an_invalid_data_set_is_refused(arguments, said):
    with pytest.raises(UserError, match=said):
        SequenceDataset(*arguments)


@pytest.mark.parametrize(
    ("elements", "said"),
    [
        ([(IMAGE, LABEL)] * 3, None),
        ([(IMAGE, LABEL)] * 4, "train has 4 images, not 3"),
        ([(IMAGE, LABEL)] * 2 + [(IMAGE, LABEL + 1)], "as before, but others"),
        ([(IMAGE + 1, LABEL)] + [(IMAGE, LABEL)] * 2, "as before, but others"),
        ([(IMAGE[:, :4], LABEL[:, :4])] * 3, "as before, but others"),
    ],
)
def test_other_data_is_distinguished_from_the_data_of_a_run(elements, said):
    before = Identity.of(dataset(*[(IMAGE, LABEL)] * 3), ["train"])
    found = before.difference(dataset(*elements), ["train"])
    assert found is None if said is None else said in str(found)


@pytest.fixture
def registered(monkeypatch):
    """Register a function as the data set "mine", for one test."""

    def add(function):
        monkeypatch.setitem(DATASETS, "mine", None)  # it is taken out again
        register_dataset("mine")(function)
        return DataConfig(name="mine", root="here")

    yield add
    DATASETS._modules.pop("mine", None)


def test_a_registered_function_is_given_the_config_and_its_set_the_name(registered):
    def function(config: DataConfig) -> SequenceDataset:
        return SequenceDataset(LABELS, {config.root: [(IMAGE, LABEL)]})

    found = open_dataset(registered(function))
    assert found.name == "mine" and found.splits == {"here": 1}


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda config: [1], "'mine': its function returned a list; it must return"),
        (lambda config: config.roots, "'mine': AttributeError: .*roots"),
        (lambda: None, "'mine': TypeError"),
        (lambda config: open("/nowhere"), "'mine': FileNotFoundError"),
        (
            lambda config: SequenceDataset(LABELS, {"train": iter([])}),
            "'mine': SequenceDataset: split 'train' is of type",
        ),
    ],
)
def test_a_function_that_returns_no_data_set_is_one_line(registered, function, said):
    config = registered(function)
    with pytest.raises(UserError, match=said):
        open_dataset(config)
