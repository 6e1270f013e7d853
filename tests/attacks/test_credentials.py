"""Every event × every credential: obtained, the event made to happen, used; and what the table says came true."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from assembly import create_app
from features.identity.credentials import EVENTS, KINDS, LOGGED_OUT, Fate, end_credentials, fate_of
from machine.write.parents import ParentGone
from tests.attacks.credentials import HAPPEN, OBTAIN, UNPROVED, Account, by_grant, change_user
from tests.features.identity.test_oidc import CLIENT, SECRET, running  # noqa: F401

ROOT = Path(__file__).resolve().parents[2]
GOOD = {Fate.STAYS: True, Fate.EXPIRY: True, Fate.THIS: True}
# What a stream or an upload rests on.
GRANTS = ("sessions", "api_keys")
CELLS = [(event, kind) for event in EVENTS for kind in KINDS]


@pytest.fixture(scope="module")
def site(app, running):  # noqa: F811
    settings = replace(
        app.settings, oidc_issuer=running.issuer, oidc_client_id=CLIENT, oidc_client_secret=SECRET,
        webhook_private_targets=True,
    )  # fmt: skip
    site = create_app(settings)
    yield site
    site.services.close()


@pytest.fixture
def account(site, running, dana):  # noqa: F811
    running.bend = lambda claims, headers: None
    return lambda event=None: Account(site, running, dana, verified=event not in UNPROVED)


def test_the_tables_name_the_same_events_and_kinds():
    assert set(HAPPEN) == set(EVENTS) and set(OBTAIN) == set(KINDS)
    assert all(set(fates) <= set(KINDS) for fates in EVENTS.values())


@pytest.mark.parametrize("kind", KINDS)
def test_each_credential_is_good_while_nothing_happens(account, kind):
    mine = account()
    uses = [OBTAIN[kind](mine)] if OBTAIN[kind] is not by_grant else [by_grant(mine, k) for k in GRANTS]
    assert all(use() for use in uses)


def works(use):
    """Tell whether a credential is of use; nothing can be written for somebody who is gone."""
    try:
        return use()
    except ParentGone:
        return False


@pytest.mark.parametrize(("event", "kind"), CELLS)
def test_each_event_ends_what_the_table_says(account, event, kind):
    mine, fate = account(event), fate_of(event, kind)
    if fate is Fate.GRANT:
        uses = {grant: by_grant(mine, grant) for grant in GRANTS}
        HAPPEN[event](mine)
        for grant, use in uses.items():
            assert use() is GOOD.get(fate_of(event, grant), False), grant
        return
    use = OBTAIN[kind](mine)
    HAPPEN[event](mine)
    assert works(use) is GOOD.get(fate, False)
    if fate is Fate.RESTS:
        change_user(status="active")(mine)
        assert use(), "what only rests comes back"


@pytest.mark.parametrize("event", EVENTS)
def test_the_session_that_asks_goes_on_where_the_table_says(account, event):
    mine = account(event)
    HAPPEN[event](mine)
    goes_on = fate_of(event, "sessions") in (Fate.OTHERS, Fate.STAYS)
    assert (mine.asker.get("/me").status_code == 200) is goes_on


def test_nobody_ends_others_without_saying_who_asks(app, alice):
    with pytest.raises(ValueError, match="which session"):
        end_credentials(app.store, LOGGED_OUT, alice.user["_id"])
    assert alice.get("/me").status_code == 200


def test_nothing_is_ended_beside_the_table():
    """Whoever ends one kind by hand forgets the next."""
    by_hand = re.compile(r"onetime\.drop\(|api_keys\.forget\(|exports\.drop\(|sessions\(\)\.end\(")
    # One session that must not have begun, one of a user who is suspended, one key that its owner deletes; exports that
    # were in the making when their person left.
    allowed = {
        "features/identity/answers.py": 1, "features/identity/sign_in_routes.py": 1,
        "features/identity/revocation.py": 1, "features/identity/departure_jobs.py": 1,
        "features/identity/export_jobs.py": 1,
    }  # fmt: skip
    found = {}
    for folder in ("commands", "features", "hooks", "machine", "tasks"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            if file.stem != "credentials" and (times := len(by_hand.findall(file.read_text()))):
                found[str(file.relative_to(ROOT))] = times
    assert found == allowed


def test_the_page_shows_the_table():
    text = (ROOT / "docs" / "security.md").read_text()
    section = text.partition("## Credentials: ")[2].partition("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if line[:1] == "|"
    ]
    assert rows == table_rows()


def table_rows():
    """The table as the page shows it: a row for each kind, a column for each group of events that do the same."""
    groups = {}
    for event in EVENTS:
        groups.setdefault(tuple(fate_of(event, kind) for kind in KINDS), []).append(event.replace("_", " "))
    head = ["", *(", ".join(events) for events in groups.values())]
    body = [[KINDS[kind].title, *(fates[n].value for fates in groups)] for n, kind in enumerate(KINDS)]
    return [head, ["---"] * len(head), *body]


if __name__ == "__main__":  # prints the table for the page
    for row in table_rows():
        print("|".join(["", *row, ""]) if "---" in row else f"| {' | '.join(row)} |")
