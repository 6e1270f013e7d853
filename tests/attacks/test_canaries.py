"""No secret leaves by an error, a log, a metric or a trace of real processes: all they say is searched for canaries."""

import pytest
import requests

from tests.attacks.tour import Canaries, Tour, started_in_vain
from tests.clients.test_tracing import Collector
from tests.patience import patience
from tests.platform import CLIP, Platform

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Make the tour once; return the canaries and everything that was said, by who said it."""
    folder, canaries, collector = tmp_path_factory.mktemp("canaries"), Canaries(), Collector()
    settings = {"LOG_LEVEL": "DEBUG", "LOG_FORMAT": "json", "ACCESS_LOG": "1", "TRACE_URL": collector.url,
                "METRICS_TOKEN": canaries.make("metrics token of the tour"), "WEBHOOK_PRIVATE_TARGETS": "on",
                "MONGO_TIMEOUT_SECONDS": "2"}  # fmt: skip
    with Platform(folder / "data", **settings) as platform:
        tour = Tour(platform, canaries)

        tour.sign_up()
        tour.collect()
        tour.watch(CLIP.read_bytes())
        tour.offend()
        authorized = {"Authorization": f"Bearer {settings['METRICS_TOKEN']}"}
        metrics = requests.get(f"{platform.base}/metrics", headers=authorized, timeout=patience(20))
        assert metrics.status_code == 200 and "marquee_" in metrics.text
        tour.break_things()
        (folder / "vain").mkdir()
        logs, answers = started_in_vain(canaries, folder / "vain", platform)
    said = {f"log of {file.stem}": file.read_text() for file in (folder / "data" / "logs").glob("*.log")}
    said |= {"log of a lost API": logs[0], "log of a lost worker": logs[1], "metrics": metrics.text}
    said["traces"] = "\n".join(map(str, collector.spans))
    said["answers of the lost"] = "\n".join(
        one if isinstance(one, str) else f"{one.status_code} {one.headers} {one.text}" for one in answers
    )
    collector.shutdown()
    collector.server_close()
    return canaries, said, tour.refusals


def test_the_tour_met_every_secret_and_every_kind_of_refusal(told, record_property):
    canaries, said, refusals = told
    assert len(canaries) >= 20 and all(len(word) >= 6 for word in canaries.values())
    statuses = {status for _, status, _ in refusals}
    assert {400, 401, 403, 404, 422, 500, 503} <= statuses, statuses
    assert len(refusals) > 200
    record_property("refusals", len(refusals))
    record_property("megabytes", sum(map(len, said.values())) / 1e6)
    assert {who for who, text in said.items() if len(text) < 80} <= {"log of cloudinary"}
    assert "Traceback" in said["log of api"] and "playback" in said["traces"]


def test_no_error_body_holds_a_secret(told):
    canaries, _, refusals = told
    leaks = [(request, canaries.found_in(text)) for request, _, text in refusals]
    # What a client sends as a parameter's name or as part of the path, it may be told again: it stands in the request.
    assert [(r, f) for r, f in leaks if f and not set(f) <= set(canaries.found_in(r))] == []


@pytest.mark.parametrize(
    "who", ["api", "worker", "beat", "cloudinary", "redis", "mongo", "a lost API", "a lost worker"]
)
def test_no_log_holds_a_secret(told, who):
    canaries, said, _ = told
    text = said[f"log of {who}"]
    assert {kind: line_with(text, canaries[kind]) for kind in canaries.found_in(text)} == {}


@pytest.mark.parametrize("what", ["metrics", "traces", "answers of the lost"])
def test_no_metric_trace_or_command_holds_a_secret(told, what):
    canaries, said, _ = told
    assert {kind: line_with(said[what], canaries[kind]) for kind in canaries.found_in(said[what])} == {}


def line_with(text, word):
    """Return what stands around a word."""
    at = max(text.find(word[-20:]), 0)
    return text[max(0, at - 300) : at + 60]
