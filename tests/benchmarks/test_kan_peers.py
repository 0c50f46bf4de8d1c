import pytest

from benchmarks._kan_peers import VARIABLE, folder


def test_without_a_checkout_there_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.argv", ["kan"])
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(SystemExit, match=r"no folder was given; set ENGRAX_EFFICIENT_KAN"):
        folder()
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with pytest.raises(SystemExit, match=r"holds no src/efficient_kan/kan\.py"):
        folder()


def test_a_checkout_is_found(monkeypatch, tmp_path):
    (tmp_path / "src" / "efficient_kan").mkdir(parents=True)
    (tmp_path / "src" / "efficient_kan" / "kan.py").touch()
    monkeypatch.setattr("sys.argv", ["kan", str(tmp_path)])
    assert folder() == tmp_path
