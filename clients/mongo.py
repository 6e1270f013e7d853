"""The one MongoDB client of a process."""

import logging
from typing import Any

from pymongo import MongoClient
from pymongo.monitoring import (
    TopologyClosedEvent,
    TopologyDescriptionChangedEvent,
    TopologyListener,
    TopologyOpenedEvent,
)

from clients.metrics import PRIMARY_CHANGES
from settings import Settings

log = logging.getLogger(__name__)
# What a client takes a topology for that it looks at no longer.
CLOSED = "Unknown"


def connect(settings: Settings) -> MongoClient[dict[str, Any]]:
    """Open the client. Writes are acknowledged by a majority; every wait is bounded (milliseconds here)."""
    wait = int(settings.mongo_timeout_seconds * 1000)
    return MongoClient(
        settings.mongo_uri,
        tz_aware=True,
        uuidRepresentation="standard",
        appname="marquee",
        event_listeners=[PrimaryWatch()],
        w="majority",
        maxPoolSize=72,
        serverSelectionTimeoutMS=wait,
        connectTimeoutMS=wait,
        waitQueueTimeoutMS=wait,
        socketTimeoutMS=max(wait * 4, 20_000),
    )


class PrimaryWatch(TopologyListener):
    """Tells when the primary is lost and when there is another: requests that ride it out say nothing of it."""

    lost = False

    def opened(self, event: TopologyOpenedEvent) -> None:
        """Nothing is known yet."""

    def closed(self, event: TopologyClosedEvent) -> None:
        """The client is done."""

    def description_changed(self, event: TopologyDescriptionChangedEvent) -> None:
        """Compare the primary before and after."""
        before, after = primary_of(event.previous_description), primary_of(event.new_description)
        if before == after or event.new_description.topology_type_name == CLOSED:
            return
        if after is None:
            self.lost = True
            PRIMARY_CHANGES.labels("lost").inc()
            log.warning("mongodb: the primary %s is lost", before)
        else:
            PRIMARY_CHANGES.labels("found").inc()
            # The first one of a process is no news.
            log.log(logging.INFO if self.lost else logging.DEBUG, "mongodb: the primary is %s", after)


def primary_of(description: Any) -> str | None:
    """Return the address of a set's primary, None where it has none."""
    for address, server in description.server_descriptions().items():
        if server.server_type_name == "RSPrimary":
            return f"{address[0]}:{address[1]}"
    return None
