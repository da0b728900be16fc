"""JupyterLab in Simplified Chinese: what the extension says is Chinese, too."""

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


def test_the_page_speaks_chinese(
    chinese: Lab, context: BrowserContext, server: ProtocolServer
) -> None:
    server.enqueue(Reply("```python\n1 + 1\n```"))
    env = {"ZAI_API_KEY": "id.secret", "ZAI_BASE_URL": server.url}
    load = f"import os\nos.environ.update({json.dumps(env)})\n%load_ext glm_jupyter"
    chinese.write("lesson.ipynb", load, "%%glm -m glm-4.7\n为什么？")
    nb = Notebook(chinese, context, "lesson.ipynb")
    nb.run(0, 1)
    nb.wait_drawn()
    answer = nb.page.locator(".glm-Answer")
    expect(answer.get_by_role("button", name="复制").last).to_be_visible()
    expect(answer.get_by_role("button", name="插入下方")).to_be_visible()
    answer.get_by_role("button", name="详情").click()
    nb.screenshot(SCREENSHOTS / "chinese.png")
    assert nb.errors == []
