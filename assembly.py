"""The assembly. Read `create_app` top to bottom to follow a request."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from machine.declare.registry import Registry
    from machine.eve.app import Marquee
    from settings import Settings


def create_app(
    settings: "Settings | None" = None, registry: "Registry | None" = None, **overrides: Any
) -> "Marquee":
    """Build the WSGI application from settings; `overrides` are settings by name. Opens no connection."""
    from werkzeug.middleware.proxy_fix import ProxyFix

    import hooks
    import tasks.all  # noqa: F401  a job of any type may be cancelled
    from clients import log, tracing
    from features import blueprints, refusals, rules
    from features.backend import Backend
    from features.identity import revocation as identity
    from machine.declare.registry import Registry
    from machine.edge.front import Front
    from machine.eve.app import Marquee
    from settings import Settings

    settings = settings or Settings.from_env(**overrides)
    log.configure(settings)
    # Eve with our data layer, validator, renderer, error handlers, views and hooks (in that order).
    app = Marquee(Backend(settings), registry or Registry.load())
    # Writes to accounts, sessions and keys end what was signed in; then everything that happens around a request.
    identity.watch(app.store)
    hooks.register(app, rules())
    app.refusals = refusals()
    # The endpoints that are not a resource.
    for blueprint in blueprints():
        app.register_blueprint(blueprint)
    # Traces, where an operator wants them.
    tracing.start(settings, "api", app)
    # Reads of resources end in the front and never reach Flask.
    app.wsgi_app = Front(app, app.wsgi_app)
    # Only as many proxies as the operator vouches for may say who the client is.
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=0)
    return app
