"""The cases of public bug reports in a real JupyterLab, streamed and saved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser.cells import loading
from tests.browser.lab import Lab, Notebook
from tests.front_ends.cases import ANSWERS, FORMULAS, faults
from tests.protocol_server import ProtocolServer, Reply

# JupyterLab shows no more outputs of one cell than 50.
IN_A_CELL = 40
# So many formulas make one answer.
TOGETHER = 25
BATCHES = [FORMULAS[at : at + TOGETHER] for at in range(0, len(FORMULAS), TOGETHER)]

ASK_ALL = """from IPython.core.getipython import get_ipython
for _ in range({count}):
    get_ipython().run_cell_magic("glm", "--fresh -m glm-4-airx", "Answer")
"""

# What is seen of each answer, without what the page puts beside a model's text.
SEEN = """() => [...document.querySelectorAll('.glm-Answer > .glm-Body')].map(body => {
    const page = body.cloneNode(true);
    page.querySelectorAll('.glm-CodeBar, .numbering-entry').forEach(each => each.remove());
    const wrong = 'mjx-merror, [data-mjx-error], mjx-mtext[style*="red"], .glm-mod-source';
    const errors = [...page.querySelectorAll(wrong)].map(each => each.textContent || 'error');
    const formulas = [...page.querySelectorAll('mjx-container')];
    formulas.forEach(each => each.replaceWith(document.createElement('formula')));
    const elements = {};
    for (const { localName } of page.querySelectorAll('*')) {
        elements[localName] = (elements[localName] ?? 0) + 1;
    }
    return { formulas: formulas.length, errors, elements, text: page.textContent };
})"""

Seen = dict[str, list[dict[str, Any]]]


def seen(
    lab: Lab, browser: Browser, server: ProtocolServer, home: Path, name: str, texts: list[str]
) -> Seen:
    """What JupyterLab shows of answers of these texts: live, and from the saved notebook."""
    server.enqueue(*(Reply(text, chunk=9) for text in texts))
    load = loading(server, XDG_DATA_HOME=str(home))
    counts = [min(IN_A_CELL, len(texts) - at) for at in range(0, len(texts), IN_A_CELL)]
    lab.write(name, load, *(ASK_ALL.format(count=count) for count in counts))
    with browser.new_context(viewport={"width": 1200, "height": 900}) as context:
        notebook = Notebook(lab, context, name)
        notebook.run(*range(len(counts) + 1))
        notebook.wait_drawn(len(texts))
        live = notebook.page.evaluate(SEEN)
        notebook.save()
        notebook.open()
        notebook.wait_drawn(len(texts))
        return {"live": live, "saved": notebook.page.evaluate(SEEN)}


@pytest.fixture(scope="module")
def service() -> Iterator[ProtocolServer]:
    with ProtocolServer() as server:
        yield server


@pytest.fixture(scope="module")
def shown(
    lab: Lab, browser: Browser, service: ProtocolServer, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, list[str]], Seen]:
    home = tmp_path_factory.mktemp("cases")
    return lambda name, texts: seen(lab, browser, service, home, name, texts)


@pytest.fixture(scope="module")
def answers(shown: Callable[[str, list[str]], Seen]) -> Seen:
    return shown("answers.ipynb", [case["text"] for case in ANSWERS])


@pytest.fixture(scope="module")
def formulas(shown: Callable[[str, list[str]], Seen]) -> Seen:
    texts = ["\n\n".join(f"a \\({tex}\\) b\n\n\\[{tex}\\]" for tex in batch) for batch in BATCHES]
    return shown("formulas.ipynb", texts)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("when", ["live", "saved"])
@pytest.mark.parametrize("number", range(len(ANSWERS)), ids=[case["id"] for case in ANSWERS])
def test_an_answer_is_seen_as_it_should_be(number: int, when: str, answers: Seen) -> None:
    assert faults(ANSWERS[number], answers[when][number]) == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("when", ["live", "saved"])
@pytest.mark.parametrize("number", range(len(BATCHES)))
def test_formulas_are_typeset(number: int, when: str, formulas: Seen) -> None:
    shown = formulas[when][number]
    assert shown["errors"] == []
    assert "code" not in shown["elements"], shown["text"]
    assert shown["formulas"] == 2 * len(BATCHES[number])
