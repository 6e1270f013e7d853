"""Traces (OpenTelemetry), off unless TRACE_URL is set: one trace from a request through its jobs to their end.

The context of a request is kept in the job that it records, not in the message that carries the job's id: however
often the message is sent again, all attempts belong to the trace of the request. Without TRACE_URL
nothing of OpenTelemetry is imported and every function here does nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from settings import BadSettings, Settings

NAME = "marquee"
_tracer: Any = None


def start(settings: Settings, part: str, app: Any = None) -> None:
    """Begin to trace in this process, once; `app` is the Flask application, if it has one."""
    global _tracer
    if not settings.trace_url:
        return
    if _tracer is None:
        try:
            _tracer = connect(settings, part)
        except ImportError as error:
            raise BadSettings(
                "TRACE_URL: needs OpenTelemetry: pip install -r docker/requirements-tracing.txt"
            ) from error
    if app is not None:
        from opentelemetry.instrumentation.flask import FlaskInstrumentor

        FlaskInstrumentor().instrument_app(
            app, excluded_urls="livez,readyz,metrics", response_hook=hide_query
        )


def hide_query(span: Any, status: str, headers: Any) -> None:
    """Take the query out of a request's span: as in the logs, it may hold a key that opens a film."""
    if span and span.is_recording():
        known = getattr(span, "attributes", None) or {}
        places = {"http.target", "http.url", "url.full", "url.query"} & set(known)
        span.set_attributes({name: str(known[name]).partition("?")[0] for name in places - {"url.query"}})
        span.set_attributes(dict.fromkeys(places & {"url.query"}, ""))


def connect(settings: Settings, part: str) -> Any:
    """Set up the exporter and the instruments of the libraries; return the tracer."""
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.celery import CeleryInstrumentor
    from opentelemetry.instrumentation.pymongo import PymongoInstrumentor
    from opentelemetry.instrumentation.redis import RedisInstrumentor
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    facts = {"service.name": f"{NAME}-{part}", "service.version": settings.build}
    sampler = ParentBased(TraceIdRatioBased(settings.trace_share))
    provider = TracerProvider(resource=Resource.create(facts), sampler=sampler)
    exporter = OTLPSpanExporter(endpoint=settings.trace_url)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=1000))
    trace.set_tracer_provider(provider)
    # Commands without their values: those may be anybody's data.
    PymongoInstrumentor().instrument(capture_statement=False)
    RedisInstrumentor().instrument()
    CeleryInstrumentor().instrument()
    return trace.get_tracer(NAME)


def enabled() -> bool:
    """Tell whether this process traces."""
    return _tracer is not None


def context() -> str | None:
    """Return the context of this moment (W3C Trace Context), to be kept with jobs of this request; None when off."""
    if _tracer is None:
        return None
    from opentelemetry.propagate import inject

    carrier: dict[str, str] = {}
    inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def span(name: str, parent: str | None, **facts: Any) -> Iterator[Any]:
    """Trace a piece of work under a kept context; yield the span, None when off."""
    if _tracer is None:
        yield None
        return
    from opentelemetry.propagate import extract

    above = extract({"traceparent": parent}) if parent else None
    told = {key: str(value) for key, value in facts.items()}
    with _tracer.start_as_current_span(name, context=above, attributes=told) as current:
        yield current
