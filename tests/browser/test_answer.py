"""What can be seen of an answer in JupyterLab, and done with it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.cells import LOAD, TEXTS, grow
from tests.browser.lab import Notebook

Open = Callable[..., Notebook]
HalfWay = Callable[..., tuple[Notebook, Callable[[], None]]]

CODE = "Run this:\n\n```python\nprint(6 * 7)\n```\n\nThat is all."
SCREENSHOTS = Path(__file__).parents[2] / "test-results"


def test_every_formula_is_typeset(answered: Open) -> None:
    nb = answered((TEXTS / "covariance.md").read_text())
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


def test_every_formula_is_typeset_or_can_be_read(answered: Open) -> None:
    nb = answered(
        r"""\(\text{a_b}\), \(a#b\), \(95%\) and \(\begin{align}a&=b\end{align}\).

$$x \label{a}\tag{1}$$

$$y \label{a}\tag{1}$$

Broken: \(\sqrt{x\) and \(\begin{pmatrix} 1\).
Refused: \(\def\frac{9}\). Then \(\frac{1}{2}\).
"""
    )
    body = nb.page.locator(".glm-Answer > .glm-Body")
    assert body.locator("mjx-merror, [data-mjx-error]").count() == 0
    assert body.locator("mjx-container").count() == 7
    assert body.locator("mjx-container").last.locator("mjx-mfrac").count() == 1
    unread = body.locator("code").all_inner_texts()
    assert unread == [r"\(\sqrt{x\)", r"\(\begin{pmatrix} 1\)", r"\(\def\frac{9}\)"]


def test_a_formula_that_was_open_out_of_sight_is_typeset(half_way: HalfWay) -> None:
    begin = "A paragraph.\n\n" * 80 + r"The last is \(q"
    nb, go_on = half_way(begin + r"\).".ljust(len(begin), "!"), rate=9000, chunk=1)
    body = nb.page.locator(".glm-Answer > .glm-Body")
    expect(body).to_contain_text("The last is q")
    go_on()
    nb.wait_drawn()
    assert body.locator("mjx-container").count() == 1


def test_hostile_text_does_not_act(notebook: Open) -> None:
    nb = notebook(LOAD, grow((TEXTS / "hostile.md").read_text(), rate=3000))
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
    nb = notebook(LOAD, grow("![a cat](https://images.invalid/cat.png)"))
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


def test_reasoning_is_open_while_the_model_thinks(half_way: HalfWay) -> None:
    nb, go_on = half_way("The answer.", reasoning="Let me see. " * 40, rate=600)
    fold = nb.page.locator(".glm-Reasoning")
    expect(fold).to_contain_text("Let me see.")
    expect(fold).to_have_attribute("open", "")
    expect(fold.locator("summary")).to_contain_text("Thinking…")
    go_on()
    nb.wait_drawn()
    expect(fold).not_to_have_attribute("open", "")
    expect(fold.locator("summary")).to_contain_text("Thought for")
    expect(fold.locator("summary")).to_contain_text("120 tokens")
    fold.locator("summary").click()
    expect(fold.locator(".glm-Body")).to_contain_text("Let me see.")


def test_a_fold_that_the_reader_moved_is_left_alone(half_way: HalfWay) -> None:
    nb, go_on = half_way("The answer.", reasoning="Let me see. " * 40, rate=600)
    fold = nb.page.locator(".glm-Reasoning")
    expect(fold).to_have_attribute("open", "")
    fold.locator("summary").click()
    fold.locator("summary").click()
    go_on()
    nb.wait_drawn()
    expect(fold).to_have_attribute("open", "")


def test_code_can_be_copied_and_put_into_a_cell(answered: Open) -> None:
    nb = answered(CODE)
    nb.page.click(".glm-copy-code")
    expect(nb.page.locator(".glm-copy-code")).to_have_text("Copied")
    assert nb.page.evaluate("() => navigator.clipboard.readText()") == "print(6 * 7)"
    nb.page.click(".glm-insert")
    assert [cell.source for cell in nb.save().cells][-1] == "print(6 * 7)"


def test_code_stands_below_in_the_order_in_which_it_was_put_there(answered: Open) -> None:
    blocks = (
        "```python\na = 1\n```",
        "```bash\nls\n```",
        "```sql\nselect 1\n```",
        "```\nb = 2\n```",
    )
    nb = answered("First:\n\n" + "\n\nThen:\n\n".join(blocks))
    inserts = nb.page.locator(".glm-insert")
    expect(inserts).to_have_count(3)  # SQL runs in no cell
    for number in range(3):
        inserts.nth(number).click()
    assert [cell.source for cell in nb.save().cells][-3:] == ["a = 1", "%%bash\nls", "b = 2"]


def test_answer_is_copied_as_markdown_for_notebooks(answered: Open) -> None:
    nb = answered(r"Let \(x\) be.")
    nb.page.click(".glm-copy")
    expect(nb.page.locator(".glm-copy")).to_have_text("Copied")
    assert nb.page.evaluate("() => navigator.clipboard.readText()") == "Let $x$ be."


def test_price_and_details(answered: Open) -> None:
    nb = answered("word " * 400)
    line = nb.page.locator(".glm-Summary")
    expect(line).to_contain_text("glm-4-airx · 120 tokens in, 500 out · 0.00918 RMB")
    details = nb.page.locator(".glm-Details")
    expect(details).to_be_hidden()
    nb.page.locator(".glm-more").focus()
    nb.page.keyboard.press("Enter")
    expect(details).to_contain_text("2026112212000012345678")
    expect(nb.page.locator(".glm-more")).to_have_attribute("aria-expanded", "true")


def test_screen_reader_hears_of_begin_and_end_only(half_way: HalfWay) -> None:
    nb, go_on = half_way("Some text. " * 100, rate=800)
    voice = nb.page.locator(".glm-Voice")
    expect(voice).to_have_text("The answer is being written.")
    voice.evaluate(
        """voice => {
            window.spoken = [];
            new MutationObserver(() => window.spoken.push(voice.textContent))
                .observe(voice, { subtree: true, childList: true, characterData: true });
        }"""
    )
    go_on()
    nb.wait_drawn()
    assert nb.page.evaluate("() => window.spoken") == ["The answer is complete."]
    assert nb.page.locator(".glm-Answer [aria-live]").count() == 0


def test_wide_formulas_and_tables_scroll_inside_the_answer(answered: Open) -> None:
    formula = "+".join(f"x_{{{n}}}" for n in range(90))
    table = "\n|".join(["|" + "column|" * 60, "---|" * 60, "a b c|" * 60])
    nb = answered(f"\\[{formula}\\]\n\n{table}")
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


def test_values_and_formulas_in_prompts_have_colours_of_their_own(notebook: Open) -> None:
    nb = notebook(
        "%%glm --schema list[Row] *\nIs {{ S[0, 1] }} the \\(\\rho\\) of [this](x)?", "x = {{1}}"
    )
    editor = nb.page.locator(".jp-CodeCell .cm-content").first
    value, formula = editor.locator(".glm-Value"), editor.locator(".glm-Formula")
    options = editor.locator(".glm-Options")
    expect(options).to_have_text("%%glm --schema list[Row] *")
    expect(value).to_have_text("{{ S[0, 1] }}")
    expect(formula).to_have_text("\\(\\rho\\)")
    colours = """node => [...new Set([node, ...node.querySelectorAll('*')].map(
        part => getComputedStyle(part).color))]"""
    assert len(value.evaluate(colours)) == len(options.evaluate(colours)) == 1
    lines = "node => getComputedStyle(node).textDecorationLine"
    assert set(options.locator("*").evaluate_all(f"all => all.map({lines})")) <= {"none"}
    assert value.evaluate(colours) != formula.evaluate(colours)
    assert nb.page.locator(".jp-CodeCell .cm-content").nth(1).locator(".glm-Value").count() == 0
    nb.page.locator(".jp-CodeCell").first.screenshot(path=SCREENSHOTS / "prompt.png")
    editor.click()
    nb.page.keyboard.press("Control+Home")
    nb.page.keyboard.type("# ")  # no prompt any more
    expect(value).to_have_count(0)
    assert nb.errors == []


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


def test_marks_of_jupyterlab_itself_are_only_text(answered: Open) -> None:
    nb = answered("Of $x$, @@0@@ and @\\@1@@ say nothing.")
    body = nb.page.locator(".glm-Answer > .glm-Body")
    assert body.locator("mjx-container").count() == 1
    expect(body).to_contain_text("@@0@@ and @@1@@ say nothing.")
    assert nb.errors == []


def test_a_formula_beside_an_address_is_no_part_of_it(answered: Open) -> None:
    text = r'https://example.com/$\text{" onclick="hacked()}$ and $y$.'
    forged = "https://example.com/%EE%80%809%EE%80%81"
    nb = answered(f"See {text} [Price](https://example.com/$a$) {forged}")
    body = nb.page.locator(".glm-Answer > .glm-Body")
    assert body.locator("[onclick]").count() == 0
    assert body.locator("mjx-container").count() == 2
    address = "links => links.map(link => link.href)"
    assert body.locator("a").evaluate_all(address) == [
        "https://example.com/$/text%7B%E2%80%9D%20onclick=%E2%80%9Dhacked()%7D$",
        "https://example.com/%24a%24",
        forged,
    ]


def test_the_table_of_contents_leads_to_a_heading(answered: Open) -> None:
    nb = answered("".join(f"## Part {n}: $x_{n}$\n\n{'Words. ' * 400}\n\n" for n in range(9)))
    nb.page.evaluate("() => jupyterapp.commands.execute('toc:show-panel')")
    heading = nb.page.locator(".glm-Answer h2").nth(6)
    expect(heading).not_to_be_in_viewport()
    nb.page.locator(".jp-tocItem-content").nth(6).click()
    expect(heading).to_be_in_viewport()


def test_letters_of_headings_are_not_cut_off(answered: Open) -> None:
    nb = answered("# Égypte: gypsum\n\nText.\n\n## Jüngere gypsum")
    cut = nb.page.locator(".glm-mod-heading").evaluate_all(
        "blocks => blocks.filter(block => block.scrollHeight > block.clientHeight).length"
    )
    assert cut == 0
