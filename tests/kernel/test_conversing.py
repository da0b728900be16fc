"""Conversations in a real kernel: by name, trimmed, read, exported, forgotten."""

from __future__ import annotations

import json

import pytest

from tests.kernels import Kernel
from tests.protocol_server import Reply


def contents(server, number: int = -1) -> list[str]:
    return [message["content"] for message in server.chats[number].json["messages"]]


def test_conversations_by_name_are_kept_apart(running: Kernel, server) -> None:
    running.run("%%glm -m glm-4.7\none", cell_id="a")
    running.run("%%glm -m glm-4.7 -c proof -s Strict.\nlemma", cell_id="b")
    running.run("%%glm -m glm-4.7 -c\ntwo", cell_id="c")
    assert contents(server) == ["one", "Hello.", "two"]
    running.run("%%glm -c proof -m glm-4.7\ntheorem", cell_id="d")
    assert contents(server) == ["Strict.", "lemma", "Hello.", "theorem"]
    running.run("%%glm -c proof -m glm-4.7\nlemma again", cell_id="b")
    assert contents(server) == ["Strict.", "lemma again"]
    running.run("import glm_jupyter as glm")
    assert running.value("[m['content'] for m in glm.session.messages][::2]") == "['one', 'two']"
    threads = "[m['content'] for m in glm.session.threads['proof'].messages][::2]"
    assert running.value(threads) == "['lemma again', 'theorem']"


def test_history_is_readable_and_harmless(running: Kernel, server) -> None:
    server.enqueue(Reply(r"It is \( x^2 \). <script>alert(1)</script>"))
    running.run("%%glm -m glm-4.7 -s Short.\nWhat is <b>it</b>?")
    shown = running.run("%glm history").bundle
    assert "What is <b>it</b>?" in shown["text/plain"]
    assert "$x^2$" in shown["text/markdown"]
    assert "<script>" not in shown["text/markdown"]
    assert shown["text/plain"].startswith("System:\nShort.")
    assert "no conversation named proof" in running.run("%glm history proof").error


def test_reset_forgets(running: Kernel, server) -> None:
    running.run("%%glm -m glm-4.7 -s Short.\none", cell_id="a")
    assert "1 question" in running.run("%glm reset").printed
    running.run("%%glm -m glm-4.7 -c\ntwo", cell_id="b")
    assert contents(server) == ["two"]


def test_a_notebook_may_begin_with_a_reset(running: Kernel, server) -> None:
    for line in ("%glm reset", "%glm reset proof", "%glm history"):
        run = running.run(line)
        assert run.ok, run.error
        assert "There is no conversation" in run.printed
    running.run("%%glm -m glm-4.7 -c proof\none", cell_id="a")
    assert "Named ones: proof." in running.run("%glm history").printed
    assert "1 question" in running.run("%glm reset proof").printed


def test_export(running: Kernel, server, tmp_path) -> None:
    running.run("%%glm -m glm-4.7\none 一", cell_id="a")
    assert running.run(f"%glm export {tmp_path}/talk.json").ok
    assert json.loads((tmp_path / "talk.json").read_text("utf-8")) == [
        {"role": "user", "content": "one 一"},
        {"role": "assistant", "content": "Hello."},
    ]
    assert running.run(f"%glm export {tmp_path}/talk.md").ok
    assert "**Model**\n\nHello." in (tmp_path / "talk.md").read_text("utf-8")
    for name, said in (("talk.docx", ".md or .json"), ("no/talk.md", "No such file")):
        run = running.run(f"%glm export {tmp_path}/{name}")
        assert said in run.error


def long(word: str) -> str:
    return f"{word} " * 3000


def test_a_conversation_that_is_too_long_is_refused_or_trimmed(running: Kernel, server) -> None:
    for name in "abcde":
        cell = f"%%glm -m glm-4-airx {'-c' if name != 'a' else ''}\n{name} {long('word')}"
        run = running.run(cell, cell_id=name)
    assert not run.ok
    assert "8,192" in run.error
    assert "--trim" in run.error
    assert len(server.chats) == 4
    run = running.run(f"%%glm -m glm-4-airx -c --trim\ne {long('word')}", cell_id="e")
    assert run.ok, run.error
    first, *_, last = contents(server)
    assert not first.startswith("a ")
    assert last.startswith("e ")
    assert "exchanges left out" in run.bundle["text/markdown"]
    running.run("import glm_jupyter as glm")
    assert running.value("glm.session.messages[0]['content'][:2]") == "a "


def test_trimming_never_parts_a_call_from_its_result(running: Kernel, server) -> None:
    running.run("def text() -> str:\n    'A long text.'\n    return 'word ' * 6000")
    server.enqueue(
        Reply("", tool_calls=[{"name": "text", "arguments": {}}], finish_reason="tool_calls"),
    )
    running.run("%%glm -m glm-4-air-250414 --tools text\none", cell_id="a")
    run = running.run(f"%%glm -m glm-4-airx -c --trim\n{long('two')}", cell_id="b")
    assert run.ok, run.error
    roles = [message["role"] for message in server.chats[-1].json["messages"]]
    assert roles == ["user"]


def test_trim_needs_a_known_context(running: Kernel, server) -> None:
    run = running.run("%%glm -m glm-99 --trim\none")
    assert "how long the context of glm-99 is" in run.error
    assert server.chats == []


GRADE = "%%glm -m glm-4.7 -s 'Be kind.' -t 0.2\nGrade out of {{ points }}:\n{{ cell }}\n"


def test_a_cell_becomes_a_template_and_is_used(running: Kernel, server) -> None:
    running.run("points = 10")
    assert "is where a template takes in a cell" in running.run(GRADE).error
    drafted = running.run(GRADE.replace("\n", " --dry-run\n", 1))
    assert "Grade out of 10:\n{{ cell }}" in drafted.bundle["text/plain"]
    assert "cannot be the name" in running.run("%glm save ../grade").error
    saved = running.run("%glm save grade")
    assert "%%glm @grade" in saved.printed
    running.run("points = 20; essay = 'My {{ points }} essay'")
    run = running.run("%%glm @grade -t 0.9\n{{ essay }}")
    assert run.ok, run.error
    assert contents(server) == ["Be kind.", "Grade out of 20:\nMy {{ points }} essay"]
    assert server.chats[-1].json["temperature"] == 0.9
    assert "empty" in running.run("%%glm @grade\n").error
    # What else lies in the folder is no reason not to list them.
    running.run("from glm_jupyter.magics.templates import folder")
    running.run("(folder() / 'my notes.md').write_text('x'); (folder() / 'odd.md').write_text('y')")
    listed = running.run("%glm save").bundle["text/plain"]
    assert "Grade out of" in listed
    assert "@odd" in listed
    assert "notes" not in listed


def test_a_template_without_a_hole_takes_the_cell_below_itself(running: Kernel, server) -> None:
    running.run("%%glm -m glm-4.7 --dry-run\nExplain this to a child:")
    running.run("%glm save child")
    assert running.run("%%glm @child\nGravity").ok
    assert contents(server) == ["Explain this to a child:\n\nGravity"]
    assert running.run("%%glm @child --raw\n{{ x }}").ok
    assert contents(server) == ["Explain this to a child:\n\n{{ x }}"]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("%%glm @grdae\nHi", "no template `@grdae`"),
        ("%%glm @../grade\nHi", "cannot be the name"),
        ("%%glm -m glm-4.7 @grade\nHi", "A template comes first"),
        ("%glm save grade", "no cell to keep"),
    ],
)
def test_what_is_no_template(running: Kernel, server, code, said) -> None:
    run = running.run(code)
    assert not run.ok
    assert said in run.error
    assert server.chats == []


def test_templates_are_there_in_the_next_notebook(running: Kernel, server, env) -> None:
    from tests.kernels import kernel

    running.run(GRADE.replace("{{ points }}", "5").replace("{{ cell }}", "x"))
    running.run("%glm save mine")
    with kernel(env) as another:
        assert another.run("%%glm @mine\n").ok
        assert "Did you mean `@mine`" in another.run("%%glm @mien\n").error
    assert contents(server)[-1].startswith("Grade out of 5")
