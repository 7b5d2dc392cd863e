"""Registries list the names that they know."""

import pytest

from jaxseg.errors import UserError, choose, listed

KNOWN = {"resnet18": 1, "resnet50": 2}


def test_a_known_name_is_looked_up():
    assert choose("backbone", "resnet50", KNOWN) == 2


def test_an_unknown_name_lists_the_known_and_the_nearest():
    with pytest.raises(UserError) as caught:
        choose("backbone", "resnet5", KNOWN)
    assert str(caught.value) == (
        "unknown backbone 'resnet5'. Did you mean 'resnet50'? Known: resnet18, resnet50"
    )


def test_a_far_name_has_no_nearest():
    with pytest.raises(UserError, match="unknown backbone 'xyz'. Known"):
        choose("backbone", "xyz", KNOWN)


def test_the_first_of_many_names_are_listed_and_the_rest_counted():
    assert listed(["a", "b", "c"]) == "a, b, c"
    assert listed(["a", "b", "c"], 1) == "a and 2 more"
