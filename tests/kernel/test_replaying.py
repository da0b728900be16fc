"""`%glm record`, `%glm replay` and `--fresh` in a real kernel."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from tests.kernel.conftest import KEY
from tests.kernels import VENDOR, Kernel, kernel
from tests.protocol_server import ProtocolServer, Reply

ASK = "%%glm --model glm-4-airx\nWhat is a covariance matrix?"


def without_key(env: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if not name.startswith("ZAI_")} | {
        "ZAI_API_KEY": "",
        "ZHIPUAI_API_KEY": "",
    }


def recorded(running: Kernel, file: Path, *cells: str) -> None:
    assert "recorded into" in running.run(f"%glm record {file}").printed
    for cell in cells:
        run = running.run(cell)
        assert run.ok, run.error
    assert f"{len(cells)} answer" in running.run("%glm record off").printed


def test_a_lesson_runs_without_key_or_network(
    running: Kernel, server: ProtocolServer, env, tmp_path: Path
) -> None:
    file = tmp_path / "lesson.glm.jsonl"
    server.enqueue(Reply("It is $\\Sigma$.", reasoning="Let me see.", completion_tokens=900))
    server.enqueue(Reply("By default."))
    live = running.run("import os; os.chdir(os.environ['HOME'])")
    recorded(running, Path(file.name), ASK, "%%glm\nWho answers?")
    assert KEY not in file.read_text()
    asked = len(server.requests)
    with kernel(without_key(env)) as student:
        run = student.run(f"%glm replay {file} --speed inf")
        assert run.ok, run.error
        assert "2 recorded answers" in run.printed
        live = student.run(ASK)
        assert live.ok, live.error
        shown = live.bundle[VENDOR]
        assert shown["text"] == "It is $\\Sigma$."
        assert shown["reasoning"] == "Let me see."
        assert (shown["model"], shown["endpoint"]) == ("glm-4-airx", "bigmodel")
        assert "recorded" in shown["notes"]
        assert Decimal(shown["cost"]) == 0
        last_line = live.bundle["text/markdown"].splitlines()[-1]
        assert "recorded" in last_line
        assert "0.00912 RMB" in last_line
        assert "recorded" in live.bundle["text/plain"]
        # No model was named: the one that a key would have chosen.
        assert student.run("%%glm\nWho answers?").bundle[VENDOR]["model"] == "glm-4.7-flash"
        assert student.value("__import__('glm_jupyter').session.spent") == "{'RMB': Decimal('0')}"
        booked = "len(__import__('glm_jupyter').session.budgets.ledger.rows())"
        assert student.value(booked) == "2"  # the lecturer's
    assert len(server.requests) == asked


def test_what_is_not_recorded_fails_and_fresh_asks_the_service(
    running: Kernel, server: ProtocolServer, tmp_path: Path
) -> None:
    file = tmp_path / "lesson.glm.jsonl"
    recorded(running, file, ASK)
    running.run(f"%glm replay {file} --speed inf")
    missing = running.run(ASK + " Really?")
    assert not missing.ok
    assert "Really?" in missing.error
    assert "--fresh" in missing.error
    assert len(server.requests) == 1
    server.enqueue(Reply("Live."))
    fresh = running.run(ASK.replace("\n", " --fresh\n") + " Really?")
    assert fresh.bundle[VENDOR]["text"] == "Live."
    assert fresh.bundle[VENDOR]["notes"] == []
    assert running.run(ASK).bundle[VENDOR]["notes"][0] == "recorded"
    assert "ask the model again" in running.run("%glm replay off").printed
    server.enqueue(Reply("Live again."))
    assert running.run(ASK).bundle[VENDOR]["text"] == "Live again."


def test_recording_says_what_may_not_be_expected(
    running: Kernel, server: ProtocolServer, tmp_path: Path
) -> None:
    file = tmp_path / "lesson.glm.jsonl"
    recorded(running, file, ASK)
    assert "behind the 1 that it holds" in running.run(f"%glm record {file}").printed
    running.run("%glm record off")
    running.run(f"%glm replay {file} --speed inf")
    assert "--speed 0 is no speed" in running.run("%glm replay --speed 0").error
    assert "1 recorded answer" in running.run("%glm replay --speed 1000").printed
    assert running.value("__import__('glm_jupyter').session.replayer.speed") == "1000.0"
    again = running.run(f"%glm record {tmp_path / 'again.glm.jsonl'}").printed
    assert "only what is asked with --fresh is recorded" in again


def test_a_conversation_is_replayed(running: Kernel, server: ProtocolServer, env, tmp_path) -> None:
    file = tmp_path / "lesson.glm.jsonl"
    cells = ("%%glm -m glm-4.7 -s Short.\none", "%%glm -m glm-4.7 -c\ntwo")
    server.enqueue(Reply("first"), Reply("second"))
    recorded(running, file, *cells)
    with kernel(without_key(env)) as student:
        student.run(f"%glm replay {file} --speed inf")
        texts = [student.run(cell).bundle[VENDOR]["text"] for cell in cells]
        assert texts == ["first", "second"]


def test_a_stopped_answer_is_kept_but_not_recorded(running: Kernel, server, tmp_path) -> None:
    file = tmp_path / "lesson.glm.jsonl"
    running.run(f"%glm record {file}")
    server.enqueue(Reply("a long answer", error={"code": "1234", "message": "gone"}))
    assert not running.run(ASK).ok
    assert "0 answers so far" in running.run("%glm record").printed
    assert file.read_bytes() == b""


def test_the_commands_say_what_is_wrong(running: Kernel, tmp_path: Path) -> None:
    assert "Nothing is being recorded" in running.run("%glm record").printed
    assert "Nothing is replayed" in running.run("%glm replay").printed
    missing = running.run("%glm replay nothing.glm.jsonl")
    assert not missing.ok
    assert "Cannot read nothing.glm.jsonl" in missing.error
    assert not running.run(f"%glm record {tmp_path}/no/folder/x.jsonl").ok
    assert "Nothing is replayed" in running.run("%glm replay").printed


def test_a_lesson_with_function_calls_is_replayed(running: Kernel, server, env, tmp_path) -> None:
    file = tmp_path / "lesson.glm.jsonl"
    define = "def double(x: int) -> int:\n    'Twice x.'\n    return 2 * x"
    cell = "%%glm -m glm-4.7 --tools double\nTwice 21?"
    calls = [{"name": "double", "arguments": {"x": 21}, "id": "call_1"}]
    server.enqueue(
        Reply(text="", tool_calls=calls, finish_reason="tool_calls"), Reply(text="It is 42.")
    )
    running.run(define)
    running.run(f"%glm record {file}")
    live = running.run(cell)
    assert live.ok, live.error
    assert len(file.read_text().splitlines()) == 2
    with kernel(without_key(env)) as student:
        student.run(define)
        student.run(f"%glm replay {file} --speed inf")
        run = student.run(cell)
        assert run.ok, run.error
        shown = run.bundle[VENDOR]
        assert shown["text"] == live.bundle[VENDOR]["text"]
        assert shown["tool_calls"][0]["result"] == "42"
        assert shown["notes"][0] == "recorded"
        assert len(shown["notes"]) == 2  # the price of both requests, in one
        assert Decimal(shown["cost"]) == 0
