"""How words from the API or a guest become harmless: nothing that steers a terminal or hides text passes."""

import unicodedata

STEERING = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Controls, invisible formatting (bidi overrides, zero width), surrogates, unassigned, line separators."""
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def plain(text: str) -> str:
    """The text on one line: white space becomes blanks, whatever could steer the terminal a replacement sign."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_harmless(char) for char in text)


def plain_lines(text: str) -> list[str]:
    """The lines of the text, each harmless."""
    return [plain(one) for one in text.splitlines()]


def _harmless(char: str) -> str:
    if char in "\t\n\r":
        return " "
    return REPLACEMENT if unicodedata.category(char) in STEERING else char
