"""`python -m benchmarks._bdh_peak FOLDER SIDE SIZE`: memory that two training steps add, in MB.

A process of its own, for the peak of resident memory never falls again. What was there before the
first step, libraries and weights, is subtracted.
"""

import resource
import subprocess
import sys
from pathlib import Path

from ._bdh_reference import SIZES, reference


def added(place: Path, side: str, size: str) -> float:
    """Starts that process and reads its answer."""
    command = [sys.executable, "-m", "benchmarks._bdh_peak", str(place), side, size]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _peak() -> float:
    # On Linux the resource usage of a child begins with its parent's peak; this one does not.
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    place, side, name = sys.argv[1:]
    size = SIZES[name]
    if side == "peer":
        import torch

        net = reference(Path(place), size)
        optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.1)
        tokens = torch.randint(size.vocab, (size.batch, size.time))

        def step() -> None:
            optimizer.zero_grad()
            net(tokens, tokens)[1].backward()
            optimizer.step()
    else:
        import jax

        jax.config.update("jax_num_cpu_devices", 2)
        from .bdh import Training

        step = Training(size).step
    before = _peak()
    for _ in range(2):
        step()
    print(_peak() - before)


if __name__ == "__main__":
    main()
