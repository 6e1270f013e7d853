"""What the local Cloudinary holds, asked through its own API."""

from urllib.parse import urlsplit

import requests


def stored_names(platform, folder, kind="video"):
    """Return the public ids below a folder of ours."""
    env = platform.stack.env
    key, _, secret = urlsplit(env["CLOUDINARY_URL"]).netloc.rpartition("@")[0].partition(":")
    url = f"{env['MEDIA_API_URL']}/v1_1/local/resources/{kind}/authenticated"
    prefix = f"marquee/{folder}/" if folder else "marquee/"
    options = {"prefix": prefix, "max_results": 500}
    answer = requests.get(url, params=options, auth=(key, secret), timeout=20)
    assert answer.status_code == 200, answer.text
    return [one["public_id"] for one in answer.json()["resources"]]
