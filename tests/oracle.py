"""What the declarations promise, worked out from their text alone; the product's own reading is not used here."""

from tests.factory import DEFINITIONS, satisfy

RANKS = ["anonymous", "user", "moderator", "admin"]
ROLE_OF = {"anonymous": "anonymous", "stranger": "user", "owner": "user", "host": "user",
           "moderator": "moderator", "admin": "admin"}  # fmt: skip


class Who:
    """A caller as the declarations see him."""

    def __init__(self, role, id_=None):
        self.role, self.id = role, id_


def policy_of(name):
    return DEFINITIONS[name]["policy"]


def methods_of(name, word):
    """Return the methods that a role or a relation brings."""
    declared = usual_roles(name) | policy_of(name).get("roles", {})
    if word not in RANKS:
        return set(declared.get(word, []))
    ranks = RANKS[: RANKS.index(word) + 1]
    return {method for rank in ranks for method in declared.get(rank, [])}


def usual_roles(name):
    """Return what is allowed where a declaration says nothing: all that an item offers, to its owner."""
    definition, create = (
        DEFINITIONS[name],
        {"POST"} & set(DEFINITIONS[name].get("resource_methods", ["POST"])),
    )
    mine = definition.get("item_methods", ["GET", "PATCH", "PUT", "DELETE"])
    if policy_of(name).get("readable") is None:
        return {"user": ["GET", *create], "owner": mine}
    return {"anonymous": ["GET"], "user": [*create], "owner": mine}


def oversees(name, who):
    """Tell whether the role was given GET above everyone's."""
    declared = policy_of(name).get("roles", {})
    return any(
        "GET" in declared.get(rank, [])
        for rank in ("moderator", "admin")[: max(0, RANKS.index(who.role) - 1)]
    )


def owner_field(name):
    path = policy_of(name).get("owner")
    return "owner" if path and "." in path else path


def owns(name, document, who):
    field = owner_field(name)
    return who.id is not None and field is not None and document.get(field) == who.id


def parent_of(store, name, document):
    field = policy_of(name).get("readable_with")
    if not field or not document.get(field):
        return None, None
    target = DEFINITIONS[name]["schema"][field]["data_relation"]["resource"]
    return target, store.get(target, document[field])


def hosts(store, name, document, who):
    target, parent = parent_of(store, name, document)
    return bool(parent) and owns(target, parent, who)


def fits(document, wanted):
    """Tell whether a document satisfies a declared filter."""
    return all(fits_one(dig(document, path), condition) for path, condition in wanted.items())


def dig(document, path):
    for step in path.split("."):
        document = document.get(step) if isinstance(document, dict) else None
    return document


def fits_one(value, condition):
    if isinstance(condition, list):
        return value in condition
    if isinstance(condition, dict):
        tests = {"$ne": lambda x: value != x, "$in": lambda x: value in x, "$nin": lambda x: value not in x,
                 "$eq": lambda x: value == x, "$exists": lambda x: (value is not None) == x}  # fmt: skip
        return all(tests[operator](operand) for operator, operand in condition.items())
    return value == condition


def alive(document):
    return not document.get("deleted_at")


def may_read(store, name, document, who):
    """Tell whether somebody who has the link may read the document."""
    if not alive(document):
        return False
    if owns(name, document, who) or oversees(name, who):
        return True
    if hosts(store, name, document, who) and "GET" in methods_of(name, "host"):
        return alive(parent_of(store, name, document)[1])
    ways = [policy_of(name).get(key) for key in ("readable", "readable_by_link")]
    if not any(way is not None and fits(document, way) for way in ways):
        return False
    target, parent = parent_of(store, name, document)
    return target is None or (parent is not None and may_read(store, target, parent, who))


def refusal(who):
    return 401 if who.id is None else 403


def item_status(store, name, method, document, who):
    """Return the status that a well-formed request deserves; 200 stands for any success."""
    offered = DEFINITIONS[name].get("item_methods", ["GET", "PATCH", "PUT", "DELETE"])
    if ("GET" if method == "HEAD" else method) not in offered:
        return 405
    deed = "GET" if method == "HEAD" else method
    relations = methods_of(name, "owner") | methods_of(name, "host")
    if deed not in methods_of(name, who.role) and not (who.id and deed in relations):
        return refusal(who)
    if not may_read(store, name, document, who):
        return 404
    if deed == "GET" or deed in methods_of(name, who.role):
        return 200
    if owns(name, document, who) and deed in methods_of(name, "owner"):
        return 200
    if hosts(store, name, document, who) and deed in methods_of(name, "host"):
        return 200
    return refusal(who)


def words(store, name, document, who):
    """Return what a caller is to a document."""
    found = {"anyone"} | set(RANKS[1 : RANKS.index(who.role) + 1])
    found |= {"owner"} if owns(name, document, who) else set()
    return found | ({"host"} if hosts(store, name, document, who) else set())


def hidden(name, known):
    """Return the fields that somebody with these words may not read."""
    declared = policy_of(name).get("fields", {})
    return {field for field, rules in declared.items() if not set(rules.get("read", ["anyone"])) & set(known)}


def variants(name):
    """Return the values that bring a document into each state of visibility, by the state's name."""
    policy = policy_of(name)
    if policy.get("readable") is None:
        states = {"private": {}}
    else:
        states = {"public": satisfy(policy["readable"])}
        if policy.get("readable_by_link") is not None:
            states["link"] = satisfy(policy["readable"]) | satisfy(policy["readable_by_link"])
        for field in policy["readable"]:
            value = other_value(name, field)
            if value is not None:
                states[f"other-{field}"] = satisfy(policy["readable"]) | {field: value}
    if policy.get("soft_delete"):
        states["deleted"] = next(iter(states.values())) | {"deleted_at": "now"}
    return states


def other_value(name, field):
    """Return a value of the field that makes the document neither public nor readable by link."""
    policy, rules = policy_of(name), DEFINITIONS[name]["schema"].get(field, {})
    usual = satisfy(policy["readable"])
    choices = rules.get("allowed", [False, True] if rules.get("type") == "boolean" else [])
    for value in choices:
        document = usual | {field: value}
        ways = [way for way in (policy["readable"], policy.get("readable_by_link")) if way is not None]
        if not any(fits(document, way) for way in ways):
            return value
    return None


# Lists


def places(store, name, documents):
    """Return (parent's resource, parent, field, pins) of each sub-resource list these documents appear in."""
    found = []
    for field, mount in policy_of(name).get("mounts", {}).items():
        mount = {"url": mount} if isinstance(mount, str) else mount
        target = DEFINITIONS[name]["schema"][field]["data_relation"]["resource"]
        for document in documents:
            if document.get(field):
                pins = {field: document[field], **mount.get("filter", {})}
                found.append((target, store.get(target, document[field]), field, pins))
    return found


def declared_view(name, query):
    return query.get("view", "owned" if policy_of(name).get("readable") is None else "public")


def pins_of(view, place):
    """Return what the URL itself demands; a host's list is of everything below his, replies and all."""
    if not place:
        return {}
    return {place[2]: place[3][place[2]]} if view == "hosted" else place[3]


def asks_for(name, query, where, place):
    """Tell whether a condition names just the fields of a declared query; one's own may go without saying whose."""
    view = declared_view(name, query)
    names, declared = set(where) | set(pins_of(view, place)), set(query["filter"])
    return declared == names or (view == "owned" and declared == names | {owner_field(name)})


def own_only(name, query, where, place):
    """Tell whether a list, where nothing of others is offered, is of one's own."""
    names = set(where) | set(pins_of("owned", place))
    owned = declared_view(name, query) == "owned" and set(query["filter"]) == names
    return owned and owner_field(name) not in names


def view_of(store, name, query, where, who, place=None):
    """Return the view under which this caller may use a declared query here, None where he may not."""
    policy, view, owner = policy_of(name), declared_view(name, query), owner_field(name)
    if not asks_for(name, query, where, place):
        return None
    if view == "public":
        return view
    if view == "all":
        return view if oversees(name, who) else None
    if who.id is None:
        return None
    above = policy.get("readable_with")
    if view == "hosted":
        if place and place[2] == above:
            return view if owns(place[0], place[1], who) else None
        target, parent = parent_of(store, name, where)
        return view if parent and owns(target, parent, who) else None
    if where.get(owner) not in (None, who.id):
        return None
    return view if inherits(name, place, who) or owner in where or policy.get("readable") is None else None


def inherits(name, place, who):
    """Tell whether everything in a place is the caller's, since the parent is."""
    path = policy_of(name).get("owner") or ""
    return bool(place) and path.startswith(f"{place[2]}.") and owns(place[0], place[1], who)


def list_ids(store, name, where, sort, who, place=None):
    """Return the ids a list must show, in order, or the status with which it is refused."""
    if place and not may_read(store, place[0], place[1], who):
        return 404
    if "GET" not in methods_of(name, who.role) and not (who.id and "GET" in methods_of(name, "owner")):
        return refusal(who)
    queries = [query for query in policy_of(name)["queries"] if query["sort"] == sort]
    if not any(asks_for(name, query, where, place) for query in queries):
        return 400
    views = {view_of(store, name, query, where, who, place) for query in queries} - {None}
    if not views and who.id and any(own_only(name, query, where, place) for query in queries):
        views = {"owned"}
    if not views:
        return refusal(who)
    view = next(one for one in ("owned", "hosted", "public", "all") if one in views)
    wanted = where | pins_of(view, place)
    shown = [
        one for one in store.collection(name).find() if shows(store, name, one, who, view, wanted, place)
    ]
    keys = sort.split(",")
    if keys[-1].lstrip("-") != "_id":
        keys.append("-_id" if keys[-1].startswith("-") else "_id")
    for key in reversed(keys):
        shown.sort(key=Rank(key.lstrip("-")), reverse=key.startswith("-"))
    return [str(one["_id"]) for one in shown]


class Rank:
    """The order of documents by one key: what is absent comes first."""

    def __init__(self, path):
        self.path = path

    def __call__(self, document):
        value = dig(document, self.path)
        return (False,) if value is None else (True, value)


def shows(store, name, document, who, view, wanted, place):
    """Tell whether a view of a list shows this document."""
    folded = policy_of(name).get("folded", {}).values()
    for field, value in wanted.items():
        held = document.get(field)
        same = value in held if isinstance(held, list) and value is not None else held == value
        if field in folded and isinstance(held, str):
            same = held.casefold() == value.casefold()
        if not same:
            return False
    if not alive(document):
        return False
    if view == "owned" and not (owns(name, document, who) or inherits(name, place, who)):
        return False
    if view == "public" and not fits(document, policy_of(name)["readable"]):
        return False
    if (
        owns(name, document, who)
        or oversees(name, who)
        or (place and place[2] == policy_of(name).get("readable_with"))
    ):
        return True
    target, parent = parent_of(store, name, document)
    return target is None or (parent is not None and may_read(store, target, parent, who))
