"""What a run of the benchmark says: ratios, noise, targets, and the page that it fills."""

import json

import pytest

from bench import publish, report
from bench.load import Result
from bench.rounds import compare, in_turns, rows_of
from bench.targets import judge

NOISE = {"loop_ms": 5.0, "loop_spread_percent": 3.0, "cores_used_by_others": 0.1}
ABOUT = {
    "rounds": 3, "seconds": 2.0, "videos": 10, "comments": 10, "cores": 2, "connections": 16, "noise": NOISE,
    "extras": {"speed": "1 MB/s"}, "left_out": [], "took_seconds": {"cases": 1},
}  # fmt: skip


def results(*rates):
    return [Result(rate, 1e6 / rate, 1.0, 2.0, 0, 100) for rate in rates]


def test_ratio_is_the_median_of_neighbouring_rounds():
    (row,) = rows_of("list", "marquee", results(20, 30, 90), {"floor_find": results(10, 10, 10)})
    assert (row["ratio"], row["ratio_low"], row["ratio_high"], row["verdict"]) == (3, 2, 9, "faster")


def test_rounds_that_disagree_are_within_the_noise():
    (row,) = rows_of("list", "marquee", results(9, 12, 12), {"floor_find": results(10, 10, 10)})
    assert row["verdict"] == "within noise"


def test_neighbours_change_places_every_round():
    order = []
    in_turns({name: lambda name=name: order.append(name) for name in "ab"}, 2)
    assert order == ["b", "a", "a", "b"]


def test_target_counts_as_met_by_the_median():
    rows = compare({("list", "marquee"): results(7, 9), ("list", "floor_find"): results(10, 10)})
    (judged,) = judge(rows)
    assert (judged["target"], judged["ratio"], judged["met"]) == (0.8, 0.8, True)


def test_later_run_replaces_its_cases_and_keeps_the_others(tmp_path):
    first = rows_of("list", "marquee", results(10), {}) + rows_of("item", "marquee", results(10), {})
    report.write(tmp_path, first, ABOUT)
    report.write(tmp_path, rows_of("item", "marquee", results(50), {}), {**ABOUT, "extras": {}}, keep=True)
    rows, about = report.read(tmp_path)
    assert {row["case"]: row["rps"] for row in rows} == {"list": 10, "item": 50}
    assert about["runs"][0]["cases"] == ["item"] and about["extras"] == {"speed": "1 MB/s"}


@pytest.fixture
def page(tmp_path):
    """A page with its marks, and the report to fill it with."""
    names = ("conditions", "rates", "targets", "also")
    page = tmp_path / "page.md"
    page.write_text("".join(f"before\n<!-- measured: {name} -->\nold\n<!-- end -->\n" for name in names))
    report.write(tmp_path, rows_of("list", "marquee", results(1234), {}), ABOUT)
    return page


def test_publishing_fills_every_mark_and_nothing_else(page, tmp_path):
    publish.publish(tmp_path, page, tmp_path / "picture.svg", tmp_path / "decision.md")
    text = page.read_text()
    assert "old" not in text and "| list | 1,234 / 810 |" in text and text.count("before") == 4
    assert (tmp_path / "picture.svg").read_text().startswith("<svg")


def test_publishing_twice_changes_nothing(page, tmp_path):
    for _ in range(2):
        publish.publish(tmp_path, page, tmp_path / "picture.svg", tmp_path / "decision.md")
        last = page.read_text()
    assert page.read_text() == last and last.count("<!-- end -->") == 4


def test_page_without_its_mark_is_refused(page, tmp_path):
    page.write_text("nothing to fill")
    with pytest.raises(publish.NoReport, match="conditions"):
        publish.publish(tmp_path, page, tmp_path / "picture.svg", tmp_path / "decision.md")


def test_servers_are_published_with_the_conditions_they_were_measured_under(tmp_path):
    row = {
        "case": "list",
        "server": "granian_32",
        "rps": 1000.0,
        "cpu_us": 500.0,
        "p99_ms": 9.0,
        "failures": 0,
    }
    found = {"about": {"rounds": 4, "seconds": 2.0, "noise": NOISE}, "rows": [row]}
    (tmp_path / "wsgi_servers.json").write_text(json.dumps(found))
    page = tmp_path / "decision.md"
    page.write_text("<!-- measured: servers -->\n<!-- end -->\n")
    publish.publish_servers(tmp_path / "wsgi_servers.json", page)
    assert "| granian_32 | 1,000 / 500 / 9 |" in page.read_text() and "4 rounds of 2 s" in page.read_text()
