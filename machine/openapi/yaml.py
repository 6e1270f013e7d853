"""Writes JSON data as block YAML: strings stay in JSON's quotes, which YAML 1.2 reads alike."""

import json
import re
from typing import Any

PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Words that YAML 1.1 would not read as text.
RESERVED = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


def write_yaml(value: Any) -> str:
    """Return a document in YAML."""
    lines: list[str] = []
    write(value, "", "", lines)
    return "\n".join(lines) + "\n"


def write(value: Any, lead: str, indent: str, lines: list[str]) -> None:
    """Append a value. `lead` stands before its first line; `indent` before all others."""
    if isinstance(value, dict) and value:
        if lead.endswith(":"):
            lines.append(lead)
            lead = indent
        for key, inner in value.items():
            follow(f"{lead}{write_key(key)}:", inner, indent, lines)
            lead = indent
    elif isinstance(value, list) and value:
        if lead.endswith(":"):
            lines.append(lead)
            lead = indent
        for inner in value:
            write(inner, f"{lead}- ", indent + "  ", lines)
            lead = indent
    else:
        space = "" if lead.endswith(" ") or not lead else " "
        lines.append(f"{lead}{space}{json.dumps(value, ensure_ascii=False)}")


def follow(lead: str, value: Any, indent: str, lines: list[str]) -> None:
    """Append the value of a key: a scalar on its line, anything else below it."""
    write(value, lead, indent + "  ", lines)


def write_key(key: Any) -> str:
    """Return a key, quoted where YAML could take it for something else."""
    text = str(key)
    return text if PLAIN.fullmatch(text) and text.lower() not in RESERVED else json.dumps(text)
