"""Who is mentioned: names beside scripts without spaces, names that end in a dot, and what is no mention."""

import pytest

from tests.audience import make_video
from tests.conftest import sign_up
from tests.field_reports import reported

NAMES = ("mina", "mina.", "tom-", "tom", "o.k", "x" * 30)


@pytest.fixture(scope="module")
def people(app):
    return {name: str(sign_up(app, name).user["_id"]) for name in NAMES}


@pytest.fixture(scope="module")
def film(alice):
    return make_video(alice)


def mentioned(client, film, people, text):
    answer = client.post(f"/videos/{film}/comments", {"text": text})
    assert answer.status_code == 201, answer.text
    names = {id_: name for name, id_ in people.items()}
    return [names[id_] for id_ in answer.json["mentions"]]


@reported(
    "Texts", "Beside Chinese, Japanese or Thai, which put no spaces, nobody was mentioned",
    sent="a comment `\u4f60\u597d@name\u4f60\u597d`", back="`mentions: [name]`, and they are told",
)  # fmt: skip
@pytest.mark.parametrize(
    "text",
    [
        "\u4f60\u597d@mina\u4f60\u597d",
        "\u3053\u3093\u306b\u3061\u306f@mina\u3055\u3093",
        "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35@mina",
        "\uc548\ub155@mina\ub2d8",
        "\u3001@mina\u3002",
        "(@mina)",
        "@mina!",
        "\uff20mina",
    ],
)
def test_a_name_is_mentioned_whatever_script_stands_beside_it(bob, film, people, text):
    assert mentioned(bob, film, people, text) == ["mina"]


@reported(
    "Texts", "Who has a name that ends in a dot could not be mentioned",
    sent="a comment `@mina.`, where `mina.` and `mina` are people",
    back="both are mentioned: whose dot it is, the sentence does not say",
)  # fmt: skip
@pytest.mark.parametrize(("text", "names"), [
    ("@mina. is here", ["mina", "mina."]),
    ("It was @mina.", ["mina", "mina."]),
    ("It was @mina..", ["mina", "mina."]),
    ("It was @MINA, @Tom- and @tom.", ["mina", "tom-", "tom"]),
    ("@o.k.", ["o.k"]),
    (f"@{'x' * 30}.", ["x" * 30]),
])  # fmt: skip
def test_a_dot_at_the_end_may_belong_to_the_name(bob, film, people, text, names):
    assert sorted(mentioned(bob, film, people, text)) == sorted(names)


@pytest.mark.parametrize("text", [
    "mail@mina", "m\xfcller@mina", "a.@mina", "@@mina", "@minakshi", f"@{'x' * 31}", "@mi",
    "\u043f\u043e\u0447\u0442\u0430@mina",
])  # fmt: skip
def test_what_is_part_of_something_else_mentions_nobody(bob, film, people, text):
    assert mentioned(bob, film, people, text) == []
