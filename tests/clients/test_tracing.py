"""One trace follows a film from the request that brought it to READY, over processes, retries and notices."""

import http.server
import secrets
import threading

import pytest

from clients import tracing
from settings import BadSettings, Settings
from tests.platform import Platform, poll

proto = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")


class Collector(http.server.ThreadingHTTPServer):
    """Takes spans as an OpenTelemetry collector does, over HTTP, and keeps them."""

    def __init__(self):
        self.spans, collector = [], self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    import gzip

                    body = gzip.decompress(body)
                for resource in proto.ExportTraceServiceRequest.FromString(body).resource_spans:
                    for scope in resource.scope_spans:
                        collector.spans += scope.spans
                self.send_response(200)
                self.end_headers()

            def log_message(self, *words):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/v1/traces"

    def of(self, trace_id):
        return [span for span in self.spans if span.trace_id.hex() == trace_id]


def facts(span):
    return {one.key: one.value.string_value for one in span.attributes}


@pytest.fixture
def collector():
    server = Collector()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_one_trace_leads_from_the_request_to_ready(collector, tmp_path):
    trace_id = secrets.token_hex(16)
    with Platform(tmp_path / "data", TRACE_URL=collector.url) as platform:
        alice = platform.sign_up("alice").make_channel("alice")
        video = alice.make_video("A film")
        headers = {"traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01"}
        assert alice.upload(video, headers=headers).status_code == 202
        assert alice.await_end(video, seconds=90)["status"] == "READY"
        done = lambda: [  # noqa: E731
            span for span in collector.of(trace_id)
            if span.name == "job process" and facts(span).get("outcome") == "succeeded"
        ]  # fmt: skip
        poll(done, 30, "the span of the last attempt")
        poll(
            lambda: [s for s in collector.of(trace_id) if s.name == "media notice"],
            30,
            "the notice of the media store",
        )
    spans = collector.of(trace_id)
    by_id = {span.span_id: span for span in spans}
    (request,) = [span for span in spans if "upload" in span.name and span.kind == span.SPAN_KIND_SERVER]
    attempts = [span for span in spans if span.name == "job process"]
    for span in [*attempts, *(one for one in spans if one.name == "media notice")]:
        while span.parent_span_id in by_id:
            span = by_id[span.parent_span_id]
        assert span == request
    assert any(
        facts(span).get("db.system") == "mongodb" and span.parent_span_id == attempts[0].span_id
        for span in spans
    )


def test_without_a_place_to_send_to_nothing_is_traced():
    tracing.start(Settings(), "api")
    assert not tracing.enabled() and tracing.context() is None
    with tracing.span("x", None) as span:
        assert span is None


def test_without_the_libraries_one_sentence_says_what_to_install(monkeypatch):
    def missing(settings, part):
        raise ImportError

    monkeypatch.setattr(tracing, "connect", missing)
    with pytest.raises(BadSettings, match="requirements-tracing.txt"):
        tracing.start(Settings(trace_url="http://127.0.0.1:1/v1/traces"), "api")
