"""The folder that holds all data of one copy: its lock, its secrets, its ports, and the saved environment."""

import fcntl
import json
import os
import secrets
import shutil
import socket
from pathlib import Path

from dev.errors import StackError

SPACE_NEEDED = 512 * 1024**2
SECRETS = {"secret_key": 32, "media_key": 8, "media_secret": 20, "media_token_key": 32}


class DataDir:
    """A data directory that is ours alone from `claim` to `release`."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()
        self.lock: int | None = None

    def claim(self) -> None:
        """Make the folder, check that it can be used, and lock it; StackError says why it cannot."""
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            free = shutil.disk_usage(self.path).free
            if free < SPACE_NEEDED:
                raise StackError(
                    f"The disk that holds {self.path} is nearly full ({free // 1024**2} MiB free, "
                    f"{SPACE_NEEDED // 1024**2} MiB needed): free some space or give another --data-dir."
                )
            self.lock = take_lock(self.path / "lock")
        except OSError as error:
            raise StackError(
                f"The data directory {self.path} cannot be written ({error.strerror}): "
                "mend its permissions or give another --data-dir."
            ) from error

    def release(self) -> None:
        """Give the folder free again and leave no lock behind."""
        if self.lock is not None:
            (self.path / "lock").unlink(missing_ok=True)
            os.close(self.lock)
            self.lock = None

    def secrets(self) -> dict[str, str]:
        """Read this copy's random secrets (hex); make them the first time."""
        file = self.path / "secrets.json"
        kept: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
        missing = {name: secrets.token_hex(size) for name, size in SECRETS.items() if name not in kept}
        if missing:
            write_private(file, json.dumps({**kept, **missing}, indent=1))
        return {**kept, **missing}

    def port(self, name: str, fresh: bool = False) -> int:
        """Choose a free loopback port, the one used last time where it is free; `fresh` asks for another."""
        file = self.path / "ports.json"
        ports: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
        if fresh or name not in ports or not is_free("127.0.0.1", ports[name]):
            ports[name] = free_port()
            write_private(file, json.dumps(ports))
        return ports[name]

    def empty(self, name: str) -> None:
        """Make a folder anew: what it holds is of the last run only."""
        shutil.rmtree(self.path / name, ignore_errors=True)
        (self.path / name).mkdir()

    def save_env(self, variables: dict[str, str]) -> None:
        """Save the variables, so that a command given --data-dir can talk to this copy."""
        write_private(self.path / "env", "".join(f"{key}={value}\n" for key, value in variables.items()))


def take_lock(file: Path) -> int:
    """Lock a file for the life of this process; return its descriptor."""
    while True:
        lock = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(lock, 20).decode().strip() or "unknown"
            os.close(lock)
            raise StackError(
                f"The data directory {file.parent} belongs to a running copy (pid {owner}): "
                "stop that one or give another --data-dir."
            ) from None
        if file.exists() and os.fstat(lock).st_ino == file.stat().st_ino:
            os.truncate(lock, 0)
            os.write(lock, str(os.getpid()).encode())
            return lock
        os.close(lock)  # its last owner removed it between our open and our lock


def write_private(file: Path, text: str) -> None:
    """Replace a file at once, readable by its owner only."""
    draft = file.with_name(f".{file.name}.draft")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as output:
        output.write(text)
        output.flush()
        os.fsync(output.fileno())
    draft.replace(file)


def is_free(host: str, port: int) -> bool:
    """Tell whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """Ask the kernel for a loopback port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
