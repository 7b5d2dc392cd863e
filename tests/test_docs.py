"""What the documents name exists, and their commands name models that can be built."""

import re
import shlex
from pathlib import Path

import pytest

from jaxseg.build import build_model
from jaxseg.commands.options import markdown
from jaxseg.experiment import load_config
from jaxseg.schema import options

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TRAINING = re.compile(r"python main\.py (--config experiments/[^`|]*)")


def commands():
    for document in DOCUMENTS:
        if document.name == "design.md":  # it explains each command on its line
            continue
        text = document.read_text().replace("\\\n", " ")
        for line in text.splitlines():
            for found in TRAINING.finditer(line):
                words = shlex.split(found[1], comments=True)
                yield document.name, words


COMMANDS = sorted({(name, *words) for name, words in commands()})


def test_the_documents_hold_commands():
    assert len(COMMANDS) > 20


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_training_command_names_a_model_that_can_be_built(command):
    _, _, path, *words = command
    words = [word for word in words if word != "--help"]
    if "--distributed" in words:  # these come last
        del words[words.index("--distributed") :]
    if "--workdir" in words:
        place = words.index("--workdir")
        del words[place : place + 2]
    build_model(load_config(ROOT / path, words), num_classes=11)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files(document):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text()):
        if "://" not in target:
            assert (document.parent / target).exists(), target


def test_the_table_of_options_is_that_of_the_schema():
    text = (ROOT / "docs" / "options.md").read_text()
    assert text.endswith(f"\n\n{markdown(options().values())}\n")
