"""Imports go down: the layers of docs/design.md, read from the source."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "jaxseg"

LAYERS = {
    "errors": 0,
    "version": 0,
    "ranges": 0,
    "allocation": 0,
    "memory": 1,
    "paths": 1,
    "locks": 1,
    "config": 1,
    "schema": 2,
    "command_line": 3,
    "registry": 3,
    "registration": 4,
    "data": 5,
    "nn": 5,
    "backbones": 6,
    "heads": 6,
    "losses": 6,
    "parallel": 6,
    "analysis": 6,
    "doctor": 6,
    "segmenter": 7,
    "models": 8,
    "evaluation": 8,
    "training": 8,
    "weights": 9,
    "report": 9,
    "output_checks": 9,
    "build_augmentation": 10,
    "build_loss": 10,
    "build": 11,
    "experiment": 12,
    "run": 12,
    "initial_weights": 13,
    "predictor": 13,
    "trainer": 14,
    "commands": 15,
    "cli": 16,
    "__init__": 16,
    "__main__": 17,
}
"""The layers, one line for each.  An import goes to a lower layer, and never to another
folder or file of the same one."""

LONG = {}
"""Functions of more than 60 lines, and files of more than 400: why they are."""

ONLY_IN = {
    "orbax": ("training.checkpoint",),
    "grain": ("data.pipeline",),
    "tensorflow_datasets": ("data",),
    "tensorboardX": ("report",),
    "rich": ("report",),
    "tifffile": ("report.large_masks",),
    "tqdm": (),
    "jinja2": ("report.markup",),
    "markupsafe": ("report",),
    "matplotlib": (),
    "filelock": ("locks",),
    "h5py": ("weights",),
    "tensorflow": (),
    "torch": (),
}


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        yield name.removesuffix(".__init__"), ast.parse(path.read_text())


def imports(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def folder_of(name):
    """The folder, or the file beside the folders, that a module is in."""
    return name.split(".")[0]


ALL = dict(modules())


def test_the_design_names_every_folder_and_file_beside_it_and_no_other():
    text = (PACKAGE.parent / "docs/design.md").read_text()
    design = text.partition("    main.py ")[2].partition("## Style")[0]
    files = {path.name for path in PACKAGE.rglob("*.py")} | {"main.py", "make.py"}
    assert set(re.findall(r"\b\w+\.py\b", design)) <= files
    above = {name.split(".")[0] for name in ALL} - {"jaxseg", "__main__"}
    listed = re.findall(r"\b(\w+)(?:\.py|/)", design)
    assert sorted(above - set(listed)) == []


@pytest.mark.parametrize("name", ALL)
def test_a_module_imports_from_lower_layers_only(name):
    assert folder_of(name) in LAYERS, f"{name} is on no layer"
    for imported in imports(ALL[name]):
        inside = imported.removeprefix("jaxseg.")
        if (
            inside == imported
            or inside not in ALL
            or folder_of(inside) == folder_of(name)
        ):
            continue
        assert LAYERS[folder_of(inside)] < LAYERS[folder_of(name)], (
            f"{name} -> {inside}"
        )


@pytest.mark.parametrize("name", ALL)
def test_a_function_fits_on_a_screen_and_a_file_is_read_in_one_go(name):
    tree = ALL[name]
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    functions = [node for node in ast.walk(tree) if isinstance(node, kinds)]
    long = [f.name for f in functions if f.end_lineno - f.lineno >= 60]
    if max((node.end_lineno for node in tree.body), default=0) > 400:
        long.append("the file")
    assert [each for each in long if f"{name}: {each}" not in LONG] == []


@pytest.mark.parametrize("name", ALL)
def test_a_library_is_imported_in_its_own_folder_only(name):
    for imported in imports(ALL[name]):
        homes = ONLY_IN.get(imported.split(".")[0])
        if homes is not None:
            assert any(name == home or name.startswith(home + ".") for home in homes)


@pytest.mark.parametrize("name", [n for n in ALL if not n.startswith("report")])
def test_only_the_report_folder_prints(name):
    calls = [
        node.func.id
        for node in ast.walk(ALL[name])
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    assert "print" not in calls


@pytest.mark.parametrize("name", ALL)
def test_a_module_says_what_it_does(name):
    assert ast.get_docstring(ALL[name])


@pytest.mark.parametrize("name", [n for n in ALL if n != "nn.lowering"])
def test_only_one_module_chooses_by_platform(name):
    assert "default_backend" not in {
        node.attr for node in ast.walk(ALL[name]) if isinstance(node, ast.Attribute)
    }
    if not name.startswith("nn"):
        assert not any(i.startswith("jaxseg.nn.cpu") for i in imports(ALL[name]))
