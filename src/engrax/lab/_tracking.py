"""Runs on an MLflow server. What it does not take at once is kept with the run, and sent later."""

import contextlib
import json
import logging
import os
import re
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from ._errors import RunError, one_line
from ._folder import FIGURES, REPORT, TRACKING, Run
from ._manifest import write_json
from ._tracked import parameters, points, tags

BATCH = 1000
"""Metrics a request, the most that MLflow takes; 100 parameters or tags."""

LONGEST = 6000
"""Characters of a parameter, the most that MLflow takes."""

ID = "engrax.run"
"""The tag by which a run that was begun before is found again, so that nothing is sent twice."""


class TrackingError(RunError):
    """A tracking server that cannot be used, or that does not answer."""


class Tracker:
    """Sends runs to the MLflow server at `uri`.

    Raises:
        TrackingError: MLflow is not installed, `uri` is no address, or nobody answers there.
    """

    def __init__(self, uri: str) -> None:
        if not re.match(r"[a-z][a-z0-9+]*:", uri) or re.match(r"[\w.-]+:\d+(/|$)", uri):
            raise TrackingError(
                f"{uri!r} is no address of a tracking server; give one like http://HOST:5000"
            )
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
        self.uri = uri
        with self._talking():
            try:
                import mlflow.entities
                from mlflow import MlflowClient
            except ImportError as error:
                raise TrackingError(
                    "--track needs MLflow, which is not installed: pip install 'engrax[track]'"
                ) from error
            self._entities: Any = mlflow.entities
            self._client: Any = MlflowClient(tracking_uri=uri)
            self._client.search_experiments(max_results=1)

    def begin(self, run: Run) -> None:
        """Notes in the run's folder that it is to be sent, and shows it on the server as running.

        Raises:
            TrackingError: the server does not take it; the note stays.
        """
        note = _note(run.folder, self.uri)
        (run.folder / TRACKING).mkdir(exist_ok=True)
        mine = {"uri": self.uri, "id": uuid.uuid4().hex, "begun": time.time_ns() // 10**6}
        write_json(note, (_read(note) or mine) | {"sent": None})
        with self._talking():
            self._begun(run, _read(note))

    def stopped(self, run: Run) -> None:
        """Shows on the server that the run was stopped, if it can be told."""
        with contextlib.suppress(TrackingError), self._talking():
            number = self._begun(run, _read(_note(run.folder, self.uri)))
            self._client.set_terminated(number, "KILLED")

    def send(self, run: Run) -> None:
        """Sends all of a finished run; what the server has already is not doubled.

        Raises:
            TrackingError: the server does not take it; the note that it is to be sent stays.
        """
        path = _note(run.folder, self.uri)
        if _read(path) is None:
            self.begin(run)
        note = _read(path)
        with self._talking():
            number = self._begun(run, note)
            metrics = [
                # Equal points at equal times are one point to MLflow.
                self._entities.Metric(point.name, point.value, note["begun"], point.tick)
                for point in points(run)
            ]
            for at in range(0, len(metrics), BATCH):
                self._client.log_batch(number, metrics=metrics[at : at + BATCH])
            judged = [judgement.to_json() for judgement in run.judgements]
            self._client.log_text(number, json.dumps(judged, indent=1), "claims.json")
            for file in sorted((run.folder / FIGURES).iterdir()):
                self._client.log_artifact(number, str(file), FIGURES)
            self._client.log_artifact(number, str(run.folder / REPORT))
            self._client.set_terminated(number, "FINISHED")
        write_json(path, note | {"sent": time.time_ns() // 10**6})

    def _begun(self, run: Run, note: dict[str, Any]) -> str:
        """The server's number of the run, which is made there if it is new, and its tags sent."""
        client, name = self._client, run.study.name
        there = client.get_experiment_by_name(name)
        experiment = there.experiment_id if there else client.create_experiment(name)
        found = client.search_runs([experiment], f"tags.`{ID}` = '{note['id']}'", max_results=1)
        if found:
            number = found[0].info.run_id
            client.update_run(number, "RUNNING")
        else:
            made = client.create_run(
                experiment, note["begun"], {ID: note["id"]}, run_name=run.folder.name
            )
            number = made.info.run_id
        params = [self._entities.Param(k, v[:LONGEST]) for k, v in parameters(run).items()]
        labels = [self._entities.RunTag(k, v) for k, v in tags(run).items()]
        for at in range(0, max(len(params), len(labels)), 50):
            part = slice(at, at + 50)
            client.log_batch(number, params=params[part], tags=labels[part])
        return number

    @contextlib.contextmanager
    def _talking(self) -> Iterator[None]:
        """Turns whatever MLflow raises into one sentence."""
        retries = logging.getLogger("urllib3.connectionpool")
        level = retries.level
        try:
            retries.setLevel(logging.ERROR)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # MLflow's own, on other libraries' versions
                yield
        except TrackingError:
            raise
        except Exception as error:
            said = one_line(error)
            away = any(hint in said for hint in ("Max retries", "Connection", "timed out"))
            how = "does not answer" if away else f"refuses: {said[:200]}"
            raise TrackingError(f"the tracking server at {self.uri} {how}") from error
        finally:
            retries.setLevel(level)


class Tracked:
    """One run's tracking, by a server that is there at the start and may go away after that.

    **Arguments:** `uri`: its address, nobody's where empty; `warn`: told in a sentence what it did
    not take.
    """

    def __init__(self, uri: str, warn: Callable[[str], None]) -> None:
        self.tracker = Tracker(uri) if uri else None
        self.warn = warn

    def begin(self, run: Run) -> None:
        """Shows the run as running."""
        if self.tracker:
            with contextlib.suppress(TrackingError):  # it is told at the end
                self.tracker.begin(run)

    def stopped(self, run: Run) -> None:
        """Shows the run as stopped."""
        if self.tracker:
            self.tracker.stopped(run)

    def send(self, run: Run) -> None:
        """Sends the finished run, or says how to do it later."""
        if self.tracker is None:
            return
        try:
            self.tracker.send(run)
        except TrackingError as error:
            self.warn(f"{error}; the run is kept, send it by: engrax track {run.folder}")


def unsent(folder: Path) -> list[str]:
    """The servers that a run is still to be sent to."""
    notes = (_read(path) for path in sorted((folder / TRACKING).glob("*.json")))
    return [note["uri"] for note in notes if note and note["sent"] is None]


def _note(folder: Path, uri: str) -> Path:
    return folder / TRACKING / f"{sha256(uri.encode()).hexdigest()[:12]}.json"


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
