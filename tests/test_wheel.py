"""What is installed outside the source tree: every module, every study, and nothing else."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "-d", str(folder)]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True)
    (found,) = folder.glob("*.whl")
    return found


def test_it_holds_the_package_and_its_licence(wheel: Path) -> None:
    source = ROOT / "src"
    mine = {
        str(path.relative_to(source))
        for path in source.joinpath("engrax").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    names = set(zipfile.ZipFile(wheel).namelist())
    about = {name for name in names if ".dist-info/" in name}
    assert names - about == mine
    assert any(name.endswith("licenses/LICENSE") for name in about)


def test_it_runs_outside_the_tree_and_knows_every_study(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    code = (
        "import sys; sys.path.insert(0, 'installed'); import engrax, engrax.core; "
        "from engrax.cli import main; print(engrax.__file__); sys.exit(main(['list']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    where, *listed = done.stdout.splitlines()
    assert Path(where).is_relative_to(tmp_path)
    studies = PROJECT["project"]["entry-points"]["engrax.studies"]
    assert [line.split()[0] for line in listed] == sorted(studies)
    # Told by the docstring of its module, which was read from the wheel.
    assert all(len(line.split()) > 4 for line in listed)
