"""Imports go down: the floors of docs/design.md, read from the source."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "jaxseg"

FLOORS = {
    "errors": 0,
    "choices": 0,
    "checks": 0,
    "limits": 0,
    "memory": 0,
    "locks": 0,
    "paths": 0,
    "typed_json": 0,
    "config": 0,
    "version": 0,
    "data.labels": 0,
    "data": 1,
    "nn": 1,
    "devices": 1,
    "backbones": 2,
    "heads": 2,
    "models": 3,
    "training": 4,
    "evaluation.metrics": 4,
    "weights": 4,
    "training.losses": 4,
    "training.optimizer": 4,
    "training.state": 4,
    "training.mesh": 4,
    "training.distributed": 4,
    "training.step": 5,
    "evaluation": 5,
    "analysis": 5,
    "evaluation.inference": 5,
    "report": 6,
    "training.manifest": 5,
    "training.checkpoint": 6,
    "evaluation.evaluate": 6,
    "run": 7,
    "predictor": 8,
    "commands": 9,
    "training.claim": 8,
    "training.results": 9,
    "training.setup": 9,
    "training.signals": 4,
    "training.loop": 10,
    "cli": 11,
    "__init__": 11,
    "__main__": 12,
}

ONLY_IN = {
    "orbax": ("training.checkpoint",),
    "grain": ("data.pipeline",),
    "tensorflow_datasets": ("data",),
    "tensorboardX": ("report",),
    "tqdm": ("report",),
    "matplotlib": ("report",),
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


def room(name):
    """The longest entry of FLOORS that `name` lies in."""
    parts = name.split(".")
    while parts and ".".join(parts) not in FLOORS:
        parts.pop()
    return ".".join(parts)


ALL = dict(modules())


@pytest.mark.parametrize("name", ALL)
def test_a_module_imports_nothing_from_a_higher_floor(name):
    assert room(name), f"{name} is on no floor"
    if name in ("__init__", "__main__", "cli"):
        return
    for imported in imports(ALL[name]):
        inside = imported.removeprefix("jaxseg.")
        if inside == imported or inside not in ALL:
            continue
        assert FLOORS[room(inside)] <= FLOORS[room(name)], f"{name} -> {inside}"


@pytest.mark.parametrize("name", ALL)
def test_a_library_is_imported_in_its_own_room_only(name):
    for imported in imports(ALL[name]):
        homes = ONLY_IN.get(imported.split(".")[0])
        if homes is not None:
            assert any(name == home or name.startswith(home + ".") for home in homes)


def test_backbones_and_heads_are_blind_to_each_other():
    for name, tree in ALL.items():
        other = {"backbones": "heads", "heads": "backbones"}.get(name.split(".")[0])
        for imported in imports(tree):
            assert not (other and imported.startswith(f"jaxseg.{other}")), name


@pytest.mark.parametrize("name", [n for n in ALL if not n.startswith("report")])
def test_only_the_report_room_prints(name):
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
