"""Nothing that a model or a file says acts, looks like JupyterLab, or fetches unasked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from nbformat.v4 import new_output
from playwright.sync_api import BrowserContext

from tests.browser.cells import loading
from tests.browser.lab import MIME, Lab, Notebook
from tests.protocol_server import ProtocolServer, Reply

FOREIGN = "https://foreign.invalid"
DIAGRAM = f"""%%{{init: {{"themeCSS": "@import url({FOREIGN}/a.css); * {{ position: fixed }}"}}}}%%
graph TD; A["<img src={FOREIGN}/b.png>"] --> B; click A href "{FOREIGN}/c" """
SPELLINGS = ("```mermaid", "```  mermaid", "~~~mermaid", "````mermaid ", "```mermaid\t")
CLASSES = "jp-Dialog jp-Spinner lm-MenuBar Toastify__toast-container"
RAW = f"""class='{CLASSES}' id='main' name='x' style='position: fixed; inset: 0'"""
LINKS = (
    "http:/api/shutdown",
    "https:api",
    "/lab",
    "//foreign.invalid/x",
    "http:\\\\foreign.invalid",
    "javascript:window.hacked=1",
    "data:text/html,x",
    "lab/tree",
)

TEXT = "\n\n".join(
    [
        "Begin.",
        *(f"{opening}\n{DIAGRAM}\n{opening.strip()[:4].rstrip('m ')}" for opening in SPELLINGS),
        f"- ```mermaid\n  {DIAGRAM.replace(chr(10), chr(10) + '  ')}\n  ```",
        f"> ```mermaid\n> {DIAGRAM.replace(chr(10), chr(10) + '> ')}\n> ```",
        f"<pre {RAW}><span {RAW}>Password</span><code class='language-x {CLASSES}'>c</code></pre>",
        f"<div {RAW}>A dialog</div>",
        f"<b {RAW}>bold</b> <i style='background: url({FOREIGN}/d.png)'>i</i>",
        "```python\nx = 1\n```",
        "\n".join(f"- [link {n}]({link})" for n, link in enumerate(LINKS)),
        "\n".join(f"<a href='{link}' {RAW}>raw {n}</a>" for n, link in enumerate(LINKS)),
        "[good](https://example.org/x)",
        f"![image]({FOREIGN}/e.png) <img src='{FOREIGN}/f.png' srcset='{FOREIGN}/g.png'>",
        f"<svg><image href='{FOREIGN}/h.png'/></svg> <video poster='{FOREIGN}/i.png'></video>",
        f"<link rel=stylesheet href='{FOREIGN}/j.css'> <style>@import url({FOREIGN}/k.css)</style>",
        rf"$\style{{position: fixed; background: url({FOREIGN}/l.png)}}{{x}}$ and $y^2$",
        r"$\class{jp-Dialog}{x}$ $\cssId{main}{x}$ $\href{http:/api/shutdown}{x}$",
        "End.",
    ]
)
SOURCES = [{"title": f"source {n}", "link": link} for n, link in enumerate(LINKS)]

SEEN = """() => {
    const answer = document.querySelector('.glm-Answer');
    const all = [...answer.querySelectorAll('*')].filter(node => !node.closest('mjx-container'));
    const own = /^(glm-|language-[a-z]+$|ͼ)/;
    return {
        positions: all.map(node => getComputedStyle(node).position).filter(
            position => !['static', 'relative'].includes(position)),
        classes: all.flatMap(node => [...node.classList]).filter(name => !own.test(name)),
        ids: [...answer.querySelectorAll('[id], [name]')].filter(
            node => !/^MJX-/.test(node.id)).map(node => node.outerHTML),
        styles: [...answer.querySelectorAll('.glm-Block [style]')].map(
            node => node.getAttribute('style')).filter(
            style => /fixed|absolute|sticky|url/.test(style)),
        mathClasses: [...answer.querySelectorAll('mjx-container *')].flatMap(
            node => [...node.classList]).filter(name => /^(jp|lm)-/.test(name)),
        links: [...answer.querySelectorAll('[href]')].map(node => node.getAttribute('href')),
        drawings: answer.querySelectorAll('img, svg, image, video, iframe, link, style').length,
        text: answer.innerText,
        hacked: window.hacked ?? null,
    };
}"""


@pytest.fixture
def fetched(context: BrowserContext) -> list[str]:
    """The addresses that pages ask for, but for the server's own and those within the page."""
    found: list[str] = []

    def ask(request: Any) -> None:
        address = urlsplit(request.url)
        if address.scheme not in ("data", "blob") and address.hostname != "127.0.0.1":
            found.append(request.url)

    context.on("request", ask)
    return found


def assert_harmless(notebook: Notebook, fetched: list[str]) -> None:
    notebook.wait_drawn()
    for fold in notebook.page.locator(".glm-Answer summary").all():
        if fold.is_visible():
            fold.click()
    notebook.page.wait_for_timeout(500)  # for what would be fetched
    seen = notebook.page.evaluate(SEEN)
    assert fetched == []
    assert set(seen["positions"]) <= {"absolute"}
    assert len(seen["positions"]) <= 1  # the line for screen readers
    assert seen["classes"] == []
    assert seen["mathClasses"] == []
    assert seen["ids"] == []
    assert seen["styles"] == []
    assert seen["drawings"] == 0
    # Addresses that stand in the text are links, too; none leads to JupyterLab.
    hosts = {(urlsplit(link).scheme, urlsplit(link).hostname) for link in seen["links"]}
    assert {("https", "example.org")} <= hosts
    assert hosts <= {("https", "example.org"), ("https", "foreign.invalid")}
    assert "graph TD" in seen["text"]
    assert "End." in seen["text"]
    assert seen["hacked"] is None
    assert notebook.page.url.startswith(notebook.lab.url)
    assert notebook.errors == []


def test_an_answer_live_and_reloaded(
    notebook: Callable[..., Notebook],
    server: ProtocolServer,
    tmp_path: Path,
    fetched: list[str],
) -> None:
    server.enqueue(Reply(TEXT, reasoning=TEXT, sources=SOURCES, chunk=40))
    nb = notebook(loading(server, XDG_DATA_HOME=str(tmp_path)), "%%glm -m glm-4.7\nHello")
    nb.run(0, 1)
    assert_harmless(nb, fetched)
    nb.save()
    nb.open()
    assert_harmless(nb, fetched)


@pytest.mark.parametrize("blocks", ["blocks", "one block", "blocks that do not fit"])
def test_a_bundle_that_somebody_has_written(
    lab: Lab, context: BrowserContext, fetched: list[str], blocks: str
) -> None:
    answer: dict[str, Any] = {
        "version": 1,
        "id": "a",
        "model": TEXT,
        "text": TEXT,
        "seconds": 1.0,
        "complete": True,
        "sources": SOURCES,
        "tool_calls": [
            {"function": {"name": TEXT, "arguments": json.dumps({"x": TEXT})}, "result": TEXT}
        ],
        "words": {
            "thought": TEXT,
            "ending": TEXT,
            "line": TEXT,
            "calls": [TEXT],
            "details": [[TEXT, TEXT]],
        },
    }
    if blocks == "blocks":
        places = [at for at in range(len(TEXT)) if TEXT.startswith("\n\n", at)]
        answer["blocks"] = {"reasoning": [0, *places, len(TEXT)], "text": [0, *places, len(TEXT)]}
    elif blocks != "one block":
        answer["blocks"] = {"reasoning": [5, 3, 10**9], "text": ["x", None]}
    name = f"tampered-{blocks.replace(' ', '-')}.ipynb"
    data = {MIME: answer, "text/markdown": TEXT, "text/plain": "x"}
    lab.write(name, "1", outputs={0: [new_output("display_data", data=data)]})
    assert_harmless(Notebook(lab, context, name), fetched)
