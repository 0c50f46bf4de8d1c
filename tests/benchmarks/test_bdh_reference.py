import pytest

from benchmarks._bdh_reference import VARIABLE, folder


def test_without_a_checkout_there_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.argv", ["bdh"])
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(SystemExit, match=r"no folder was given; set ENGRAX_BDH_REFERENCE"):
        folder()
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with pytest.raises(SystemExit, match=r"holds no bdh\.py"):
        folder()


def test_a_checkout_is_found(monkeypatch, tmp_path):
    (tmp_path / "bdh.py").touch()
    monkeypatch.setattr("sys.argv", ["bdh", str(tmp_path)])
    assert folder() == tmp_path
