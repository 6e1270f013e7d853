"""Addresses: what is one, how it is kept and sent, and which of them are one."""

import time

import pytest

from clients.addresses import beyond_ascii, issues, key, normal, wire

# Typed, as it is kept, as it is sent.
TAKEN = [
    ("ada@example.org", "ada@example.org", "ada@example.org"),
    (" Ada@Example.org \n", "Ada@example.org", "Ada@example.org"),
    ("\u200eada@example.org\u200f", "ada@example.org", "ada@example.org"),
    ("o'brien+films@example.org", "o'brien+films@example.org", "o'brien+films@example.org"),
    ("a..b.@docomo.example", "a..b.@docomo.example", "a..b.@docomo.example"),
    ("ada@MÜNCHEN.example", "ada@münchen.example", "ada@xn--mnchen-3ya.example"),
    ("ada@mu\u0308nchen.example", "ada@münchen.example", "ada@xn--mnchen-3ya.example"),
    ("ada@XN--MNCHEN-3YA.example", "ada@münchen.example", "ada@xn--mnchen-3ya.example"),
    ("ada@faß.example", "ada@faß.example", "ada@xn--fa-hia.example"),
    ("ada@例え。テスト", "ada@例え.テスト", "ada@xn--r8jz45g.xn--zckzah"),
    ("ada@ex\u00adample.org\u200b", "ada@example.org", "ada@example.org"),
    ("ada@xn--i-7iq.example", "ada@xn--i-7iq.example", "ada@xn--i-7iq.example"),
    ("ada@r1---sn.example", "ada@r1---sn.example", "ada@r1---sn.example"),
    ("u\u0308@example.org", "ü@example.org", "ü@example.org"),
    ("हिन्दी@उदाहरण.भारत", "हिन्दी@उदाहरण.भारत", "हिन्दी@xn--p1b6ci4b4b3a.xn--h2brj9c"),
    ("用户@例子.广告", "用户@例子.广告", "用户@xn--fsqu00a.xn--4rr70v"),
]
REFUSED = {
    "without quotes": ['"a b"@example.org', "Ada <ada@example.org>", "a(b)@example.org", "a,b@example.org",
                       "mailto:ada@example.org", "a\\b@example.org"],
    "without spaces": ["a b@example.org", "a\0@example.org", "a\u200bb@example.org", "a\u202eb@example.org",
                       "a\r\nb@example.org", "\ud800@example.org", "\ue000@example.org"],
    "a name, one @ and a domain": ["", "@", "ada", "@example.org", "ada@", "a@b@example.org", "ada＠example.org"],
    "must have a domain": ["ada@localhost", "ada@127.0.0.1", "ada@[127.0.0.1]", "ada@１２７.0.0.1", "ada@-b.org",
                           "ada@a..org", "ada@example.org.", "ada@a_b.org", "ada@i❤.example", "ada@a b.org",
                           "ada@\ud800.org", "ada@ü\r\n.org", f"ada@{'x' * 64}.org", f"ada@{'a.' * 126}org"],
    "at most 64 bytes": [f"{'x' * 65}@example.org", f"{'ü' * 33}@example.org", f"x@{'y.' * 125}org"],
}  # fmt: skip


@pytest.mark.parametrize(("typed", "kept", "sent"), TAKEN)
def test_address_is_kept_readable_and_sent_in_ascii_behind_the_at(typed, kept, sent):
    assert (list(issues(typed)), normal(typed), wire(typed)) == ([], kept, sent)
    assert normal(kept) == normal(sent) == kept
    assert beyond_ascii(typed) is (not sent.isascii())


@pytest.mark.parametrize(("typed", "kept", "sent"), TAKEN)
def test_address_is_one_however_it_is_written(typed, kept, sent):
    assert key(typed) == key(kept) == key(sent) == key(sent.upper()) == key(key(typed))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("straße@example.org", "strasse@example.org"),
        ("ada@faß.example", "ada@fass.example"),
        ("u@example.org", "ü@example.org"),
        ("\u0131@example.org", "i@example.org"),
        ("ｕ@example.org", "u@example.org"),
        ("a.da@example.org", "ada@example.org"),
        ("ada+1@example.org", "ada@example.org"),
    ],
)
def test_what_may_be_two_mailboxes_is_two(one, other):
    assert key(one) != key(other)


@pytest.mark.parametrize(
    ("said", "typed"), [(said, one) for said, several in REFUSED.items() for one in several]
)
def test_what_is_no_address_is_told_the_form(said, typed):
    (issue,) = issues(typed)
    assert said in issue
    # What an older version took is still compared.
    assert key(normal(typed)) == key(typed)


def test_what_is_far_too_long_costs_nothing():
    begun = time.process_time()
    for typed in (
        "\u0301\u0323" * 200_000,
        "a@" + "\u0301\u0323" * 200_000,
        "ü." * 200_000 + "@" + "ü." * 200_000,
    ):
        assert normal(typed) and key(typed) and list(issues(typed))
    assert time.process_time() - begun < 2
