"""Model text as text: what every front end shows literally, and no parser or terminal obeys."""

from __future__ import annotations

import re

# MathJax looks for its delimiters in the finished page, where an entity is the character
# again. An element of its own parts the character from its neighbours.
DOLLAR = "<span>&#36;</span>"
BACKSLASH = "<span>&#92;</span>"
APART = "<span></span>"

# What means something in the middle of a line of markdown; in code, also what could begin a
# bare link or end the line.
_MARKUP = re.compile(r"[\\`*_\[\]{}<>&$~|!^@\n]")
_CODE_MARKUP = re.compile(r"[\\`*_\[\]{}<>&$~|!^@\n:]|(?<=www)\.", re.IGNORECASE)
_ON_ITS_OWN = {"$": DOLLAR, "\\": BACKSLASH, "\n": " "}

# An address without any marks, of which most parsers make a link. JupyterLab leads one whose host
# is none to its own server.
BARE = r"https?:(?=//)|www\."
_BARE = re.compile(BARE, re.IGNORECASE)
_PUNCTUATION = r"[?!.,:;*_'\"~()]*"
_WITH_HOST = re.compile(
    rf"(?:https?://)?[\w.-]+(?::\d+)?(?:[/?#]|{_PUNCTUATION}(?:\s|\Z))", re.IGNORECASE
)

# Everything below U+00A0 that is no text, the bidirectional overrides that can make text lie,
# and the line ends that only some parsers know.
_SPECIAL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_ODD_BREAKS = "\x0b\x0c\x85\u2028\u2029"

# Terminal escape sequences: CSI; OSC, DCS and their like, which end with a terminator (a limit
# keeps a stray one from swallowing the text); sequences of two or three characters.
_STRING = r"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x90\x98\x9c-\x9f\n]{0,999}"
_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]{0,99}[ -/]{0,9}[@-~]"
    rf"|{_STRING}(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]{0,9}[0-OQ-WYZ\\`-~]"
)
_HALF_SEQUENCE = re.compile(
    rf"(?:\x1b\[|\x9b)[0-?]{{0,99}}[ -/]{{0,9}}\Z|{_STRING}\x1b?\Z|\x1b[ -/]{{0,9}}\Z"
)


def literal(text: str) -> str:
    """`text` as one line of markdown, HTML within it included, that shows it unchanged."""
    marked = _MARKUP.sub(lambda found: _ON_ITS_OWN.get(found[0]) or _reference(found), text)
    return _BARE.sub(lambda found: bare(marked, found), marked)


def bare(text: str, found: re.Match[str]) -> str:
    """What stands for the beginning of a bare address in `text`: what has no host is no link."""
    if _WITH_HOST.match(text, found.start()):
        return found[0]
    return f"{found[0][:-1]}&#{ord(found[0][-1])};"


def code(text: str) -> str:
    """`text` as inline code that no parser can take for anything else."""
    return f"<code>{_CODE_MARKUP.sub(_reference, text)}</code>"


def prose(text: str) -> str:
    """`text` as one line of markdown or HTML: literal, but what is in backticks is code."""
    parts = text.split("`")
    inside = range(1, len(parts) - 1, 2)
    return "".join(code(part) if n in inside else literal(part) for n, part in enumerate(parts))


def _reference(found: re.Match[str]) -> str:
    return f"&#{ord(found[0])};"


def clean(text: str) -> str:
    """`text` without control characters and escape sequences; every line ends with a newline."""
    cleaner = Cleaner()
    return cleaner.decode(text) + cleaner.flush()


class Cleaner:
    """`clean` for a text that comes in pieces; any cut gives the same whole."""

    def __init__(self) -> None:
        self._held = ""

    def decode(self, chunk: str) -> str:
        """The clean text that is certain now; half a sequence waits for its other half."""
        return self._run(self._held + chunk, final=False)

    def flush(self) -> str:
        """The rest, at the end of the text."""
        return self._run(self._held, final=True)

    def _run(self, text: str, *, final: bool) -> str:
        self._held = ""
        out: list[str] = []
        position = 0
        while found := _SPECIAL.search(text, position):
            start = found.start()
            out.append(text[position:start])
            position = start + 1
            if sequence := _SEQUENCE.match(text, start):
                position = sequence.end()
            elif not final and (_HALF_SEQUENCE.match(text, start) or text[start:] == "\r"):
                self._held = text[start:]
                return "".join(out)
            elif found[0] == "\r":
                position += text[position : position + 1] == "\n"
                out.append("\n")
            elif found[0] in _ODD_BREAKS:
                out.append(" ")
        out.append(text[position:])
        return "".join(out)
