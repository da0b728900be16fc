"""Hundreds of hostile payloads through everything that is shown, in each front end.

Nothing runs, nothing is fetched from elsewhere, nothing covers the page or borrows its looks; and
what is honest between them still reads well.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from nbconvert import HTMLExporter
from nbformat.v4 import new_output
from playwright.sync_api import BrowserContext, Dialog, expect

from tests.browser.lab import MIME, Lab, Notebook
from tests.payloads import ours, some
from tests.protocol_server import ProtocolServer, Reply, Request

PAYLOADS = [payload for payload in some(300) if payload.strip()]
# Elsewhere than in the answer every tenth; all of them where time is no matter (PAYLOADS=all).
FEW = PAYLOADS if os.environ.get("PAYLOADS") == "all" else PAYLOADS[:: len(PAYLOADS) // 60]
HONEST = "An honest **bold** word, `code`, [a link](https://example.org/x) and $x^2$."
TEXT = "\n\n".join([HONEST, *PAYLOADS, "The end."])
SHORT = "\n\n".join([HONEST, *FEW, "The end."])
SOURCES = [{"title": payload, "link": payload} for payload in FEW]

PDF = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"

# What nbconvert's own page fetches: MathJax, and the widgets' code.
OF_NBCONVERT = re.compile(
    r"asked for https://(cdnjs\.cloudflare\.com|cdn\.jsdelivr\.net|unpkg\.com)/"
)

ANSWERS = "application/vnd.glm-jupyter.answers+json"
TABLE = "application/vnd.glm-jupyter.table+json"

# What Notebook 7.6 says without any extension, too.
OF_NOTEBOOK = "Cannot read properties of undefined (reading 'schema')"

LOAD = """
import json, os
os.environ.update({env})
payloads = json.loads({few})
from pydantic import BaseModel
class Row(BaseModel):
    name: str
    value: str
class Tree(BaseModel):
    parts: dict[str, str]
def look(x: str) -> str:
    "Looks it up."
    return "\\n\\n".join(payloads)
%load_ext glm_jupyter
"""
CELLS = {
    "answer": "%%glm -m glm-4.7 -c\nanswer",
    "rows": "%%glm -m glm-4.7 --schema list[Row]\nrows",
    "tree": "%%glm -m glm-4.7 --schema Tree\ntree",
    "calls": "%%glm -m glm-4.7 --tools look\ncalls",
    "comparison": "%%glm --compare glm-4.7,glm-4.6\ncomparison",
    "map": "%%glm -m glm-4.7 --map payloads --fresh\nitem {{ item }}",
    "refused": "%%glm -m glm-4.7\nrefused",
    "broken off": "%%glm -m glm-4.7\nbroken",
    "a gateway's page": "%%glm -m glm-4.7\npage",
    "history": "%glm history",
    "export": "%glm export talk.md\nfrom IPython.display import Markdown, display\n"
    "display(Markdown('talk.md'))",
    "picture": "%%glm -m cogview-4\n{{ payloads[40] }}",
    "sound": "%%glm -m glm-tts\n{{ payloads[40] }}",
    "video": "%%glm -m cogvideox-3 --duration 5\n{{ payloads[12] }}",
    "document": "%%glm -m glm-ocr --file paper.pdf\n",
    "tasks": "%glm tasks",
    "files": "%glm files",
    "knowledge": "%glm knowledge",
    "what is sent": "%%glm -m glm-4.7 --dry-run\n{{ payloads }}",
    "an error": "raise ValueError('\\n'.join(payloads))",
    "recording": "%glm record talk.glm.jsonl\nglm = get_ipython()\n"
    "glm.run_cell_magic('glm', '-m glm-4.7', 'short')\n%glm record off",
    "replay": "%glm replay talk.glm.jsonl\nglm.run_cell_magic('glm', '-m glm-4.7', 'short')\n"
    "%glm replay off",
    "usage": "%glm usage",
    "panel": "%glm panel",
    "explanation": "%glm explain -m glm-4.7",
}

# What this package, JupyterLab, its typesetter and its widgets name by themselves.
OWN = (
    r"^(glm-|jp-(Rendered|mod-|OutputArea|InternalAnchorLink|Icon)|lm-(Widget|Panel|mod-)|widget-"
    r"|jupyter-widget|language-[\w+#.-]+$|ͼ|mjx-|MJX|MathJax|CtxtMenu|TEX-|ansi-|numbering-entry)"
)
OF_PYGMENTS = f"{OWN}|^(highlight|hl-.*|[a-z]{{1,2}}[0-9]?|err|anchor-link)$"

# What is wrong in the outputs of one cell.
LOOK = r"""(cell, own) => {
    cell.scrollIntoView();
    cell.querySelectorAll('details').forEach(each => { each.open = true; });
    const found = [];
    const say = (what, node) => found.push(`${what}: ${node.outerHTML.slice(0, 300)}`);
    const refused = new Set((
        'applet base dialog embed form frame frameset iframe link marquee meta noscript object ' +
        'portal script select style template textarea').split(' '));
    const known = new RegExp(own);
    for (const output of cell.querySelectorAll('.jp-OutputArea-output')) {
        for (const node of output.querySelectorAll('*')) {
            if (node.closest('.jupyter-widgets')) continue; // which have fields; see below
            const name = node.localName;
            const math = node.closest('mjx-container');
            if (refused.has(name) || (name === 'input' && node.type !== 'checkbox')) {
                say('element', node);
            }
            if (name === 'svg' && !math && !node.closest('[data-icon]')) say('drawing', node);
            for (const { name: attribute, value } of node.attributes) {
                if (/^on|commandlinker|^(srcdoc|ping|formaction|background)$/.test(attribute)) {
                    say('attribute', node);
                }
                if (attribute === 'style' && !math && /url|position|z-index/.test(value)) {
                    say('style', node);
                }
                if (/^(src|srcset|(xlink:)?href|poster|action|data)$/.test(attribute)) {
                    const web = name === 'a' && /^(https?:\/\/|mailto:)/i.test(value);
                    const url = URL.canParse(value, location) ? new URL(value, location) : null;
                    const kept = /(^|\/)glm-media\/[\w%.-]+$/.test(url?.pathname ?? '');
                    const held = /^(data:(image|audio)\/|blob:|#)/.test(value);
                    // Plain text is made links of by JupyterLab itself.
                    if (!web && !kept && !held && !node.closest('.jp-RenderedText')) {
                        say('address', node);
                    }
                }
            }
            for (const each of node.classList) {
                if (!known.test(each)) say(`class ${each}`, node);
            }
            if (['fixed', 'sticky'].includes(getComputedStyle(node).position)) {
                say('position', node);
            }
        }
        const hostile = ':is(script, iframe, img, object, embed, form, a[href^=j])';
        const within = output.querySelectorAll(`.jupyter-widgets ${hostile}`);
        within.forEach(node => say('in a widget', node));
    }
    // Whatever is outside of the outputs belongs to the page.
    for (let x = 5; x < innerWidth; x += 40) {
        for (let y = 5; y < innerHeight; y += 20) {
            const node = document.elementFromPoint(x, y);
            const shown = node?.closest('.jp-OutputArea-output');
            const box = shown?.closest('.jp-OutputArea').getBoundingClientRect();
            const within = !box || (x > box.left - 2 && x < box.right + 2
                && y > box.top - 2 && y < box.bottom + 2);
            if (!within) {
                say(`covers ${x},${y}`, node);
            }
        }
    }
    return found;
}"""


@pytest.fixture
def watched(context: BrowserContext) -> Iterator[list[str]]:
    """What must not happen on any page: addresses asked for elsewhere, dialogs, windows."""
    found: list[str] = []

    def ask(request: Any) -> None:
        address = urlsplit(request.url)
        if address.scheme not in ("data", "blob", "file") and address.hostname != "127.0.0.1":
            found.append(f"asked for {request.url}")

    def dialog(shown: Dialog) -> None:
        found.append(f"dialog {shown.message}")
        shown.dismiss()

    context.on("request", ask)
    context.on("dialog", dialog)
    yield found
    context.remove_listener("request", ask)
    context.remove_listener("dialog", dialog)


def answers(request: Request) -> Reply:
    """A reply by the first word of the question."""
    messages = request.json["messages"]
    said = messages[-1]
    asked = str(said["content"]).split(maxsplit=1)[0] if said["content"] else ""
    if said["role"] == "tool":
        return Reply("The end.", chunk=4000)
    match asked:
        case "answer":
            return Reply(TEXT, reasoning=SHORT, sources=SOURCES, chunk=4000)
        case "rows":
            rows = [{"name": payload, "value": payload} for payload in FEW]
            return Reply(json.dumps(rows), chunk=4000)
        case "tree":
            tree = {"parts": {payload: payload for payload in FEW}}
            return Reply(json.dumps(tree), chunk=4000)
        case "calls":
            calls = [{"name": "look", "arguments": {"x": payload}} for payload in FEW[:10]]
            calls += [{"name": FEW[0], "arguments": FEW[1]}]
            return Reply("", tool_calls=calls, finish_reason="tool_calls")
        case "comparison" if request.json["model"] == "glm-4.6":
            return Reply(status=400, body={"error": {"code": "1210", "message": SHORT}})
        case "refused":
            return Reply(status=400, body={"error": {"code": "1210", "message": SHORT}})
        case "broken":
            return Reply("A word", error={"code": "500", "message": SHORT})
        case "page":
            return Reply(status=403, body="\n".join(ours()["gateway pages"]))
    return Reply(SHORT, sources=SOURCES[:20], model=None, chunk=4000)


@pytest.fixture(scope="module")
def notebook_7(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    server = Lab(tmp_path_factory.mktemp("seven"), app="notebook")
    yield server
    server.close()


def harm(notebook: Notebook) -> list[str]:
    """What is wrong, from the first to the last cell, with all that is folded opened."""
    page = notebook.page
    found: list[str] = []
    for cell in page.locator(".jp-CodeCell").all():
        cell.scroll_into_view_if_needed()
        page.wait_for_timeout(30)  # for what is drawn where it is seen
        found += cell.evaluate(LOOK, OWN)
    assert page.evaluate("() => window.hacked ?? null") is None
    assert page.url.startswith(notebook.lab.url)
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("place", ["lab", "bare_lab", "notebook_7"])
def test_all_that_is_shown(
    place: str,
    request: pytest.FixtureRequest,
    context: BrowserContext,
    server: ProtocolServer,
    tmp_path: Path,
    watched: list[str],
) -> None:
    lab: Lab = request.getfixturevalue(place)
    server.respond = answers
    server.making.pages = [[{"index": 0, "label": "text", "content": TEXT}]]
    server.making.kept = [
        {"id": payload, "filename": payload, "purpose": "batch", "bytes": 1, "created_at": 1}
        for payload in FEW
    ]
    server.making.bases = {payload: (payload, []) for payload in FEW}
    env = {"ZAI_API_KEY": "id.secret", "ZAI_BASE_URL": server.url, "XDG_DATA_HOME": str(tmp_path)}
    load = LOAD.replace("{env}", repr(env)).replace("{few}", repr(json.dumps(FEW)))
    (lab.files / "paper.pdf").write_bytes(
        b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"
    )
    name = f"surfaces-{place}.ipynb"
    lab.write(name, load, *CELLS.values())
    nb = Notebook(lab, context, name)
    for number in range(len(CELLS) + 1):  # one by one: some are meant to fail
        nb.run(number)
    assert harm(nb) == []
    shown = nb.page.locator(".jp-CodeCell").nth(1).locator(".jp-OutputArea-output")
    expect(shown.locator("strong", has_text="bold").first).to_be_visible()
    expect(shown.locator("a[href='https://example.org/x']").first).to_be_visible()
    expect(shown.locator("mjx-container").first).to_be_attached()
    expect(shown).to_contain_text("The end.")
    nb.save()
    nb.open()
    assert harm(nb) == []
    assert watched == []
    assert [error for error in nb.errors if error != OF_NOTEBOOK] == []
    assert harm_exported(lab, name, context) == []
    assert [asked for asked in watched if not OF_NBCONVERT.match(asked)] == []


def harm_exported(lab: Lab, name: str, context: BrowserContext) -> list[str]:
    """What is wrong in the page that nbconvert makes of a notebook."""
    html, _ = HTMLExporter().from_filename(str(lab.files / name))
    path = lab.files / "exported.html"
    path.write_text(html, "utf-8")
    page = context.new_page()
    page.goto(path.as_uri())
    found = [
        each
        for cell in page.locator(".jp-CodeCell").all()
        for each in cell.evaluate(
            LOOK, f"{OWN}|^(highlight|hl-.*|[a-z]{{1,2}}[0-9]?|err|anchor-link)$"
        )
    ]
    assert page.locator(".jp-CodeCell").count() > len(CELLS)
    assert page.evaluate("() => window.hacked ?? null") is None
    page.close()
    return found


def tampered() -> Iterator[dict[str, Any]]:
    """Bundles of our own types as no kernel of ours writes them."""
    names = ours()["names"]
    answer: dict[str, Any] = {
        "version": 1,
        "id": "a",
        "model": SHORT,
        "text": TEXT,
        "seconds": 1.0,
        "complete": True,
        "sources": SOURCES,
        "tool_calls": [
            {"function": {"name": payload, "arguments": payload}, "result": payload}
            for payload in FEW
        ],
        "media": [
            {"kind": kind, "mime": "text/html", "path": name, "width": 9e9, "height": 9e9}
            for name in names
            for kind in ("image", "video", "audio")
        ],
        "words": {
            "thought": SHORT,
            "ending": SHORT,
            "line": SHORT,
            "calls": FEW,
            "media": FEW,
            "details": [[payload, payload] for payload in FEW],
        },
    }
    text = {"text/markdown": TEXT, "text/plain": "x"}
    yield {MIME: answer, **text}
    yield {MIME: {**answer, "id": "b", "blocks": {"text": [0, 99], "reasoning": [0, 9]}}, **text}
    yield {ANSWERS: {"version": 1, "answers": [{**answer, "id": "c"}] * 2}, **text}
    rows = [[payload, payload, "1"] for payload in FEW]
    table = {"headers": [*FEW[:2], "cost"], "numbers": ["cost"], "rows": rows, "first": 5}
    yield {TABLE: {"version": 1, **table, "caption": SHORT}, **text}
    wrong: tuple[Any, ...] = ({}, [], "x", None, {"answers": 1}, {"rows": 1, "headers": "x"})
    for broken in wrong:
        for kind in (MIME, ANSWERS, TABLE):
            yield {kind: broken, **text}
    for name in answer:
        yield {MIME: {**answer, "id": name, name: {"x": SHORT}}, **text}


def test_bundles_that_somebody_has_written(
    lab: Lab, context: BrowserContext, watched: list[str]
) -> None:
    honest = {"version": 1, "id": "z", "model": "m", "seconds": 1.0, "complete": True}
    honest |= {"sources": [], "tool_calls": [], "text": HONEST}
    bundles = [*tampered(), {MIME: honest, "text/markdown": HONEST, "text/plain": "x"}]
    outputs = {n: [new_output("display_data", data=data)] for n, data in enumerate(bundles)}
    lab.write("written.ipynb", *(["1"] * len(bundles)), outputs=outputs)
    nb = Notebook(lab, context, "written.ipynb")
    assert harm(nb) == []
    assert watched == []
    nb.page.evaluate(
        """number => jupyterapp.shell.currentWidget.content.scrollToItem(number)""",
        len(bundles) - 1,
    )
    last = nb.page.locator(
        f'.jp-CodeCell[data-windowed-list-index="{len(bundles) - 1}"] .glm-Answer'
    )
    expect(last.locator("strong")).to_have_text("bold")
    expect(last.locator("mjx-container")).to_be_visible()
