from __future__ import annotations

import pytest

from jaxseg.data.mask_map import parse_mask_map
from jaxseg.errors import UserError


def test_several_values_of_a_class_and_the_first_stands_for_it():
    found = parse_mask_map(["255:1", "0:0", "1:1", "7:ignore"])
    assert found.values == (0, 255)
    assert found.ranges == ((1, 1, 1),)
    assert found.ignored == (7,)


def test_ranges_name_every_value_from_the_first_to_the_last():
    found = parse_mask_map(["0-127:0", "128-255:1", "300-302:ignore"])
    assert found.values == (0, 128)
    assert found.ranges == ((1, 127, 0), (129, 255, 1))
    assert found.ignored == (300, 301, 302)


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (["0=0"], "'0=0': give VALUE:CLASS"),
        (["0:"], "'0:': give VALUE:CLASS"),
        (["-1:0"], "'-1:0': give VALUE:CLASS"),
        (["9-3:0"], "'9-3:0': give VALUE:CLASS"),
        (["70000:0"], "'70000:0': give VALUE:CLASS"),
        (["٣:0"], "VALUE:CLASS"),
        (["0:0", "0:1"], "0:0 and 0:1 both name value 0"),
        (["0-9:0", "9-12:1"], "0-9:0 and 9-12:1 both name value 9"),
        (["0:0", "1:2"], "no value has class 1"),
        (["0:1"], "no value has class 0"),
    ],
)
def test_a_wrong_map_is_refused(entries, said):
    with pytest.raises(UserError, match=said) as error:
        parse_mask_map(entries)
    assert "data.mask_map" in str(error.value)
