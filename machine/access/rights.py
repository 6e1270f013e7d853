"""Who may do what to which document: the only place where that question is answered.

A caller with an API key is first turned (`towards`) into what the resource sees: the owner of the key where it has the
scope of the resource, a stranger where it has not. So no question here, and nothing built on one, can forget scopes.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from bson import ObjectId

from machine.access.caller import ANONYMOUS, Caller
from machine.declare.match import as_query, matches
from machine.declare.resource import RANKS, Action, Resource
from machine.http.problem import Problem

Document = Mapping[str, Any]
# What anybody is to a document of their own.
OWNER_WORDS = frozenset(("anyone", "user", "owner"))
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="marquee"'}


def words_of(caller: Caller) -> frozenset[str]:
    """Return what the caller is to any document: anyone, user, moderator, admin."""
    rank = RANKS.index(caller.role)
    return frozenset(("anyone", *RANKS[1 : rank + 1]))


def words_in_public(caller: Caller) -> frozenset[str]:
    """Return what the caller is to what everybody finds in lists: their role opens nothing more there."""
    return words_of(caller) & {"anyone", "user"}


def owns(resource: Resource, document: Document, caller: Caller) -> bool:
    """Tell whether the caller owns the document. A document without its owner field is nobody's."""
    if caller.scopes is not None:
        caller = towards(resource, caller)
    return bool(caller.id and resource.owner and document.get(resource.owner) == caller.id)


def standing(
    resource: Resource, document: Document, caller: Caller, host: ObjectId | None = None
) -> frozenset[str]:
    """Return every word that describes the caller's relation to this document. `host` owns what it belongs to."""
    if caller.scopes is not None:
        caller = towards(resource, caller)
    words = words_of(caller)
    if owns(resource, document, caller):
        words |= {"owner"}
    if host is not None and host == caller.id:
        words |= {"host"}
    return words


def oversees(resource: Resource, caller: Caller) -> bool:
    """Tell whether the caller's role reads every document of this resource."""
    if caller.scopes is not None:
        caller = towards(resource, caller)
    return caller.role in resource.overseers


def has_scope(resource: Resource, method: str, caller: Caller) -> bool:
    """Tell whether the caller's key reaches this method; a session reaches all, and no key what is for people only."""
    if caller.scopes is None:
        return True
    deed = "read" if method in ("GET", "HEAD") else "write"
    return not resource.people_only and f"{resource.name}:{deed}" in caller.scopes


def require_scope(resource: Resource, method: str, caller: Caller) -> None:
    """Refuse a key that does not reach this method."""
    if not has_scope(resource, method, caller):
        raise Problem(403, "session_required" if resource.people_only else "missing_scope")


def towards(resource: Resource, caller: Caller) -> Caller:
    """Return the caller as documents of this resource see them: a key that may not read it is a stranger to it."""
    return caller if has_scope(resource, "GET", caller) else ANONYMOUS


def towards_all(resources: Iterable[Resource], caller: Caller) -> Caller:
    """Return what the caller is to an answer built from all of these resources: a stranger to one is one to it."""
    return caller if all(has_scope(one, "GET", caller) for one in resources) else ANONYMOUS


def as_writer(resource: Resource, method: str, caller: Caller) -> Caller:
    """Return the caller as a document that they are about to change sees them.

    A key that may write but not read finds what it changes; what it is answered then is another question
    (`machine/read/representation.py`).
    """
    if caller.scopes is None or not has_scope(resource, method, caller):
        return caller
    return replace(caller, scopes=caller.scopes | {f"{resource.name}:read"})


def told_to(resource: Resource, caller: Caller) -> dict[str, Any]:
    """Return the filter by which a key sees only copies (`about`) of resources that it may read."""
    if resource.about is None or caller.scopes is None:
        return {}
    names = sorted(re.escape(scope[:-5]) for scope in caller.scopes if scope.endswith(":read"))
    return {resource.about: {"$regex": rf"^(?:{'|'.join(names)})\."}}


def is_told(resource: Resource, document: Document, caller: Caller) -> bool:
    """Tell the same of one document."""
    if resource.about is None or caller.scopes is None:
        return True
    return f"{str(document.get(resource.about)).partition('.')[0]}:read" in caller.scopes


def alive(resource: Resource) -> dict[str, Any]:
    """Return the MongoDB filter of what is not deleted: empty where deleted documents are not kept."""
    return {"deleted_at": None} if resource.keep_deleted else {}


def listed(resource: Resource) -> dict[str, Any]:
    """Return the MongoDB filter of what everybody may find in lists, feeds and search."""
    return {**as_query(resource.readable or {}), **alive(resource)}


def may_read(resource: Resource, document: Document, caller: Caller) -> bool:
    """Tell whether the caller may read a document that they have the link of. Its parent is checked apart."""
    if document.get("deleted_at") or not is_told(resource, document, caller):
        return False
    if owns(resource, document, caller) or oversees(resource, caller):
        return True
    if resource.readable is not None and matches(document, resource.readable):
        return True
    return resource.readable_by_link is not None and matches(document, resource.readable_by_link)


def query_by_link(resource: Resource, caller: Caller) -> dict[str, Any]:
    """Return the MongoDB filter of the documents that the caller may read by their link."""
    condition = alive(resource)
    if caller.scopes is not None:
        condition |= told_to(resource, caller)
        caller = towards(resource, caller)
    if oversees(resource, caller):
        return condition
    ways = [as_query(way) for way in (resource.readable, resource.readable_by_link) if way is not None]
    if caller.id and resource.owner:
        ways.append({resource.owner: caller.id})
    if {} in ways:
        return condition
    return {**condition, "$or": ways} if ways else {"_id": None}


def require_method(resource: Resource, method: str, caller: Caller) -> None:
    """Refuse a method that this caller could use on no document at all."""
    method = "GET" if method == "HEAD" else method
    require_scope(resource, method, caller)
    if method in resource.roles[caller.role]:
        return
    if method != "POST" and caller.signed_in and method in resource.roles["owner"] | resource.roles["host"]:
        return
    raise refusal(caller)


def require_write(resource: Resource, method: str, caller: Caller, words: frozenset[str]) -> None:
    """Refuse a write to a document that somebody with these words may read but not change that way."""
    relations = words & {"owner", "host"}
    if not any(method in resource.roles[one] for one in (caller.role, *relations)):
        raise refusal(caller, "not_owner")


def refusal(caller: Caller, reason: str = "forbidden") -> Problem:
    """Build the 401 of a stranger or the 403 of somebody known."""
    if not caller.signed_in:
        return Problem(401, "unauthenticated", headers=CHALLENGE)
    return Problem(403, reason)


def is_legal(action: Action, document: Document, words: frozenset[str]) -> bool:
    """Tell whether somebody with these words may do the action to the document as it is now."""
    if bool(document.get("deleted_at")) != action.on_deleted:
        return False
    return bool(action.who & words) and matches(document, action.when)


def require_action(
    resource: Resource, action: Action, document: Document, caller: Caller, words: frozenset[str]
) -> None:
    """Refuse an action to those who may not (401, 403) and in states where it is not legal (409)."""
    require_scope(resource, action.method, caller)
    if not action.who & words:
        raise refusal(caller, "not_owner" if "owner" in action.who else "forbidden")
    if not is_legal(action, document, words):
        facts = {path: document.get(path) for path in action.when if isinstance(document.get(path), str)}
        raise Problem(409, "illegal_state", f"{action.title}: not possible now.", state=facts)


def hidden_fields(resource: Resource, words: frozenset[str]) -> set[str]:
    """Return the fields that somebody with these words may not read."""
    return {name for name, field in resource.fields.items() if not field.read & words}


def unwritable_fields(
    resource: Resource, given: Mapping[str, Any], words: frozenset[str], creating: bool
) -> dict[str, str]:
    """Return why each of the given fields may not be written by somebody with these words, if so."""
    issues = {}
    for name in given:
        field = resource.fields.get(name)
        if field is None:
            issues[name] = "unknown field"
        elif "create" in field.write:
            if not creating:
                issues[name] = "may be set only on creation"
        elif "anyone" not in field.write and not field.write & words:
            issues[name] = "read-only" if field.write == {"server"} else "may not be set by you"
    return issues
