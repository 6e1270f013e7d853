"""What only playlist items do: a new one goes to the end."""

from typing import Any

from features.current import store
from features.engagement.ordering import after

Document = dict[str, Any]


def append(documents: list[Document]) -> None:
    """Place new items behind the last one of their playlist."""
    ends: dict[Any, str | None] = {}
    for document in documents:
        playlist = document["playlist"]
        if playlist not in ends:
            last = (
                store().collection("playlist_items").find_one({"playlist": playlist}, sort=[("position", -1)])
            )
            ends[playlist] = last.get("position") if last else None
        ends[playlist] = document["position"] = after(ends[playlist])


RESOURCE = "playlist_items"
HOOKS = {"on_insert": append}
