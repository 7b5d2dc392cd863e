"""Cases of a parametrised test that are marked slow."""

import pytest


def slow(*cases):
    """Return the cases, each marked slow; a tuple is a case of several values."""
    return [
        pytest.param(
            *(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.slow
        )
        for case in cases
    ]


def slow_but(quick, cases):
    """Return all cases, those marked slow that are not among the quick ones."""
    cases = list(cases)
    assert set(quick) <= set(cases), "a quick case is none of the cases"
    return [case if case in quick else slow(case)[0] for case in cases]
