"""Every knob of Marquee, read from the environment and checked; opens no connection and is imported by all."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PREFIX = "/api/v1"
KIB, MIB, GIB = 1024, 1024**2, 1024**3
MINUTE, HOUR, DAY = 60, 3600, 86400
DEVELOPMENT_SECRET = "development-only-secret-development-only"


class BadSettings(Exception):
    """One or more variables are missing or wrong; the message names all of them."""


def parse_bool(text: str) -> bool:
    """Read on/off, true/false, yes/no, 1/0."""
    word = text.strip().lower()
    if word in ("1", "true", "yes", "on"):
        return True
    if word in ("0", "false", "no", "off"):
        return False
    raise ValueError("expected on or off")


def parse_count(text: str) -> int:
    """Read a whole number of zero or more."""
    number = int(text)
    if number < 0:
        raise ValueError("expected zero or more")
    return number


def parse_seconds(text: str) -> float:
    """Read a duration in seconds, above zero."""
    number = float(text)
    if not 0 < number < 10**10:
        raise ValueError("expected a number of seconds above zero")
    return number


def parse_share(text: str) -> float:
    """Read a share, from 0 to 1."""
    share = float(text)
    if not 0 <= share <= 1:
        raise ValueError("expected a number from 0 to 1")
    return share


def parse_words(text: str) -> tuple[str, ...]:
    """Read a comma-separated list."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def parse_url(*schemes: str) -> Callable[[str], str]:
    """Make a reader of URLs with one of these schemes."""

    def parse(text: str) -> str:
        if urlsplit(text).scheme not in schemes or not urlsplit(text).netloc:
            raise ValueError(f"expected a URL that begins with {' or '.join(s + '://' for s in schemes)}")
        return text.rstrip("/")

    return parse


def parse_folder(text: str) -> str:
    """Read the path of a folder at Cloudinary: no sign in it that stands for others in a token's access list."""
    if not re.fullmatch(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*", text):
        raise ValueError("expected letters, digits and . - _, with slashes between")
    return text


def parse_choice(*allowed: str) -> Callable[[str], str]:
    """Make a reader of one word out of these."""

    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"expected one of {', '.join(allowed)}")
        return text

    return parse


def knob(
    default: Any,
    about: str,
    parse: Callable[[str], Any] = str,
    *,
    secret: bool = False,
    required: bool = False,
    unit: str = "",
) -> Any:
    """Declare one variable. `required` means: production must set it; `secret`: also read from NAME_FILE."""
    facts = {"about": about, "parse": parse, "secret": secret, "required": required, "unit": unit}
    return field(default=default, metadata=facts)


@dataclass(frozen=True)
class Settings:
    """The settings of one process. Each field is the environment variable of the same name in upper case."""

    environment: str = knob(
        "development",
        "`production` refuses development secrets.",
        parse_choice("development", "production"),
    )
    public_url: str = knob(
        "http://127.0.0.1:8000",
        "Where clients reach the API: links in mails, webhooks, the token issuer.",
        parse_url("http", "https"),
        required=True,
    )
    secret_key: str = knob(
        DEVELOPMENT_SECRET,
        "Signs cursors and keys hashes. At least 32 characters.",
        secret=True,
        required=True,
    )
    data_dir: Path = knob(Path(".data"), "Folder for the upload spool and, in development, mails.", Path)
    mongo_uri: str = knob(
        "mongodb://127.0.0.1:27017/marquee?replicaSet=rs0",
        "MongoDB, a replica set; the path names the database.",
        parse_url("mongodb", "mongodb+srv"),
        secret=True,
        required=True,
    )
    mongo_timeout_seconds: float = knob(5.0, "Longest wait for MongoDB.", parse_seconds, unit="seconds")
    redis_url: str = knob(
        "redis://127.0.0.1:6379/0",
        "Redis or Valkey: broker, cache, limits.",
        parse_url("redis", "rediss", "unix"),
        secret=True,
        required=True,
    )
    redis_timeout_seconds: float = knob(
        0.3, "Longest wait for Redis as cache or limiter.", parse_seconds, unit="seconds"
    )
    cloudinary_url: str = knob(
        "cloudinary://key:secret@demo",
        "The Cloudinary account: cloudinary://KEY:SECRET@CLOUD.",
        parse_url("cloudinary"),
        secret=True,
        required=True,
    )
    media_api_url: str = knob(
        "",
        "Cloudinary's API when it is not Cloudinary's own, such as the local one of `run.py up`.",
        lambda text: parse_url("http", "https")(text) if text else "",
    )
    media_delivery_url: str = knob(
        "",
        "Where clients fetch media when it is not Cloudinary's own host.",
        lambda text: parse_url("http", "https")(text) if text else "",
    )
    media_token_key: str = knob(
        "", "Hex key of Cloudinary's token-based delivery.", secret=True, required=True
    )
    media_webhook_url: str = knob(
        "",
        "Where Cloudinary reaches this API, when not at PUBLIC_URL.",
        lambda text: parse_url("http", "https")(text) if text else "",
    )
    media_prefix: str = knob(
        "marquee",
        "Folder at Cloudinary that is all ours; reconciling deletes what it does not know there.",
        parse_folder,
    )
    playback_seconds: float = knob(4 * HOUR, "How long playback URLs work.", parse_seconds, unit="seconds")
    access_token_seconds: float = knob(10 * MINUTE, "Life of an access token.", parse_seconds, unit="seconds")
    refresh_idle_seconds: float = knob(
        7 * DAY, "A session unused for this long ends.", parse_seconds, unit="seconds"
    )
    refresh_family_seconds: float = knob(
        30 * DAY, "Longest life of a session.", parse_seconds, unit="seconds"
    )
    refresh_grace_seconds: float = knob(
        10.0,
        "A refresh token whose answer was lost is answered again, with the same successor, for this long.",
        parse_seconds,
        unit="seconds",
    )
    rate_limits: bool = knob(True, "`off` for load tests outside production.", parse_bool)
    read_cache: str = knob(
        "on",
        "Where answers to anonymous reads are kept: `on`: in Redis and briefly in each process; `redis`; `off`.",
        parse_choice("on", "redis", "off"),
    )
    trusted_proxies: int = knob(0, "How many proxies in front may set X-Forwarded-For.", parse_count)
    cors_origins: tuple[str, ...] = knob((), "Origins allowed to call from a browser, exact.", parse_words)
    body_max_bytes: int = knob(MIB, "Largest JSON body.", parse_count, unit="bytes")
    upload_max_bytes: int = knob(2 * GIB, "Largest video file.", parse_count, unit="bytes")
    upload_max_seconds: float = knob(4 * HOUR, "Longest video.", parse_seconds, unit="seconds")
    api_threads: int = knob(
        32,
        "Threads of an API process: `serve` and `up` start so many. Uploads take at most half of them, other requests "
        "three quarters before some are shed.",
        parse_count,
    )
    stream_places: int = knob(
        2000,
        "Event streams that a process of `run.py streams` keeps open, without a thread for each. An API process keeps "
        "three for every eight of its threads.",
        parse_count,
    )
    upload_silence_seconds: float = knob(
        60.0,
        "An upload in one request that is silent for this long has ended.",
        parse_seconds,
        unit="seconds",
    )
    upload_deadline_seconds: float = knob(
        6 * HOUR, "An upload not finished by then is ended.", parse_seconds, unit="seconds"
    )
    process_deadline_seconds: float = knob(
        2 * HOUR, "A video not READY by then is FAILED, with a reason.", parse_seconds, unit="seconds"
    )
    job_lease_seconds: float = knob(
        60.0, "A worker silent for this long loses its job to another.", parse_seconds, unit="seconds"
    )
    sweep_seconds: float = knob(
        5.0, "How often jobs that are due or lost are sent again.", parse_seconds, unit="seconds"
    )
    reconcile_seconds: float = knob(
        DAY, "How often files at Cloudinary are compared with the database.", parse_seconds, unit="seconds"
    )
    purge_after_seconds: float = knob(
        30 * DAY, "Something deleted can be restored for this long.", parse_seconds, unit="seconds"
    )
    view_window_seconds: float = knob(
        HOUR, "A viewer counts once per video in this window.", parse_seconds, unit="seconds"
    )
    view_address_daily: int = knob(
        24,
        "So many views of one video count a day from one address (IPv6: /64), of strangers and of users each; more are "
        "held for review. 0: any number.",
        parse_count,
    )
    view_flush_seconds: float = knob(
        2.0, "How often counted views move from Redis to MongoDB.", parse_seconds, unit="seconds"
    )
    count_mark_seconds: float = knob(
        30.0,
        "Counters that a process was moving when it died are recounted after this.",
        parse_seconds,
        unit="seconds",
    )
    trending_seconds: float = knob(
        60.0, "How often the trending feed is computed anew.", parse_seconds, unit="seconds"
    )
    rollup_seconds: float = knob(
        300.0, "How often the days of creator statistics are settled.", parse_seconds, unit="seconds"
    )
    digest_seconds: float = knob(
        900.0, "How often it is looked for users whose e-mail digest is due.", parse_seconds, unit="seconds"
    )
    search_engine: str = knob(
        "text", "`text`: MongoDB's text index; `atlas`: Atlas Search.", parse_choice("text", "atlas")
    )
    relay_seconds: float = knob(
        2.0,
        "How often new events become notifications and webhook deliveries.",
        parse_seconds,
        unit="seconds",
    )
    webhook_private_targets: bool = knob(
        False, "`on` lets webhooks call private addresses; for tests and development.", parse_bool
    )
    smtp_url: str = knob(
        "",
        "smtp://USER:PASSWORD@HOST:PORT; empty: mails go to a folder below DATA_DIR.",
        lambda text: parse_url("smtp", "smtps")(text) if text else "",
        secret=True,
    )
    oidc_issuer: str = knob(
        "",
        "Sign-in by an OpenID provider: its issuer URL; empty: off.",
        lambda text: parse_url("http", "https")(text) if text else "",
    )
    oidc_client_id: str = knob("", "This site's client id at the OpenID provider.")
    oidc_client_secret: str = knob("", "This site's secret at the OpenID provider.", secret=True)
    mail_from: str = knob("Marquee <no-reply@localhost>", "Sender of mails.")
    log_format: str = knob("text", "`json` for machines, `text` for people.", parse_choice("json", "text"))
    log_level: str = knob(
        "INFO", "Least severe line that is logged.", parse_choice("DEBUG", "INFO", "WARNING", "ERROR")
    )
    access_log: float = knob(
        0.1, "Share of successful requests that are logged, 0 to 1; failures always are.", parse_share
    )
    metrics_dir: str = knob("", "Folder in which the processes of one host share their metrics.")
    metrics_token: str = knob(
        "",
        "Bearer token that `/metrics` asks for. Without one it answers everybody, and nobody in production.",
        secret=True,
    )
    worker_metrics_port: int = knob(
        0,
        "Port at which a worker serves its metrics itself; 0: it shares METRICS_DIR with the API.",
        parse_count,
    )
    verify_seconds: float = knob(
        DAY, "How often every counter is held against what it counts.", parse_seconds, unit="seconds"
    )
    drain_file: str = knob("", "While this file exists, `/readyz` says no and the instance gets no new work.")
    trace_url: str = knob(
        "",
        "Where traces go: an OTLP/HTTP endpoint such as http://collector:4318/v1/traces; empty: off.",
        lambda text: parse_url("http", "https")(text) if text else "",
    )
    trace_share: float = knob(1.0, "Share of requests that are traced, 0 to 1.", parse_share)
    build: str = knob("development", "Which build this is; shown by `/readyz`, `/` and the metrics.")

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **overrides: Any) -> "Settings":
        """Read and check all variables; raise BadSettings naming every one that is wrong or missing."""
        environ = os.environ if environ is None else environ
        values, wrong = {}, []
        for item in fields(cls):
            try:
                text = read_variable(environ, item.name.upper(), item.metadata["secret"])
                if text is not None:
                    values[item.name] = item.metadata["parse"](text)
            except (ValueError, OSError) as error:
                wrong.append(f"{item.name.upper()}: {error} (for example {item.default!r})")
        settings = cls(**{**values, **overrides})
        wrong += settings.missing_in_production({*values, *overrides})
        if wrong:
            raise BadSettings("Bad settings:\n  " + "\n  ".join(wrong))
        return settings

    def missing_in_production(self, given: set[str]) -> list[str]:
        """Name what production must set itself and has not."""
        if self.environment != "production":
            return []
        wrong = [
            f"{f.name.upper()}: required in production" for f in fields(self)
            if f.metadata["required"] and f.name not in given
        ]  # fmt: skip
        if self.secret_key == DEVELOPMENT_SECRET or len(self.secret_key) < 32:
            wrong.append(
                "SECRET_KEY: a secret of your own of at least 32 characters is required in production"
            )
        if self.webhook_private_targets:
            wrong.append("WEBHOOK_PRIVATE_TARGETS: must stay off in production")
        if not self.rate_limits:
            wrong.append("RATE_LIMITS: must stay on in production")
        return wrong

    @property
    def database(self) -> str:
        """Name of the MongoDB database, from the path of MONGO_URI."""
        return urlsplit(self.mongo_uri).path.strip("/") or "marquee"

    @property
    def spool_dir(self) -> Path:
        """Folder that holds the bytes of uploads until they are stored."""
        return self.data_dir / "spool"


def read_variable(environ: Mapping[str, str], name: str, secret: bool) -> str | None:
    """Read NAME, or for a secret the file that NAME_FILE points to; None if neither is set."""
    if secret and environ.get(name + "_FILE"):
        return Path(environ[name + "_FILE"]).read_text().strip()
    return environ.get(name)
