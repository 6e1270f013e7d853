"""Who counts as a viewer, for those who would like to be many, or to have watched what they have not."""

import itertools
import random

import pytest

from features.views.flush_jobs import flush_views
from features.views.views import BOTS, ENGAGED_SECONDS
from tests.studio import at_once, refused

WINDOW_MS, START = 3_600_000, 1_800_000_000_000


@pytest.fixture
def beat(app, film):
    """Send a heartbeat at a moment of the test's choosing."""
    from bson import ObjectId

    def send(who, position, ms, duration=100.0):
        viewer = app.services.views.viewer(None, "", who)
        return app.services.views.beat(ObjectId(film), duration, viewer, position, START + ms)

    return send


def heartbeat(who, film, position=0, agent="Firefox", **headers):
    return who.post(f"/videos/{film}/views", {"position": position}, headers={"User-Agent": agent, **headers})


def totals(app, studio, film):
    """Return (views, engaged views, watched milliseconds) as written down."""
    from bson import ObjectId

    flush_views(app.store)
    counters = studio.counters(film)
    days = app.services.db.video_stats.find({"video": ObjectId(film)})
    return counters["views"], counters["engaged_views"], sum(day["watch_ms"] for day in days)


class Rule:
    """The rule v1 as /view-policy words it, for one viewer of one film, written down as plainly as possible."""

    def __init__(self, duration):
        self.enough = min(ENGAGED_SECONDS * 1000, duration * 500) if duration else ENGAGED_SECONDS * 1000
        self.end = duration * 1000 if duration else float("inf")
        self.start = None
        self.views = self.engaged = self.watched = 0

    def beat(self, position, ms):
        position = min(position * 1000, self.end)
        counted = self.start is None or ms - self.start >= WINDOW_MS
        if counted:
            self.start, self.views, self.this, self.done = ms, self.views + 1, 0, False
        else:
            gain = max(0, min(position - self.position, 2 * max(0, ms - self.last)))
            self.this, self.watched = self.this + gain, self.watched + gain
        self.position, self.last = position, ms
        if not self.done and self.this >= self.enough:
            self.done, self.engaged = True, self.engaged + 1
        return counted, -(-(self.start + WINDOW_MS - ms) // 1000)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("duration", [100.0, 7.5, None])
def test_any_sequence_of_heartbeats_is_judged_by_the_rule(app, studio, film, beat, seed, duration):
    """Honest players, jumpers, storms and pauses around the edge of the window, for five viewers at a time."""
    dice, rules = random.Random(seed), [Rule(duration) for _ in range(5)]
    moments = [0] * 5
    for _ in range(300):
        n = dice.randrange(5)
        moments[n] += dice.choice([0, 1, 10_000, 10_000, 30_000, 1_700_000, WINDOW_MS - 1, WINDOW_MS])
        position = round(dice.choice([moments[n] / 1000 % 120, dice.random() * 130, 0.0, 1e7]), 3)
        counted, left = rules[n].beat(position, moments[n])
        verdict = beat(f"{seed}{duration}{n}", position, moments[n], duration)
        assert (verdict.counted, verdict.reason) == (counted, "counted" if counted else "within_window")
        assert verdict.retry_after == max(1, left)
    expected = (
        sum(r.views for r in rules),
        sum(r.engaged for r in rules),
        round(sum(r.watched for r in rules)),
    )
    assert totals(app, studio, film) == expected


def test_edge_of_the_window_is_exact(beat):
    assert beat("edge", 0, 0).counted
    assert not beat("edge", 0, WINDOW_MS - 1).counted
    assert beat("edge", 0, WINDOW_MS).counted


def test_clock_that_runs_backwards_gives_nothing(app, studio, film, beat):
    beat("liar", 0, 50_000)
    for ms, position in ((0, 100), (40_000, 0), (10_000, 100), (50_000, 0), (0, 100)):
        assert not beat("liar", position, ms).counted
    views, engaged, watched = totals(app, studio, film)
    assert views == 1 and watched <= 2 * 90_000


def test_storm_at_one_moment_gives_no_watch_time(app, studio, film, beat):
    for number in range(500):
        beat("storm", number % 2 * 100, 0)
    assert totals(app, studio, film) == (1, 0, 0)


def test_watch_time_is_at_most_twice_the_wall_time(app, studio, film, beat):
    beat("fast", 0, 0)
    for number in range(1, 11):
        beat("fast", number * 1000, number * 1000, None)
    assert totals(app, studio, film) == (1, 0, 20_000)


def test_forged_addresses_are_not_believed(app, studio, film, anonymous):
    reasons = []
    for n, header in itertools.product(
        range(5), ("X-Forwarded-For", "X-Real-IP", "Forwarded", "CF-Connecting-IP")
    ):
        reasons.append(heartbeat(anonymous, film, **{header: f"203.0.{n}.7"}).json["reason"])
    assert reasons == ["counted"] + ["within_window"] * 19


def test_one_person_with_many_agents_is_one_viewer(app, studio, film, bob):
    for n in range(5):
        heartbeat(bob, film, agent=f"Agent/{n}")
    assert totals(app, studio, film)[0] == 1


@pytest.mark.parametrize("word", BOTS)
def test_bots_by_any_spelling_never_count(film, anonymous, word):
    for agent in (word, word.upper(), f"Mozilla/5.0 (compatible; {word.title()}/2.1)"):
        assert heartbeat(anonymous, film, agent=agent).json["reason"] == "bot"


def test_owner_never_counts_however_he_comes(film, alice):
    answers = at_once([lambda: heartbeat(alice, film)] * 16)
    assert {(answer.json["counted"], answer.json["reason"]) for answer in answers} == {(False, "owner")}


def test_storm_from_many_threads_is_one_view(app, studio, film, bob, anonymous):
    answers = at_once([lambda w=who: heartbeat(w, film, 5) for who in (bob, anonymous) * 30])
    assert [answer.json["counted"] for answer in answers].count(True) == 2
    assert totals(app, studio, film)[0] == 2


@pytest.mark.parametrize("state", ["private", "draft", "deleted", "nowhere"])
def test_what_cannot_be_watched_has_no_viewers(studio, bob, anonymous, state):
    make = {"private": lambda: studio.film("private"), "draft": lambda: studio.film(status="DRAFT"),
            "deleted": studio.deleted, "nowhere": lambda: "f" * 24}  # fmt: skip
    film = make[state]()
    for who in (bob, anonymous):
        refused(heartbeat(who, film), 404)


@pytest.mark.parametrize("position", [-1, -0.001, "5", None, True, [], {}, 1e308, 10_000_001])
def test_odd_position_is_refused_and_counts_nothing(app, studio, film, bob, position):
    refused(heartbeat(bob, film, position), 400, 422)
    assert totals(app, studio, film)[0] == 0


def test_locked_film_is_watched_by_those_who_opened_it(studio, alice, bob):
    film = studio.film()
    alice.put(f"/videos/{film}/password", {"password": "open sesame"})
    assert refused(heartbeat(bob, film), 403) == "locked"
    key = bob.post(f"/videos/{film}/unlock", {"password": "open sesame"}).json["unlock"]
    answer = bob.post(
        f"/videos/{film}/views?unlock={key}", {"position": 1}, headers={"User-Agent": "Firefox"}
    )
    assert answer.json["counted"] is True
