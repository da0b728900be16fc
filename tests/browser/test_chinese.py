"""JupyterLab in Simplified Chinese: what extension and kernel say is Chinese, too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.lab import Lab, Notebook
from tests.protocol_server import ProtocolServer, Reply

SCREENSHOTS = Path(__file__).parents[2] / "test-results"


@pytest.fixture
def chinese(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path, locale="zh_CN")
    yield lab
    lab.close()


def test_page_and_kernel_speak_chinese(
    chinese: Lab, context: BrowserContext, server: ProtocolServer
) -> None:
    server.enqueue(Reply("```python\n1 + 1\n```", reasoning="加法。", cached_tokens=8))
    env = {"ZAI_API_KEY": "id.secret", "ZAI_BASE_URL": server.url}
    load = f"import os\nos.environ.update({json.dumps(env)})\n%load_ext glm_jupyter"
    chinese.write("lesson.ipynb", load, "%%glm -m glm-4.7\n为什么？", "%glm")
    nb = Notebook(chinese, context, "lesson.ipynb")
    nb.run(0, 1)
    nb.wait_drawn()
    answer = nb.page.locator(".glm-Answer")
    expect(answer.get_by_role("button", name="复制").last).to_be_visible()
    expect(answer.get_by_role("button", name="插入下方")).to_be_visible()
    expect(answer).to_contain_text("已思考")
    expect(answer).to_contain_text("输入 12 token，输出 34")
    answer.get_by_role("button", name="详情").click()
    expect(answer).to_contain_text("首个 token 用时")
    nb.run(2)
    panel = nb.page.locator(".glm-panel")
    expect(panel.get_by_role("heading", name="由谁回答")).to_be_visible()
    expect(panel.get_by_role("button", name="停止")).to_be_visible()
    expect(panel.get_by_role("table")).to_contain_text("上一个回答")
    # What is saved, and so exported, is the same.
    saved = nb.save()["cells"][1]["outputs"][0]["data"]
    assert "<summary>已思考" in saved["text/markdown"]
    for theme in ("Light", "Dark"):
        nb.use_theme(theme)
        panel.scroll_into_view_if_needed()
        cut = panel.locator("label, button, th, td, dt, dd").evaluate_all(
            "all => all.filter(one => one.scrollWidth > one.clientWidth + 1)"
            ".map(one => one.textContent)"
        )
        assert [text for text in cut if text] == []
        nb.screenshot(SCREENSHOTS / f"chinese-{theme.lower()}.png")
    assert nb.errors == []
