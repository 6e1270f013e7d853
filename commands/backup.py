"""`run.py backup`: the whole database in one file, as it stood at one moment."""

import json
import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clients import clock
from commands._context import data_dir_option, open_services

if TYPE_CHECKING:
    from machine.services import Services

FORMAT = 1
MANIFEST = "manifest.json"


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Say what was written as JSON.")
@data_dir_option
def cli(file: Path, as_json: bool, data_dir: Path | None) -> None:
    """Write the database to FILE, a zip of BSON, while everything runs.

    One snapshot: what changes meanwhile is not in it. It must be read within the snapshot window of MongoDB (five
    minutes unless you raise it); for more than some ten gigabytes use mongodump or your provider's snapshots.

    The file holds password hashes and everything that is private: it is made readable for you alone. Films are
    not in it, they are at Cloudinary. Keep SECRET_KEY apart: without it signing keys and two-factor secrets in the
    file are useless.
    """
    with open_services(data_dir) as services:
        partial = file.with_name(file.name + ".part")
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as raw:
            manifest = write(services, zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED, compresslevel=3))
            os.fsync(raw.fileno())
        partial.replace(file)
    size, total = file.stat().st_size, sum(manifest["collections"].values())
    facts = {"file": str(file), "bytes": size, "documents": total, "collections": manifest["collections"]}
    click.echo(
        json.dumps(facts)
        if as_json
        else f"{file}: {total} documents, {size / 1e6:.1f} MB, readable for you alone"
    )


def write(services: "Services", archive: zipfile.ZipFile) -> dict[str, Any]:
    """Write every collection from one snapshot, then the manifest; return it."""
    from bson.raw_bson import RawBSONDocument
    from pymongo.read_concern import ReadConcern

    raw = services.db.with_options(services.db.codec_options.with_options(document_class=RawBSONDocument))
    names = sorted(name for name in services.db.list_collection_names() if not name.startswith("system."))
    manifest: dict[str, Any] = {
        "format": FORMAT, "made_at": clock.now().isoformat(), "build": services.settings.build,
        "collections": {},
    }  # fmt: skip
    with archive, services.mongo.start_session(snapshot=True) as session:
        for name in names:
            collection = raw.get_collection(name, read_concern=ReadConcern("snapshot"))
            count = 0
            with archive.open(f"{name}.bson", "w", force_zip64=True) as entry:
                for document in collection.find({}, session=session):
                    entry.write(document.raw)
                    count += 1
            manifest["collections"][name] = count
        archive.writestr(MANIFEST, json.dumps(manifest, indent=2))
    return manifest
