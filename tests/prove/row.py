"""A row of the report: one promise, what was done to break it, and what came of that."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Row:
    """`ok` None means that it could not be tried here; `notes` say why, or what is wrong."""

    promise: str
    done: str
    times: int
    lost: int
    figure: str
    ok: bool | None
    notes: str = ""

    @property
    def verdict(self):
        return {True: "holds", False: "BROKEN", None: "not tried"}[self.ok]

    def as_json(self):
        return asdict(self)


def as_rows(result):
    """Return what a promise returned as a list: a single row stands for itself."""
    return [result] if isinstance(result, Row) else list(result)
