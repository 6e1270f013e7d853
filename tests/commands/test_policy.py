"""`run.py policy` and `run.py routes`: what the declarations mean, told on the command line."""

import json

from click.testing import CliRunner

from run import cli


def run(*words):
    return CliRunner().invoke(cli, words, catch_exceptions=False)


def line_of(text, word):
    return next(line.split() for line in text.splitlines() if line.split()[:1] == [word])


def test_all_resources_are_listed():
    done = run("policy")
    assert done.exit_code == 0
    assert line_of(done.output, "channels")[1] == "GET"


def test_one_resource_is_told_in_full():
    told = run("policy", "videos").output
    assert line_of(told, "DELETE") == ["DELETE", "-", "-", "yes", "-", "yes", "yes"]
    assert "READY" in " ".join(line_of(told, "playback"))
    assert line_of(told, "pending_media")[2:] == ["server", "server"]


def test_states_and_stamps_are_told():
    told = run("policy", "videos").output
    assert "needs" in told and "media is set" in " ".join(line_of(told, "READY"))
    assert "the status before, status_detail" in " ".join(line_of(told, "BLOCKED"))
    assert " ".join(line_of(told, "published_at")).endswith("visibility is public and status is READY")


def test_unknown_resource_is_refused_with_the_known_ones():
    done = run("policy", "movies")
    assert done.exit_code == 2 and "videos" in done.output


def test_policy_speaks_json():
    told = json.loads(run("policy", "videos", "--json").output)["videos"]
    assert told["actions"]["retry"]["who"] == ["moderator", "owner"]
    assert told["fields"]["channel"]["write"] == ["create"]
    assert told["states"]["status"]["remembers"]["BLOCKED"]["along"] == ["status_detail"]
    assert told["stamps"] == {"published_at": {"visibility": "public", "status": "READY"}}


def test_routes_are_listed_with_who_may_call():
    lines = [line.split() for line in run("routes").output.splitlines()]
    assert ["GET", "/api/v1/videos", "anyone", "read", "List", "videos"] in lines
    assert any(line[:5] == ["POST", "/api/v1/videos", "signed", "in", "write"] for line in lines)


def test_routes_are_narrowed_by_a_word():
    rows = [json.loads(line) for line in run("routes", "--json", "jwks").output.splitlines()]
    assert [row["path"] for row in rows] == ["/.well-known/jwks.json"]
