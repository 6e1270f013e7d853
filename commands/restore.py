"""`run.py restore`: a backup becomes the database again, with its indexes."""

import json
import struct
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commands._context import data_dir_option, open_store
from commands.backup import FORMAT, MANIFEST

if TYPE_CHECKING:
    from machine.write.store import Store

BATCH = 1000
# What a changed byte may make of a zip: another name, checksum, method, length, offset or flag.
DAMAGE = (
    ArithmeticError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Delete what the database holds. There is no way back.")
@click.option("--json", "as_json", is_flag=True, help="Say what was read as JSON.")
@data_dir_option
def cli(file: Path, replace: bool, as_json: bool, data_dir: Path | None) -> None:
    """Read FILE into an empty database and build every index; exit status 1 if anything is missing after it.

    Stop the API and the workers first. Afterwards compare with the films: `python run.py jobs reconcile --dry-run`.
    """
    with open_store(data_dir) as store, open_archive(file) as archive:
        manifest = read_manifest(archive)
        make_room(store, replace)
        for name in manifest["collections"]:
            fill(store, archive, name)
        finish(store, manifest)
    total = sum(manifest["collections"].values())
    facts = {"file": str(file), "documents": total, "made_at": manifest["made_at"]}
    click.echo(json.dumps(facts) if as_json else f"{total} documents of {manifest['made_at']} are back")


def open_archive(file: Path) -> zipfile.ZipFile:
    """Open the file; a sentence when it is no zip, or a part of one."""
    try:
        return zipfile.ZipFile(file)
    except DAMAGE as error:
        raise click.ClickException("This is no backup of Marquee, or it is incomplete.") from error


def read_manifest(archive: zipfile.ZipFile) -> dict[str, Any]:
    """Return what the file says of itself; a sentence when it is not one of ours, or damaged."""
    try:
        manifest: dict[str, Any] = json.loads(archive.read(MANIFEST))
        damaged = archive.testzip()
    except DAMAGE as error:
        raise click.ClickException("This is no backup of Marquee, or it is incomplete.") from error
    if damaged or manifest.get("format") != FORMAT:
        raise click.ClickException(f"This backup cannot be read: {damaged or 'another format'}.")
    return manifest


def make_room(store: "Store", replace: bool) -> None:
    """Refuse a database that holds something, or empty it."""
    database = store.services.db
    used = [name for name in database.list_collection_names() if database[name].find_one({}, {"_id": 1})]
    if used and not replace:
        raise click.ClickException(
            f"The database is not empty ({', '.join(sorted(used))}): --replace deletes it."
        )
    store.services.mongo.drop_database(database)


def fill(store: "Store", archive: zipfile.ZipFile, name: str) -> None:
    """Insert the documents of one collection."""
    from bson import decode_file_iter

    batch: list[Any] = []
    with archive.open(f"{name}.bson") as entry:
        for document in decode_file_iter(entry, store.services.db.codec_options):
            batch.append(document)
            if len(batch) == BATCH:
                store.services.db[name].insert_many(batch, ordered=False)
                batch = []
    if batch:
        store.services.db[name].insert_many(batch, ordered=False)


def finish(store: "Store", manifest: dict[str, Any]) -> None:
    """Hold the counts against the manifest, build the indexes, forget every cached answer and jobs' messages."""
    from machine.declare.indexes import build_indexes
    from machine.edge.cache import EVERYTHING

    short = {
        name: count
        for name, count in manifest["collections"].items()
        if store.services.db[name].count_documents({}) != count
    }
    if short:
        raise click.ClickException(f"Not complete: {', '.join(short)}.")
    build_indexes(store)
    store.services.cache.bump({EVERYTHING})
