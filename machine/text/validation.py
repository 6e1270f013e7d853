"""Teaches Cerberus the kinds of text: `coerce` brings what is sent to its normal form, `check_with` holds it to it."""

from collections.abc import Callable
from typing import Any

from machine.text.folding import fold_tag
from machine.text.kinds import DISTINCT, KINDS, UNSEEN, Kind
from machine.text.names import RESERVED, is_reserved


class TextRules:
    """Mixed into a validator, it knows each kind of text by name."""

    # Of Cerberus' validator, into which these rules are mixed.
    schema: Any
    _error: Callable[..., None]
    _config: dict[str, Any]

    @property
    def reserved_names(self) -> tuple[str, ...]:
        """Return the words that are nobody's name, as whoever makes the validator says."""
        words: tuple[str, ...] = self._config.get("reserved_names", ())
        return words

    def is_unchanged(self, field: str, value: Any) -> bool:
        """Tell whether a value is what is stored: what an older version took may be sent back."""
        return False

    def hold_text(self, kind: Kind, field: str, value: str) -> None:
        """Add what is wrong with a text of a kind."""
        issues = list(kind.issues(value))
        if not value and self.schema[field].get("minlength"):
            # Nothing is left of what was sent: the least length alone would not say why.
            issues = [UNSEEN]
        if kind.names and is_reserved(value, self.reserved_names):
            issues.append(RESERVED)
        if issues and not self.is_unchanged(field, value):
            for issue in issues:
                self._error(field, issue)


def coercion(kind: Kind) -> Callable[[Any, Any], Any]:
    """Return the method that brings texts of a kind to their normal form; what is no text is for `type` to refuse."""

    def coerce(self: Any, value: Any) -> Any:
        return kind.normal(value) if isinstance(value, str) else value

    return coerce


def check(kind: Kind) -> Callable[[Any, str, Any], None]:
    """Return the method that holds texts against a kind."""

    def hold(self: TextRules, field: str, value: Any) -> None:
        if isinstance(value, str):
            self.hold_text(kind, field, value)

    return hold


def keep_distinct(self: Any, value: Any) -> Any:
    """Return a list without the tags that are another one written otherwise; what is no text stays, to be refused."""
    if not isinstance(value, list):
        return value
    seen: set[str] = set()
    return [one for one in value if not isinstance(one, str) or is_new(fold_tag(one), seen)]


def is_new(key: str, seen: set[str]) -> bool:
    """Tell whether a key is seen for the first time."""
    known = key in seen
    seen.add(key)
    return not known


setattr(TextRules, f"_normalize_coerce_{DISTINCT}", keep_distinct)
for word, one in KINDS.items():
    setattr(TextRules, f"_normalize_coerce_{word}", coercion(one))
    setattr(TextRules, f"_check_with_{word}", check(one))
