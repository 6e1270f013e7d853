"""Names in the document: of models, operations and paths."""

import re
from typing import Any

from machine.openapi.words import NOUNS, PLURALS

# One variable part of a URL rule: <name>, <converter:name>, <converter("arguments"):name>.
PART = re.compile(r'<(?:(?P<converter>\w+)(?:\("(?P<argument>[^"]*)"\))?:)?(?P<name>\w+)>')
TYPES = {
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "uuid": {"type": "string", "format": "uuid"},
}
# What a title calls its document: "Play it", "Its newest videos".
IT = re.compile(r"\b[Ii]t(s?)\b")
HEX_ID = "[a-f0-9]{24}"


def pascal(text: str) -> str:
    """Turn `watch_history` into `WatchHistory`."""
    return "".join(word[:1].upper() + word[1:] for word in re.split(r"[^A-Za-z0-9]+", text))


def camel(text: str) -> str:
    """Turn `log_out` into `logOut`."""
    joined = pascal(text)
    return joined[:1].lower() + joined[1:]


def singular(resource: str) -> str:
    """Turn `playlist_items` into `playlist_item`."""
    if resource.endswith("ies"):
        return resource[:-3] + "y"
    return resource[:-1] if resource.endswith("s") and not resource.endswith("ss") else resource


def noun(resource: str) -> str:
    """Return what people call one document of a resource."""
    return NOUNS.get(resource) or singular(resource).replace("_", " ")


def nouns(resource: str) -> str:
    """Return what people call several."""
    return PLURALS.get(resource) or resource.replace("_", " ")


def a(thing: str) -> str:
    """Put the article before a noun."""
    return f"{'an' if thing[0] in 'aeioAEIO' else 'a'} {thing}"


def about_one(title: str, thing: str) -> str:
    """Say the title of a document's link where no document is in sight: `Pin it` becomes `Pin a comment`."""
    named = IT.sub(lambda found: a(thing) + ("'s" if found[1] else ""), title, count=1)
    return named[0].upper() + named[1:]


def template(rule: str) -> str:
    """Turn a URL rule into an OpenAPI path: `/users/<regex("@…"):username>` becomes `/users/@{username}`."""

    def replace(found: re.Match[str]) -> str:
        mark = "@" if (found["argument"] or "").startswith("@") else ""
        return f"{mark}{{{found['name'].strip('_')}}}"

    # The application answers alike with and without a slash at the end.
    return PART.sub(replace, rule).rstrip("/") or "/"


def path_parameters(rule: str, about: dict[str, str]) -> list[dict[str, Any]]:
    """Describe the variable parts of a URL rule; `about` holds sentences by name."""
    parameters = []
    for found in PART.finditer(rule):
        name, argument = found["name"].strip("_"), found["argument"] or ""
        schema: dict[str, Any] = TYPES.get(found["converter"] or "", {"type": "string"})
        if found["converter"] == "objectid" or argument == HEX_ID:
            schema = {"type": "string", "pattern": "^[0-9a-f]{24}$"}
        elif argument:
            schema = {"type": "string", "pattern": f"^{argument.removeprefix('@')}$"}
        sentence = about.get(name) or f"The {name.replace('_', ' ')}."
        parameter = {"name": name, "in": "path", "required": True, "description": sentence, "schema": schema}
        parameters.append(parameter)
    return parameters
