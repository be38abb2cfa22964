"""The YAML that `model.to_yaml()` of Keras 1 and 2 wrote, read as plain data.

It is the block style of PyYAML: mappings and sequences by indentation, flow lists and mappings, plain and quoted scalars, anchors and
aliases. Tags that stand for data are read (`yaml_tags`); every other tag is refused, since tags are how YAML runs code.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from graphkit.core.errors import SerializationError, UnsafeCodeError

from .yaml_tags import NotData, converter_of

_MAX_DEPTH = 100
_MAX_NODES = 1 << 21  # aliases can make much of little
_PROPERTY = re.compile(r"([&!][^\s,\]}]*)(?:\s+|$)")
_KEY = re.compile(r"""(?:'(?:[^']|'')*'|"(?:[^"\\]|\\.)*"|[^\s'"\[\]{},&*!|>#-][^:#]*?|-[^\s:][^:#]*?)\s*:(?:\s+|$)""")
_INT, _FLOAT = re.compile(r"[-+]?\d+$"), re.compile(r"[-+]?(\d+\.\d*|\.\d+|\d+)([eE][-+]?\d+)?$")
_WORDS: dict[str, Any] = {
    "null": None,
    "~": None,
    "": None,
    "true": True,
    "yes": True,
    "on": True,
    "false": False,
    "no": False,
    "off": False,
}
_WORDS |= {".inf": float("inf"), "-.inf": float("-inf"), ".nan": float("nan")}
_ESCAPES = {
    "n": "\n",
    "t": "\t",
    "r": "\r",
    "0": "\0",
    "a": "\a",
    "b": "\b",
    "e": "\x1b",
    "f": "\f",
    "v": "\v",
    "\\": "\\",
    '"': '"',
    "/": "/",
    " ": " ",
}
_HEX = {"x": 2, "u": 4, "U": 8}


class Line(NamedTuple):
    """A line that is not empty: its indentation, text and number."""

    indent: int
    text: str
    number: int


def parse_yaml(text: str, what: str) -> Any:
    """The data of a YAML text. Raises SerializationError with the line for what is beyond this subset, UnsafeCodeError for tags."""
    lines = []
    for number, raw in enumerate(text.splitlines(), 1):
        stripped = raw.strip()
        if stripped and not stripped.startswith("#") and stripped not in ("---", "..."):
            lines.append(Line(len(raw) - len(raw.lstrip(" ")), stripped, number))
    reader = _Reader(lines, what)
    found = reader.block(0, 0)
    if reader.at < len(lines):
        raise reader.error("the indentation fits nothing above")
    reader.count(found)
    return found


class _Reader:
    def __init__(self, lines: list[Line], what: str) -> None:
        self.lines, self.what, self.at = lines, what, 0
        self.anchors: dict[str, Any] = {}

    def error(self, why: str) -> SerializationError:
        number = self.lines[min(self.at, len(self.lines) - 1)].number if self.lines else 1
        return SerializationError(f"{self.what} is not YAML that Keras wrote: line {number}: {why}.")

    def count(self, value: Any) -> None:
        """Raise where aliases make the data huge."""
        stack, seen = [value], 0
        while stack:
            seen += 1
            if seen > _MAX_NODES:
                raise SerializationError(f"{self.what} unfolds to more than {_MAX_NODES:,} values.")
            item = stack.pop()
            stack.extend(item.values() if isinstance(item, dict) else item if isinstance(item, list) else ())

    # ----- blocks -----

    def block(self, indent: int, depth: int) -> Any:
        """What stands at the current line, at least `indent` deep."""
        if depth > _MAX_DEPTH:
            raise self.error("it is nested too deeply")
        if self.at >= len(self.lines) or self.lines[self.at].indent < indent:
            return None
        line = self.lines[self.at]
        if line.text == "-" or line.text.startswith("- "):
            return self._sequence(line.indent, depth)
        if _KEY.match(line.text):
            return self._mapping(line.indent, depth)
        return self._value(line.text, line.indent, depth, indent)

    def _sequence(self, indent: int, depth: int) -> list[Any]:
        made: list[Any] = []
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if line.indent != indent or not (line.text == "-" or line.text.startswith("- ")):
                break
            rest = line.text[1:].lstrip()
            inner = indent + len(line.text) - len(rest)
            made.append(self._after(rest, inner, indent + 1, depth))
        return made

    def _mapping(self, indent: int, depth: int) -> dict[Any, Any]:
        made: dict[Any, Any] = {}
        while self.at < len(self.lines):
            line = self.lines[self.at]
            match = _KEY.match(line.text)
            if line.indent != indent or match is None or line.text.startswith("- "):
                break
            key = self._scalar(match.group(0).rstrip()[:-1].rstrip())
            made[key] = self._after(line.text[match.end() :], None, indent, depth, key_indent=indent)
        return made

    def _after(self, rest: str, inner: int | None, least: int, depth: int, key_indent: int | None = None) -> Any:
        """The value behind a dash or a key: on the same line, or in the lines below."""
        anchor, tags, rest = self._properties(rest)
        if rest in ("|", "|-", "|+") and any(tag.endswith("binary") for tag in tags):
            value = self._literal(self.lines[self.at].indent if key_indent is None else key_indent)
        elif not rest:
            self.at += 1
            if key_indent is not None and self.at < len(self.lines):
                below = self.lines[self.at]
                least = (
                    key_indent
                    if below.indent == key_indent and (below.text == "-" or below.text.startswith("- "))
                    else key_indent + 1
                )
            value = self.block(least, depth + 1)
        elif inner is not None and (_KEY.match(rest) or rest == "-" or rest.startswith("- ")):
            self.lines[self.at] = Line(inner, rest, self.lines[self.at].number)
            value = self.block(inner, depth + 1)
        else:
            value = self._value(rest, least, depth, least if key_indent is None else key_indent + 1)
        value = self._tagged(tags, value)
        if anchor:
            self.anchors[anchor] = value
        return value

    def _literal(self, indent: int) -> str:
        """The lines below that stand deeper: base64, whose blanks say nothing."""
        self.at += 1
        made = []
        while self.at < len(self.lines) and self.lines[self.at].indent > indent:
            made.append(self.lines[self.at].text)
            self.at += 1
        return "\n".join(made)

    def _tagged(self, tags: list[str], value: Any) -> Any:
        for tag in reversed(tags):
            convert = converter_of(tag)
            assert convert is not None
            try:
                value = convert(value)
            except NotData:
                raise self.error(f"what stands under the tag {tag!r} is not what it says") from None
        return value

    def _properties(self, text: str) -> tuple[str | None, list[str], str]:
        anchor, tags = None, []
        while match := _PROPERTY.match(text):
            name = match.group(1)
            if name.startswith("&"):
                anchor = name[1:]
            elif converter_of(name) is None:
                raise UnsafeCodeError(
                    f"{self.what} has the YAML tag {name!r}: tags can run code, so only tuples, texts and numbers are read."
                )
            else:
                tags.append(name)
            text = text[match.end() :]
        return anchor, tags, text

    # ----- values on lines -----

    def _value(self, text: str, indent: int, depth: int, least: int) -> Any:
        """A flow value or scalar, which may go on in deeper lines."""
        while True:
            try:
                value, end = self._flow(text, 0, depth)
            except _Unfinished:
                end = -1
            rest = text[end:].strip() if end >= 0 else ""
            self.at += 1
            goes_on = (
                self.at < len(self.lines) and self.lines[self.at].indent >= least and self.lines[self.at].text != "-"
            )
            plain = end >= 0 and text[:1] not in "'\"[{*"
            if end >= 0 and not rest.lstrip("#") and not (plain and goes_on):
                return value
            if not goes_on or (end >= 0 and rest and not rest.startswith("#") and not plain):
                self.at -= 1
                raise self.error(f"{text[:60]!r} does not end")
            text = (
                f"{text[:-1]}{self.lines[self.at].text}"
                if text.endswith("\\")
                else f"{text} {self.lines[self.at].text}"
            )

    def _flow(self, text: str, at: int, depth: int, inside: bool = False) -> tuple[Any, int]:
        if depth > _MAX_DEPTH:
            raise self.error("it is nested too deeply")
        at = _skip(text, at)
        anchor, tags, rest = self._properties(text[at:])
        at = len(text) - len(rest)
        value: Any
        if text[at : at + 1] == "[":
            value, at = self._flow_list(text, at + 1, depth)
        elif text[at : at + 1] == "{":
            value, at = self._flow_mapping(text, at + 1, depth)
        elif text[at : at + 1] in ("'", '"'):
            value, at = self._quoted(text, at)
        elif text[at : at + 1] in ("|", ">", "%", "@", "`"):
            raise self.error(f"{text[at]!r} begins something that Keras does not write")
        else:
            end = at
            while (
                end < len(text)
                and not (inside and text[end] in ",]}")
                and not (inside and text[end] == ":" and text[end + 1 : end + 2] in (" ", ""))
            ):
                end += 1
            value, at = self._scalar(text[at:end].strip()), end
        value = self._tagged(tags, value)
        if anchor:
            self.anchors[anchor] = value
        return value, at

    def _flow_list(self, text: str, at: int, depth: int) -> tuple[list[Any], int]:
        made: list[Any] = []
        while True:
            at = _skip(text, at)
            if text[at : at + 1] == "]":
                return made, at + 1
            value, at = self._flow(text, at, depth + 1, inside=True)
            made.append(value)
            at = _skip(text, at)
            if text[at : at + 1] == ",":
                at += 1
            elif text[at : at + 1] != "]":
                raise _Unfinished if at >= len(text) else self.error(f"a list goes on with {text[at : at + 10]!r}")

    def _flow_mapping(self, text: str, at: int, depth: int) -> tuple[dict[Any, Any], int]:
        made: dict[Any, Any] = {}
        while True:
            at = _skip(text, at)
            if text[at : at + 1] == "}":
                return made, at + 1
            key, at = self._flow(text, at, depth + 1, inside=True)
            at = _skip(text, at)
            if text[at : at + 1] != ":":
                raise _Unfinished if at >= len(text) else self.error(f"a key has no value: {text[at : at + 10]!r}")
            made[key], at = self._flow(text, at + 1, depth + 1, inside=True)
            at = _skip(text, at)
            if text[at : at + 1] == ",":
                at += 1
            elif text[at : at + 1] != "}":
                raise _Unfinished if at >= len(text) else self.error(f"a mapping goes on with {text[at : at + 10]!r}")

    def _quoted(self, text: str, at: int) -> tuple[str, int]:
        quote, at, made = text[at], at + 1, []
        while at < len(text):
            char = text[at]
            if char == quote and quote == "'" and text[at + 1 : at + 2] == "'":
                made.append("'")
                at += 2
            elif char == quote:
                return "".join(made), at + 1
            elif char == "\\" and quote == '"':
                piece, at = self._escape(text, at + 1)
                made.append(piece)
            else:
                made.append(char)
                at += 1
        raise _Unfinished

    def _escape(self, text: str, at: int) -> tuple[str, int]:
        if at >= len(text):
            raise _Unfinished
        char = text[at]
        if char in _HEX:
            digits = text[at + 1 : at + 1 + _HEX[char]]
            if len(digits) < _HEX[char]:
                raise _Unfinished
            try:
                return chr(int(digits, 16)), at + 1 + len(digits)
            except (ValueError, OverflowError):
                raise self.error(f"\\{char}{digits} is no character") from None
        if char not in _ESCAPES:
            raise self.error(f"\\{char} is no escape")
        return _ESCAPES[char], at + 1

    def _scalar(self, text: str) -> Any:
        if text[:1] in ("'", '"'):
            return self._quoted(text, 0)[0]
        if text.startswith("*"):
            if text[1:] not in self.anchors:
                raise self.error(f"the alias {text!r} has no anchor before it")
            return self.anchors[text[1:]]
        if text.lower() in _WORDS:
            return _WORDS[text.lower()]
        if _INT.match(text):
            return int(text)
        return float(text) if _FLOAT.match(text) else text


class _Unfinished(Exception):  # noqa: N818 (a signal: the value goes on in the next line)
    pass


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] == " ":
        at += 1
    return at
