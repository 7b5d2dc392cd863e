"""Write the golden file of MONAI's surface distances that the tests compare with.

Needs an environment with torch and monai 1.6:

    python -m benchmarks.golden_surfaces

The file holds, for each case in `tests/evaluation/surface_cases.py`, the Hausdorff
distance at 95 % and the symmetric average surface distance, in pixels.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from monai.metrics import (
    compute_average_surface_distance,
    compute_hausdorff_distance,
)

TESTS = Path(__file__).resolve().parents[1] / "tests/evaluation"
sys.path.insert(0, str(TESTS))

from surface_cases import CASES  # noqa: E402


def main() -> None:
    """Compute all cases and write the file."""
    found = {}
    for name, (label, prediction) in CASES.items():
        y, y_pred = (torch.from_numpy(each)[None, None] for each in (label, prediction))
        hausdorff = compute_hausdorff_distance(
            y_pred, y, include_background=True, percentile=95
        )
        average = compute_average_surface_distance(
            y_pred, y, include_background=True, symmetric=True
        )
        found[name] = {
            "hausdorff95": hausdorff.item(),
            "average_surface_distance": average.item(),
        }
        print(name, found[name])
    path = TESTS / "golden_surfaces.json"
    path.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
