"""Names in the documents exist, and their commands name models that can be built."""

import re
import shlex
from pathlib import Path

import pytest

import jaxseg
from jaxseg.backbones import BACKBONES
from jaxseg.build import build_model
from jaxseg.commands.options import markdown
from jaxseg.experiment import load_config
from jaxseg.schema import options

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *PAGES]
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


@pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT))
)
def test_links_lead_to_files(document):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text()):
        if "://" not in target:
            assert (document.parent / target).exists(), target


def test_the_table_of_options_is_that_of_the_schema():
    text = (ROOT / "docs" / "options.md").read_text()
    assert text.endswith(f"\n\n{markdown(options().values())}\n")


def test_every_public_name_has_one_entry_in_the_api():
    pages = (page.read_text() for page in (ROOT / "docs" / "api").glob("*.md"))
    entries = re.findall(r"^::: jaxseg\.(\w+)$", "\n".join(pages), re.M)
    assert sorted(entries) == sorted(set(jaxseg.__all__) - {"__version__"})


def test_every_page_is_in_the_navigation_of_the_site():
    navigation = (ROOT / "mkdocs.yml").read_text()
    named = re.findall(r"^ +- (?:.+: )?(\S+\.md)$", navigation, re.M)
    assert sorted(named) == sorted(str(p.relative_to(ROOT / "docs")) for p in PAGES)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_lines_of_prose_have_at_most_100_characters(document):
    lines = document.read_text().splitlines()
    prose = [line for line in lines if not line.startswith(("|", "    "))]
    assert [line for line in prose if len(line) > 100] == []


@pytest.mark.parametrize("name", ["README.md", "docs/index.md"])
def test_the_number_of_backbones_is_that_of_the_registry(name):
    found = re.findall(r"(\d+)\s+backbones", (ROOT / name).read_text())
    assert found == [str(len(BACKBONES))]
