"""`--code` and `%glm explain` in a real kernel: the new cell below, and what is sent."""

from __future__ import annotations

import pytest

from tests.kernels import WRAPPERS, Kernel
from tests.protocol_server import Reply

CODE = "Do this:\n\n```python\nprint('ran')\n```\n"


def below(run) -> list[str]:
    """What the front end is told to put into a new cell."""
    return [part["text"] for part in run.reply["payload"] if part["source"] == "set_next_input"]


def test_code_goes_into_a_new_cell_and_does_not_run(running: Kernel, server) -> None:
    server.enqueue(Reply(CODE), Reply(CODE), Reply("No code."))
    run = running.run("%%glm -m glm-4.7 --code\nPrint something")
    assert run.ok, run.error
    assert below(run) == ["print('ran')"]
    assert "ran\n" not in run.printed
    assert below(running.run("%%glm -m glm-4.7\nPrint something")) == []
    run = running.run("%%glm -m glm-4.7 --code\nSay something")
    assert below(run) == []
    assert "no block of Python code" in run.printed


def asked(server) -> str:
    return server.chats[-1].json["messages"][-1]["content"]


def test_the_last_error_is_explained_and_the_mended_cell_offered(running: Kernel, server) -> None:
    running.run("import pandas as pd\nframe = pd.DataFrame({'price': [9171.25], 'size': [2]})")
    running.run("def total(table, key):\n    return table[key].sum()")
    assert not running.run("column = 'pirce'\ntotal(frame, column)  # {{ braces }} {x}").ok
    server.enqueue(Reply(CODE))
    run = running.run("%glm explain -m glm-4.7")
    assert run.ok, run.error
    text = asked(server)
    assert "column = 'pirce'\ntotal(frame, column)  # {{ braces }} {x}" in text
    assert "def total(table, key):" in text
    assert "KeyError: 'pirce'" in text
    assert "- table: DataFrame of 1 rows, columns price (float64), size (int64)" in text
    assert "- key: str of length 5" in text
    assert "run_cell" not in text
    assert "9171.25" not in text
    assert below(run) == ["print('ran')"]
    assert running.value("_glm.text == " + repr(CODE)) == "True"
    running.run("%glm explain -m glm-4.7 --data")
    assert "9171.25" in asked(server)


def test_the_cells_above_go_along_where_asked_and_a_dry_run_shows_all(
    running: Kernel, server
) -> None:
    running.run("rate = 0.19  # the lesson's tax")
    running.run("print('another cell')")
    assert not running.run("1 / (rate - rate)").ok
    shown = running.run("%glm explain -m glm-4.7 --above 2 --dry-run").bundle["text/plain"]
    assert server.chats == []
    assert "print('another cell')" in shown
    assert "the lesson's tax" not in shown  # the third above
    assert "This cell failed:" in shown
    assert running.run("%glm explain -m glm-4.7").ok
    assert "the lesson's tax" not in asked(server)
    run = running.run("%glm explain -m glm-4.7 --above")
    text = asked(server)
    assert text.index("the lesson's tax") < text.index("This cell failed:")
    assert "cells above; by the kernel's history" in run.bundle["text/plain"]


def test_values_that_matter_may_have_any_name_and_any_fault(running: Kernel, server) -> None:
    running.run("class Odd:\n    @property\n    def shape(self): raise RuntimeError('no')")
    running.run("list = [1, 2]\nodd = Odd()")
    assert not running.run("list(odd)").ok
    assert running.run("%glm explain -m glm-4.7 --data").ok
    assert "- list: list of 2 items of type int = [1, 2]" in asked(server)
    assert "- odd: Odd" in asked(server)


def test_a_syntax_error_is_explained_with_its_cell(running: Kernel, server) -> None:
    running.run("x = (1,\ny = 2 +")
    assert running.run("%glm explain -m glm-4.7").ok
    assert "y = 2 +" in asked(server)
    assert "SyntaxError" in asked(server)


@pytest.mark.parametrize(
    "cell",
    [
        "%precision 3\nnames = !echo Ada\nnames[5]",
        *(f"{wrapper}'abc'[6]" for wrapper in WRAPPERS if wrapper),
    ],
)
def test_a_cell_with_magics_is_sent_as_it_was_typed(running: Kernel, server, cell: str) -> None:
    assert not running.run(cell).ok
    assert running.run("%glm explain -m glm-4.7").ok
    assert f"```python\n{cell}\n```" in asked(server)


def test_a_message_that_holds_a_whole_value_is_cut(running: Kernel, server) -> None:
    assert not running.run("int('secret ' * 100_000)").ok
    assert running.run("%glm explain -m glm-4.7").ok
    assert "ValueError: invalid literal for int()" in asked(server)
    assert len(asked(server)) < 5000


def test_explaining_keeps_secrets_and_the_conversation(running: Kernel, server, env) -> None:
    running.run("%%glm -m glm-4.7\nFirst", cell_id="a")
    running.run("import os\nraise ValueError(os.environ['ZAI_API_KEY'])")
    assert running.run("%glm explain -m glm-4.7 --data").ok
    assert env["ZAI_API_KEY"] not in asked(server)
    running.run("%%glm -m glm-4.7 -c\nSecond", cell_id="b")
    contents = [message["content"] for message in server.chats[-1].json["messages"]]
    assert contents == ["First", "Hello.", "Second"]


def test_with_nothing_to_explain_nothing_is_sent(running: Kernel, server) -> None:
    run = running.run("%glm explain -m glm-4.7")
    assert not run.ok
    assert "No cell has failed" in run.error
    assert server.chats == []


def test_an_error_is_still_there_after_explaining_it_failed(running: Kernel, server) -> None:
    running.run("1 / 0")
    assert not running.run("%glm explain -m glm-4.7 -e nowhere").ok
    assert running.run("%glm explain -m glm-4.7").ok
    assert "ZeroDivisionError" in asked(server)


def test_an_error_can_be_explained_after_a_question_that_failed_itself(
    running: Kernel, server
) -> None:
    assert not running.run("1 / 0").ok
    assert not running.run("%%glm --nonsense\nHello").ok
    assert running.run("%glm explain -m glm-4.7").ok
    assert "ZeroDivisionError" in asked(server)
