"""What can be seen of an answer in JupyterLab, and done with it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.lab import Notebook
from tests.browser.test_stream import LOAD

Open = Callable[..., Notebook]

CODE = "Run this:\\n\\n```python\\nprint(6 * 7)\\n```\\n\\nThat is all."


def show(notebook: Open, text: str, **options: object) -> Notebook:
    """An answer, whole at once."""
    more = "".join(f", {name}={value!r}" for name, value in options.items())
    nb = notebook(LOAD, f"answer = await grow({text}{more})")
    nb.run(0, 1)
    nb.wait_drawn()
    return nb


def test_every_formula_is_typeset(notebook: Open) -> None:
    nb = show(notebook, "(TEXTS / 'covariance.md').read_text()")
    body = nb.page.locator(".glm-Answer > .glm-Body")
    assert body.locator("mjx-container").count() >= 25
    assert body.locator("mjx-merror, .glm-mod-source").count() == 0
    outside_of_code = nb.page.evaluate(
        """() => {
            const body = document.querySelector('.glm-Answer > .glm-Body').cloneNode(true);
            for (const code of body.querySelectorAll('code')) code.remove();
            return body.textContent;
        }"""
    )
    assert "\\(" not in outside_of_code


def test_hostile_text_does_not_act(notebook: Open) -> None:
    nb = notebook(LOAD, "answer = await grow((TEXTS / 'hostile.md').read_text(), rate=3000)")
    fetched: list[str] = []
    nb.page.on("request", lambda request: fetched.append(request.url))
    nb.page.on("dialog", lambda dialog: fetched.append("dialog"))
    nb.run(0, 1)
    nb.wait_drawn()
    assert [url for url in fetched if not url.startswith((nb.lab.url, "data:"))] == []
    acting = "script, iframe, object, embed, form, style, link, meta, base, svg, video, audio"
    body = nb.page.locator(".glm-Answer > .glm-Body")
    assert body.locator(acting).count() == 0
    assert (
        nb.page.evaluate(
            """() => [...document.querySelectorAll('.glm-Body *')].flatMap(element =>
                [...element.attributes].map(({ name, value }) => `${name}=${value}`)
            ).filter(text => /^on|^data-command|javascript:|vbscript:/i.test(text)
                && !/^data-(src|alt)=/.test(text))"""
        )
        == []
    )
    for link in body.locator("a[href]").all():
        assert link.get_attribute("rel") == "noopener noreferrer"
        assert link.get_attribute("target") == "_blank"
    assert nb.errors == []


def test_remote_image_loads_on_request_only(notebook: Open) -> None:
    nb = notebook(LOAD, "await grow('![a cat](https://images.invalid/cat.png)');")
    asked: list[str] = []

    def answer(route: object) -> None:
        asked.append("cat")
        route.abort()  # type: ignore[attr-defined]

    nb.page.route("https://images.invalid/**", answer)
    nb.run(0, 1)
    nb.wait_drawn()
    button = nb.page.locator(".glm-Image")
    expect(button).to_have_text("Load image “a cat” from images.invalid")
    assert asked == []
    button.click()
    expect(nb.page.locator(".glm-Body img")).to_have_attribute("alt", "a cat")
    assert asked == ["cat"]


def test_reasoning_is_open_while_the_model_thinks(notebook: Open, tmp_path: Path) -> None:
    go = tmp_path / "go"
    cell = (
        "await grow('The answer.', reasoning='Let me see. ' * 40, rate=600, "
        f"until=Path({str(go)!r}));"
    )
    nb = notebook(LOAD, cell)
    nb.run(0)
    nb.start(1)
    fold = nb.page.locator(".glm-Reasoning")
    expect(fold).to_contain_text("Let me see.")
    expect(fold).to_have_attribute("open", "")
    expect(fold.locator("summary")).to_contain_text("Thinking…")
    go.touch()
    nb.wait_drawn()
    expect(fold).not_to_have_attribute("open", "")
    expect(fold.locator("summary")).to_contain_text("Thought for")
    expect(fold.locator("summary")).to_contain_text("120 tokens")
    fold.locator("summary").click()
    expect(fold.locator(".glm-Body")).to_contain_text("Let me see.")


def test_a_fold_that_the_reader_moved_is_left_alone(notebook: Open, tmp_path: Path) -> None:
    go = tmp_path / "go"
    cell = (
        "await grow('The answer. ' * 9, reasoning='Let me see. ' * 40, rate=600, "
        f"until=Path({str(go)!r}));"
    )
    nb = notebook(LOAD, cell)
    nb.run(0)
    nb.start(1)
    fold = nb.page.locator(".glm-Reasoning")
    expect(fold).to_have_attribute("open", "")
    fold.locator("summary").click()
    fold.locator("summary").click()
    go.touch()
    nb.wait_drawn()
    expect(fold).to_have_attribute("open", "")


def test_code_can_be_copied_and_put_into_a_cell(notebook: Open) -> None:
    nb = show(notebook, f"'{CODE}'")
    nb.page.click(".glm-copy-code")
    expect(nb.page.locator(".glm-copy-code")).to_have_text("Copied")
    assert nb.page.evaluate("() => navigator.clipboard.readText()") == "print(6 * 7)"
    nb.page.click(".glm-insert")
    assert [cell.source for cell in nb.save().cells][-1] == "print(6 * 7)"


def test_answer_is_copied_as_markdown_for_notebooks(notebook: Open) -> None:
    nb = show(notebook, "'Let \\\\(x\\\\) be.'")
    nb.page.click(".glm-copy")
    expect(nb.page.locator(".glm-copy")).to_have_text("Copied")
    assert nb.page.evaluate("() => navigator.clipboard.readText()") == "Let $x$ be."


def test_price_and_details(notebook: Open) -> None:
    nb = show(notebook, "'word ' * 400")
    line = nb.page.locator(".glm-Summary")
    expect(line).to_contain_text("glm-4-airx · 120 → 500 tokens · 0.00918 RMB")
    details = nb.page.locator(".glm-Details")
    expect(details).to_be_hidden()
    nb.page.locator(".glm-more").focus()
    nb.page.keyboard.press("Enter")
    expect(details).to_contain_text("2026112212000012345678")
    expect(nb.page.locator(".glm-more")).to_have_attribute("aria-expanded", "true")


def test_screen_reader_hears_of_begin_and_end_only(notebook: Open, tmp_path: Path) -> None:
    nb = notebook(LOAD, "await grow('Some text. ' * 100, rate=800);")
    nb.page.evaluate(
        """() => {
            window.spoken = [];
            new MutationObserver(() => {
                const said = document.querySelector('.glm-Voice')?.textContent;
                if (said && said !== window.spoken.at(-1)) window.spoken.push(said);
            }).observe(document.body, { subtree: true, childList: true, characterData: true });
        }"""
    )
    nb.run(0, 1)
    nb.wait_drawn()
    assert nb.page.evaluate("() => window.spoken") == [
        "The answer is being written.",
        "The answer is complete.",
    ]
    assert nb.page.locator(".glm-Answer [aria-live]").count() == 0


def test_wide_formulas_and_tables_scroll_inside_the_answer(notebook: Open) -> None:
    wide = "'\\\\\\\\[' + '+'.join(f'x_{{{n}}}' for n in range(90)) + '\\\\\\\\]\\n\\n' + "
    table = "'|' + 'column|' * 60 + '\\n|' + '---|' * 60 + '\\n|' + 'a b c|' * 60"
    nb = show(notebook, (wide + table).replace("\\\\\\\\", "\\\\"))
    assert nb.page.evaluate(
        """() => {
            const answer = document.querySelector('.glm-Answer');
            return answer.scrollWidth <= answer.clientWidth &&
                [...answer.querySelectorAll('.glm-mod-display, .glm-Table')]
                    .every(node => node.scrollWidth > node.clientWidth);
        }"""
    )


def test_prompt_cells_are_highlighted_as_markdown(notebook: Open) -> None:
    nb = notebook("%%glm\nUse **bold** and $x$.", "x = 1")
    mime = "number => jupyterapp.shell.currentWidget.content.widgets[number].model.mimeType"
    nb.page.wait_for_function(
        f"() => ({mime})(0) === 'text/x-ipythongfm' && ({mime})(1) === 'text/x-ipython'"
    )
    nb.page.evaluate(
        """() => {
            const [first, second] = jupyterapp.shell.currentWidget.content.widgets;
            first.model.sharedModel.setSource('x = 2');
            second.model.sharedModel.setSource('%%glm -m glm-4-airx\\nHello');
        }"""
    )
    assert nb.page.evaluate(mime, 0) == "text/x-ipython"
    assert nb.page.evaluate(mime, 1) == "text/x-ipythongfm"


def test_lines_of_prompts_are_wrapped_while_they_are_prompts(notebook: Open) -> None:
    nb = notebook("%%glm\n" + "many words " * 60, "x = 1")
    editors = nb.page.locator(".jp-CodeCell .cm-content")
    wrapping = re.compile("cm-lineWrapping")
    expect(editors.nth(0)).to_have_class(wrapping)
    expect(editors.nth(1)).not_to_have_class(wrapping)
    editors.nth(1).click()
    nb.page.keyboard.press("Control+Home")
    nb.page.keyboard.type("%%glm ")
    expect(editors.nth(1)).to_have_class(wrapping)
    editors.nth(0).click()
    nb.page.keyboard.press("Control+Home")
    nb.page.keyboard.type("#")
    expect(editors.nth(0)).not_to_have_class(wrapping)
    assert nb.errors == []


def test_marks_of_jupyterlab_itself_are_only_text(notebook: Open) -> None:
    nb = show(notebook, "'Of $x$, @@0@@ and @\\\\@1@@ say nothing.'")
    body = nb.page.locator(".glm-Answer > .glm-Body")
    assert body.locator("mjx-container").count() == 1
    expect(body).to_contain_text("@@0@@ and @@1@@ say nothing.")
    assert nb.errors == []


def test_a_formula_beside_an_address_is_no_part_of_it(notebook: Open) -> None:
    text = 'https://example.com/$\\\\text{" onclick="hacked()}$ and $y$.'
    forged = "https://example.com/%EE%80%809%EE%80%81"
    nb = show(notebook, f"'See {text} [Price](https://example.com/$a$) {forged}'")
    body = nb.page.locator(".glm-Answer > .glm-Body")
    assert body.locator("[onclick]").count() == 0
    assert body.locator("mjx-container").count() == 2
    address = "links => links.map(link => link.href)"
    assert body.locator("a").evaluate_all(address) == [
        "https://example.com/$/text%7B%22%20onclick=%22hacked()%7D$",
        "https://example.com/$a$",
        forged,
    ]
