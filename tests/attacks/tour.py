"""A tour of the API with real processes: it collects every secret it meets, and all that is said about it."""

import contextlib
import re
import secrets
import subprocess
import sys
import time

import pymongo
import pyotp
import requests

from clients.mail import Mail
from dev.datadir import free_port
from settings import Settings
from tests.platform import ROOT, poll

LAST = 20


class Canaries(dict):
    """Secrets by what they are. `found_in` names those that a text holds, whole or by their last letters."""

    def make(self, kind):
        self[kind] = f"canary-{kind.replace(' ', '-')}-{secrets.token_hex(12)}"
        return self[kind]

    def found_in(self, text):
        return sorted(kind for kind, word in self.items() if word and (word in text or word[-LAST:] in text))


class Tour:
    """Everything that one account does, in order. `refusals`: (request, status, what came back) of all that failed."""

    def __init__(self, platform, canaries):
        self.platform, self.canaries, self.refusals, self.token = platform, canaries, [], None
        env = platform.stack.env
        key, _, secret = env["CLOUDINARY_URL"].removeprefix("cloudinary://").partition("@")[0].partition(":")
        canaries |= {
            "SECRET_KEY": env["SECRET_KEY"],
            "Cloudinary's secret": secret,
            "MEDIA_TOKEN_KEY": env["MEDIA_TOKEN_KEY"],
        }

    def ask(self, method, path, json=None, headers=None, **more):
        """Send a request; keep the answer where it is a refusal."""
        headers = {**({"Authorization": f"Bearer {self.token}"} if self.token else {}), **(headers or {})}
        # Each on a connection of its own: some of these requests make the server close it.
        headers = {"Connection": "close", **headers}
        answer = self.platform.call(method, path, json=json, headers=headers, **more)
        if answer.status_code >= 400:
            asked = f"{method} {path} {sorted(json or ())}"
            self.refusals.append((asked, answer.status_code, f"{answer.headers} {answer.text}"))
        return answer

    def must(self, *words, **more):
        answer = self.ask(*words, **more)
        assert answer.status_code < 400, (words[:2], answer.text)
        return answer.json() if answer.content else {}

    def letter(self, word):
        """Return the token in the newest letter whose subject or text has this word."""
        settings = Settings.from_env(self.platform.environ)

        def newest():
            found = [m for m in Mail(settings).filed() if word in m.get_content()]
            return re.search(r'"token": "([^"]+)"', found[-1].get_content()) if found else None

        return poll(newest, 20, f"a letter with {word!r}")[1]

    def sign_up(self):
        words = self.canaries
        self.account = {"username": "canary", "email": f"canary-{secrets.token_hex(8)}@example.org"}
        words["e-mail address"] = self.account["email"]
        self.must("POST", "/auth/register", {**self.account, "password": words.make("first password")})
        words["verification token"] = self.letter("verify")
        self.sign_in("first password")
        self.must("POST", "/auth/verify-email", {"token": words["verification token"]})
        self.token = None
        self.must("POST", "/auth/forgot", {"email": self.account["email"]})
        words["reset token"] = self.letter("reset")
        self.must("POST", "/auth/reset", {"token": words["reset token"], "password": words.make("password")})
        self.sign_in()

    def sign_in(self, password="password", **more):
        words, self.token = self.canaries, None
        body = {"login": self.account["email"], "password": words[password], **more}
        tokens = self.must("POST", "/auth/login", body)
        tokens = self.must("POST", "/auth/refresh", {"refresh_token": tokens["refresh_token"]})
        words["access token"], words["refresh token"] = tokens["access_token"], tokens["refresh_token"]
        self.token = words["access token"]

    def collect(self):
        """Make one of everything that is secret."""
        words = self.canaries
        words["API key"] = self.must("POST", "/api_keys", {"name": "x", "scopes": ["videos:read"]})["key"]
        hook = {"url": "http://127.0.0.1:9/hook", "events": ["videos.created", "channels.created"]}
        made = self.must("POST", "/webhooks", hook)
        words["webhook secret"] = made["secret"]
        words["second webhook secret"] = self.must("POST", f"/webhooks/{made['_id']}/rotate")["secret"]
        channel = self.must("POST", "/channels", {"handle": "canary", "name": "Canary"})["_id"]
        self.video = self.must("POST", "/videos", {"channel": channel, "title": "x", "visibility": "public"})[
            "_id"
        ]
        self.must("PUT", f"/videos/{self.video}/password", {"password": words.make("video password")})
        words["TOTP secret"] = self.must("POST", "/me/totp", {"password": words["password"]})["secret"]
        code = pyotp.TOTP(words["TOTP secret"])
        turned_on = self.must("POST", "/me/totp/confirm", {"code": code.now()})
        words["recovery code"] = turned_on["recovery_codes"][0]
        self.sign_in(code=code.at(int(time.time()) + 30))

    def watch(self, film):
        """Bring the film to READY, open it with its password, and go where signed URLs lead."""
        words = self.canaries
        self.must("POST", f"/videos/{self.video}/upload", files={"file": ("film.mp4", film)})
        poll(lambda: self.must("GET", f"/videos/{self.video}")["status"] == "READY", 90, "READY")
        key, self.token = (
            self.must("POST", f"/videos/{self.video}/unlock", {"password": words["video password"]}),
            None,
        )
        words["unlock key"] = key["unlock"]
        self.must("GET", f"/videos/{self.video}/playback?unlock={key['unlock']}")
        self.token = words["access token"]

    def offend(self):
        """Put every secret where it does not belong: paths, queries, headers, and bodies of every route that fails."""
        kept, self.token = self.token, None
        for kind, word in self.canaries.items():
            if kind in ("SECRET_KEY", "Cloudinary's secret", "MEDIA_TOKEN_KEY"):
                continue
            for body in (
                {"login": word, "password": word},
                {"login": word, "password": word, "more": word},
                {word: word},
            ):
                self.ask("POST", "/auth/login", body)
            self.ask("POST", "/auth/register", {"username": word, "email": word, "password": word})
            self.ask("POST", "/auth/refresh", {"refresh_token": word})
            self.ask("POST", "/auth/reset", {"token": word, "password": word})
            self.ask("POST", "/auth/verify-email", {"token": word})
            self.ask("POST", f"/videos/{self.video}/unlock", {"password": word})
            self.ask("GET", f"/videos/{self.video}/playback?unlock={word}&{word}={word}")
            self.ask("GET", f'/videos?where={{"title":"{word}","{word}":1}}&sort={word}&fields={word}')
            self.ask("GET", f"/videos?cursor={word}")
            self.ask("GET", f"/channels?{word}={word}")
            self.ask("GET", "/me", headers={"Authorization": f"Basic {word}"})
            self.ask("GET", f"/nowhere?{word}={word}")
            self.ask("GET", "/me", headers={"Authorization": f"Bearer {word}x", "Cookie": f"session={word}"})
            self.ask("POST", "/auth/login", headers={"Content-Type": word[:60]}, data=word)
            self.ask(
                "POST",
                "/auth/login",
                headers={"Content-Type": "application/json"},
                data=f'{{"password": "{word}',
            )
            self.ask("GET", "/me", headers={"If-None-Match": word, "Accept": word})
            self.ask("POST", "/api_keys", {"name": word}, headers={"Idempotency-Key": word[:100]})
        self.token = kept

    def break_things(self):
        """Spoil what lies in the database, so that requests with secrets end in errors of ours; then take it away."""
        with pymongo.MongoClient(self.platform.stack.env["MONGO_URI"]) as client:
            self.spoil(client.get_default_database())
        self.platform.stack.kill("mongo")
        words = self.canaries
        for method, path, sent in (
            ("POST", "/auth/login", {"login": self.account["email"], "password": words["password"]}),
            ("POST", "/auth/refresh", {"refresh_token": words["refresh token"]}),
            ("POST", "/auth/reset", {"token": words["reset token"], "password": words["password"]}),
            ("GET", "/me", None),
        ):
            self.ask(method, path, sent)

    def spoil(self, db):
        """Put nonsense into documents, and ask for each."""
        words = self.canaries
        user = db["users"].find_one({"username": "canary"})
        db["videos"].update_many({}, {"$set": {"renditions": [], "thumbnails": [{}], "duration": {}}})
        self.ask("GET", f"/videos/{self.video}/playback")
        self.ask("PUT", f"/videos/{self.video}/thumbnail", {"at": 1})
        db["video_passwords"].update_many({}, {"$set": {"hash": 5, "password_hash": 5}})
        self.ask("POST", f"/videos/{self.video}/unlock", {"password": words["video password"]})
        db["webhook_secrets"].update_many({}, {"$set": {"sealed": 5, "secret": 5}})
        self.ask(
            "POST", "/auth/password", {"current": words["password"], "new_password": words["first password"]}
        )
        db["credentials"].update_many({"_id": user["_id"]}, {"$set": {"totp": 5, "password_hash": 5}})
        body = {"login": self.account["email"], "password": words["password"]}
        self.ask("POST", "/auth/login", body)
        self.ask("POST", "/me/totp", {"password": words["password"]})


def started_in_vain(canaries, folder, platform):
    """Run API and worker where no address answers; return what they say, and the answers of the API."""
    word = canaries.make("password in a URL")
    port = free_port()
    environ = {
        **platform.environ, "MONGO_URI": f"mongodb://root:{word}@127.0.0.1:1/marquee?serverSelectionTimeoutMS=500",
        "REDIS_URL": f"redis://root:{word}@127.0.0.1:1/0",
        "SMTP_URL": f"smtp://root:{word}@127.0.0.1:1",
        "CLOUDINARY_URL": f"cloudinary://key:{word}@local", "MEDIA_API_URL": "http://127.0.0.1:1",
        "OIDC_ISSUER": "https://127.0.0.1:1", "OIDC_CLIENT_ID": "x",
        "OIDC_CLIENT_SECRET": canaries.make("client secret"), "METRICS_TOKEN": canaries.make("metrics token"),
        "MONGO_TIMEOUT_SECONDS": "1", "METRICS_DIR": str(folder / "metrics"),
    }  # fmt: skip
    (folder / "metrics").mkdir()
    serve = [
        sys.executable,
        "-m",
        "granian",
        "--interface",
        "wsgi",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "run:app",
    ]
    work = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "tasks.app",
        "worker",
        "--concurrency",
        "1",
        "--loglevel",
        "DEBUG",
    ]

    answers, outputs = [], [folder / "api.log", folder / "worker.log"]
    running = []
    try:
        for command, output in zip((serve, work), outputs, strict=True):
            with output.open("wb") as out:
                running.append(subprocess.Popen(command, cwd=ROOT, env=environ, stdout=out, stderr=out))
        base = f"http://127.0.0.1:{port}"
        poll(lambda: requests.get(f"{base}/livez", timeout=5).status_code == 200, 60, "the API")
        for path in (
            "/readyz",
            "/",
            "/metrics",
            "/api/v1/videos",
            "/api/v1/search?q=x",
            "/api/v1/auth/oidc/login",
        ):
            answers.append(requests.get(base + path, timeout=30, allow_redirects=False))
        body = {"login": "canary", "password": canaries["password"]}
        answers.append(requests.post(f"{base}/api/v1/auth/login", json=body, timeout=30))
        poll(lambda: b"annot connect" in outputs[1].read_bytes(), 30, "the worker's complaint")
    finally:
        for one in running:
            one.terminate()
        for one in running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                one.wait(5)
            one.kill()
            one.wait()
    for command in (["db", "migrate"], ["settings"]):
        done = subprocess.run(
            [sys.executable, "run.py", *command], cwd=ROOT, env=environ, capture_output=True, text=True
        )
        answers.append(f"{command} {done.stdout} {done.stderr}")
    return [output.read_text() for output in outputs], answers
