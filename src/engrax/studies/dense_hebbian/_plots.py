from typing import Any


def plots(run: Any) -> dict:
    return {}
