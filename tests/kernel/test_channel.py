"""The kernel's side of the live channel, with this test as the page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kernels import VENDOR, Kernel, Run, kernel

TARGET = "glm-jupyter.answer"
IMPORT = "from tests.browser.growing import grow"
ROOT = Path(__file__).parents[2]


class Page:
    """A page that follows the protocol: it keeps the text of the one answer it hears of."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.heard: list[dict[str, Any]] = []
        self.text = ""
        self.next = 0

    def say(self, **data: Any) -> None:
        session = self.kernel.client.session
        content = {"comm_id": TARGET, "data": data}
        self.kernel.client.shell_channel.send(session.msg("comm_msg", content))

    def hear(self, message: dict[str, Any]) -> None:
        if message["msg_type"] != "comm_msg" or message["content"]["comm_id"] != TARGET:
            return
        data = message["content"]["data"]
        self.heard.append(data)
        if data["type"] == "state":
            self.text, self.next = data["answer"]["text"], data["n"] + 1
        elif data["type"] == "delta":
            assert data["n"] == self.next, "messages are numbered without a gap"
            self.text += data["text"]
            self.next += 1

    def run(self, code: str, **options: Any) -> Run:
        return self.kernel.run(code, on_message=self.hear, **options)

    def drain(self) -> None:
        """Hear what comes outside of a cell."""
        while True:
            try:
                self.hear(self.kernel.client.get_iopub_msg(timeout=1))
            except Exception:  # the queue's Empty
                return


@pytest.fixture
def page() -> Iterator[Page]:
    with kernel({"PYTHONPATH": str(ROOT)}) as running:
        assert running.run(IMPORT).ok
        yield Page(running)


@pytest.fixture
def listening(page: Page) -> Page:
    page.say(type="hello")
    page.drain()
    return page


def test_loading_opens_the_channel() -> None:
    with kernel({"PYTHONPATH": str(ROOT)}, load=False) as running:
        run = running.run("%load_ext glm_jupyter")
        opened = [m["content"] for m in run.messages if m["msg_type"] == "comm_open"]
        assert [(o["target_name"], o["comm_id"]) for o in opened] == [(TARGET, TARGET)]
        assert run.ok


def test_unloading_closes_it(page: Page) -> None:
    run = page.run("%unload_ext glm_jupyter")
    assert "comm_close" in [m["msg_type"] for m in run.messages]


def test_nobody_listens_nothing_is_sent(page: Page) -> None:
    run = page.run("await grow('Some text.' * 20)")
    assert page.heard == []
    assert run.bundle[VENDOR]["text"] == "Some text." * 20


def test_a_page_gets_the_whole_text(listening: Page) -> None:
    text = "Formeln: \\(x\\), 中文, and so on.\n" * 40
    listening.run(f"await grow({text!r}, rate=4000)")
    assert listening.text == text
    assert listening.heard[-1]["type"] == "end"


def test_the_place_of_an_answer_is_told(listening: Page) -> None:
    run = listening.run("await grow('Some text.')", cell_id="cell-1")
    state = listening.heard[0]
    assert state["cell"] == "cell-1"
    assert state["display"] in run.displays
    assert state["request"] == run.messages[0]["parent_header"]["msg_id"]


def test_text_is_gathered(listening: Page) -> None:
    listening.run("await grow('word ' * 2000, rate=20000, chunk=5)")
    assert listening.text == "word " * 2000
    assert len(listening.heard) < 40


def test_a_page_that_comes_in_the_midst_gets_the_state(page: Page, tmp_path: Path) -> None:
    """Also "Run all": the cell begins before the page has said hello."""
    go = tmp_path / "go"
    said = False

    def hear(message: dict[str, Any]) -> None:
        nonlocal said
        page.hear(message)
        if message["msg_type"] == "update_display_data" and not said:
            said = True
            page.say(type="hello")
        if page.heard:
            go.touch()

    text = "One piece of the text after another. " * 20
    code = f"from pathlib import Path; await grow({text!r}, rate=2000, until=Path({str(go)!r}))"
    run = page.kernel.run(code, on_message=hear)
    assert run.ok, run.error
    assert page.text == text


def test_a_gap_is_mended_on_request(listening: Page, tmp_path: Path) -> None:
    go = tmp_path / "go"

    def hear(message: dict[str, Any]) -> None:
        before = len(listening.heard)
        listening.hear(message)
        if len(listening.heard) == 2 > before:
            listening.say(type="state", id=listening.heard[0]["id"])
        if [d["type"] for d in listening.heard].count("state") > 1:
            go.touch()

    text = "One piece of the text after another. " * 20
    code = f"from pathlib import Path; await grow({text!r}, rate=2000, until=Path({str(go)!r}))"
    listening.kernel.run(code, on_message=hear)
    assert listening.text == text


def test_the_final_display_can_be_asked_for(listening: Page) -> None:
    run = listening.run("await grow('All of it.')", cell_id="cell-1")
    answer_id = run.bundle[VENDOR]["id"]
    listening.say(type="state", id=answer_id)
    listening.drain()
    end = listening.heard[-1]
    assert end["type"] == "end"
    assert end["cell"] == "cell-1"
    assert end["bundle"] == run.bundle


def test_an_unknown_answer_is_said_to_be_unknown(listening: Page) -> None:
    listening.say(type="state", id="none")
    listening.drain()
    assert listening.heard[-1] == {"type": "unknown", "id": "none"}


def test_a_page_without_the_extension_does_not_close_it_for_the_others(listening: Page) -> None:
    session = listening.kernel.client.session
    content = {"comm_id": TARGET, "data": {}}
    listening.kernel.client.shell_channel.send(session.msg("comm_close", content))
    listening.drain()
    listening.run("await grow('Still here.')")
    assert listening.text == "Still here."
    listening.say(type="state", id="none")
    listening.drain()
    assert listening.heard[-1]["type"] == "unknown"


def test_text_that_turns_out_to_be_reasoning_is_sent_anew(listening: Page) -> None:
    listening.run(
        "from glm_jupyter.answer import Answer\n"
        "from glm_jupyter.api.events import TextDelta, TextWasReasoning\n"
        "from glm_jupyter.render.channel import channel_for\n"
        "answer, channel = Answer('m', 'e'), channel_for(get_ipython())\n"
        "answer.apply(TextDelta('Let me think.'))\n"
        "channel.begin(answer, 'd')\n"
        "answer.apply(TextWasReasoning())\n"
        "answer.apply(TextDelta('So.'))\n"
        "channel.end(answer, {})\n"
    )
    assert [data["type"] for data in listening.heard] == ["state", "state", "end"]
    assert listening.heard[1]["answer"]["reasoning"] == "Let me think."
    assert listening.text == "So."
