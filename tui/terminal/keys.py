"""Keys of the console as the bytes that a terminal sends to its host (xterm's legacy encoding)."""

from typing import Final

_CURSOR: Final = {"up": "A", "down": "B", "right": "C", "left": "D", "home": "H", "end": "F"}
_TILDE: Final = {
    "insert": 2,
    "delete": 3,
    "pageup": 5,
    "pagedown": 6,
    "f5": 15,
    "f6": 17,
    "f7": 18,
    "f8": 19,
    "f9": 20,
    "f10": 21,
    "f11": 23,
    "f12": 24,
}
_SS3: Final = {"f1": "P", "f2": "Q", "f3": "R", "f4": "S"}
_SINGLE: Final = {
    "enter": b"\r",
    "tab": b"\t",
    "shift+tab": b"\x1b[Z",
    "backspace": b"\x7f",
    "escape": b"\x1b",
    "ctrl+@": b"\x00",
    "ctrl+space": b"\x00",
    "ctrl+backslash": b"\x1c",
    "ctrl+right_square_bracket": b"\x1d",
    "ctrl+circumflex_accent": b"\x1e",
    "ctrl+underscore": b"\x1f",
}
_MODIFIERS: Final = {"shift": 1, "alt": 2, "ctrl": 4}


def encode(key: str, character: str | None, application_cursor: bool = False) -> bytes:
    """The bytes for a Textual key (its name and its character); empty for one that a terminal cannot send."""
    if key in _SINGLE:
        return _SINGLE[key]
    *modifiers, name = key.split("+")
    code = 1 + sum(_MODIFIERS.get(modifier, 0) for modifier in modifiers)
    if name in _CURSOR or name in _SS3 or name in _TILDE:
        return _special(name, code, application_cursor)
    if modifiers == ["ctrl"] and len(name) == 1 and "a" <= name.lower() <= "z":
        return bytes([ord(name.lower()) - 0x60])
    if modifiers and modifiers[0] == "alt" and len(name) == 1:
        return b"\x1b" + (bytes([ord(name) - 0x60]) if "ctrl" in modifiers else name.encode())
    return character.encode() if character else b""


def _special(name: str, code: int, application_cursor: bool) -> bytes:
    if name in _TILDE:
        return f"\x1b[{_TILDE[name]}{f';{code}' if code > 1 else ''}~".encode()
    final = _CURSOR.get(name) or _SS3[name]
    if code > 1:
        return f"\x1b[1;{code}{final}".encode()
    if name in _SS3 or application_cursor:
        return f"\x1bO{final}".encode()
    return f"\x1b[{final}".encode()


def paste(text: str, bracketed: bool) -> bytes:
    """Pasted text: line ends as Enter, control characters dropped, bracketed when the guest wants it."""
    lines = text.replace("\r\n", "\r").replace("\n", "\r")
    clean = "".join(c for c in lines if c in "\r\t" or (c >= " " and not "\x7f" <= c <= "\x9f"))
    return f"\x1b[200~{clean}\x1b[201~".encode() if bracketed else clean.encode()
