"""Cells in a subshell while another cell runs, and functions that `%autoreload` renews."""

from __future__ import annotations

from pathlib import Path

import pytest
from ipykernel._version import version_info

from tests.kernels import Kernel
from tests.protocol_server import Reply


@pytest.fixture
def subshell(running: Kernel) -> str:
    if version_info < (7, 4):
        pytest.skip("in an older ipykernel's subshells, if it has them, `glm.ask` waits for ever")
    return running.open_subshell()


@pytest.mark.parametrize(
    ("cell", "shows"),
    [
        ("%%glm -m glm-4.7\nWhy?", "Because."),
        ("%%time\n%%glm -m glm-4.7\nWhy?", "Because."),
        ("import glm_jupyter as glm\nprint(glm.ask('Why?', model='glm-4.7').text)", "Because."),
        (
            "import glm_jupyter as glm\nasync for piece in glm.astream('Why?', model='glm-4.7'):\n"
            "    print(getattr(piece, 'text', ''), end='')",
            "Because.",
        ),
        (
            "import glm_jupyter as glm\n"
            "print([a.text for a in glm.map(['a', 'b'], '{{ item }}', model='glm-4.7')])",
            "['Because.', 'Because.']",
        ),
        ("%glm usage", "glm-4.7"),
    ],
    ids=["cell", "within %%time", "ask", "stream", "map", "command"],
)
def test_a_cell_is_answered_in_a_subshell_while_another_runs(
    running: Kernel, server, subshell: str, cell: str, shows: str
) -> None:
    running.run("%%glm -m glm-4.7\nA first one, for the usage.")
    server.respond = lambda request: Reply("Because.")
    running.run("import threading\nbegun, done = threading.Event(), threading.Event()")
    running.client.execute("begun.set()\ndone.wait(100)")
    assert running.run("begun.wait(30)", subshell=subshell).ok
    run = running.run(cell, subshell=subshell)
    waiting = running.run("print(done.is_set())\ndone.set()", subshell=subshell).printed
    assert run.ok, run.error
    assert shows in run.printed + "".join(b["text/plain"] for b in run.displays.values())
    assert waiting == "False\n"
    assert running.value("1 + 1") == "2"


def test_a_function_that_autoreload_has_renewed_is_the_one_that_is_called(
    running: Kernel, server, tmp_path: Path
) -> None:
    module = tmp_path / "lesson_tools.py"
    text = 'def area(a: float) -> float:\n    """{}"""\n    return {}\n'
    module.write_text(text.format("Area of a square.", "a * a"))
    running.run(
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.dont_write_bytecode = True"
    )
    assert running.run("%load_ext autoreload\n%autoreload 2\nfrom lesson_tools import area").ok

    def asked() -> tuple[str, str]:
        calls = [{"name": "area", "arguments": {"a": 3}}]
        server.enqueue(Reply("", tool_calls=calls, finish_reason="tool_calls"), Reply("Done."))
        run = running.run("%%glm -m glm-4.7 --tools area\nHow large?")
        assert run.ok, run.error
        first, second = server.chats[-2:]
        described = first.json["tools"][0]["function"]["description"]
        return described, second.json["messages"][-1]["content"]

    assert asked() == ("Area of a square.", "9.0")
    module.write_text(text.format("Area of a circle.", "3 * a * a"))
    assert asked() == ("Area of a circle.", "27.0")
    assert running.run("%reload_ext glm_jupyter\n%glm doctor").ok
    assert asked() == ("Area of a circle.", "27.0")
