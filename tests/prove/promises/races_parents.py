"""What refers to something, and the deletion of that at the same moment: refused or kept, never half."""

import secrets
import tempfile

from bson import ObjectId

from tests.platform import poll
from tests.prove.promises.races_ends import Race, at_once, tally
from tests.prove.world import World


def run(quick):
    parts = ("beat", "worker", "api", "api2")
    with tempfile.TemporaryDirectory() as folder, World(folder, parts=parts) as world:
        race, times = ParentRace(world), 3 if quick else 20
        return [
            race.row("A reply and the end of its parent leave no half", race.reply, times,
                     "a reply to a comment, and that comment's deletion",
                     "201 and the reply stands below the kept place, or 404, 409, 422 and it is nowhere"),
            race.row("A restore and the end of its channel leave no half", race.restore, times,
                     "a video is restored while its channel is deleted",
                     "the video is gone with the channel; restore said 200, 404 or 409"),
        ]  # fmt: skip


class ParentRace(Race):
    """The races between a child and its parent, each with what is illegal about its end."""

    def write(self, film, turn, **more):
        body = {"text": "Well said", **more}
        return self.ask("POST", f"/videos/{film}/comments", self.token, turn, json=body)

    def reply(self):
        film = self.video(visibility="public", status="READY")
        top = self.write(film, 0).json()["_id"]
        answers = at_once([
            lambda: self.write(film, 0, parent=top),
            lambda: self.delete(f"/comments/{top}", self.token, 1),
        ])  # fmt: skip
        statuses = [answer.status_code for answer in answers]
        poll(lambda: not self.db.jobs.count_documents({"type": "cascade", "state": "queued"}), 20, "cascades")
        rows = list(self.db.comments.find({"video": film}))
        replies, places = (
            [one for one in rows if one["parent"]],
            [one for one in rows if one.get("placeholder")],
        )
        kept = len(rows) == 2 and len(replies) == len(places) == 1 and replies[0]["parent"] == ObjectId(top)
        fine = kept if statuses[0] == 201 else statuses[0] in (404, 409, 422) and not rows
        wrong = [] if fine and statuses[1] == 204 else [f"answers {statuses}, left {len(rows)}"]
        return tally(statuses), wrong + self.drift("videos")

    def restore(self):
        body = {"handle": "h" + secrets.token_hex(4), "name": "Raced"}
        channel = self.ask("POST", "/channels", self.token, json=body).json()["_id"]
        film = self.video(channel=ObjectId(channel))
        self.delete(f"/videos/{film}", self.token)
        answers = at_once([
            lambda: self.ask("POST", f"/videos/{film}/restore", self.token, 0),
            lambda: self.delete(f"/channels/{channel}", self.token, 1),
        ])  # fmt: skip
        statuses = [answer.status_code for answer in answers]
        fine = statuses[0] in (200, 404, 409) and statuses[1] == 204
        wrong = [] if fine else [f"answers {statuses}"]
        try:
            poll(lambda: not self.db.videos.find_one({"_id": film, "deleted_at": None}), 20, "the cascade")
        except AssertionError:
            wrong.append("a video below nothing")
        return tally(statuses), wrong
