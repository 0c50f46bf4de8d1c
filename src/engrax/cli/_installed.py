"""The study that was named, with JAX set up before anything uses it."""

from engrax._registry import studies, unknown
from engrax.lab import Study, load_study

from ._errors import UsageError
from ._jax import configure


def installed(name: str) -> Study:
    """The study called `name`.

    Raises:
        UsageError: no installed package registers it.
    """
    if name not in studies():
        raise UsageError(unknown("study", name, studies()))
    configure()
    return load_study(name)
