r"""One formula: TeX as a model writes it -> TeX that MathJax 2 and 3 and KaTeX all typeset.

What could act in the page (`\href`, `\style`, definitions that outlive the formula) or cannot
be typeset at all is refused: the caller shows it as code.
"""

from __future__ import annotations

import re

from .macros import accented, braced, expanded, table
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
    "split": "aligned",
}
_EQUATIONS = _names("equation displaymath math subequations")
ENVIRONMENTS = (
    _EQUATIONS
    | frozenset(_INNER_FORM)
    | _names("aligned alignedat gathered cases dcases rcases array eqnarray CD empheq numcases")
    | _names("matrix pmatrix bmatrix Bmatrix vmatrix Vmatrix smallmatrix")
)

# Links, styles, attributes and markup; definitions, which would outlive the formula.
_REFUSED = _names(
    """
    href url style class cssId htmlClass htmlId htmlStyle htmlData data html mmlToken bbox
    includegraphics special tooltip mathtip texttip toggle input include write immediate
    def edef gdef xdef let futurelet global newcommand renewcommand providecommand
    newenvironment renewenvironment DeclareMathOperator DeclarePairedDelimiter Newextarrow
    csname endcsname catcode
    """
)
_TEXT = _names("text textrm textbf textit textsf texttt textnormal textup textmd mbox hbox emph")
_COLOURS = _names("color textcolor colorbox")
_STARRED = _names("operatorname tag hspace")
_KNOWN_SYMBOLS = frozenset(",;:!> {}|\\%#&$_")
_ENVIRONMENTS_WITHIN = _names("subarray darray drcases") | ENVIRONMENTS
# What KaTeX and MathJax know in text mode.
_IN_TEXT = _names("quad qquad dots ldots LaTeX TeX enspace") | (_TEXT - {"emph", "mbox", "hbox"})

_TOKEN = re.compile(r"\\[a-zA-Z]+\*?|\\[\s\S]|``|[%#`\"$<|{}&€₹₩₽₫₿₺₴₦₱]|\](?=\()|\n")
_TEXT_TOKEN = re.compile(
    r"\$([^$]*)\$|\\\(((?:(?!\\\)).)*)\\\)|\\[A-Za-z]+|\\[\s\S]|[_%#&$^~`\"<|{}]", re.DOTALL
)
_STRUCTURE = re.compile(r"\\(left|right|middle|begin|end)(?![A-Za-z])(?:\{([^}]*)\})?|\\[\s\S]|[&]")
_EQUATION_ENDS = re.compile(r"\\(?:begin|end)\{(?:equation|displaymath|math)\*?\}")
_NUMBER = re.compile(r"\\(?:tag|label)(?![A-Za-z])")
_EMPHEQ = re.compile(r"\s*(?:\[[^\]]*\])?\s*\{[^{}]*\}")
_LAST_RIGHT = re.compile(r"(?<=\\right)\s*\Z")
_SCRIPT_TOKEN = re.compile(r"\\[A-Za-z]+|\\[\s\S]|\s+|[\s\S]")
_SIZED = re.compile(r"\\(?:left|right|middle)(?![A-Za-z])[ \t]*\.?")
_COLOUR = re.compile(r"#[0-9A-Fa-f]{3,6}|[A-Za-z]+")
_COLUMN = re.compile(r"[@!>]\{[^{}]*\}|[pmb]\{[^{}]*\}|[^lcr|]")

# Groups and environments within one another; more than twice as many crash the page of a browser.
_MOST_NESTED = 50

# Macros that a formula may have; a meaning never names itself, but hostile text may try.
_MOST_EXPANSIONS = 500

# At the start of a line some parser would see a list, a quote, a heading, a fence or a table.
_BLOCK_START = re.compile(r"~~~|=+\Z|_{3}|:-|(?:[-+*>#|]|\d+[.)])(?=\s|\Z|[-+*>#|~=:])")
_OPENS_TAG = re.compile(r"[A-Za-z/!?]")
_NAME = re.compile(r"[A-Za-z]+\*?")
_SIMPLE_LABEL = re.compile(r"[\w:. *'†-]+")
_OWN_TAG = re.compile(r"\\tag\*?\{([^{}]*)\}")


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
        self._numbered = _NUMBER.search(body) is not None
        self._expansions = 0

    def tex(self) -> str:
        self._see_structure()
        position = 0
        while found := _TOKEN.search(self._body, position):
            self._out.append(self._body[position : found.start()])
            position = self._token(found[0], found.end())
        self._out.append(self._body[position:])
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
        return _single_scripts("\n".join(lines).rstrip("\\ \n"))

    def _see_structure(self) -> None:
        """Give rows an environment; take sizes off delimiters that are not in pairs."""
        self._body = _LAST_RIGHT.sub(".", self._body)
        open_here: list[list[str]] = [[]]  # for each environment: what is open in it
        rows = aligned = False
        balanced = True
        for found in _STRUCTURE.finditer(self._body):
            name = (found[2] or "").rstrip("*")
            match found[1]:
                case "begin" if name not in _EQUATIONS:
                    open_here.append([])
                case "end" if name not in _EQUATIONS:
                    balanced &= not open_here[-1]
                    if len(open_here) > 1:
                        open_here.pop()
                case "left":
                    open_here[-1].append("left")
                case "right":
                    balanced &= bool(open_here[-1])
                    del open_here[-1][-1:]
                case "middle":
                    balanced &= bool(open_here[-1])
                case None if found[0] in ("&", r"\\"):
                    balanced &= not open_here[-1]
                    rows |= len(open_here) == 1 and found[0] != "&"
                    aligned |= len(open_here) == 1 and found[0] == "&"
        if not balanced or any(open_here):
            self._body = _SIZED.sub(" ", self._body)
        if rows and aligned:
            body = _EQUATION_ENDS.sub("", self._body)
            self._body = f"\\begin{{aligned}}{body}\\end{{aligned}}"

    def _token(self, token: str, end: int) -> int:
        """Put out what stands for `token`; the position from where to go on."""
        body, out = self._body, self._out
        if token[0] == "\\":
            return self._macro(token, end)
        match token:
            case "{":
                self._depth += 1
                self._see_depth()
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
            case "&" if any(used for _, used in self._environments):
                out.append(token)
            case "#" | "$" | "&":
                out.append("\\" + token)
            case "€" | "₹" | "₩" | "₽" | "₫" | "₿" | "₺" | "₴" | "₦" | "₱":
                out.append(f"\\text{{{token}}}")  # MathJax 3 fails at them otherwise
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

    def _see_depth(self) -> None:
        if self._depth + len(self._environments) > _MOST_NESTED:
            raise _Refused

    def _macro(self, token: str, end: int) -> int:
        body, out = self._body, self._out
        start = end - len(token)
        if token[-1] == "*" and token[1:-1] not in _STARRED | _REFUSED:
            token, end = token[:-1], end - 1
        name = token[1:]
        if name.rstrip("*") in _REFUSED:
            raise _Refused
        if not name[:1].isalpha():
            return self._symbol(token, end)
        if name in ("begin", "end"):
            return self._environment(name, end)
        if name in ("label", "tag", "tag*", "ref", "eqref") and (group := braced(body, end)):
            out.append(self._reference(name, group[0], end, group[1]))
            return group[1]
        if name in _TEXT and (group := braced(body, end)):
            out.append(_Text(_text_macro(name), group[0], self._cell, self._references).tex())
            return group[1]
        if name == "require" and (group := braced(body, end)):
            return group[1]
        if name == "hspace*":
            out.append(r"\hspace")
            return end
        if name in _COLOURS:
            return self._colour(token, end)
        if meaning := expanded(name, body, end):
            self._expansions += 1
            if self._expansions > _MOST_EXPANSIONS:
                raise _Refused
            text, after = meaning
            self._body = body[:start] + text + body[after:]
            return start
        known = name.rstrip("*") in table().known
        out.append(token if known else f"\\operatorname{{{name}}}")
        return end

    def _symbol(self, token: str, end: int) -> int:
        r"""A macro of one character, such as `\,` or the accent of `\"a`."""
        name = token[1:]
        if name in "()[]":
            return end  # delimiters within delimiters
        if name == "`":
            raise _Refused  # nobody writes it in a formula: a backtick ran into it
        if name == "|" and self._cell:
            self._out.append(r"\Vert ")
        elif name in _KNOWN_SYMBOLS or name.isspace():
            self._out.append(token)
        elif letter := accented(name, self._body, end):
            self._out.append(f"\\text{{{letter[0]}}}")
            return letter[1]
        elif name == '"':
            self._out.append("”")
        else:
            self._out.append(name if name.isalnum() else "")
        return end

    def _colour(self, token: str, end: int) -> int:
        """A colour by its name or number; what is coloured follows. Other colours are left out."""
        model = re.compile(r"\s*\[(\w+)\]").match(self._body, end)
        group = braced(self._body, model.end() if model else end)
        if not group:
            return end
        by_number = model is not None and model[1] == "HTML"
        colour = f"#{group[0]}" if by_number else group[0].strip()
        if _COLOUR.fullmatch(colour) and (by_number or not model):
            self._out.append(f"{token}{{{colour}}}")
        return group[1]

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
            if used:
                self._out.append(f"\\end{{{used}}}")
            return position
        used = self._form_of(name)
        self._environments.append((name, used))
        self._see_depth()
        if plain == "numcases" and (lead := braced(self._body, position)):
            self._out.append(lead[0])
            position = lead[1]
        if plain == "empheq" and (inner := _EMPHEQ.match(self._body, position)):
            position = inner.end()
        if used:
            self._out.append(f"\\begin{{{used}}}")
        if plain == "eqnarray":
            self._out.append("{rcl}")
        if used == "array" and (columns := braced(self._body, position)):
            kept = _COLUMN.sub(lambda found: "l" if found[0][0] in "pmbXS" else "", columns[0])
            self._out.append("{" + (kept.replace("|", "") if self._cell else kept) + "}")
            return columns[1]
        return position

    def _form_of(self, name: str) -> str:
        """The environment to use for `name`; none for one that only stands around a formula."""
        plain = name.rstrip("*")
        nested = not self._display or any(used for _, used in self._environments)
        match plain:
            case "split" | "empheq":
                return "aligned"
            case "numcases" | "subnumcases":
                return "cases"
            case "eqnarray" | "tabular" | "tabularx":
                return "array"
            case "flalign" | "multline" if self._numbered and not nested:
                return {"flalign": "align", "multline": "gather"}[plain] + name[len(plain) :]
            case _ if plain in _EQUATIONS or plain not in _ENVIRONMENTS_WITHIN:
                return ""
            case _:
                # TeX itself allows the inner kind alone, but only the outer one takes numbers.
                return name if self._numbered and not nested else _INNER_FORM.get(plain, name)

    def _reference(self, name: str, value: str, start: int, end: int) -> str:
        """What stands for a label, a number, or the mention of one."""
        match name:
            case "label":
                return self._label(value, start, end)
            case "ref" | "eqref":
                number = self._references.number(value)
                shown = number if name == "ref" else f"({number})"
                return _Text(r"\text", shown, self._cell, self._references).tex()
            case _:
                return self._tag(name, value)

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


def _single_scripts(tex: str) -> str:
    """Give a second exponent or index of the same letter, an error otherwise, an empty base."""
    out: list[str] = []
    scripts = [""]  # for each open group: which scripts its last atom has; "?" takes an argument
    for found in _SCRIPT_TOKEN.finditer(tex):
        token, had = found[0], scripts[-1]
        if token in ("^", "_", "'") and not had.endswith("?"):
            kind = "_" if token == "_" else "^"
            if kind in had:
                out.append("{}")
                had = ""
            scripts[-1] = had + ("'" if token == "'" else kind + "?")
        elif token == "{":
            scripts.append("")
        elif token == "}" and len(scripts) > 1:
            scripts.pop()
            scripts[-1] = scripts[-1].removesuffix("?") if scripts[-1].endswith("?") else ""
        elif not token.isspace():
            scripts[-1] = had.removesuffix("?") if had.endswith("?") else ""
        out.append(token)
    return "".join(out)


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
        if token[0] == "\\" and token[1:2].isalpha():
            return self._command(token, end, nested)
        if token[0] == "\\" and (letter := accented(token[1], self._text, end)):
            run.append(letter[0])
            return letter[1]
        if token in ("`", '"', '\\"'):
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

    def _command(self, token: str, end: int, nested: bool) -> int:
        """A macro in text: a character, a font, or mathematics."""
        name = token[1:]
        if name in _REFUSED:
            raise _Refused
        if name in table().characters:
            self._run.append(table().characters[name])
            return end + 2 if self._text.startswith("{}", end) else end
        if name in _IN_TEXT:
            self._run.append(token)
        elif name in _TEXT:
            self._run.append(_text_macro(name))
        elif letter := accented(name, self._text, end):
            self._run.append(letter[0])
            return letter[1]
        elif nested:
            raise _Refused
        else:
            self._outside(_Formula(token, False, self._cell, self._references).tex())
        return end

    def _outside(self, tex: str) -> None:
        if text := "".join(self._run):
            self._parts.append(self._group(text))
        self._run.clear()
        self._parts.append(tex)

    def _group(self, text: str) -> str:
        return f"{self._macro}{{{text}}}"


def _text_macro(name: str) -> str:
    return {"emph": r"\textit", "mbox": r"\text", "hbox": r"\text"}.get(name, f"\\{name}")
