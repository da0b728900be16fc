"""The kernel's side of the live channel, with this test as the page."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import glm_jupyter
from glm_jupyter.render.channel import PROTOCOL
from glm_jupyter.render.reader import read
from tests.kernels import VENDOR, WHILE_A_CELL_RUNS, Kernel, Run, kernel

TARGET = "glm-jupyter.answer"
IMPORT = "from tests.browser.growing import grow"
ROOT = Path(__file__).parents[2]


class Page:
    """A page that follows the protocol: it keeps the markdown of the one answer it hears of."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.heard: list[dict[str, Any]] = []
        self.text = ""
        self.blocks: list[int] = []
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
            self.text, self.blocks = data["shown"]["text"].values()
            self.next = data["n"] + 1
        elif data["type"] == "edit":
            assert data["n"] == self.next, "messages are numbered without a gap"
            self.next += 1
            if edit := data.get("text"):
                kept = self.text.encode("utf-16-le")[: 2 * edit["at"]].decode("utf-16-le")
                self.text = kept + edit["text"]
                self.blocks = self.blocks[: edit["keep"]] + edit["blocks"]
                assert self.blocks[-1] == len(self.text.encode("utf-16-le")) // 2

    def has_what_is_shown_of(self, text: str) -> bool:
        """Whether the markdown agrees with that of the whole text, but for what was open."""
        return read(text).markdown.startswith(self.text[:-20])

    def run(self, code: str, **options: Any) -> Run:
        return self.kernel.run(code, on_message=self.hear, **options)

    def drain(self) -> None:
        """Hear what comes outside of a cell; the kernel answers in the order it is asked."""
        asked = self.kernel.client.kernel_info()
        while True:
            message = self.kernel.client.get_iopub_msg(timeout=60)
            self.hear(message)
            state = message["content"].get("execution_state")
            if state == "idle" and message["parent_header"]["msg_id"] == asked:
                return


@pytest.fixture
def page() -> Iterator[Page]:
    with kernel({"PYTHONPATH": str(ROOT)}) as running:
        assert running.run(IMPORT).ok
        yield Page(running)


@pytest.fixture
def listening(page: Page) -> Page:
    page.say(type="hello", protocol=PROTOCOL)
    page.drain()
    return page


def test_loading_opens_the_channel() -> None:
    with kernel({"PYTHONPATH": str(ROOT)}, load=False) as running:
        run = running.run("%load_ext glm_jupyter")
        opened = [m["content"] for m in run.messages if m["msg_type"] == "comm_open"]
        assert [(o["target_name"], o["comm_id"]) for o in opened] == [(TARGET, TARGET)]
        hello = {"type": "hello", "protocol": PROTOCOL, "version": glm_jupyter.__version__}
        assert [o["data"] for o in opened] == [hello]
        assert run.ok


def test_unloading_closes_it(page: Page) -> None:
    run = page.run("%unload_ext glm_jupyter")
    assert "comm_close" in [m["msg_type"] for m in run.messages]


def test_nobody_listens_nothing_is_sent(page: Page) -> None:
    run = page.run("await grow('Some text.' * 20)")
    assert page.heard == []
    assert run.bundle[VENDOR]["text"] == "Some text." * 20


@pytest.mark.parametrize("protocol", [PROTOCOL + 1, PROTOCOL - 1])
def test_a_page_of_another_version_is_told_so_and_gets_full_updates(
    page: Page, protocol: int
) -> None:
    page.say(type="hello", protocol=protocol)
    page.drain()
    assert [(said["type"], said["protocol"]) for said in page.heard] == [("hello", PROTOCOL)]
    text = "A sentence, and another. " * 40
    run = page.run(f"await grow({text!r}, rate=1000)")
    assert len(page.heard) == 1
    updates = [m for m in run.messages if m["msg_type"] == "update_display_data"]
    assert len(updates) > 1
    assert run.bundle[VENDOR]["text"] == text
    assert "of another version" in page.run("%glm doctor").bundle["text/plain"]


def test_a_page_gets_the_whole_text(listening: Page) -> None:
    text = "Formeln: \\(x\\), 中文, and so on.\n" * 40
    run = listening.run(f"await grow({text!r}, rate=1000)")
    assert listening.has_what_is_shown_of(text)
    assert len(listening.text) > len(text) / 2
    assert run.bundle[VENDOR]["text"] == text
    assert listening.heard[-1]["type"] == "end"


def test_blocks_are_told_with_the_text(listening: Page) -> None:
    text = "😀 One\n\n- **two**\n- three\n\n```py\nx = 1\n```\n\nLast \\(x\\) one"
    run = listening.run(f"await grow({text!r}, rate=60, chunk=3)")
    places = run.bundle[VENDOR]["blocks"]["text"]
    markdown = run.bundle["text/markdown"].encode("utf-16-le")
    blocks = [markdown[2 * a : 2 * b].decode("utf-16-le").strip() for a, b in pairwise(places)]
    assert blocks == ["😀 One", "- **two**\n- three", "```py\nx = 1\n```", "Last $x$ one"]
    begun = listening.blocks[:-1]
    assert len(begun) >= 3
    assert begun == [place - places[0] for place in places[: len(begun)]]


@pytest.mark.parametrize("how", ["rate=2000, chunk=20", "chunk=4000"])
def test_no_part_of_the_text_is_sent_more_often_than_needed(listening: Page, how: str) -> None:
    text = " ".join(f"word{n:04}" for n in range(400))
    run = listening.run(f"a = await grow(' '.join(f'word{{n:04}}' for n in range(400)), {how})")
    assert run.bundle[VENDOR]["text"] == text
    sent = str([message["content"] for message in run.messages])
    # Once while it grows, and once in each form of the final display.
    assert max(sent.count(f"word{n:04}") for n in range(400)) == 4


def test_the_place_of_an_answer_is_told(listening: Page) -> None:
    run = listening.run("await grow('Some text.')", cell_id="cell-1")
    state = listening.heard[0]
    assert state["cell"] == "cell-1"
    assert state["display"] in run.displays
    assert state["request"] == run.messages[0]["parent_header"]["msg_id"]


def test_text_is_gathered(listening: Page) -> None:
    pieces = 2000
    listening.run(f"await grow('word ' * {pieces}, rate=20000, chunk=5)")
    assert len(listening.text) > 5000
    assert len(listening.heard) < pieces / 10  # some twenty, more on a machine that is busy


@WHILE_A_CELL_RUNS
def test_a_page_that_comes_in_the_midst_gets_the_state(page: Page, tmp_path: Path) -> None:
    """Also "Run all": the cell begins before the page has said hello."""
    go = tmp_path / "go"
    full: list[dict[str, Any]] = []

    def hear(message: dict[str, Any]) -> None:
        page.hear(message)
        if message["msg_type"] == "update_display_data":
            if not full:
                page.say(type="hello", protocol=PROTOCOL)
            full.append(message["content"]["data"])
        if len(page.heard) == 8:
            go.touch()

    text = "One piece of the text after another. " * 60
    options = f"rate=9000, chunk=2, until={str(go)!r}, creep=100"
    run = page.kernel.run(f"await grow({text!r}, {options})", on_message=hear)
    assert run.ok, run.error
    assert page.has_what_is_shown_of(text)
    assert run.bundle[VENDOR]["text"] == text
    # From the state on, the text has come as it grew: no full copy but the final one.
    assert [VENDOR in data for data in full][-2:] == [True, True]
    assert sum(VENDOR in data for data in full) == 2


@WHILE_A_CELL_RUNS
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
    code = f"await grow({text!r}, rate=2000, until={str(go)!r}, creep=30)"
    listening.kernel.run(code, on_message=hear)
    assert go.exists()
    assert listening.has_what_is_shown_of(text)


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
        "channel.delta(answer)\n"
        "import asyncio; await asyncio.sleep(1)  # the channel gathers for less\n"
        "channel.end(answer, {})\n"
    )
    assert [data["type"] for data in listening.heard] == ["state", "state", "end"]
    assert listening.heard[1]["shown"]["reasoning"]["markdown"] == "Let me think."
    assert listening.text == "So."
