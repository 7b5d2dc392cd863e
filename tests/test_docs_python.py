"""The Python blocks of README and docs run, page by page, with small stand-ins.

A page's blocks share one namespace and run in an empty folder, which holds what their
prose takes for granted: a photograph, files of weights (zeros in their true shapes),
and the two experiments that they name, as a run of a few steps.
"""

import re
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image
from slow_cases import slow

import jaxseg
from jaxseg.schema import to_json
from jaxseg.segmenter import abstract_variables

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
ELSEWHERE = {"extending.md": "tests/test_extending.py"}
"""Page -> the test that runs its blocks, as files of an experiment."""

BLOCK = re.compile(
    r"(?:<!-- not run: (?P<reason>[^\n]+?) -->\n+)?```python\n(.*?)^```", re.S | re.M
)
STEPS = re.compile(r'("--train\.steps", )"\d+"')


def blocks(page):
    """Yield the line where a block begins, why it is not run (or None), its text."""
    text = page.read_text()
    for found in BLOCK.finditer(text):
        yield text.count("\n", 0, found.start(2)), found["reason"], found[2]


RUN = [page for page in PAGES if page.name not in ELSEWHERE and [*blocks(page)]]


WEIGHTS = {
    "resnet50.pth": lambda: jaxseg.create_classifier("resnet50", num_classes=1000),
    "deeplabv3_resnet50_coco.pth": lambda: jaxseg.create_model(
        "deeplabv3", "resnet50", num_classes=21, output_stride=8, auxiliary=True
    ),
}
"""File of weights that a page may name -> its model."""


def write_zeros(file, model):
    """Write weights of a model in the names and shapes that torchvision gives them."""
    variables = jax.tree.map(
        lambda leaf: np.zeros(leaf.shape, leaf.dtype), abstract_variables(model)
    )
    jaxseg.save_weights(model, variables, f"{file}.safetensors", names="torch")
    Path(f"{file}.safetensors").rename(file)  # a format is known by its content


@pytest.fixture
def folder(tmp_path, monkeypatch, tiny_config):
    """An empty working directory with a photograph and the experiments."""
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(0).integers(0, 255, (50, 60, 3), dtype=np.uint8)
    Image.fromarray(noise).save("photo.jpg")
    Path("tiny.json").write_text(to_json(tiny_config))
    Path("experiments").mkdir()
    for name in ("deeplab", "folder"):
        Path(f"experiments/{name}.py").write_text(
            "import jaxseg\n\n"
            "def get_config():\n    return jaxseg.load_config('tiny.json')\n"
        )


def test_the_pages_hold_blocks():
    assert {"README.md", "index.md", "tutorial.md", "guide.md"} <= {p.name for p in RUN}
    assert all((ROOT / test).exists() for test in ELSEWHERE.values())


def test_at_most_two_blocks_are_not_run():
    left_out = [(page.name, why) for page in RUN for _, why, _ in blocks(page) if why]
    assert len(left_out) <= 2, left_out


@pytest.mark.parametrize(
    "page",
    [page if page.name == "README.md" else slow(page)[0] for page in RUN],
    ids=lambda page: page.name,
)
def test_the_blocks_of_a_page_run(page, folder):
    namespace = {"__name__": "__page__"}
    for file, model in WEIGHTS.items():
        if file in page.read_text():
            write_zeros(file, model())
    for line, reason, text in blocks(page):
        if reason is None:
            text = "\n" * line + STEPS.sub(r'\1"4"', text)
            exec(compile(text, page, "exec"), namespace)
