"""Pictures, videos and sound in a real JupyterLab: live, after save and reload, and gone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.cells import loading
from tests.browser.lab import Notebook
from tests.protocol_server import ProtocolServer

SCREENSHOTS = Path(__file__).parents[2] / "test-results"
THEMES = ["Light", "Dark"]


@pytest.mark.parametrize("theme", THEMES)
def test_a_picture_with_its_size_its_details_and_a_way_to_save_it(
    notebook: Callable[..., Notebook], server: ProtocolServer, theme: str
) -> None:
    nb = notebook(loading(server), "%%glm -m cogview-4 --size 768x1344\nA red panda on a bridge")
    nb.use_theme(theme)
    nb.run(0, 1)
    answer = nb.page.locator(".glm-Answer")
    picture = answer.locator("img")
    expect(picture).to_have_js_property("naturalWidth", 768)
    expect(picture).to_have_attribute("alt", "A picture: A red panda on a bridge")
    expect(answer.locator(".glm-Sizes")).to_contain_text("768 × 1344")
    with nb.page.expect_download() as saved:
        answer.get_by_role("link", name="Save").click()
    assert saved.value.suggested_filename.startswith("a-red-panda-on-a-bridge-")
    answer.get_by_role("button", name="Details").click()
    expect(answer.locator(".glm-Details")).to_contain_text("glm-media/a-red-panda")
    expect(nb.page.locator(".jp-OutputArea-output small").last).to_contain_text("0.06 RMB")
    nb.screenshot(SCREENSHOTS / f"picture-{theme.lower()}.png")
    nb.save()
    nb.open()
    expect(nb.page.locator(".glm-Answer img")).to_have_js_property("naturalWidth", 768)
    assert nb.errors == []


@pytest.mark.parametrize("theme", THEMES)
def test_a_video_is_waited_for_and_then_played_from_its_file(
    notebook: Callable[..., Notebook], server: ProtocolServer, theme: str
) -> None:
    server.making.states = ["PROCESSING", "PROCESSING", "SUCCESS"]
    nb = notebook(loading(server), "%%glm -m cogvideox-3 --duration 5\nWaves at night")
    nb.use_theme(theme)
    nb.start(0, 1)
    answer = nb.page.locator(".glm-Answer")
    expect(answer.locator(".glm-Summary")).to_contain_text("is making a video, 1 RMB")
    expect(answer.locator(".glm-Summary")).to_contain_text("(processing) … 3 s")
    expect(answer.get_by_role("button", name="Stop")).to_be_visible()
    nb.screenshot(SCREENSHOTS / f"video-waiting-{theme.lower()}.png")
    video = answer.locator("video")
    expect(video).to_have_js_property("videoWidth", 320, timeout=30_000)
    assert video.evaluate("v => v.duration") == pytest.approx(2, abs=0.2)
    nb.screenshot(SCREENSHOTS / f"video-{theme.lower()}.png")
    nb.save()
    nb.open()
    expect(nb.page.locator(".glm-Answer video")).to_have_js_property("videoWidth", 320)
    (kept,) = (nb.lab.files / "glm-media").glob("waves-at-night-*.mp4")
    kept.unlink()
    nb.open()
    expect(nb.page.locator(".glm-Answer .glm-Missing")).to_contain_text("is not there")
    assert nb.page.locator(".glm-Answer img").evaluate("i => i.naturalWidth") == 320  # its cover


@pytest.mark.parametrize("theme", THEMES)
def test_speech_has_a_player_that_the_keyboard_reaches(
    notebook: Callable[..., Notebook], server: ProtocolServer, theme: str
) -> None:
    nb = notebook(loading(server), "%%glm -m glm-tts\nThe covariance of two variables.")
    nb.use_theme(theme)
    nb.run(0, 1)
    player = nb.page.locator(".glm-Answer audio")
    expect(player).to_have_attribute("aria-label", "Sound: The covariance of two variables.")
    assert player.evaluate("a => a.duration") == pytest.approx(0.64, abs=0.05)
    assert nb.page.locator("audio").count() == 1
    player.focus()
    cells = nb.page.locator(".jp-Cell").count()
    nb.page.keyboard.press("Space")
    nb.page.wait_for_function("document.querySelector('.glm-Answer audio').played.length > 0")
    nb.page.keyboard.press("b")  # which would make a cell, were it the notebook's
    nb.screenshot(SCREENSHOTS / f"speech-{theme.lower()}.png")
    assert nb.page.locator(".jp-Cell").count() == cells


@pytest.mark.parametrize("theme", THEMES)
def test_a_document_is_typeset_with_its_formulas_and_tables(
    notebook: Callable[..., Notebook], server: ProtocolServer, theme: str
) -> None:
    nb = notebook(
        loading(server) + "\nimport matplotlib.pyplot as plt\nplt.figure().savefig('paper.pdf')",
        "%%glm -m glm-ocr --file paper.pdf\n",
    )
    nb.use_theme(theme)
    nb.run(0, 1)
    nb.wait_drawn()
    answer = nb.page.locator(".glm-Answer")
    expect(answer.locator("mjx-container")).to_have_count(2)
    expect(answer.locator("th").first).to_have_text("pair")
    assert answer.locator("script").count() == 0
    nb.screenshot(SCREENSHOTS / f"document-{theme.lower()}.png")
    assert nb.errors == []
