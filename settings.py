"""Every knob of Marquee, read from the environment and checked; opens no connection and is imported by all."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from variables import (
    parse_bool,
    parse_choice,
    parse_count,
    parse_folder,
    parse_seconds,
    parse_share,
    parse_url,
    parse_words,
    read_variable,
)

PREFIX = "/api/v1"
MIB, GIB = 1024**2, 1024**3
MINUTE, HOUR, DAY = 60, 3600, 86400
DEVELOPMENT_SECRET = "development-only-secret-development-only"

# Who takes one of these as a name would seem to speak for the platform.
RESERVED_NAMES = parse_words(
    "admin, admins, administrator, administrators, sysadmin, root, superuser, system, api, official, marquee, staff, "
    "moderator, moderators, mod, mods, support, help, helpdesk, security, abuse, billing, payments, postmaster, "
    "hostmaster, webmaster, noreply"
)


class BadSettings(Exception):
    """One or more variables are missing or wrong; the message names all of them."""


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


def seconds(default: float, about: str) -> Any:
    """Declare a duration."""
    return knob(default, about, parse_seconds, unit="seconds")


WEB_URL = parse_url("http", "https")


@dataclass(frozen=True)
class Settings:
    """The settings of one process. Each field is the environment variable of the same name in upper case."""

    environment: str = knob(
        "development", "`production` refuses development secrets.", parse_choice("development", "production")
    )
    public_url: str = knob(
        "http://127.0.0.1:8000",
        "Where clients reach the API: links in mails, webhooks, the token issuer.",
        WEB_URL,
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
    mongo_timeout_seconds: float = seconds(5.0, "Longest wait for MongoDB.")
    redis_url: str = knob(
        "redis://127.0.0.1:6379/0",
        "Redis or Valkey: broker, cache, limits.",
        parse_url("redis", "rediss", "unix"),
        secret=True,
        required=True,
    )
    redis_timeout_seconds: float = seconds(0.3, "Longest wait for Redis as cache or limiter.")
    cloudinary_url: str = knob(
        "cloudinary://key:secret@demo",
        "The Cloudinary account: cloudinary://KEY:SECRET@CLOUD.",
        parse_url("cloudinary"),
        secret=True,
        required=True,
    )
    media_api_url: str = knob(
        "", "Cloudinary's API when it is not Cloudinary's own, such as the local one of `run.py up`.", WEB_URL
    )
    media_delivery_url: str = knob(
        "", "Where clients fetch media when it is not Cloudinary's own host.", WEB_URL
    )
    media_token_key: str = knob(
        "", "Hex key of Cloudinary's token-based delivery.", secret=True, required=True
    )
    media_webhook_url: str = knob("", "Where Cloudinary reaches this API, when not at PUBLIC_URL.", WEB_URL)
    media_prefix: str = knob(
        "marquee",
        "Folder at Cloudinary that is all ours; reconciling deletes what it does not know there.",
        parse_folder,
    )
    playback_seconds: float = seconds(4 * HOUR, "How long playback URLs work.")
    access_token_seconds: float = seconds(10 * MINUTE, "Life of an access token.")
    refresh_idle_seconds: float = seconds(7 * DAY, "A session unused for this long ends.")
    refresh_family_seconds: float = seconds(30 * DAY, "Longest life of a session.")
    refresh_grace_seconds: float = seconds(
        10.0,
        "A refresh token whose answer was lost is answered again, with the same successor, for this long.",
    )
    rate_limits: bool = knob(True, "`off` for load tests outside production.", parse_bool)
    read_cache: str = knob(
        "on",
        "Where answers to anonymous reads are kept: `on`: in Redis and briefly in each process; `redis`; `off`.",
        parse_choice("on", "redis", "off"),
    )
    trusted_proxies: int = knob(0, "How many proxies in front may set X-Forwarded-For.", parse_count)
    cors_origins: tuple[str, ...] = knob((), "Origins allowed to call from a browser, exact.", parse_words)
    reserved_names: tuple[str, ...] = knob(
        RESERVED_NAMES,
        "Words that nobody may take as user name, display name, handle or name of a channel, however they are written "
        "(`4dm1n`, `a.d.m.i.n`); `run.py users create` may. Empty: none.",
        parse_words,
    )
    body_max_bytes: int = knob(MIB, "Largest JSON body.", parse_count, unit="bytes")
    upload_max_bytes: int = knob(2 * GIB, "Largest video file.", parse_count, unit="bytes")
    upload_max_seconds: float = seconds(4 * HOUR, "Longest video.")
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
    upload_silence_seconds: float = seconds(
        60.0, "An upload in one request that is silent for this long has ended."
    )
    upload_deadline_seconds: float = seconds(6 * HOUR, "An upload not finished by then is ended.")
    process_deadline_seconds: float = seconds(2 * HOUR, "A video not READY by then is FAILED, with a reason.")
    job_lease_seconds: float = seconds(60.0, "A worker silent for this long loses its job to another.")
    sweep_seconds: float = seconds(5.0, "How often jobs that are due or lost are sent again.")
    reconcile_seconds: float = seconds(DAY, "How often files at Cloudinary are compared with the database.")
    purge_after_seconds: float = seconds(30 * DAY, "Something deleted can be restored for this long.")
    view_window_seconds: float = seconds(HOUR, "A viewer counts once per video in this window.")
    view_address_daily: int = knob(
        24,
        "So many views of one video count a day from one address (IPv6: /64), of strangers and of users each; more are "
        "held for review. 0: any number.",
        parse_count,
    )
    view_flush_seconds: float = seconds(2.0, "How often counted views move from Redis to MongoDB.")
    count_mark_seconds: float = seconds(
        30.0, "Counters that a process was moving when it died are recounted after this."
    )
    trending_seconds: float = seconds(60.0, "How often the trending feed is computed anew.")
    rollup_seconds: float = seconds(300.0, "How often the days of creator statistics are settled.")
    digest_seconds: float = seconds(900.0, "How often it is looked for users whose e-mail digest is due.")
    search_engine: str = knob(
        "text", "`text`: MongoDB's text index; `atlas`: Atlas Search.", parse_choice("text", "atlas")
    )
    relay_seconds: float = seconds(2.0, "How often new events become notifications and webhook deliveries.")
    webhook_private_targets: bool = knob(
        False, "`on` lets webhooks call private addresses; for tests and development.", parse_bool
    )
    smtp_url: str = knob(
        "",
        "smtp://USER:PASSWORD@HOST:PORT; empty: mails go to a folder below DATA_DIR.",
        parse_url("smtp", "smtps"),
        secret=True,
    )
    oidc_issuer: str = knob("", "Sign-in by an OpenID provider: its issuer URL; empty: off.", WEB_URL)
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
    verify_seconds: float = seconds(DAY, "How often every counter is held against what it counts.")
    drain_file: str = knob("", "While this file exists, `/readyz` says no and the instance gets no new work.")
    trace_url: str = knob(
        "",
        "Where traces go: an OTLP/HTTP endpoint such as http://collector:4318/v1/traces; empty: off.",
        WEB_URL,
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
                    # A default holds as it stands: many are empty, which no parser of URLs would take.
                    values[item.name] = text if text == item.default else item.metadata["parse"](text)
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
