"""Every regular expression of the product, found in its source, and texts that make bad ones slow."""

import ast
import importlib
import re
import signal
import time
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from re import _constants as op
from re import _parser as parser

ROOT = Path(__file__).parent.parent.parent
FLOORS = (
    "run", "settings", "assembly", "commands", "tasks", "features", "hooks", "machine", "schemas", "clients",
    "cloudinary_local", "dev",
)  # fmt: skip
USES = {"match", "search", "fullmatch", "sub", "subn", "split", "findall", "finditer"}
# The same engine is at work below each; these three say all there is to say of time.
ENGINE = {"fullmatch": "fullmatch", "match": "match"}


@dataclass(frozen=True)
class Pattern:
    """One regular expression, how it is used, and where it stands."""

    place: str
    text: str
    flags: int = 0
    use: str = "fullmatch"

    def apply(self, text):
        compiled = re.compile(self.text, self.flags)
        if self.use in ENGINE:
            getattr(compiled, ENGINE[self.use])(text)
        else:
            compiled.sub("", text)


def modules():
    for floor in FLOORS:
        path = ROOT / floor
        yield from (
            [path.with_suffix(".py")] if path.with_suffix(".py").is_file() else sorted(path.rglob("*.py"))
        )


def name_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_re(node, word=None):
    """Tell whether a node reads `re.<word>`."""
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "re"
        and (word is None or node.attr == word)
    )


def known(module, node):
    """Return the value of an expression made of literals and of names of the module; None if it holds others."""
    names = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
    if any(not isinstance(vars(module).get(name), str | int | type(re)) for name in names):
        return None
    return eval(compile(ast.Expression(node), "<pattern>", "eval"), dict(vars(module)))


def in_source():
    """Return (patterns, places whose pattern is only known when it runs): each use of `re` counts once."""
    trees = {path: ast.parse(path.read_text()) for path in modules()}
    found, unknown = [], []
    for path, tree in trees.items():
        if not any(is_re(node) for node in ast.walk(tree)):
            continue
        module = importlib.import_module(name_of(path))
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and is_re(node.func)):
                continue
            place = f"{path.relative_to(ROOT)}: {ast.unparse(node.args[0])}"
            flags = known(module, node.args[1]) if node.func.attr == "compile" and len(node.args) > 1 else 0
            flags = next((known(module, one.value) for one in node.keywords if one.arg == "flags"), flags)
            if node.func.attr in USES and isinstance(node.args[-1], ast.Attribute) and is_re(node.args[-1]):
                flags = known(module, node.args[-1])
            text = known(module, node.args[0])
            if node.func.attr == "escape":
                continue
            if not isinstance(text, str):
                unknown.append((place, node.func.attr))
            elif node.func.attr == "compile":
                name = assigned(tree, node)
                # Handed on under another name, it may be used in any way.
                uses = uses_of(name, [tree]) or uses_of(name, trees.values()) or {"search"}
                found += [Pattern(place, text, int(flags), use) for use in sorted(uses)]
            else:
                assert node.func.attr in USES, place
                found.append(Pattern(place, text, int(flags), node.func.attr))
    return found, unknown


def assigned(tree, call):
    """Return the name that a compiled pattern is given."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and node.value is call:
            return node.targets[0].id
    raise AssertionError(f"a pattern without a name: {ast.unparse(call)}")


def uses_of(name, trees):
    """Return the methods that are called on a name anywhere."""
    return {
        node.attr
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in USES
        and (getattr(node.value, "id", None) == name or getattr(node.value, "attr", None) == name)
    }


def in_rules(where, rules):
    """Yield the patterns of Cerberus rules at any depth, as they are used: against the whole text."""
    if isinstance(rules, dict):
        if isinstance(rules.get("regex"), str):
            yield Pattern(where, rules["regex"])
        for word, inner in rules.items():
            yield from in_rules(f"{where}.{word}", inner)
    elif isinstance(rules, list | tuple):
        for inner in rules:
            yield from in_rules(where, inner)


def in_declarations(app):
    """Yield the patterns of schemas, of the bodies of routes, and of URL rules."""
    for resource in app.registry:
        yield from in_rules(f"schemas/{resource.name}", resource.schema)
    for name, view in app.view_functions.items():
        if getattr(getattr(view, "spec", None), "body", None):
            yield from in_rules(f"body of {name}", view.spec.body)
    for rule in app.url_map.iter_rules():
        for name, converter in rule._converters.items():
            yield Pattern(f"{rule.rule} <{name}>", converter.regex)
        for part in rule._parts:
            if not part.static:
                yield Pattern(f"{rule.rule} as matched", part.content, use="match")


# Texts that make a pattern work hard


def sample(tree, pick):
    """Return a text that a parsed pattern accepts, more or less; `pick` chooses among branches and letters."""
    return "".join(sample_one(code, argument, pick) for code, argument in tree)


def sample_one(code, argument, pick):
    if code is op.LITERAL:
        return chr(argument)
    if code in (op.NOT_LITERAL, op.ANY):
        return "a" if argument != ord("a") else "b"
    if code is op.IN:
        return pick(letters(argument))
    if code in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
        return sample(argument[2], pick) * max(1, argument[0])
    if code is op.SUBPATTERN:
        return sample(argument[3], pick)
    if code is op.ATOMIC_GROUP:
        return sample(argument, pick)
    if code is op.BRANCH:
        return sample(pick(argument[1]), pick)
    return sample(argument[1], pick) if code is op.ASSERT and argument[0] < 0 else ""


KINDS = {op.CATEGORY_DIGIT: "0", op.CATEGORY_SPACE: " ", op.CATEGORY_WORD: "a", op.CATEGORY_NOT_DIGIT: "a",
         op.CATEGORY_NOT_SPACE: "a", op.CATEGORY_NOT_WORD: "!"}  # fmt: skip


def letters(members):
    """Return letters of a class, the ends of its ranges among them."""
    if members[0][0] is op.NEGATE:
        barred = set(letters(members[1:]))
        return [one for one in "a0 :;=.-_/!\n" if one not in barred]
    found = []
    for code, argument in members:
        if code is op.LITERAL:
            found.append(chr(argument))
        elif code is op.RANGE:
            found += [chr(argument[0]), chr(argument[1])]
        elif code is op.CATEGORY:
            found.append(KINDS[argument])
    return found


PICKS = [lambda options: options[0], lambda options: options[-1], lambda options: options[len(options) // 2]]


def repeats(tree, before=""):
    """Yield (a text that leads to a repeat, its body) for every repeat of a parsed pattern, at any depth."""
    for code, argument in tree:
        if code in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
            yield before, argument[2]
            yield from repeats(argument[2], before)
        elif code in (op.SUBPATTERN, op.ATOMIC_GROUP):
            yield from repeats(argument[3] if code is op.SUBPATTERN else argument, before)
        elif code is op.BRANCH:
            for branch in argument[1]:
                yield from repeats(branch, before)
        elif code in (op.ASSERT, op.ASSERT_NOT):
            yield from repeats(argument[1], before)
        before += sample_one(code, argument, PICKS[0])


ENDS = ["", "\x00", "!", "\n", "@", " @ eyJ"]


def pumped(pattern, length):
    """Yield texts of a length: each repeat pumped behind what leads to it, and the whole again and again."""
    tree = parser.parse(pattern.text, pattern.flags)
    pumps = {("", sample(tree, pick)) for pick in PICKS} | {("", sample(tree, pick)[:-1]) for pick in PICKS}
    for lead, body in repeats(tree):
        for pick in PICKS:
            pumps |= {(lead, sample(body, pick)), ("", sample(body, pick)), ("", lead + sample(body, pick))}
            pumps |= {(lead, sample(body, pick) + sample(body, PICKS[1]))}
        pumps |= {("", lead)}
    pumps |= {("", one) for one in ("a", " ", "0", "\n", "-", "/", "@a", "a@")}
    for lead, body in sorted(pump for pump in pumps if pump[1]):
        for end in ENDS:
            yield (lead + body * (length // len(body) + 1))[: length - len(end)] + end


class TooSlow(Exception):
    """A pattern used up its time."""


@contextmanager
def at_most(seconds):
    """Stop a search that takes more CPU time than this: the engine looks for signals as it goes."""

    def stop(*_):
        raise TooSlow

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def slowest(pattern, length, bound, most=400):
    """Return (seconds, text) of the text that holds a pattern up longest; ends at the first beyond the bound."""
    worst = (0.0, "")
    for text in islice(pumped(pattern, length), most):
        took = best_of(pattern, text, bound)
        worst = max(worst, (took, text[:60]))
        if took > bound:
            break
    return worst


def best_of(pattern, text, bound, tries=3):
    """Return the CPU seconds of the quickest of some tries; the first that keeps to the bound ends them."""
    best = float("inf")
    for _ in range(tries):
        began = time.thread_time()
        try:
            with at_most(bound * 10):
                pattern.apply(text)
        except TooSlow:
            return float("inf")
        best = min(best, time.thread_time() - began)
        if best <= bound:
            break
    return best
