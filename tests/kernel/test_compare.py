"""`--compare` in a real kernel: models at once, in columns, none hurting another."""

from __future__ import annotations

import threading
import time
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from tests.kernels import Kernel
from tests.protocol_server import Reply

ASK = "%%glm --compare glm-4-airx,glm-4.7\nWhy?"


class Cells(HTMLParser):
    """The text of each cell of a table."""

    def __init__(self, markdown: str) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.open = 0
        self.feed(MarkdownIt("commonmark").render(markdown))

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "td":
            self.open += 1
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        self.open -= tag == "td"

    def handle_data(self, data: str) -> None:
        if self.open:
            self.cells[-1] += data


def reply_by_model(**replies: Reply):
    def respond(request) -> Reply:
        return replies[request.json["model"].replace("-", "_").replace(".", "_")]

    return respond


def test_models_answer_side_by_side_with_their_costs(running: Kernel, server) -> None:
    server.respond = reply_by_model(
        glm_4_airx=Reply("Because \\( x \\).\n\n```python\nopen"),
        glm_4_7=Reply("For *reasons*.", reasoning="Hm."),
    )
    run = running.run(ASK)
    assert run.ok, run.error
    shown = run.bundle["text/markdown"]
    one, two = Cells(shown).cells
    assert "Because $x$." in one
    assert "glm-4-airx · 12 tokens in, 34 out · 0.00046 RMB" in one
    assert "For reasons." in two
    assert "Hm." in two
    assert "glm-4.7 · 12 tokens in, 34 out · 0.000296 RMB" in two
    assert "Because" not in two
    assert running.value("[a.model for a in _glm]") == "['glm-4-airx', 'glm-4.7']"
    running.run("import glm_jupyter as glm")
    assert running.value("glm.session.spent['RMB']") == "0.000756"
    assert running.value("glm.session.messages") == "[]"


def test_the_page_is_told_each_answer_and_where_it_stands_in_the_markdown(
    running: Kernel, server
) -> None:
    server.respond = reply_by_model(
        glm_4_airx=Reply("One \U0001d54f.\n\nTwo."),
        glm_4_7=Reply(status=400, body={"error": {"code": "1211", "message": "no"}}),
    )
    run = running.run(ASK)
    one, two = run.bundle["application/vnd.glm-jupyter.answers+json"]["answers"]
    assert (one["model"], two["model"]) == ("glm-4-airx", "glm-4.7")
    units = run.bundle["text/markdown"].encode("utf-16-le")
    first, second, end = (2 * place for place in one["blocks"]["text"])
    assert units[first:second].decode("utf-16-le").strip() == "One \U0001d54f."
    assert units[second:end].decode("utf-16-le").strip() == "Two."
    assert one["words"]["line"].startswith("glm-4-airx · 12 tokens in")
    assert two["words"]["ending"].startswith("Failed. 127.0.0.1")
    assert "there is no such model" in two["words"]["ending"]


def test_they_are_asked_at_the_same_time(running: Kernel, server) -> None:
    hold = threading.Event()
    server.default = Reply("Both.", hold=hold, hold_after=0)
    timer = threading.Timer(20, hold.set)
    timer.start()

    def watch() -> None:
        while len(server.chats) < 2 and not hold.is_set():
            time.sleep(0.01)
        hold.set()

    watcher = threading.Thread(target=watch)
    watcher.start()
    run = running.run(ASK)
    watcher.join()
    assert timer.is_alive()
    timer.cancel()
    assert run.ok, run.error


def test_one_that_fails_leaves_the_other(running: Kernel, server) -> None:
    server.respond = reply_by_model(
        glm_4_airx=Reply(status=400, body={"error": {"code": "1211", "message": "<b>no</b>"}}),
        glm_4_7=Reply("For reasons."),
    )
    run = running.run(ASK + "\n")
    assert run.ok, run.error
    one, two = Cells(run.bundle["text/markdown"]).cells
    assert "Failed." in one
    assert "there is no such model" in one
    assert "<b>" not in run.bundle["text/markdown"]
    assert "For reasons." in two
    assert "there is no such model" in run.bundle["text/plain"]


def test_where_all_fail_the_cell_fails(running: Kernel, server) -> None:
    server.default = Reply(status=400, body={"error": {"code": "1211", "message": "no"}})
    run = running.run(ASK)
    assert not run.ok
    assert "there is no such model" in run.error


def test_a_fault_in_ones_own_schema_is_seen_when_all_have_answered(running: Kernel, server) -> None:
    running.run(
        "from pydantic import BaseModel, field_validator\n"
        "class Year(BaseModel):\n"
        "    year: int\n"
        "    @field_validator('year')\n"
        "    def known(cls, year): return {1843: year}[year]"
    )
    server.respond = reply_by_model(
        glm_4_airx=Reply('{"year": 1789}'), glm_4_7=Reply('{"year": 1843}')
    )
    run = running.run(ASK.replace("\n", " --schema Year\n", 1))
    assert "KeyError" in run.error
    assert "1843" in Cells(run.bundle["text/markdown"]).cells[1]


def test_one_that_is_stopped_leaves_the_other(running: Kernel, server) -> None:
    hold = threading.Event()
    server.respond = reply_by_model(
        glm_4_airx=Reply("Never the end of it", chunk=5, hold=hold), glm_4_7=Reply("For reasons.")
    )
    running.run("import threading, glm_jupyter as glm")
    running.run("threading.Timer(1.5, lambda: glm.session.running[0].stop()).start()")
    run = running.run(ASK)
    assert run.ok, run.error
    one, two = Cells(run.bundle["text/markdown"]).cells
    assert "Never" in one
    assert "stopped" in one
    assert "For reasons." in two


def test_an_interrupt_stops_all_and_keeps_what_came(running: Kernel, server) -> None:
    server.default = Reply("Never the end of it", chunk=5, hold=threading.Event())
    interrupted = threading.Event()

    def watch(message) -> None:
        shown = message["content"].get("data", {}).get("text/markdown", "")
        if shown.count("Never") == 2 and not interrupted.is_set():
            interrupted.set()
            running.manager.interrupt_kernel()

    run = running.run(ASK, on_message=watch)
    assert not run.ok
    assert "Stopped" in run.error
    assert run.bundle["text/markdown"].count("Never") == 2
    assert running.value("[a.complete for a in _glm]") == "[False, False]"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--compare glm-4-airx", "two or more"),
        ("--compare glm-4-airx,glm-4.7 --no-think -t 0.1 --max-tokens 9999", "4,?095"),
        ("--compare glm-4-airx,glm-4.7 -m glm-4.7", "do not go together"),
        ("--compare glm-4-airx,glm-4.7 --code", "do not go together"),
    ],
)
def test_what_can_be_known_before_is_not_sent(running: Kernel, server, line, said) -> None:
    import re

    run = running.run(f"%%glm {line}\nWhy?")
    assert not run.ok
    assert re.search(said, run.error)
    assert server.chats == []


def test_a_dry_run_shows_what_each_would_get(running: Kernel, server) -> None:
    run = running.run("%%glm --compare glm-4-airx,glm-4.7 --dry-run\nWhy?")
    assert run.ok, run.error
    shown = "".join(bundle["text/plain"] for bundle in run.displays.values())
    assert "Not sent. bigmodel/glm-4-airx" in shown
    assert "Not sent. bigmodel/glm-4.7" in shown
    assert server.chats == []
