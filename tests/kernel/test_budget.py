"""Spending and budgets as a user meets them: in the cells of a real kernel."""

from __future__ import annotations

import csv
import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kernels import Kernel, kernel
from tests.protocol_server import ProtocolServer, Reply

LEDGER = Path("data", "glm-jupyter", "ledger.sqlite")


@pytest.fixture
def running(env: dict[str, str]) -> Iterator[Kernel]:
    with kernel({**env, "JPY_SESSION_NAME": "/home/ann/lesson.ipynb"}) as running:
        yield running


def plain(run: object) -> str:
    return "\n".join(bundle["text/plain"] for bundle in run.displays.values())  # type: ignore[attr-defined]


def test_usage_and_budget_in_cells(running: Kernel, server: ProtocolServer, tmp_path: Path) -> None:
    server.enqueue(Reply(prompt_tokens=33, completion_tokens=885))
    run = running.run("%%glm -m glm-4-airx\nHello")
    assert run.ok, run.error
    assert "0.00918 RMB" in plain(running.run("%glm usage"))
    assert "lesson.ipynb" in plain(running.run("%glm usage --by notebook"))
    assert "image/svg+xml" in str(running.run("%glm usage --by day").messages)
    assert running.run(f"%glm usage --csv {tmp_path}/spent.csv").printed.startswith("1 request")
    with (tmp_path / "spent.csv").open() as file:
        assert [row["cost"] for row in csv.DictReader(file)] == ["0.00918"]
    assert "0.99082" in plain(running.run("%glm budget 1"))
    refused = running.run("%%glm -m glm-5\nHello")
    assert not refused.ok
    assert refused.error.count("\n") < 3
    assert "0.99082 RMB" in refused.error
    assert len(server.requests) == 1
    running.run("%glm use zai/glm-5")  # billed in dollars; the budget is in RMB
    assert "No budget" in plain(running.run("%glm budget off"))
    assert running.run("%%glm -m bigmodel/glm-5\nHello").ok


def test_a_budget_too_short_for_the_longest_answer_says_so_when_it_is_set(
    running: Kernel, server: ProtocolServer
) -> None:
    running.run("%glm use glm-4.7")
    assert "--max-tokens" not in plain(running.run("%glm budget 100"))
    said = plain(running.run("%glm budget 0.02"))
    assert "An answer of glm-4.7 may have 131,072 tokens and cost up to " in said
    fits = said.split("--max-tokens ")[1].split("`")[0]
    assert not running.run("%%glm\nHello").ok
    assert running.run(f"%%glm --max-tokens {fits}\nHello").ok


def test_answers_are_kept_to_the_budget_where_the_user_wants_that(
    running: Kernel, server: ProtocolServer
) -> None:
    running.run("%glm use glm-4.7")
    running.run("%config GLM.fit_budget = True")
    assert "is kept to about " in plain(running.run("%glm budget 0.02"))
    run = running.run("%%glm\nHello")
    assert run.ok, run.error
    asked = server.chats[0].json["max_tokens"]
    assert 64 <= asked < 131_072
    assert run.bundle["text/plain"].endswith(f" · kept to {asked:,} tokens by the budget")
    running.run("%glm budget 0.00001")
    assert "is refused, and so is a shorter one" in plain(running.run("%glm budget"))
    assert not running.run("%%glm\nHello").ok


def test_a_dry_run_says_what_the_budget_would_say(running: Kernel, server: ProtocolServer) -> None:
    def said(line: str) -> str:
        run = running.run(f"%%glm {line} --dry-run\nHello")
        assert run.ok, run.error
        assert "Not sent." in run.bundle["text/markdown"]
        return run.bundle["text/plain"]

    assert "refused" not in said("-m glm-4-airx")
    running.run("%glm budget 0.03")
    refused = said("-m glm-4-airx")
    assert "It would be refused." in refused
    assert "0.03 RMB are left" in refused
    assert "--max-tokens" in refused
    allowed = said("-m glm-4-airx --max-tokens 100")
    assert "It would not be refused: of the budget of this session (0.03 RMB)" in allowed
    assert "0.03 RMB are left" in allowed
    assert "--max-cost 0.01 allows it" in said("-m glm-4-airx --max-tokens 100 --max-cost 0.01")
    assert "It would be refused." in said("-m glm-4-airx --max-tokens 100 --max-cost 0.001")
    assert "refused" not in said("-e zai -m glm-4.7")
    assert server.requests == []


def test_max_cost_is_an_option_of_cells_and_of_ask(running: Kernel, server: ProtocolServer) -> None:
    assert "--max-cost" in running.run("%%glm -m glm-5 --max-cost 0.1\nHello").error
    run = running.run("import glm_jupyter\nglm_jupyter.ask('Hello', model='glm-5', max_cost='0.1')")
    assert "BudgetError" in run.error
    assert server.requests == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("budget -5", "less than nothing"),
        ("budget five", "'five' is not an amount"),
        ("budget 99999999", "more than a budget can be"),
        ("budget 5 --dya", "--day"),
        ("budget --day", "How much"),
        ("usage --by colour", "colour"),
        ("usage --since tomorrow", "not a date"),
        ("usage --csv /nowhere/at/all.csv", "Cannot write"),
    ],
)
def test_slips_are_told_in_a_line_or_two(running: Kernel, line: str, said: str) -> None:
    run = running.run(f"%glm {line}")
    assert not run.ok
    assert said in run.error
    assert run.error.count("\n") < 3


def test_a_budget_of_a_day_outlives_its_kernel(env: dict[str, str]) -> None:
    with kernel(env) as first:
        first.run("%glm budget 0.01 --day")
    with kernel(env) as second:
        assert "of today (0.01 RMB)" in second.run("%%glm -m glm-4-airx\nHello").error


def test_neither_key_nor_text_is_in_the_ledger(
    running: Kernel, env: dict[str, str], tmp_path: Path
) -> None:
    assert running.run("%%glm -m glm-4-airx\nA very private question").ok
    content = (tmp_path / LEDGER).read_bytes()
    assert b"private" not in content
    assert env["ZAI_API_KEY"].encode() not in content
    assert stat.S_IMODE(os.stat((tmp_path / LEDGER).parent).st_mode) == 0o700


class Killed(Exception):
    """The kernel is no more."""


def test_a_killed_kernel_leaves_its_request_as_unknown(
    env: dict[str, str], server: ProtocolServer, tmp_path: Path
) -> None:
    server.enqueue(Reply(), Reply(text="word " * 1000, pause=0.05))
    with kernel(env) as doomed:

        def kill(message: dict[str, Any]) -> None:
            if message["msg_type"] == "display_data":
                doomed.manager.signal_kernel(9)
                raise Killed

        assert doomed.run("%%glm -m glm-4-airx\nHello").ok
        with pytest.raises(Killed):
            doomed.run("%%glm -m glm-4-airx\nHello", on_message=kill)
    with sqlite3.connect(tmp_path / LEDGER) as db:
        rows = db.execute("SELECT cost, finish FROM requests ORDER BY rowid").fetchall()
    assert rows == [("0.00046", "stop"), (None, None)]


def test_a_ledger_that_cannot_be_written_is_told_once_and_stops_nothing(
    running: Kernel, tmp_path: Path
) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    first = running.run("%%glm -m glm-4-airx\nHello")
    second = running.run("%%glm -m glm-4-airx\nHello")
    assert first.ok
    assert second.ok
    assert "ledger" in first.bundle["text/markdown"]
    assert "ledger" not in second.bundle["text/markdown"]


def test_vs_code_tells_the_notebook_in_the_namespace(env: dict[str, str]) -> None:
    with kernel(env) as running:
        running.run("__vsc_ipynb_file__ = '/home/ann/analysis.ipynb'")
        assert running.run("%%glm -m glm-4-airx\nHello").ok
        assert "analysis.ipynb" in plain(running.run("%glm usage --by notebook"))
