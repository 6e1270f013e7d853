"""The render queue: persisted, resumed after a crash, never the same rendition twice at once."""

import json
import logging
import shutil
import threading
import time
from pathlib import Path
from typing import Any

from cloudinary_local import encoder, ffmpeg
from cloudinary_local.assets import Asset, find_by_id, utc
from cloudinary_local.derived import (
    FRAME_FORMATS,
    Derived,
    batch_items,
    find_derived,
    finished_batches,
    next_queued,
)
from cloudinary_local.errors import ApiError, bad_request
from cloudinary_local.files import Files, md5_of, place
from cloudinary_local.images import render_image
from cloudinary_local.links import show_derived
from cloudinary_local.probe import probe_image
from cloudinary_local.profiles import Variant, find_profile, variants
from cloudinary_local.settings import Settings
from cloudinary_local.store import Store
from cloudinary_local.transformation import parse
from cloudinary_local.webhooks import Webhooks

_LOG = logging.getLogger("cloudinary_local")
_MAX_ATTEMPTS = 3


class Renderer:
    """Worker threads over the `derived` table."""

    def __init__(self, settings: Settings, store: Store, files: Files, webhooks: Webhooks) -> None:
        self._settings = settings
        self._store = store
        self._files = files
        self._webhooks = webhooks
        self._changed = threading.Condition()
        self._running: dict[str, tuple[str, threading.Event]] = {}
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, name=f"render-{number}", daemon=True)
            for number in range(settings.renders)
        ]

    def start(self) -> None:
        """Start the workers, first on what an earlier run left queued."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End running renders; they stay queued for the next start."""
        self._stopping.set()
        with self._changed:
            for _, stop in self._running.values():
                stop.set()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def wake(self) -> None:
        """Tell the workers that something was queued."""
        with self._changed:
            self._changed.notify_all()

    def cancel(self, asset_id: str) -> None:
        """End the renders of an asset that was deleted or replaced."""
        with self._changed:
            for owner, stop in self._running.values():
                if owner == asset_id:
                    stop.set()

    def wait(self, derived_id: str, limit_seconds: float) -> Derived | None:
        """Wait until a rendition is done or failed; None if it vanished. Still queued at the limit."""
        deadline = time.monotonic() + limit_seconds
        with self._changed:
            self._changed.notify_all()
            while True:
                found = find_derived(self._store, derived_id)
                left = deadline - time.monotonic()
                if found is None or found.state != "queued" or left <= 0 or self._stopping.is_set():
                    return found
                self._changed.wait(min(left, 1.0))

    def settle(self, asset: Asset) -> None:
        """Turn an asset's finished batches into webhooks, each once."""
        with self._store.write() as db:
            for row in finished_batches(self._store, asset.asset_id):
                doc = json.loads(row["doc"])
                items = batch_items(self._store, row["id"])
                if doc.get("notification_url"):
                    self._webhooks.owe(doc["notification_url"], self._notice(asset, row["id"], doc, items))
                db.execute("DELETE FROM batches WHERE id=?", (row["id"],))

    def _notice(
        self, asset: Asset, batch_id: str, doc: dict[str, Any], items: list[Derived]
    ) -> dict[str, Any]:
        return {
            "notification_type": "eager",
            "timestamp": utc(),
            "request_id": doc.get("request_id", ""),
            "eager": [show_derived(self._settings, doc["base"], asset, one) for one in items],
            "batch_id": batch_id,
            "asset_id": asset.asset_id,
            "public_id": asset.public_id,
            "resource_type": asset.resource_type,
            "type": asset.type,
        }

    def _work(self) -> None:
        while not self._stopping.is_set():
            with self._changed:
                job = next_queued(self._store, set(self._running))
                if job is None:
                    self._changed.wait(1.0)
                    continue
                stop = threading.Event()
                self._running[job.id] = (job.asset_id, stop)
            try:
                self._process(job, stop)
            finally:
                with self._changed:
                    self._running.pop(job.id, None)
                    self._changed.notify_all()

    def _process(self, job: Derived, stop: threading.Event) -> None:
        self._store.run("UPDATE derived SET attempts=attempts+1 WHERE id=?", job.id)
        asset = find_by_id(self._store, job.asset_id)
        if asset is None or asset.version != job.version:
            self._store.run("DELETE FROM derived WHERE id=?", job.id)
            return
        if job.attempts >= _MAX_ATTEMPTS:
            self._finish(asset, job, "failed", {"error": "Processing was interrupted too often"})
            return
        if stop.wait(self._settings.eager_delay):
            self._give_back(job)
            return
        folder = self._files.new_temp_dir()
        try:
            facts = self._render(asset, job, folder, stop)
        except (ApiError, encoder.RenderFailed) as error:
            if stop.is_set():
                self._give_back(job)
            else:
                self._finish(asset, job, "failed", {"error": str(error)})
        except Exception:
            # A defect in one render must not end the worker that all others wait for.
            _LOG.exception("render of %s failed", job.transformation)
            self._finish(asset, job, "failed", {"error": "Processing failed"})
        else:
            self._keep(asset, job, folder, facts)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _render(self, asset: Asset, job: Derived, folder: Path, stop: threading.Event) -> dict[str, Any]:
        source = self._files.original(asset.asset_id, asset.version)
        steps = parse(job.transformation)
        target = folder / f"out.{job.format}"
        ladder: list[Variant] = []
        if asset.resource_type == "image":
            return render_image(source, steps, job.format, target)
        facts = asset.doc
        still = job.format in FRAME_FORMATS
        if facts.get("is_audio") and (still or job.format == "m3u8"):
            raise bad_request("The file has no picture")
        args = ffmpeg.input_args(source, facts, steps, still)
        size = ffmpeg.frame_size(facts, steps) if not facts.get("is_audio") else (0, 0)
        if still:
            args += ffmpeg.frame_args(facts, steps, job.format, target)
        elif job.format == "m3u8":
            name = next((step["sp"] for step in reversed(steps) if "sp" in step), "auto")
            ladder = variants(find_profile(self._store, name), *size)
            args += ffmpeg.stream_args(facts, steps, ladder, folder)
            size = (ladder[0].width, ladder[0].height)
            target = folder / "master.m3u8"
        else:
            args += ffmpeg.video_args(facts, steps, job.format, target)
        encoder.run(args, self._settings.render_seconds, encoder.output_limit(asset.bytes), stop)
        if not target.is_file():
            raise encoder.RenderFailed("Nothing was left to render")
        if job.format == "m3u8":
            ffmpeg.complete_master(ladder, folder)
        if still:
            picture = probe_image(target)
            size = (picture["width"], picture["height"])
        return {"width": size[0], "height": size[1]} if size[0] else {}

    def _keep(self, asset: Asset, job: Derived, folder: Path, facts: dict[str, Any]) -> None:
        entry = "master.m3u8" if job.format == "m3u8" else f"out.{job.format}"
        facts |= {
            "bytes": sum(one.stat().st_size for one in folder.iterdir()),
            "etag": md5_of(folder / entry),
        }
        target = self._files.derived_dir(asset.asset_id, asset.version, job.id)
        place(folder, target)
        if not self._finish(asset, job, "done", facts):
            # Deleted or replaced while it was being made.
            current = find_by_id(self._store, asset.asset_id)
            if current is None:
                self._files.drop_asset(asset.asset_id)
            elif current.version != job.version:
                self._files.drop_version(asset.asset_id, job.version)
            else:
                shutil.rmtree(target, ignore_errors=True)

    def _finish(self, asset: Asset, job: Derived, state: str, doc: dict[str, Any]) -> bool:
        with self._store.write():
            changed = self._store.run(
                "UPDATE derived SET state=?, doc=? WHERE id=? AND state='queued'",
                state,
                json.dumps(doc),
                job.id,
            )
            self.settle(asset)
        self._webhooks.wake()
        return bool(changed)

    def _give_back(self, job: Derived) -> None:
        # An orderly stop is not the render's fault: it does not count as an attempt.
        self._store.run("UPDATE derived SET attempts=attempts-1 WHERE id=?", job.id)
