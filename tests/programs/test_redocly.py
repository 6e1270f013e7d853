"""The document has no warning under Redocly's recommended rules."""

import json


def test_redocly_has_nothing_to_say(node_tool, document):
    said = node_tool("redocly", "lint", "--extends", "recommended", "--format", "json", document,
                     env={"REDOCLY_TELEMETRY": "off"})  # fmt: skip
    report = json.loads(said[said.index("{") : said.rindex("}") + 1])
    assert report["totals"] == {"errors": 0, "warnings": 0, "ignored": 0}, report["problems"][:5]
