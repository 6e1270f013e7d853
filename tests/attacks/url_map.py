"""Every URL rule of the application as cells: whose document it is about, and what each caller deserves there."""

import re
from dataclasses import dataclass

from tests import oracle
from tests.cells import callers_of, states_of
from tests.factory import DEFINITIONS

AUTOMATIC = {"OPTIONS", "HEAD"}
RANKS = {"anyone": 0, "user": 1, "moderator": 2, "admin": 3}
STRANGERS = ("anonymous", "stranger", "moderator", "admin")
# What a custom route below an id demands of the document beyond its own rank: `read`: 404 to whom it is not readable;
# `signed`: a signature in the URL that no caller of this test has; `own`: nothing is told of anybody else's.
DEMANDS = {
    "moderation.block": "read",
    "moderation.unblock": "read",
    "playback.caption_file": "signed",
    "playback.storyboard": "signed",
    "playback.thumbnail": "read",
    "library.keep_for_later": "read",
    "library.drop_from_later": "own",
    "views.forget_one": "own",
    "me.download": "own",
    "tus.show_offset": "own",
    "tus.append": "own",
    "tus.terminate": "own",
}
SUBJECTS = {
    "me.download": "jobs",
    "tus": "uploads",
    "library": "videos",
    "views": "videos",
    "moderation": "videos",
}


@dataclass(frozen=True)
class Case:
    """One rule and method. `resource`: what its first id names, None where it has none."""

    rule: str
    method: str
    endpoint: str
    resource: str | None
    spec: object

    @property
    def name(self):
        return f"{self.method} {self.rule}"

    def path(self, document):
        """Return the URL about a document."""
        values = {
            "name": "unknown",
            "handle": f"@{document.get('handle')}",
            "username": f"@{document.get('username')}",
        }

        def fill(found):
            return values.get(found[1], str(document.get("_id")))

        return re.sub(r"<(?:[^<>]*:)?(\w+)>", fill, self.rule)


def cases(app):
    """Return every rule × method of the application but what Flask adds by itself."""
    found = []
    for rule in app.url_map.iter_rules():
        spec = getattr(app.view_functions[rule.endpoint], "spec", None)
        methods = rule.methods - AUTOMATIC or {spec.method}
        found += [
            Case(rule.rule, method, rule.endpoint, subject(app, rule, spec), spec) for method in methods
        ]
    return sorted(found, key=lambda case: (case.rule, case.method))


def subject(app, rule, spec):
    """Return the resource that the id of a rule is of; a rule with an id of nothing known is an error."""
    if not [name for name in rule.arguments if name != "name"]:
        return None
    if spec is None:
        base = rule.endpoint.partition("|")[0]
        mount = next((m for r in app.registry for m in r.mounts if f"{m.parent}_{m.segment}" == base), None)
        return mount.parent if mount else base
    if spec.action:
        return spec.action[0]
    for known in (rule.endpoint, rule.endpoint.split(".")[0]):
        if known in SUBJECTS:
            return SUBJECTS[known]
    owner = re.search(r"/(\w+)/<objectid:id_>", rule.rule)
    assert owner and owner[1] in DEFINITIONS, f"{rule.rule}: whose id is it? Say so in SUBJECTS."
    return owner[1]


def cells(case):
    """Yield (state, state of the parent, caller) of every cell of a case; without a document only callers differ."""
    if case.resource not in DEFINITIONS:
        yield from ((None, None, caller) for caller in STRANGERS)
        return
    for state, above in states_of(case.resource):
        for caller in callers_of(case.resource):
            if not (
                oracle.policy_of(case.resource).get("owner") == "_id"
                and caller == "owner"
                and state != "public"
            ):
                yield state, above, caller


def deserved(store, case, document, who):
    """Return the status with which a caller must be refused; None where he may go on."""
    if case.spec is None:
        return by_policy(store, case, document, who)
    if case.spec.action:
        return by_action(store, case, document, who)
    return by_route(store, case, document, who)


def by_policy(store, case, document, who):
    """What a resource's own URLs answer; lists without a document above them are judged by machine/read/test_lists."""
    kind = case.endpoint.partition("|")[2]
    if kind == "item_post_override":
        return 405
    if kind in ("item_lookup", "item_additional_lookup"):
        status = oracle.item_status(store, case.resource, case.method, document, who)
        return None if status == 200 else status
    if kind == "resource" and case.resource:
        child = child_of(case)
        if not oracle.may_read(store, case.resource, document, who):
            return 404
        allowed = oracle.methods_of(child, who.role)
        if case.method == "GET" and who.id:
            allowed = allowed | oracle.methods_of(child, "owner")
        return None if case.method in allowed else oracle.refusal(who)
    return "list" if kind else None


def child_of(case):
    """Return the resource that a sub-resource URL lists."""
    segment = case.rule.rsplit("/", 1)[1]
    for name in DEFINITIONS:
        for mount in oracle.policy_of(name).get("mounts", {}).values():
            url = mount if isinstance(mount, str) else mount["url"]
            if url.startswith(f"{case.resource}/") and url.endswith(f"/{segment}"):
                return name
    raise AssertionError(case.rule)


def by_action(store, case, document, who):
    """What the declaration of an action says: who, on which documents, and in which state."""
    resource, name = case.spec.action
    declared = oracle.policy_of(resource)["actions"][name]
    when, wanted = declared.get("when", {}), set(declared["who"])
    known = oracle.words(store, resource, document, who)
    if "deleted_at" in when:
        if not wanted & known:
            return 404 if who.id else 401
    elif not oracle.may_read(store, resource, document, who):
        return 404
    if not wanted & known:
        return oracle.refusal(who)
    return (
        None
        if oracle.fits(document, when) and bool(document.get("deleted_at")) == ("deleted_at" in when)
        else 409
    )


def by_route(store, case, document, who):
    """What a route declares: a rank, and for those about a document what DEMANDS says."""
    if oracle.RANKS.index(who.role) < RANKS[case.spec.access]:
        return oracle.refusal(who)
    if case.resource is None:
        return None
    demand = DEMANDS[case.endpoint]
    if demand == "signed":
        return 403
    if demand == "read":
        return None if oracle.may_read(store, case.resource, document, who) else 404
    return "own"
