"""`%%glm --map` and `glm.map` in a real kernel: progress, interrupts, budgets, a killed kernel."""

from __future__ import annotations

import threading
import time
from typing import Any

from tests.kernels import Kernel, kernel
from tests.protocol_server import ProtocolServer, Reply, Request

TABLE = "application/vnd.glm-jupyter.table+json"
FRAME = "import pandas as pd; df = pd.DataFrame({'review': ['good', 'bad'], 'stars': [5, 1]})"


def question(request: Request) -> str:
    return str(request.json["messages"][-1]["content"])


def echo(request: Request) -> Reply:
    return Reply(text=f"re {question(request)}", prompt_tokens=10, completion_tokens=90)


def lines(run) -> list[str]:
    """What the display of the progress has shown, in turn."""
    return [
        message["content"]["data"]["text/plain"]
        for message in run.messages
        if message["msg_type"] in ("display_data", "update_display_data")
        and list(message["content"]["data"]) == ["text/plain"]
    ]


def tables(run) -> list[dict[str, Any]]:
    """The tables of answers that were shown."""
    shown = [message["content"].get("data", {}) for message in run.messages]
    return [data for data in shown if TABLE in data]


def test_a_cell_over_a_column(running: Kernel, server: ProtocolServer) -> None:
    server.respond = echo
    running.run(FRAME)
    run = running.run("%%glm -m glm-4-airx --map df.review -o answers\nOne word, {{ df.shape }}:")
    assert run.ok, run.error
    # No braces name the item, but there are some: the cell says all that is asked.
    assert (
        running.value("answers.text.tolist()") == "['re One word, (2, 2):', 're One word, (2, 2):']"
    )
    run = running.run("%%glm -m glm-4-airx --map df.review -o answers\nIs {{ item }} good?")
    assert run.ok, run.error
    assert running.value("answers.text.tolist()") == "['re Is good good?', 're Is bad good?']"
    assert running.value("answers is _glm") == "True"
    assert run.printed == ""
    assert lines(run)[-1].startswith("2 answered · 0.002 RMB · ")
    (table,) = tables(run)
    assert table["text/markdown"] == (
        "| row | item | answer | cost (RMB) |\n| :--- | :--- | :--- | ---: |\n"
        "| 0 | good | re Is good good? | 0.001 |\n| 1 | bad | re Is bad good? | 0.001 |"
    )
    assert table[TABLE]["rows"][1] == ["1", "bad", "re Is bad good?", "0.001"]
    run = running.run("%%glm -m glm-4-airx --map df -o answers\n{{ stars }}: {{ review }}")
    assert running.value("answers.text.tolist()") == "['re 5: good', 're 1: bad']"


def test_the_item_stands_below_a_cell_without_braces(running: Kernel, server) -> None:
    server.respond = echo
    running.run(FRAME)
    assert running.run("%%glm -m glm-4-airx --map df.review\nOne word:").ok
    assert sorted(map(question, server.chats)) == ["One word:\n\nbad", "One word:\n\ngood"]
    assert running.run("%%glm -m glm-4-airx --map df.review --raw\n{{ item }}:").ok
    assert "{{ item }}:\n\nbad" in map(question, server.chats)


def test_a_map_in_code(running: Kernel, server: ProtocolServer) -> None:
    server.respond = echo
    run = running.run("import glm_jupyter as glm; glm.map(['a', 'b'], model='glm-4-airx')")
    assert run.ok, run.error
    (result,) = [m for m in run.messages if m["msg_type"] == "execute_result"]
    shown = result["content"]["data"]
    assert shown[TABLE]["rows"] == [["0", "a", "re a", "0.001"], ["1", "b", "re b", "0.001"]]
    assert shown["text/plain"].splitlines()[-1].split() == ["1", "b", "re", "b", "0.001"]
    assert running.value("repr(_)") == "<Answers: 2 of 2 answered, 0.002 RMB>"


def test_what_is_no_list_is_refused_before_anything_is_shown(running: Kernel, server) -> None:
    run = running.run("%%glm -m glm-4-airx --map 5\nOne word:")
    assert "not a list of items" in run.error
    assert run.displays == {}


def test_progress_is_shown_and_ends_as_one_line(running: Kernel, server) -> None:
    bad = Reply(status=400, body={"error": {"code": "1301", "message": "unsafe"}})
    server.respond = lambda request: bad if question(request) == "3" else Reply(delay=0.15)
    run = running.run("%%glm -m glm-4-airx --map range(20)\n")
    assert run.ok, run.error
    shown = lines(run)
    assert any("/20 [" in line and "in flight" in line for line in shown[:-1])
    assert "19 of 20 answered · 1 failed" in shown[-1]
    (table,) = tables(run)
    assert table[TABLE]["rows"][3][2].startswith("failed: ")


def test_the_table_shows_the_items_as_they_were_asked_about(running: Kernel, server) -> None:
    server.respond = echo
    assert running.run("items = ['a', 'b']").ok
    assert running.run("%%glm -m glm-4-airx --map items -o answers\n").ok
    (table,) = tables(running.run("items.clear(); answers"))
    assert [row[1] for row in table[TABLE]["rows"]] == ["a", "b"]


def test_long_and_hostile_answers_are_cells_of_text(running: Kernel, server) -> None:
    hostile = "<img src=x onerror=alert(1)> | **bold** $x$\n\n# no heading\x1b[31m"
    server.respond = lambda request: Reply(hostile if question(request) == "0" else "long " * 99)
    run = running.run("%%glm -m glm-4-airx --map range(250)\n")
    assert run.ok, run.error
    (table,) = tables(run)
    first = table["text/markdown"].splitlines()[2]
    assert "<img" not in first
    assert first.count(" | ") == 3
    assert len(table[TABLE]["rows"]) == 200
    assert max(len(cell) for row in table[TABLE]["rows"] for cell in row) == 200
    assert "Rows 21 to 200" in table["text/markdown"]
    assert "50 more rows" in table["text/markdown"]
    assert "230 more rows" in table["text/plain"]


def test_the_requests_in_flight_are_counted_from_the_first(running: Kernel, server) -> None:
    hold = threading.Event()
    server.respond = lambda request: Reply(hold=hold, hold_after=0)

    def go_on(message) -> None:
        text = message["content"].get("data", {}).get("text/plain", "")
        shown.append(text)
        if "in flight" in text:
            hold.set()

    shown: list[str] = []
    running.run("%config GLM.level = 3")
    assert running.run("%%glm -m glm-4-airx --map range(3)\n", on_message=go_on).ok
    assert next(text for text in shown if "in flight" in text).endswith("3 in flight]")
    assert not any("0 in flight" in text for text in shown)


def test_a_wait_that_the_service_asks_for_is_shown(running: Kernel, server) -> None:
    server.enqueue(
        Reply(
            status=429,
            headers={"Retry-After": "2"},
            body={"error": {"code": "1302", "message": "slow down"}},
        )
    )
    run = running.run("%%glm -m glm-4-airx --map range(1)\n")
    assert run.ok, run.error
    assert any("asking again in 2 s" in line for line in lines(run))
    assert "1 answered" in lines(run)[-1]


def test_only_what_an_earlier_run_has_kept_is_said_to_be_kept(running: Kernel, server) -> None:
    server.respond = echo
    cell = "%%glm -m glm-4-airx --map items\nOne word:"
    running.run("%config GLM.level = 0")
    running.run("items = ['a', 'b'] * 20")
    assert "kept" not in lines(running.run(cell))[-1]
    running.run("items += ['c']")
    assert "40 kept from an earlier run" in lines(running.run(cell))[-1]
    assert len(server.chats) == 3


def test_dry_run_sums_up(running: Kernel, server: ProtocolServer) -> None:
    running.run(FRAME)
    run = running.run("%%glm -m glm-4-airx --map df.review --max-tokens 100 --dry-run\nOne word:")
    assert run.ok, run.error
    text = run.bundle["text/plain"]
    assert "One word:\n\ngood" in text
    assert "The first of 2 requests" in text
    assert "at most 0.00" in text.splitlines()[-1]
    running.run("items = ['a', 'b', 'a', None]")
    cell = "%%glm -m glm-4-airx --map items --max-tokens 9 --dry-run\nOne word:"
    summed = running.run(cell).bundle["text/plain"].splitlines()[-1]
    assert "The first of 2 requests about 4 items" in summed
    assert summed.endswith("1 item cannot be asked about")
    assert server.chats == []


def test_dry_run_judges_all_requests_together(running: Kernel, server: ProtocolServer) -> None:
    def said(options: str) -> str:
        run = running.run(
            f"%%glm -m glm-4-airx --max-tokens 100 {options} --dry-run\nWhy {{{{ item }}}}?"
        )
        assert run.ok, run.error
        assert "Not sent." in run.bundle["text/markdown"]
        return run.bundle["text/plain"]

    together = "All may cost up to 0.0119 RMB, and"
    assert "stopped" not in said("--map range(10)")
    assert f"{together} --max-cost 0.01 allows no more" in said("--map range(10) --max-cost 0.01")
    assert "stopped" not in said("--map range(10) --max-cost 0.1")
    assert "All would be refused. 'five'" in said("--map range(10) --max-cost five")
    running.run("%glm budget 0.005")
    assert f"{together} of the budget of this session (0.005 RMB)" in said("--map range(10)")
    assert server.chats == []


def test_a_budget_stops_the_cell_and_keeps_what_is_done(running: Kernel, server) -> None:
    server.respond = echo
    cell = "%%glm -m glm-4-airx --max-tokens 95 --map range(40) --max-cost 0.01 -o answers\n"
    run = running.run(cell)
    assert not run.ok
    assert "MapStopped" in run.error
    assert "0.01 RMB" in run.error
    given = int(running.value("sum(answer is not None for answer in answers)"))
    assert 5 <= given <= 10
    assert f"{given} answers" in run.error


def test_an_interrupt_keeps_what_is_done(running: Kernel, server: ProtocolServer) -> None:
    hold = threading.Event()
    server.respond = lambda request: (
        Reply(hold=hold, hold_after=0) if int(question(request)) >= 5 else echo(request)
    )

    def interrupt(message) -> None:
        text = message["content"].get("data", {}).get("text/plain", "")
        if "5/10" in text and not interrupted.is_set():
            interrupted.set()
            running.manager.interrupt_kernel()

    for cell in (
        "%%glm -m glm-4-airx --map range(10) -o answers --fresh\n",
        "import glm_jupyter as glm; glm.map(range(10), model='glm-4-airx', fresh=True)",
    ):
        interrupted = threading.Event()
        run = running.run(cell, on_message=interrupt)
        assert not run.ok
        assert interrupted.is_set()
        assert "5 of 10 answered" in lines(run)[-1]
        assert "Traceback" not in run.error
    assert running.value("[answer is not None for answer in answers].count(True)") == "5"
    assert running.value("glm.session.running") == "()"
    hold.set()
    server.respond = echo
    asked = len(server.chats)
    assert running.run("%%glm -m glm-4-airx --map range(10)\n").ok
    assert len(server.chats) - asked == 5


def test_a_killed_kernel_pays_nothing_twice(server: ProtocolServer, env) -> None:
    hold = threading.Event()
    server.respond = lambda request: (
        Reply(hold=hold, hold_after=0) if int(question(request)) >= 6 else echo(request)
    )
    cell = "%%glm -m glm-4-airx --map range(10) -o answers\n"
    with kernel(env) as running:
        running.client.execute(cell)
        deadline = time.monotonic() + 60
        while sum(each.ended.is_set() for each in server.chats) < 6:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(0.5)  # for the last answers to be written
        running.manager.signal_kernel(9)
    hold.set()
    server.respond = echo
    asked = len(server.chats)
    with kernel(env) as running:
        run = running.run(cell)
        assert run.ok, run.error
        assert "6 kept from an earlier run" in lines(run)[-1]
        assert running.value("answers.text[9]") == "re 9"
        assert running.value("answers.cost") == "0.010"
    assert len(server.chats) - asked == 4
