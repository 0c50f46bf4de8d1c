"""How much memory there is, so that a request that cannot be served is refused before it fails."""

from pathlib import Path

import jax

from ._errors import TextError

_CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    ),
)


def free_memory() -> int | None:
    """Bytes that are free on the device JAX computes on; None where that is not known."""
    device = jax.local_devices()[0]
    if device.platform != "cpu":
        stats = device.memory_stats() or {}
        limit = stats.get("bytes_limit")
        return None if limit is None else int(limit - stats.get("bytes_in_use", 0))
    found = [_number(limit) for limit, _ in _CGROUPS]
    used = [_number(usage) for _, usage in _CGROUPS]
    free = [a - b for a, b in zip(found, used, strict=True) if a is not None and b is not None]
    if (system := _available()) is not None:
        free.append(system)
    return min(free, default=None)


def check_memory(needed: int, what: str, remedy: str) -> None:
    """Refuses what cannot fit.

    Raises:
        TextError: `needed` bytes are more than are free.
    """
    free = free_memory()
    if free is not None and needed > free:
        raise TextError(
            f"{what} needs at least {_size(needed)} of memory and {_size(free)} are free; {remedy}"
        )


def _size(count: int) -> str:
    value = float(count)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{value:,.3g} {unit}" if value < 1000 else f"{value:,.0f} {unit}"


def _number(path: str) -> int | None:
    try:
        return int(Path(path).read_text())
    except (OSError, ValueError):  # no such group, or "max"
        return None


def _available() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(found[0]) * 1024 if found else None
