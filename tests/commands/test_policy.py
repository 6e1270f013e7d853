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


def test_what_was_not_said_is_told_when_asked_for():
    told = run("policy", "videos", "--expanded").output
    assert line_of(told, "roles.owner") == ["roles.owner", "GET,", "PATCH,", "PUT,", "DELETE"]
    assert line_of(told, "people_only") == ["people_only", "False"]
    assert line_of(told, "public_by_channel")[1:] == [
        "channel,", "visibility,", "status,", "deleted_at,", "-published_at,", "-_id", "policy.queries.1",
    ]  # fmt: skip
    assert line_of(told, "public_by_date")[-1] == "mongo_indexes.public_by_date"
    assert line_of(told, "idempotency_key")[2:] == ["unique", "True,", "sparse", "True", "resource_methods"]
    fields = told[told.index("its policy comes from") :]
    assert line_of(fields, "status") == ["status", "readonly", "DRAFT"]
    assert line_of(fields, "hls") == ["hls", "its", "row", "(read)", "and", "readonly"]
    assert line_of(fields, "deleted_at") == ["deleted_at", "soft_delete", "nothing"]
    assert "public_by_channel" not in run("policy", "videos").output


def test_expanded_policy_speaks_json_of_all_and_shows_every_index():
    from machine.declare.registry import Registry

    told = json.loads(run("policy", "--expanded", "--json").output)
    for resource in Registry.load():
        assert [one["name"] for one in told[resource.name]["indexes"]] == [
            one.name for one in resource.indexes
        ]
    assert told["likes"]["left_out"]["roles.user"] == ["GET"]
    assert "readable" in told["likes"]["left_out"] and "queries" not in told["likes"]["left_out"]
    assert told["users"]["fields_from"]["email"] == "its row (pii, read) and readonly"


def test_expanded_policy_of_all_resources_is_refused_as_text():
    done = run("policy", "--expanded")
    assert done.exit_code == 2 and "RESOURCE" in done.output


def test_routes_are_listed_with_who_may_call():
    lines = [line.split() for line in run("routes").output.splitlines()]
    assert ["GET", "/api/v1/videos", "anyone", "read", "List", "videos"] in lines
    assert any(line[:5] == ["POST", "/api/v1/videos", "signed", "in", "write"] for line in lines)


def test_routes_are_narrowed_by_a_word():
    rows = [json.loads(line) for line in run("routes", "--json", "jwks").output.splitlines()]
    assert [row["path"] for row in rows] == ["/.well-known/jwks.json"]
