"""Renders and their webhooks."""

import hashlib
import json
import subprocess
import wave

import imageio_ffmpeg
import pytest
from cloudinary.exceptions import BadRequest

from tests.cloudinary_local.conftest import SECRET, until

FILM = {"resource_type": "video", "type": "authenticated"}


def is_signed(body, headers):
    expected = hashlib.sha1(body + headers["X-Cld-Timestamp"].encode() + SECRET.encode()).hexdigest()
    return headers["X-Cld-Signature"] == expected


def test_webhook_of_asynchronous_renders_is_signed(media, clip, receiver):
    media.upload_video(clip, public_id="hooked")
    eager = [
        {"width": 160, "crop": "limit", "format": "mp4"},
        {"start_offset": "1", "width": 64, "format": "jpg"},
    ]
    started = media.explicit("hooked", eager=eager, eager_async=True, eager_notification_url=receiver.url)
    assert {one["status"] for one in started["eager"]} == {"processing"}
    until(lambda: receiver.got)
    body, headers = receiver.got[0]
    assert is_signed(body, headers)
    assert not is_signed(body + b" ", headers)
    notice = json.loads(body)
    assert notice["notification_type"] == "eager"
    assert notice["public_id"] == "hooked"
    assert notice["batch_id"] == started["eager"][0]["batch_id"] == started["batch_id"]
    assert [one["url"] for one in notice["eager"]] == [one["url"] for one in started["eager"]]
    assert [(one["width"], one["format"]) for one in notice["eager"]] == [(160, "mp4"), (64, "jpg")]
    for one in notice["eager"]:
        answer = media.get(one["url"])
        assert (answer.status, len(answer.data)) == (200, one["bytes"])


def test_upload_sends_its_webhook(media, clip, receiver):
    answer = media.upload_video(clip, public_id="told", notification_url=receiver.url)
    until(lambda: receiver.got)
    body, headers = receiver.got[0]
    assert is_signed(body, headers)
    notice = json.loads(body)
    assert notice["notification_type"] == "upload"
    assert (notice["asset_id"], notice["version"]) == (answer["asset_id"], answer["version"])


def test_webhook_is_sent_again_until_it_is_taken(media, clip, moody_receiver):
    media.upload_video(clip, public_id="retried", notification_url=moody_receiver.url)
    until(lambda: len(moody_receiver.got) == 3)
    bodies = {body for body, _ in moody_receiver.got}
    assert len(bodies) == 1
    assert all(is_signed(*one) for one in moody_receiver.got)


def test_renders_asked_for_again_are_told_again(media, film, receiver):
    eager = [{"width": 320, "crop": "limit", "format": "mp4"}]
    media.explicit("films/bunny", eager=eager, eager_async=True, eager_notification_url=receiver.url)
    notice = until(lambda: receiver.notices("eager"))[0]
    assert notice["eager"][0]["width"] == 320


def test_render_that_cannot_be_made_is_told_as_failed(media, clip, receiver):
    media.upload_video(clip, public_id="hopeless")
    eager = [{"start_offset": "99", "format": "mp4"}, {"width": 64, "format": "jpg"}]
    media.explicit("hopeless", eager=eager, eager_async=True, eager_notification_url=receiver.url)
    failed, made = until(lambda: receiver.notices("eager"))[0]["eager"]
    assert failed["status"] == "failed"
    assert failed["reason"]
    assert made["width"] == 64
    assert media.get(failed["url"]).status == 400


def test_unknown_format_is_refused_at_once(media, clip):
    media.upload_video(clip, public_id="format")
    with pytest.raises(BadRequest, match="Unsupported format"):
        media.explicit("format", eager=[{"width": 64, "format": "exe"}], eager_async=True)


def test_queued_rendition_is_answered_423(own_media, clip):
    slow = own_media("--eager-delay", "30")
    slow.upload_video(clip, public_id="queued")
    started = slow.explicit("queued", eager=[{"width": 64, "format": "mp4"}], eager_async=True)
    assert slow.get(started["eager"][0]["url"]).status == 423


def test_asynchronous_call_does_not_wait(own_media, clip, receiver):
    slow = own_media("--eager-delay", "1")
    slow.upload_video(clip, public_id="quick")
    slow.explicit("quick", eager=[{"width": 64, "format": "jpg"}], eager_async=True,
                  eager_notification_url=receiver.url)  # fmt: skip
    assert receiver.got == []
    until(lambda: receiver.notices("eager"))


def test_rendition_wanted_twice_at_once_is_made_once(own_media, clip, receiver):
    one = own_media("--renders", "2", "--eager-delay", "0.5")
    one.upload_video(clip, public_id="once")
    eager = [{"width": 64, "crop": "limit", "format": "mp4"}]
    for _ in range(3):
        one.explicit("once", eager=eager, eager_async=True, eager_notification_url=receiver.url)
    until(lambda: len(receiver.notices("eager")) == 3)
    assert len(one.resource("once", **FILM)["derived"]) == 1
    assert len([path for path in one.files() if path.name == "out.mp4"]) == 1


def test_destroy_ends_the_render(own_media, long_clip):
    one = own_media()
    one.upload_video(long_clip, public_id="ended")
    one.explicit("ended", eager=[{"streaming_profile": "full_hd", "format": "m3u8"}], eager_async=True)
    until(one.encoders)
    assert one.destroy("ended", **FILM) == "ok"
    until(lambda: not one.encoders())
    until(lambda: not one.files() and not list((one.data_dir / "tmp").iterdir()))


def test_synchronous_render_is_in_the_answer(media, clip):
    answer = media.upload_video(
        clip, public_id="now", eager=[{"width": 64, "crop": "limit", "format": "jpg"}]
    )
    assert (answer["eager"][0]["width"], answer["eager"][0]["format"]) == (64, "jpg")


def test_large_film_is_not_rendered_while_the_caller_waits(media, clip, tmp_path):
    large = tmp_path / "large.mp4"
    padding = 41 * 1024 * 1024
    # A `free` box is ignored by players: the film is whole, and over 40 MiB.
    large.write_bytes(clip.read_bytes() + padding.to_bytes(4) + b"free" + bytes(padding - 8))
    answer = media.upload_video(large, public_id="large")
    with pytest.raises(BadRequest, match="too large to process synchronously"):
        media.explicit("large", eager=[{"width": 64, "format": "mp4"}])
    on_the_fly = media.url("large", width=64, crop="limit", format="mp4", sign_url=True, **FILM)
    assert answer["duration"] == pytest.approx(5.3, abs=0.1)
    assert media.get(on_the_fly).status == 400


def test_profile_of_the_account_is_used(media, clip):
    from cloudinary import api

    api.create_streaming_profile(
        "tiny",
        representations=[{"crop": "limit", "width": 128, "height": 72, "bit_rate": "100k"}],
        **media.account,
    )
    media.upload_video(clip, public_id="profiled")
    answer = media.explicit("profiled", eager=[{"streaming_profile": "tiny", "format": "m3u8"}])
    assert b"RESOLUTION=128x72" in media.get(answer["eager"][0]["url"]).data


def test_sound_has_no_stream_and_no_still_and_the_next_render_is_made(media, tmp_path, clip):
    tone = tmp_path / "tone.wav"
    with wave.open(str(tone), "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(8000)
        stream.writeframes(bytes(16000))
    answer = media.upload_video(tone, public_id="tone")
    assert (answer["is_audio"], answer["duration"]) == (True, 1.0)
    for wanted in ({"streaming_profile": "sd", "format": "m3u8"}, {"start_offset": "0", "format": "jpg"}):
        with pytest.raises(BadRequest, match="no picture"):
            media.explicit("tone", eager=[wanted])
    media.upload_video(clip, public_id="after-tone")
    assert media.explicit("after-tone", eager=[{"width": 64, "crop": "limit", "format": "jpg"}])["eager"][0][
        "bytes"
    ]


def test_film_without_sound_and_with_odd_sides_streams(media, tmp_path):
    odd = tmp_path / "odd.mp4"
    program = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-loglevel", "error", "-f", "lavfi"]
    made = [
        "-i",
        "testsrc=size=401x301:rate=30:duration=2",
        "-c:v",
        "libx264",
        "-pix_fmt",
        "yuv444p",
        str(odd),
    ]
    subprocess.run([*program, *made], check=True)
    media.upload_video(odd, public_id="odd-film")
    answer = media.explicit("odd-film", eager=[{"streaming_profile": "sd", "format": "m3u8"}])
    assert b"RESOLUTION=400x300" in media.get(answer["eager"][0]["url"]).data
