"""What is written down together with a write: neither is ever there without the other."""

from collections.abc import Iterable
from typing import Protocol

from pymongo.client_session import ClientSession

from machine.declare.resource import Resource
from machine.write.events import Changes


class Recorder(Protocol):
    """Writes down what a write is, in its transaction."""

    def concerns(self, resource: Resource) -> bool:
        """Tell, before the write, whether there may be something to write down."""

    def record(self, resource: Resource, changes: Changes, session: ClientSession | None) -> None:
        """Write it down."""


class Records:
    """The recorders of a process, asked one after the other."""

    def __init__(self, recorders: Iterable[Recorder]) -> None:
        self.recorders = list(recorders)

    def concern(self, resource: Resource) -> bool:
        """Tell, before a write, whether there may be something to write down."""
        return any(one.concerns(resource) for one in self.recorders)

    def record(self, resource: Resource, changes: Changes, session: ClientSession | None) -> None:
        """Write down what a write is, together with it."""
        for recorder in self.recorders:
            if recorder.concerns(resource):
                recorder.record(resource, changes, session)
