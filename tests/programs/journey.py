"""The journey by the Python client that openapi-python-client made; run by test_python_client.py."""

import sys
import time
from pathlib import Path

import httpx
from marquee_client import AuthenticatedClient, Client, models
from marquee_client.api.auth import login, register
from marquee_client.api.channels import create_channel
from marquee_client.api.comments import create_comment_in_video, list_comments_of_video
from marquee_client.api.engagement import like_video
from marquee_client.api.me import show_me
from marquee_client.api.videos import (
    create_video,
    get_video,
    list_videos,
    playback_video,
    publish_video,
    redirect_to_thumbnail,
    update_video,
    upload_video,
)
from marquee_client.types import File

BASE, CLIP, PASSWORD = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
NAME = sys.argv[4]


def main():
    with Client(base_url=BASE, raise_on_unexpected_status=True) as anyone, sign_in(anyone) as me:
        user = show_me.sync(client=me)
        assert isinstance(user, models.User) and user.username == NAME
        video = publish(me)
        watch(me, video)
        engage(anyone, me, video)
        be_refused(anyone, me, video)
    print("the journey is done")


def sign_in(anyone):
    """Register, and return a client that is signed in."""
    email = f"{NAME}@example.org"
    made = register.sync(
        client=anyone, body=models.RegisterBody(username=NAME, email=email, password=PASSWORD)
    )
    assert isinstance(made, models.User) and made.username == NAME
    tokens = login.sync(client=anyone, body=models.LoginBody(login=NAME, password=PASSWORD))
    assert isinstance(tokens, models.Tokens) and tokens.token_type == "Bearer"
    return AuthenticatedClient(base_url=BASE, token=tokens.access_token, raise_on_unexpected_status=True)


def publish(me):
    """Make a channel and a video, and send the film; return the video once it plays."""
    channel = create_channel.sync(
        client=me, body=models.ChannelCreate(handle=f"{NAME}-films", name="Grace's films")
    )
    assert isinstance(channel, models.Channel), channel
    wish = models.VideoCreate(channel=channel.field_id, title="A walk in the woods", tags=["forest"])
    video = create_video.sync(client=me, body=wish)
    assert isinstance(video, models.Video) and video.status == "DRAFT"
    with CLIP.open("rb") as film:
        file = File(payload=film, file_name="walk.mp4", mime_type="video/mp4")
        accepted = upload_video.sync(video.field_id, client=me, body=models.UploadVideoBody(file=file))
    assert isinstance(accepted, models.UploadAccepted) and accepted.status == "PROCESSING"
    until = time.monotonic() + 60
    while video.status not in ("READY", "FAILED"):
        assert time.monotonic() < until, video.status
        time.sleep(0.1)
        video = get_video.sync(video.field_id, client=me)
    assert video.status == "READY", video.status_detail
    assert "publish" in video.field_links
    published = publish_video.sync(video.field_id, client=me)
    assert isinstance(published, models.Video) and published.visibility == "public"
    return published


def watch(me, video):
    """Fetch the film by its playback URLs, which need no headers."""
    playback = playback_video.sync(video.field_id, client=me)
    assert isinstance(playback, models.Playback)
    assert httpx.get(playback.hls).text.startswith("#EXTM3U")
    assert httpx.get(playback.mp4).content[4:8] == b"ftyp"
    assert abs(playback.duration - video.duration) < 0.01
    asking = me.with_headers({"Accept": "application/json"})
    picture = redirect_to_thumbnail.sync(video.field_id, client=asking)
    assert isinstance(picture, models.Elsewhere)
    assert httpx.get(picture.url).headers["Content-Type"] == "image/jpeg"


def engage(anyone, me, video):
    """Like, comment and list."""
    rating = like_video.sync(
        video.field_id, client=me, body=models.LikeVideoBody(value=models.LikeVideoBodyValue.VALUE_1)
    )
    assert isinstance(rating, models.Rating) and rating.counters["likes"] == 1
    said = create_comment_in_video.sync(
        video.field_id, client=me, body=models.CommentCreateInVideo(text="The light is lovely.")
    )
    assert isinstance(said, models.Comment), said
    comments = list_comments_of_video.sync(video.field_id, client=anyone)
    assert [one.text for one in comments.field_items] == ["The light is lovely."]
    videos = list_videos.sync(client=anyone, max_results=100)
    assert video.field_id in [one.field_id for one in videos.field_items]


def be_refused(anyone, me, video):
    """See refusals arrive as the one error body."""
    wrong = login.sync(client=anyone, body=models.LoginBody(login=NAME, password="not the password at all"))
    assert isinstance(wrong, models.Problem) and wrong.reason == "invalid_credentials"
    old = update_video.sync_detailed(
        video.field_id, client=me, if_match="old", body=models.VideoUpdate(title="Other")
    )
    assert old.status_code == 412 and old.parsed.reason == "etag_mismatch" and old.parsed.request_id
    empty = create_video.sync_detailed(client=me, body=models.VideoCreate(channel="0" * 24, title=""))
    assert empty.status_code == 422 and "title" in empty.parsed.issues.to_dict()
    absent = get_video.sync("0" * 24, client=anyone)
    assert isinstance(absent, models.Problem) and absent.reason == "not_found"


if __name__ == "__main__":
    main()
