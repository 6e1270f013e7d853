"""What the tests of erasure share: a person who has done everything, and a search through all that is stored."""

import re
import zipfile
from io import BytesIO

from bson import ObjectId
from bson.raw_bson import RawBSONDocument

from features.notices.relay_jobs import relay_events
from machine.jobs.runner import run_job
from machine.jobs.sweep import owe_purges
from machine.write.cascade_jobs import cascade  # noqa: F401  registers the job
from tests.factory import RUN, Factory, marker, writers

MARKER = re.compile(rf"[a-z0-9-]+{RUN}\d+")
ROUNDS = 8
# Values that keep what is filled in from being acted upon: no call goes out, no film is looked for.
FIXED = {
    "webhooks": {"active": False},
    "jobs": {"state": "succeeded"},
    "videos": {"media": None, "pending_media": None, "cover": None},
}


def words_in(value):
    """Return every marker that stands anywhere in a value."""
    return set(MARKER.findall(repr(value)))


def work(app):
    """Do what beat and the workers would do, until nothing new is owed."""
    for _ in range(ROUNDS):
        while relay_events(app.store):
            pass
        owe_purges(app.services, app.store)
        for job in list(app.services.db["jobs"].find({"state": "queued"}).sort("_id", 1)):
            run_job(job["_id"], app.services, app.store)


def ties(registry):
    """Yield (resource, field, fate) of every reference to a person whose documents something happens to."""
    for child, field in registry.children["users"]:
        fate = child.on_parent_delete.get(field, "keep")
        if fate != "keep":
            yield child, field, fate


def written_by(resource, field):
    """Tell whether a person writes this field of a thing of his own."""
    return bool(set(writers(resource.name, field)) - {"server", "moderator", "admin"})


def fill(app, person, host):
    """Insert a document for every tie to the person, with a marker in every field that has room for one."""
    factory, made = Factory(app.store, host.user["_id"]), 0
    for child, field, _ in ties(app.registry):
        given = {field: person.user["_id"]}
        for path in child.personal:
            name, _, part = path.partition(".")
            if part:
                given[name] = {part: {"word": marker(part)}}
        given |= FIXED.get(child.name, {})
        owner = person if field == child.owner else host
        factory.insert(child.name, owner.user["_id"], **given)
        made += 1
    app.services.db["videos"].update_many({"owner": person.user["_id"]}, {"$set": FIXED["videos"]})
    return made


def canaries(app, person):
    """Map each marker in what the person wrote, or what is personal of hers, to where it stands: (resource, field).

    What she wrote comes first: a copy of it elsewhere has the original's place.
    """
    found, id_ = {}, person.user["_id"]
    for resource in app.registry:
        if resource.owner:
            written = [field for field in resource.fields if written_by(resource, field)]
            found = look(app, resource, resource.owner, id_, written) | found
    for resource in app.registry:
        keys = {field for child, field, _ in ties(app.registry) if child is resource} | {resource.owner} - {
            None
        }
        for key in keys:
            personal = [path.partition(".")[0] for path in resource.personal]
            found = look(app, resource, key, id_, personal) | found
    return found


def look(app, resource, key, id_, fields):
    """Return the markers in these fields of the documents that are a person's."""
    return {
        word: (resource.name, field)
        for document in app.store.collection(resource.name).find({key: id_})
        for field in fields
        for word in words_in(document.get(field))
    }


def places(app):
    """Yield (place, bytes) of everything that is stored anywhere: MongoDB, Redis, the data directory."""
    db = app.services.db
    for name in db.list_collection_names():
        for document in db.get_collection(name, codec_options=raw(db)).find():
            yield f"mongo {name}", document.raw
    for path in app.settings.data_dir.rglob("*"):
        if path.is_file():
            yield f"file {path.relative_to(app.settings.data_dir).parts[0]}", path.read_bytes()
    for key in app.services.redis.scan_iter():
        kind = app.services.redis.type(key).decode()
        read = {
            "string": lambda k: app.services.redis.get(k),
            "hash": lambda k: app.services.redis.hgetall(k),
            "list": lambda k: app.services.redis.lrange(k, 0, -1),
            "set": lambda k: app.services.redis.smembers(k),
            "zset": lambda k: app.services.redis.zrange(k, 0, -1),
            "stream": lambda k: app.services.redis.xrange(k),
        }[kind]
        life = app.services.redis.ttl(key)
        yield f"redis {key.decode(errors='replace').partition(':')[0]} {life}", key + repr(read(key)).encode()


def raw(db):
    return db.codec_options.with_options(document_class=RawBSONDocument)


def search(app, wanted):
    """Return {place: the wanted markers that stand there}."""
    found = {}
    for place, content in places(app):
        words = {one.decode() for one in re.findall(MARKER.pattern.encode(), content)} & set(wanted)
        if words:
            found.setdefault(place, set()).update(words)
    return found


def traces_of(app, id_: ObjectId):
    """Return {(collection, field)} in which an id stands, at any depth."""
    return {
        (name, field)
        for name in app.services.db.list_collection_names()
        for document in app.services.db[name].find()
        for field, value in document.items()
        if str(id_) in repr(value)
    }


def unzip(body):
    """Return everything that a zip holds."""
    with zipfile.ZipFile(BytesIO(body)) as archive:
        return b"".join(archive.read(name) for name in archive.namelist())
