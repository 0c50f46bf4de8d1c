"""A Ray cluster that is there, or a sentence that says why not."""

import contextlib
import logging
import socket
import warnings
from collections.abc import Iterator
from typing import Any

from ._errors import RunError, one_line

PATIENCE = 5.0
"""Seconds that the head of a cluster has to answer."""

GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""How HTTP/2 begins, which Ray speaks; a server answers by its own settings, a frame of kind 4."""


class ClusterError(RunError):
    """A cluster that cannot be used."""


@contextlib.contextmanager
def connected(address: str) -> Iterator[Any]:
    """The module `ray`, connected to the cluster at `address` ("auto": the one on this machine).

    Raises:
        ClusterError: Ray is not installed, or there is no cluster.
    """
    try:
        import ray
        import ray._private.worker as worker
    except ImportError as error:
        raise ClusterError(
            "--cluster needs Ray, which is not installed: pip install 'engrax[cluster]'"
        ) from error
    mine = not ray.is_initialized()
    if mine:
        found = _found(address)
        _greet(found)
        # Ray prints the last words of a lost node on stdout, which is for results.
        setattr(worker, "print_to_stdstream", lambda data, ignore_prefix: None)  # noqa: B010 - it is not in the module's declared names
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about what Ray will do in other versions
                ray.init(found, log_to_driver=False, logging_level=logging.CRITICAL)
        except (Exception, SystemExit) as error:
            raise ClusterError(
                f"the cluster at {found} cannot be joined: {one_line(error)}"
            ) from error
    try:
        yield ray
    finally:
        if mine:
            ray.shutdown()


def _found(address: str) -> str:
    """HOST:PORT of the cluster."""
    from ray._private.services import get_ray_address_from_environment

    if address != "auto":
        host, colon, port = address.rpartition(":")
        if "://" in address or not (host and colon and port.isdigit()):
            raise ClusterError(
                f"{address!r} is no address of a Ray cluster; give HOST:PORT of its head, from a "
                "machine that belongs to it, or auto"
            )
        return address
    try:
        found = get_ray_address_from_environment("auto", None)
    except ConnectionError:
        found = None
    if not found:
        raise ClusterError(
            "no Ray cluster runs on this machine; start one by `ray start --head`, or give "
            "--cluster HOST:PORT"
        )
    return found


def _greet(address: str) -> None:
    """Asks whether something like Ray listens; `ray.init` would wait for minutes."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE) as line:
            line.settimeout(PATIENCE)
            line.sendall(GREETING)
            answer = line.recv(9)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ClusterError(f"no Ray cluster answers at {address}: {why}") from error
    if answer[3:4] != b"\x04":
        raise ClusterError(f"no Ray cluster answers at {address}: something else listens there")
