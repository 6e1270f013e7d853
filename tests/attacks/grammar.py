"""Grammars of what clients send: almost right, bent in one place or everywhere; for hypothesis to draw from."""

import base64
import json

from hypothesis import strategies as st

from tests.factory import DEFINITIONS

ID = "0123456789abcdef01234567"
NAMES = sorted(
    {name for one in DEFINITIONS.values() for name in one["schema"]} | {"_id", "_etag", "deleted_at"}
)
OPERATORS = [
    "$eq",
    "$ne",
    "$gt",
    "$gte",
    "$lt",
    "$lte",
    "$in",
    "$nin",
    "$exists",
    "$and",
    "$or",
    "$where",
    "$expr",
    "$regex",
    "$not",
    "$nor",
    "$text",
    "$function",
    "$elemMatch",
    "$size",
    "$type",
    "$mod",
    "$comment",
]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from(
        [2**31, 2**63 - 1, 2**63, -(2**63), 2**64, 10**400, 0.1, -0.0, 1e308, float("nan"), float("inf")]
    ),
    st.floats(),
    st.sampled_from(
        [
            ID,
            ID.upper(),
            "READY",
            "public",
            "2024-02-30",
            "2024-01-01T00:00:00Z",
            "0001-01-01T00:00:00+14:00",
            "9999-12-31T23:59:59-12:00",
            "24:00",
            "",
            "\0",
            "\ud800",
            "a" * 1000,
            "$where",
            "-_id",
        ]
    ),
    st.text(max_size=20),
)


def objects(names, values):
    return st.dictionaries(names, values, max_size=4)


def values(children):
    return st.one_of(
        st.lists(children, max_size=5),
        objects(st.sampled_from(OPERATORS), children),
        objects(st.sampled_from(NAMES), children),
        objects(st.text(max_size=8), children),
    )


ANYTHING = st.recursive(SCALARS, values, max_leaves=12)
CONDITIONS = objects(
    st.one_of(
        st.sampled_from(["channel", "owner", "video", "tags", "category", "status"]),
        st.sampled_from(NAMES),
        st.sampled_from(OPERATORS),
    ),
    st.one_of(
        ANYTHING,
        objects(st.sampled_from(OPERATORS[:11]), ANYTHING),
        st.lists(objects(st.sampled_from(NAMES), ANYTHING), max_size=11),
    ),
)


@st.composite
def bent(draw, texts, most=3):
    """Draw a text or bytes, and cut, double, replace or insert something in a few places."""
    text = draw(texts)
    for _ in range(draw(st.integers(0, most))):
        at = draw(st.integers(0, len(text)))
        to = draw(st.integers(at, min(len(text), at + 8)))
        new = draw(st.binary(max_size=4) if isinstance(text, bytes) else st.text(max_size=4))
        text = draw(
            st.sampled_from([text[:at] + text[to:], text[:to] + text[at:], text[:at] + new + text[to:]])
        )
    return text


def as_text(value):
    try:
        return json.dumps(value)
    except (TypeError, ValueError):
        return str(value)


WHERE = st.one_of(
    CONDITIONS.map(as_text), bent(CONDITIONS.map(as_text)), ANYTHING.map(as_text), st.text(max_size=60)
)
SORTS = sorted({query["sort"] for one in DEFINITIONS.values() for query in one["policy"].get("queries", [])})
WORDS = st.one_of(st.sampled_from([*NAMES, *SORTS]), st.text(max_size=12))
LISTS = st.lists(WORDS, max_size=4).map(",".join)
OTHERS = st.fixed_dictionaries(
    {},
    optional={
        "sort": st.one_of(st.sampled_from(SORTS), bent(st.sampled_from(SORTS)), LISTS),
        "max_results": st.one_of(st.integers(-5, 500).map(str), st.text(max_size=5)),
        "after": st.one_of(SCALARS.map(str), st.text(max_size=20)),
        "fields": LISTS,
        "embedded": st.one_of(LISTS, ANYTHING.map(as_text)),
        "deleted": st.sampled_from(["true", "false", "1", "0", "", "yes", "TRUE", "\0"]),
        "cursor": st.one_of(
            st.text(max_size=30),
            st.binary(max_size=60).map(lambda raw: base64.urlsafe_b64encode(raw).decode()),
        ),
    },
)

# Header values as they come through an HTTP server: no control characters, bytes above 127 as Latin-1.
LATIN = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=40)
BASE64 = st.binary(max_size=40).map(lambda raw: base64.b64encode(raw).decode())
DIGESTS = st.one_of(
    st.tuples(
        st.sampled_from(["sha1", "sha256", "md5", "crc32", "SHA1", "shake_128", "blake2b", ""]),
        st.one_of(BASE64, LATIN),
    ).map(" ".join),
    LATIN,
)
NUMBERS = st.one_of(
    st.integers(-2, 3_000_000_000).map(str),
    st.sampled_from(["", "0", "00", "1e3", "+1", "-0", " 1", "1_0", "9" * 30, "0x10", "1.0", "²", "true"]),
    LATIN,
)
METADATA = st.one_of(
    st.lists(
        st.tuples(st.sampled_from(["filename", "filetype", "", "é"]), st.one_of(BASE64, LATIN)).map(" ".join),
        max_size=4,
    ).map(",".join),
    LATIN,
)
TUS_HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "Tus-Resumable": st.sampled_from(["1.0.0", "1.0.0", "1.0.0", "0.2.2", "", "é"]),
        "Upload-Length": NUMBERS,
        "Upload-Offset": NUMBERS,
        "Upload-Checksum": DIGESTS,
        "Upload-Metadata": METADATA,
        "Upload-Defer-Length": st.sampled_from(["1", "0", "x"]),
        "Upload-Concat": st.sampled_from(["partial", "final;/a /b"]),
        "Content-Type": st.one_of(st.just("application/offset+octet-stream"), LATIN),
        "X-HTTP-Method-Override": st.sampled_from(["PATCH", "DELETE"]),
        "Content-Encoding": st.sampled_from(["gzip", "x"]),
    },
)

# Multipart forms
BOUNDARIES = st.sampled_from(
    [b"cut", b"-", b"--", b"a b", b"'()+_,-./:=?", b"x" * 70, b"x" * 201, b"\xff", b"cut\r\n", b""]
)
ENDS = st.sampled_from([b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"", b" \r\n", b"\r\r\n"])
PART_FILE = b'Content-Disposition: form-data; name="file"; filename="film.mp4"'
PART_HEADERS = st.one_of(
    st.sampled_from(
        [
            PART_FILE,
            b'Content-Disposition: form-data; name="file"',
            b'Content-Disposition: form-data; name="other"',
            b"Content-Disposition: form-data",
            b"Content-Disposition:",
            b"Content-Disposition: attachment; filename=x",
            b"Content-Disposition: form-data; name=\"file\"; filename*=utf-8''%ff",
            b'Content-Disposition: form-data; name="file"; filename="' + b"a" * 5000 + b'"',
            b"Content-Type: video/mp4",
            b'Content-Disposition: form-data; name="file"; filename="../../x"; filename*0="a"; filename*1=b',
            b"Content-Transfer-Encoding: base64",
            b"Content-Length: 5",
            b"Repr-Digest: sha-256=:AAAA:",
            b"Repr-Digest: sha-256=:\xe9:",
            b"X: " + b"y" * 20_000,
            b"no colon at all",
            b": ",
            b"\xff\xfe: \xff",
        ]
    ),
    st.binary(max_size=40),
)
CONTENTS = st.one_of(
    st.just(b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + bytes(9000)),
    st.just(b""),
    st.binary(max_size=300),
    st.sampled_from([b"\r" * 5000, b"\r\n" * 5000, b"\r\n--" * 3000, b"\r\n--cu" * 2000, b"-" * 9000]),
)


@st.composite
def forms(draw):
    """Draw (content type, body) of a form: every other one is well-formed but for one or two bent places."""
    right = draw(st.booleans())
    boundary, end = (b"cut", b"\r\n") if right else (draw(BOUNDARIES), draw(ENDS))
    body = b"" if right else draw(st.sampled_from([b"", b"preamble\r\n", b"\r\n"]))
    for number in range(draw(st.integers(0, 3))):
        headers = [PART_FILE] if right and number == 0 else draw(st.lists(PART_HEADERS, max_size=3))
        body += b"--" + boundary + end + end.join(headers) + end + end + draw(CONTENTS) + end
    closing = b"--" + boundary + b"--\r\n"
    body += closing if right else draw(st.sampled_from([closing, closing[:-2], closing[:-4], b""]))
    told = boundary if right else draw(st.sampled_from([boundary, b"other", b'"' + boundary + b'"', b""]))
    kind = (
        "multipart/form-data"
        if right
        else draw(st.sampled_from(["multipart/form-data", "multipart/mixed", ""]))
    )
    text = f"{kind}; boundary={told.decode('latin-1')}".replace("\r\n", "")
    return text, draw(bent(st.just(body), most=2))


FORM_HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "Repr-Digest": st.one_of(LATIN, st.one_of(BASE64, LATIN).map(lambda text: f"sha-256=:{text}:"))
    },
)
