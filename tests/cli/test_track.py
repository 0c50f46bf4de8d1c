"""`--track` and `engrax track`, against an MLflow server on SQLite that the tests start."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

import engrax as package
from engrax.cli import _progress

pytestmark = pytest.mark.filterwarnings("ignore::Warning:mlflow", "ignore::ResourceWarning")


class Line:
    """A connection to the server, which can be cut and mended like that of a laptop."""

    def __init__(self, port: int) -> None:
        self.port, self.open, self.sockets = port, True, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.uri = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:  # closed: the tests are over
                return
            if not self.open:
                near.close()
                continue
            far = socket.create_connection(("127.0.0.1", self.port))
            self.sockets += [near, far]
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self.forward, args=pair, daemon=True).start()

    def forward(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def cut(self) -> None:
        self.open = False
        for one in self.sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self.sockets = []


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a server of this file's own."""
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # What `mlflow server` runs, in one process: with its own four it takes three times as long.
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--threads", "4",
             "mlflow.server:app"],
            env={**os.environ, "HOME": str(folder), "MLFLOW_DISABLE_TELEMETRY": "true",
                 "_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{folder}/runs.db",
                 "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(folder / "artifacts"),
                 "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
                 "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true"},
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.1)
        yield port
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # asked kindly it waits for connections
        process.wait()


@pytest.fixture
def line(server: int) -> Iterator[Line]:
    line = Line(server)
    yield line
    line.cut()
    line.listener.close()


@pytest.fixture
def client(server: int, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    return MlflowClient(tracking_uri=f"http://127.0.0.1:{server}")


def runs(client: MlflowClient, name: str) -> list:
    experiment = client.get_experiment_by_name("tiny")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id])
    return [run for run in found if run.info.run_name == name]


def test_a_run_is_on_the_server_with_all_that_it_found(engrax, line, client) -> None:
    answer = engrax("run", "tiny", "--out", "whole", "--track", line.uri, "--noise.size", "0.1")
    assert answer.code == 0, answer
    (sent,) = runs(client, "whole")
    assert sent.info.status == "FINISHED"
    assert sent.data.params["noise.size"] == "0.1"
    assert sent.data.params["seeds"] == "6"
    assert sent.data.params["shape"] == "(2, 3)"
    assert sent.data.tags["engrax.study"] == "tiny"
    assert sent.data.tags["engrax.environment.versions.jax"]
    assert sent.data.tags["engrax.verdict.C1"] == "open"
    assert sent.data.tags["engrax.verdict.C2"] == "fails"
    run = package.load_run("whole")
    total = run["fast"]["total"].to_numpy()
    history = client.get_metric_history(sent.info.run_id, "fast/total")
    assert [point.step for point in history] == list(range(1, 21))
    np.testing.assert_allclose([point.value for point in history], total.mean(0), rtol=1e-6)
    part = run.judgements[0].parts[1]
    assert sent.data.metrics["claims/C1 fast"] == pytest.approx(part.estimate)
    assert sent.data.metrics["claims/C1 fast low"] == pytest.approx(part.low)
    # the claim's own interval is that of the last tick
    high = client.get_metric_history(sent.info.run_id, "fast/total high")[-1].value
    assert high == pytest.approx(part.high, rel=1e-5)
    kept = {file.path for file in client.list_artifacts(sent.info.run_id)}
    assert kept == {"claims.json", "figures", "report.html"}
    drawn = {file.path for file in client.list_artifacts(sent.info.run_id, "figures")}
    assert drawn == {"figures/totals.png", "figures/totals.svg"}


def test_what_a_server_misses_is_kept_and_sent_once(engrax, line, client, monkeypatch) -> None:
    plain = _progress.Display.update

    def cut(self, where):
        plain(self, where)
        if (where.arm, where.tick) == ("slow", 10):
            line.cut()

    monkeypatch.setattr(_progress.Display, "update", cut)
    answer = engrax("run", "tiny", "--out", "runs/cut", "--track", line.uri)
    assert answer.code == 1
    assert answer.error.startswith(f"the tracking server at {line.uri} does not answer; the run is")
    assert answer.error.endswith("send it by: engrax track " + str(Path("runs/cut").absolute()))
    assert "The fast counter ends above the slow one." in answer.out, "the run itself is done"
    (begun,) = runs(client, "cut")
    assert (begun.info.status, begun.data.metrics) == ("RUNNING", {})
    assert engrax("track").code == 1, "it is still away"
    line.open = True
    answer = engrax("track")
    assert (answer.code, answer.out) == (0, f"runs/cut: sent to {line.uri}\n")
    assert engrax("track").out.startswith("nothing is left to send")
    assert engrax("track", "runs/cut", "--to", line.uri).code == 0
    (sent,) = runs(client, "cut")
    assert sent.info.status == "FINISHED"
    history = client.get_metric_history(sent.info.run_id, "slow/total low")
    assert [point.step for point in history] == list(range(1, 21)), "sent twice, there once"
    package.load_run("runs/cut")


def test_a_stopped_run_goes_on_under_its_number(engrax, line, client, monkeypatch) -> None:
    plain = _progress.Display.update

    def stop(self, where):
        plain(self, where)
        if (where.arm, where.tick) == ("fast", 6):
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(_progress.Display, "update", stop)
    assert engrax("run", "tiny", "--out", "stopped", "--track", line.uri).code == 130
    assert [run.info.status for run in runs(client, "stopped")] == ["KILLED"]
    monkeypatch.setattr(_progress.Display, "update", plain)
    assert engrax("run", "tiny", "--out", "stopped", "--track", line.uri, "--resume").code == 0
    assert [run.info.status for run in runs(client, "stopped")] == ["FINISHED"]


def test_a_server_that_is_away_from_the_start_is_refused_at_once(engrax) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        uri = f"http://127.0.0.1:{free.getsockname()[1]}"
    answer = engrax("run", "tiny", "--out", "here", "--track", uri)
    assert (answer.code, answer.error) == (1, f"the tracking server at {uri} does not answer")
    assert not Path("here").exists()


@pytest.mark.parametrize("uri", ["localhost:5000", "here", "ftp://example.org"])
def test_what_is_no_server_is_refused(engrax, uri: str) -> None:
    answer = engrax("run", "tiny", "--out", "here", "--track", uri)
    assert answer.code == 1
    assert uri in answer.error
    assert not Path("here").exists()
    assert os.listdir() == []


def test_without_mlflow_it_says_what_to_install(engrax, monkeypatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "mlflow"]:
        monkeypatch.setitem(sys.modules, name, None)
    answer = engrax("run", "tiny", "--out", "here", "--track", "http://localhost:5000")
    assert answer.error.endswith("not installed: pip install 'engrax[track]'")
    assert not Path("here").exists()
