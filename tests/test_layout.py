"""The shape of the code: what is public is documented and annotated, and nothing points outside."""

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "engrax"
FILES = sorted(SOURCE.rglob("*.py"))
PACKAGES = sorted(
    ".".join(("engrax", *path.parent.relative_to(SOURCE).parts))
    for path in SOURCE.rglob("__init__.py")
)
MODULES = sorted(
    ".".join(("engrax", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")
    for path in FILES
)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PINS = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines())


def public_definitions(tree):
    """Public functions and classes of a module, and public methods of public classes."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from (
                    inner
                    for inner in node.body
                    if isinstance(inner, ast.FunctionDef) and not inner.name.startswith("_")
                )


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_module_is_documented_and_annotated(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "the module has no docstring"
    for node in public_definitions(tree):
        overrides = any("overload" in ast.unparse(d) for d in node.decorator_list)
        # What a subclass merely implements is documented where it is asked for.
        implements = isinstance(node, ast.FunctionDef) and node.args.args[:1] != []
        implements = implements and node.args.args[0].arg == "self"
        assert ast.get_docstring(node) or overrides or implements, f"{node.name}: no docstring"
        if isinstance(node, ast.FunctionDef):
            given = [*node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
            bare = [a.arg for a in given if a and a.arg not in ("self", "cls") and not a.annotation]
            assert not bare, f"{node.name}: not annotated: {', '.join(bare)}"
            assert node.returns, f"{node.name}: the result is not annotated"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_file_is_one_idea_long(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 600


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_is_its_table_of_contents(package):
    module = importlib.import_module(package)
    names = getattr(module, "__all__", ())
    assert sorted(set(names)) == sorted(names)
    for name in names:
        assert getattr(module, name, None) is not None, f"{package} promises {name}"


IMPORTS = """
import importlib, sys
from jax._src import xla_bridge  # there is no public way to ask

slow = {"scipy.stats", "scipy.optimize", "optimistix", "sklearn.decomposition", "networkx"}
slow |= {"matplotlib.pyplot"}
for name in sys.argv[1:]:
    importlib.import_module(name)
    assert not xla_bridge.backends_are_initialized(), f"{name} starts a backend"
    found = slow & sys.modules.keys()
    assert not found or name.startswith("engrax.estimators"), f"{name} imports {found}"
"""


def test_imports_start_no_backend_and_no_slow_package():
    # Estimators come last: the bases that they share with scikit-learn's own bring what is slow.
    names = sorted(MODULES, key=lambda name: name.startswith("engrax.estimators"))
    command = [sys.executable, "-c", IMPORTS, *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_pins_are_names_and_versions_of_every_dependency():
    assert all(re.fullmatch(r"[\w.+-]+", text) for pin in PINS.items() for text in pin)
    project = PROJECT["project"]
    wanted = [project["dependencies"], *project["optional-dependencies"].values()]
    names = {re.split(r"[\[<>=~!; ]", wish)[0].lower() for group in wanted for wish in group}
    assert names <= {name.lower() for name in PINS}


def test_versions_agree():
    import engrax

    version = PROJECT["project"]["version"]
    assert engrax.__version__ == version
    assert f"version: {version}" in (ROOT / "CITATION.cff").read_text()
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text()


def test_every_suppression_has_a_reason():
    for path in [*FILES, *sorted((ROOT / "tests").rglob("*.py"))]:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            found = re.search(
                r"#\s*(?:type: ignore|pyright: ignore|noqa)[^ ]*(?: \w+,?)*(.*)", line
            )
            if found and "re.search" not in line:
                assert re.search(r"[a-z]{3}", found[1]), f"{path.name}:{number} gives no reason"
