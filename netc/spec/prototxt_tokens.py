"""The tokens of protobuf's text format."""

import re
from dataclasses import dataclass
from typing import Any

from netc.spec.document import Position

CLOSING = {"{": "}", "<": ">"}
TOKEN = re.compile(
    r"""(?P<space>(?:\s+|\#[^\n]*)+)
      | (?P<word>-?[A-Za-z_]\w*)
      | (?P<number>-?(?:\d|\.\d)(?:[eE][-+]|[\w.])*)
      | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
      | (?P<mark>[{}<>\[\]:;,])""",
    re.VERBOSE | re.ASCII,
)


@dataclass(frozen=True)
class Token:
    """A token of the text. `kind` is word, number, string, mark, or end."""

    kind: str
    text: str
    at: Position
    start: int


class Unreadable(Exception):
    """The reader cannot continue after this error."""


class Tokens:
    """The tokens of a text, in order. `layer` is what a reader keeps of the layer that it is in."""

    def __init__(self, text: str):
        self._tokens, self._next = _tokens(text), 0
        self.layer: Any = None

    @property
    def at(self) -> int:
        """The number of the next token."""
        return self._next

    def stated(self, start: int, *names: str) -> list[str]:
        """The texts of fields in quotes in the message that begins at token `start`, wherever they are; "" for a field that it lacks."""
        found, depth, k = dict.fromkeys(names, ""), 0, start
        while depth >= 0 and self._tokens[k].kind not in ("end", "stray"):
            token = self._tokens[k]
            if token.kind == "mark":
                depth += (token.text in "{<[") - (token.text in "}>]")
            elif not depth and token.kind == "word" and token.text in found and self._tokens[k + 1].text == ":":
                value = self._tokens[k + 2]
                found[token.text] = value.text[1:-1] if value.kind == "string" else ""
            k += 1
        return list(found.values())

    @property
    def peek(self) -> Token:
        """The next token."""
        return self._tokens[self._next]

    def take(self) -> Token:
        """Return the next token and move past it. The end token stays."""
        token = self.peek
        self._next += token.kind != "end"
        if token.kind == "stray":
            quote = token.text in "'\""
            reason = "The closing quote is missing on this line." if quote else f"Unexpected {token.text!r}."
            raise Unreadable(token.at, reason)
        return token

    def accept(self, *marks: str) -> Token | None:
        """The next token, if it is one of these marks."""
        return self.take() if self.peek.kind == "mark" and self.peek.text in marks else None


def _tokens(text: str) -> list[Token]:
    """All tokens, then one of kind `end`.

    An invalid character becomes a token of kind `stray`, which is the last one.
    """
    found: list[Token] = []
    start, line, line_start = 0, 1, 0
    while start < len(text) and not (found and found[-1].kind == "stray"):
        match = TOKEN.match(text, start)
        kind, piece = (match.lastgroup or "", match[0]) if match else ("stray", text[start])
        if kind != "space":
            found.append(Token(kind, piece, (line, start - line_start + 1), start))
        if "\n" in piece:
            line, line_start = line + piece.count("\n"), start + piece.rindex("\n") + 1
        start += len(piece)
    return [*found, Token("end", "the end of the text", (line, start - line_start + 1), start)]


def skip(tokens: Tokens) -> None:
    """Skip a value."""
    token = tokens.peek
    if token.kind == "mark" and token.text in "{<[":
        skip_to_close(tokens, tokens.take())
    elif token.kind == "string":
        while tokens.peek.kind == "string":
            tokens.take()
    elif token.kind in ("word", "number"):
        tokens.take()
    else:
        raise Unreadable(token.at, f"Expected a value, got {tokens.take().text!r}.")


def skip_to_close(tokens: Tokens, opening: Token) -> Token:
    """Skip to the bracket that closes `opening`, and return it."""
    depth = 1
    while depth:
        token = tokens.take()
        if token.kind == "end":
            raise Unreadable(opening.at, f"This {opening.text!r} is never closed.")
        if token.kind == "mark":
            depth += (token.text in "{<[") - (token.text in "}>]")
    return token
