r"""One formula: TeX as a model writes it -> TeX that MathJax 2 and 3 and KaTeX all typeset.

What could act in the page (`\href`, `\style`, definitions that outlive the formula) or cannot
be typeset at all is refused: the caller shows it as code.
"""

from __future__ import annotations

import re

from .references import References


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Environments that stand on their own, without delimiters, and what replaces them inside a
# formula where only the inner kind is allowed.
_INNER_FORM = {
    "align": "aligned",
    "alignat": "alignedat",
    "flalign": "aligned",
    "gather": "gathered",
    "multline": "gathered",
    "eqnarray": "eqnarray",
}
_EQUATIONS = _names("equation displaymath math subequations")
ENVIRONMENTS = (
    _EQUATIONS
    | frozenset(_INNER_FORM)
    | _names("aligned alignedat gathered split cases dcases rcases array CD")
    | _names("matrix pmatrix bmatrix Bmatrix vmatrix Vmatrix smallmatrix")
)

# Links, styles, attributes and markup; definitions, which would outlive the formula.
_REFUSED = _names(
    """
    href url style class cssId htmlClass htmlId htmlStyle htmlData data html mmlToken unicode bbox
    includegraphics special tooltip mathtip texttip toggle input include write immediate
    def edef gdef xdef let futurelet global newcommand renewcommand providecommand
    newenvironment renewenvironment DeclareMathOperator DeclarePairedDelimiter Newextarrow
    csname endcsname catcode
    """
)
_TEXT = _names("text textrm textbf textit textsf texttt textnormal mbox hbox")

_TOKEN = re.compile(r"\\[a-zA-Z]+\*?|\\[\s\S]|``|[%#`\"$<|{}]|\](?=\()|\n")
_TEXT_TOKEN = re.compile(
    r"\$([^$]*)\$|\\\(((?:(?!\\\)).)*)\\\)|\\[\s\S]|[_%#&$^~`\"<|{}]", re.DOTALL
)
# At the start of a line some parser would see a list, a quote, a heading, a fence or a table.
_BLOCK_START = re.compile(r"~~~|=+\Z|_{3}|:-|(?:[-+*>#|]|\d+[.)])(?=\s|\Z|[-+*>#|~=:])")
_OPENS_TAG = re.compile(r"[A-Za-z/!?]")
_NAME = re.compile(r"[A-Za-z]+\*?")
_SIMPLE_LABEL = re.compile(r"[\w:. *'†-]+")
_OWN_TAG = re.compile(r"\\tag\*?\{([^{}]*)\}")
_BRACES = re.compile(r"\\[\s\S]|[{}]")

# A group longer than this is not looked for: an unclosed brace must not cost a whole search.
_LONGEST_GROUP = 600


def formula(body: str, *, display: bool, cell: bool = False, references: References) -> str | None:
    """TeX for `body`, or None if it must not or cannot be typeset.

    `display` says whether it stands on its own lines, `cell` whether it is in a table row.
    `references` know the tags used so far; a second use would be an error in MathJax.
    """
    try:
        return _Formula(body, display and not cell, cell, references).tex()
    except _Refused:
        return None


class _Refused(Exception):
    pass


class _Formula:
    def __init__(self, body: str, display: bool, cell: bool, references: References) -> None:
        self._body = body
        self._display = display
        self._cell = cell
        self._references = references
        self._out: list[str] = []
        self._environments: list[tuple[str, str]] = []
        self._depth = 0
        self._tagged = False

    def tex(self) -> str:
        body, position = self._body, 0
        while found := _TOKEN.search(body, position):
            self._out.append(body[position : found.start()])
            position = self._token(found[0], found.end())
        self._out.append(body[position:])
        if self._depth or self._environments:
            raise _Refused
        lines: list[str] = []
        for line in map(str.strip, "".join(self._out).split("\n")):
            begins_block = self._display and _BLOCK_START.match(line)
            if lines and (begins_block or not self._display):
                lines[-1] += " " + line
            elif line:
                lines.append("{}" + line if begins_block else line)
        # A delimiter after a backslash would be taken as escaped.
        return "\n".join(lines).rstrip("\\ \n")

    def _token(self, token: str, end: int) -> int:
        """Put out what stands for `token`; the position from where to go on."""
        body, out = self._body, self._out
        if token[0] == "\\":
            return self._macro(token, end)
        match token:
            case "{":
                self._depth += 1
                out.append(token)
            case "}":
                self._depth -= 1
                if self._depth < 0:
                    raise _Refused
                out.append(token)
            case "%" if re.search(r"\d(?:\\[ ,;!])?\s*\Z", body[max(0, end - 8) : end - 1]):
                out.append(r"\%")
            case "%":
                newline = body.find("\n", end)
                return len(body) if newline < 0 else newline
            case "#" | "$":
                out.append("\\" + token)
            case "`" | "``":
                out.append("‘" if token == "`" else "“")
            case '"':
                # JupyterLab puts formulas back into finished HTML, even into an attribute.
                out.append("”")
            case "<" if _OPENS_TAG.match(body, end):
                out.append("< ")
            case "]":
                out.append("] ")
            case "|" if self._cell:
                out.append(r"\vert ")
            case _:
                out.append(token)
        return end

    def _macro(self, token: str, end: int) -> int:
        body, out = self._body, self._out
        name = token[1:]
        if name.rstrip("*") in _REFUSED:
            raise _Refused
        if name in ("begin", "end"):
            return self._environment(name, end)
        if name in _TEXT and (group := braced(body, end)):
            out.append(_Text(token, group[0], self._cell, self._references).tex())
            return group[1]
        if name in ("label", "tag", "tag*", "ref", "eqref") and (group := braced(body, end)):
            value, after = group
            match name:
                case "label":
                    out.append(self._label(value, end, after))
                case "ref" | "eqref":
                    number = self._references.number(value)
                    shown = number if name == "ref" else f"({number})"
                    out.append(_Text(r"\text", shown, self._cell, self._references).tex())
                case _:
                    out.append(self._tag(name, value))
            return after
        if name == "require" and (group := braced(body, end)):
            return group[1]
        if name in "()[]":
            return end  # delimiters within delimiters
        if name == '"':
            out.append("”")
            return end
        out.append(r"\Vert " if token == r"\|" and self._cell else token)
        return end

    def _environment(self, keyword: str, end: int) -> int:
        group = braced(self._body, end)
        if not group or not _NAME.fullmatch(group[0]):
            raise _Refused
        name, position = group
        plain = name.rstrip("*")
        if keyword == "end":
            if not self._environments or self._environments[-1][0] != name:
                raise _Refused
            _, used = self._environments.pop()
        elif plain in _EQUATIONS:
            used = ""
            self._environments.append((name, used))
        else:
            nested = not self._display or any(used for _, used in self._environments)
            used = _INNER_FORM.get(plain, name) if nested else name
            self._environments.append((name, used))
        if used:
            self._out.append(f"\\{keyword}{{{used}}}")
        if keyword == "begin" and self._cell and plain == "array":
            columns = braced(self._body, position)
            if columns:
                self._out.append("{" + re.sub("[^lcr]", "", columns[0]) + "}")
                return columns[1]
        return position

    def _label(self, value: str, start: int, end: int) -> str:
        """The number of a formula that has a label, which no typesetter needs to know then."""
        if not _SIMPLE_LABEL.fullmatch(value):
            return ""
        row_start = self._body.rfind("\\\\", 0, start) + 1
        row_end = self._body.find("\\\\", end)
        row = self._body[row_start : row_end if row_end >= 0 else len(self._body)]
        if own := _OWN_TAG.search(row):
            self._references.define_number(value, own[1])
            return ""
        return self._tag("tag", self._references.define_number(value))

    def _tag(self, name: str, value: str) -> str:
        key = f"tag:{value}"
        fresh = key not in self._references.tags
        self._references.tags.add(key)
        used = [used for _, used in self._environments if used]
        in_rows = bool(used) and used[-1].rstrip("*") in _INNER_FORM
        alone = not used and not self._tagged
        self._tagged = True
        if fresh and self._display and (in_rows or alone) and _SIMPLE_LABEL.fullmatch(value):
            return f"\\{name}{{{value}}}"
        shown = value if name == "tag*" else f"({value})"
        return r"\qquad " + _Text(r"\text", shown, self._cell, self._references).tex()


class _Text:
    r"""`\text{...}` without what is an error in text mode somewhere.

    Special characters and nested formulas are taken out of the braces, into the mathematics
    around them, where all engines agree about them.
    """

    def __init__(self, macro: str, text: str, cell: bool, references: References) -> None:
        self._macro = macro
        self._text = text
        self._cell = cell
        self._references = references
        self._parts: list[str] = []
        self._run: list[str] = []

    def tex(self) -> str:
        text, position, depth = self._text, 0, 0
        while found := _TEXT_TOKEN.search(text, position):
            self._run.append(text[position : found.start()])
            position = found.end()
            if found[0] in "{}":
                depth += 1 if found[0] == "{" else -1
                self._run.append(found[0])
            else:
                position = self._token(found, position, depth > 0)
        self._run.append(text[position:])
        if not self._parts:
            return self._group("".join(self._run))
        self._outside("")
        return "{" + "".join(self._parts) + "}"

    def _token(self, found: re.Match[str], end: int, nested: bool) -> int:
        token, run = found[0], self._run
        special = token.lstrip("\\")
        formula_in_text = found[1] if found[1] is not None else found[2]
        if token[0] == "\\" and (name := re.match(r"[A-Za-z]+", self._text[found.start() + 1 :])):
            if name[0] in _REFUSED:
                raise _Refused
            run.append(token)
        elif token in ("`", '"', '\\"'):
            run.append("‘" if token == "`" else "”")
        elif token == "~":
            run.append(" ")
        elif token == "<":
            run.append("< " if _OPENS_TAG.match(self._text, end) else "<")
        elif formula_in_text is not None:
            if nested:
                raise _Refused
            self._outside(_Formula(formula_in_text, False, self._cell, self._references).tex())
        elif special in ("_", "%", "#", "&", "$"):
            if nested:
                run.append("\\" + special)
            else:
                self._outside("\\" + special)
        elif token == "|" and self._cell:
            if nested:
                raise _Refused
            self._outside(r"\vert ")
        elif token == "^" and not nested and self._text[end : end + 1].isalnum():
            self._outside(f"^{{{self._group(self._text[end])}}}")
            return end + 1
        elif token == "^":
            raise _Refused
        else:
            run.append(token)
        return end

    def _outside(self, tex: str) -> None:
        if text := "".join(self._run):
            self._parts.append(self._group(text))
        self._run.clear()
        self._parts.append(tex)

    def _group(self, text: str) -> str:
        return f"{self._macro}{{{text}}}"


def braced(text: str, position: int) -> tuple[str, int] | None:
    """The content of the group in braces at `position`, and where it ends."""
    while text[position : position + 1].isspace():
        position += 1
    if text[position : position + 1] != "{":
        return None
    depth = 0
    limit = position + _LONGEST_GROUP
    for found in _BRACES.finditer(text, position, limit):
        if found[0] == "{":
            depth += 1
        elif found[0] == "}":
            depth -= 1
            if not depth:
                return text[position + 1 : found.start()], found.end()
    return None
