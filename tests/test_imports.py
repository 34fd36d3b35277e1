"""The order in which modules may import each other, read from the source."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import tfmask

PACKAGE = Path(tfmask.__file__).resolve().parent
MODULES = {
    ".".join(("tfmask", *path.relative_to(PACKAGE).with_suffix("").parts)): path
    for path in PACKAGE.rglob("*.py")
    if "configs" not in path.relative_to(PACKAGE).parts
}
# A package may import those of a lower number, and itself. Packages of one number are
# siblings and do not know each other.
RANK = {
    "structures": 0,
    "errors": 0,
    "config": 0,
    "files": 0,
    "ops": 1,
    "layers": 2,
    "losses": 2,
    "backbones": 3,
    "necks": 3,
    "heads": 3,
    "models": 4,
    "data": 4,
    "weights": 5,
    "training": 5,
    "evaluation": 5,
    "export": 5,
    "report": 5,
    "batch": 6,
    "cli": 6,
    "configs": 6,
    "__main__": 7,
    "_registration": 6,
    "__init__": 7,
}
# Siblings that may know each other: training evaluates, and starts from weight files; a
# report shows an evaluation; a command runs batches.
ALSO = {
    ("training", "evaluation"),
    ("training", "weights"),
    ("report", "evaluation"),
    ("cli", "batch"),
}
# Lower, and yet not to be known: data serves any model.
NEVER = {("data", "layers"), ("data", "losses")} | {
    ("data", part) for part in ("backbones", "necks", "heads")
}


def imported(path: Path) -> set[str]:
    """Modules of tfmask that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            # `from tfmask.ops import nms` imports tfmask.ops.nms
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {n if n in MODULES else node.module for n in names}
    return {name for name in found if name.startswith("tfmask.")}


def package(module: str) -> str:
    return module.split(".")[1]


@pytest.mark.parametrize("module", MODULES)
def test_module_imports_only_what_lies_below_it(module):
    mine = package(module)
    for name in imported(MODULES[module]):
        theirs = package(name)
        pair = (mine, theirs)
        allowed = (
            theirs in ("structures", "errors", mine)
            or RANK[theirs] < RANK[mine]
            or pair in ALSO
        )
        assert allowed and pair not in NEVER, f"{module} imports {name}"


@pytest.mark.parametrize(
    "module", [m for m in MODULES if package(m) in ("ops", "layers", "losses")]
)
def test_no_layer_or_op_reads_the_configuration(module):
    assert not any(n.startswith("tfmask.config") for n in imported(MODULES[module]))


@pytest.mark.parametrize(
    "module", [m for m in MODULES if package(m) in ("backbones", "necks", "heads")]
)
def test_parts_do_not_import_each_other(module):
    mine = [n for n in imported(MODULES[module]) if package(n) == package(module)]
    assert not mine, f"{module} imports its sibling {mine}"


def test_the_configuration_imports_nothing_else_of_the_package():
    for module, path in MODULES.items():
        if package(module) == "config":
            others = {n for n in imported(path) if package(n) != "config"}
            assert others <= {"tfmask.configs", "tfmask.errors"}, (
                f"{module} imports {others}"
            )


@pytest.mark.parametrize(
    "code",
    [
        "import tfmask",
        "import tfmask.config, tfmask.structures",
        "import tfmask.cli",
        "from tfmask.config import load_config; load_config('demo/shapes')",
        "from tfmask.cli.parser import build_parser; build_parser().format_help()",
        "import tfmask.data.validate",
        "import tfmask.report.build, tfmask.evaluation.tiles",
        "from tfmask.cli import main; main(['tables'])",
    ],
)
def test_takes_no_tensorflow(code):
    check = (
        "import sys; heavy = {'tensorflow', 'keras'} & set(sys.modules); "
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; {check}"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def dotted_names(path: Path) -> set[str]:
    """`a.b` for every attribute b of a plain name a."""
    return {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }


@pytest.mark.parametrize("module", MODULES)
def test_only_what_both_keras_versions_have(module):
    absent = {"tf.keras", "tensorflow.keras", "keras.ops", "keras.random"}
    assert not absent & dotted_names(MODULES[module])
