"""The application object: Eve, with the policy behind its seams."""

import copy
import functools
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from eve import Eve
from flask import request
from flask_caching import Cache
from werkzeug.exceptions import HTTPException

from machine.current import Application
from machine.declare.registry import Registry
from machine.declare.resource import Mount, Resource
from machine.eve.data import PolicyMongo
from machine.eve.endpoints import install
from machine.eve.validation import PolicyValidator
from machine.http.errors import as_problem, take_over
from machine.http.route import ObjectIdConverter
from machine.read.reads import Reads
from machine.services import Services
from machine.streams.streams import Streams
from machine.write.store import Store
from settings import PREFIX

log = structlog.get_logger(__name__)
ID = 'regex("[a-f0-9]{24}")'
# Eve's own switches. Its reads, embedding, projection and links are off: machine.read.reads is the only read path.
EVE = {
    "URL_PREFIX": PREFIX.strip("/"),
    "RENDERERS": ["machine.eve.render.JSONRenderer"],
    "DATE_FORMAT": "%Y-%m-%dT%H:%M:%SZ",
    "HATEOAS": False,
    "EMBEDDING": False,
    "PROJECTION": False,
    "SORTING": False,
    "ALLOWED_FILTERS": [],
    "PAGINATION": False,
    "ALLOW_OVERRIDE_HTTP_METHOD": False,
    "UPSERT_ON_PUT": False,
    "NORMALIZE_DOTTED_FIELDS": False,
    "VALIDATION_ERROR_AS_LIST": True,
    "ETAG_IGNORE_FIELDS": None,
}


class Marquee(Application, Eve):
    """Eve with its services, store and reads. `base_of` maps each of Eve's resource names to ours."""

    def __init__(self, services: Services, registry: Registry) -> None:
        settings = services.settings
        self.settings_object = settings
        self.services = services
        self.registry = registry
        # What the hooks of single resources refuse, for the document: resource -> method -> reasons.
        self.refusals: Mapping[str, Mapping[str, list[str]]] = {}
        self.store = Store(self.services, registry)
        self.reads = Reads(self.store, settings.secret_key)
        # Here each stream holds a thread; `run.py streams` raises it.
        self.streams = Streams(self, max(1, settings.api_threads * 3 // 8))
        domain, self.base_of = build_domain(registry)
        super().__init__(
            "marquee",
            settings={**EVE, "DOMAIN": domain},
            data=PolicyMongo,
            validator=PolicyValidator,
            url_converters={"objectid": ObjectIdConverter},
            static_folder=None,
        )
        # Eve keeps its own settings dictionary under this name; ours takes its place once it has been read.
        self.settings = settings
        # What the application itself remembers, on the same Redis and tags as the front.
        self.cache = Cache(
            self, config={"CACHE_TYPE": "machine.edge.cache.FlaskBackend", "CACHE_DEFAULT_TIMEOUT": 60}
        )
        install(self)

    def make_default_options_response(self) -> Any:
        """Answer OPTIONS; Eve routes POST on items for method overrides, which are not taken."""
        answer = super().make_default_options_response()
        if request.url_rule is not None and "|item_" in request.url_rule.endpoint:
            answer.headers["Allow"] = ", ".join(sorted(set(answer.allow) - {"POST"}))
        return answer

    def register_error_handlers(self) -> None:
        """Answer every error in the one shape."""
        take_over(self)


def guard(hook: Callable[..., Any]) -> Callable[..., Any]:
    """Let a hook raise nothing but HTTP errors: Eve would answer anything else with 400 and its text."""

    @functools.wraps(hook)
    def guarded(*arguments: Any) -> Any:
        try:
            return hook(*arguments)
        except HTTPException:
            raise
        except Exception as error:
            log.error("hook_failed", hook=getattr(hook, "__name__", repr(hook)), exc_info=True)
            raise as_problem(error) from error

    return guarded


def build_domain(registry: Registry) -> tuple[dict[str, Any], dict[str, str]]:
    """Return Eve's DOMAIN, and the resource behind each name in it. A mount is an entry of its own."""
    domain, base_of = {}, {}
    for resource in registry:
        domain[resource.name] = describe(resource)
        base_of[resource.name] = resource.name
        for mount in resource.mounts:
            name = f"{mount.parent}_{mount.segment}"
            domain[name] = describe(resource, mount)
            base_of[name] = resource.name
    return domain, base_of


def describe(resource: Resource, mount: Mount | None = None) -> dict[str, Any]:
    """Return Eve's settings of one resource or sub-resource URL. Indexes are built by `db migrate`, not here."""
    lists, items = resource.methods
    described = {
        "schema": copy.deepcopy(resource.schema),
        "resource_methods": [m for m in lists if m != "DELETE"],
        "item_methods": items,
        "datasource": {"source": resource.name},
        "policy": resource.definition["policy"],
    }
    if mount:
        described["url"] = mount.url.replace("{" + mount.field + "}", f"<{ID}:{mount.field}>")
        described["item_lookup"] = False
    elif "additional_lookup" in resource.definition:
        described["additional_lookup"] = resource.definition["additional_lookup"]
    return described
