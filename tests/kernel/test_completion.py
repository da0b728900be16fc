"""What Tab offers, through the kernel's own completion."""

from __future__ import annotations

import pytest

from tests.kernels import Kernel


@pytest.mark.parametrize(
    ("code", "offered"),
    [
        ("%%glm --mo", "--model"),
        ("%%glm --model glm-4-a", "glm-4-airx"),
        ("%%glm -m local/", "local/smollm2-135m"),
        ("%%glm -m zai/glm-4.7", "zai/glm-4.7"),
        ("%%glm -e big", "bigmodel"),
        ("%%glm -o data_f", "data_frame"),
        ("%%glm --schema Fr", "Frame"),
        ("%%glm --tools he", "helper"),
        ("%%glm --tools other,he", "other,helper"),
        ("%%glm -i data_f", "data_frame"),
        ("%%glm --compare glm-4-airx,glm-4-pl", "glm-4-airx,glm-4-plus"),
        ("%%glm -c pro", "proof"),
        ("%%glm -c --tr", "--trim"),
        ("%glm history pro", "proof"),
        ("%%glm @gra", "@grade"),
        ("%glm mod", "models"),
        ("%glm use local/smo", "local/smollm2-135m"),
        ("%glm local sta", "status"),
        ("x = 1\n%glm doc", "doctor"),
        ("%%glm -s @tut", "@tutor.md"),
        ("%%glm --system @notes/", "@notes/an\\ old.md"),
        ("%%glm -i tut", "tutor.md"),
        ("%glm replay no", "notes/"),
        ("%glm local use ./tut", "./tutor.md"),
        ("%%glm\nThe table {{ data_f", "data_frame"),
        ("%%glm\nThe table {{ data_frame.des", "data_frame.describe"),
    ],
)
def test_tab(running: Kernel, code: str, offered: str, tmp_path) -> None:
    running.run("class Frame:\n    def describe(self): ...\ndata_frame = Frame()")
    running.run("def helper(): 'Helps.'\ndef other(): 'Helps too.'")
    running.run("%%glm -m glm-4.7 -c proof\nlemma")
    running.run("%glm save grade")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/an old.md").touch()
    (tmp_path / "tutor.md").touch()
    running.run(f"%cd {tmp_path}")
    matches = running.complete(code)
    assert any(match.endswith(offered.rsplit(".", 1)[-1]) for match in matches), matches


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("%%glm --mo", "option"),
        ("%%glm -m bigmodel/glm-4-airx", "model"),
        ("%glm mod", "command"),
        ("%glm local sta", "choice"),
        ("%%glm -e big", "endpoint"),
    ],
)
def test_the_kind_of_what_tab_offers_is_a_word(running: Kernel, code: str, kind: str) -> None:
    content = running.client.complete(code, len(code), reply=True, timeout=30)["content"]
    kinds = {item["type"] for item in content["metadata"]["_jupyter_types_experimental"]}
    assert kinds == {kind}


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("%%glm --dry", "show the messages, the tokens and what it …"),
        ("%%glm -m glm-4-airx", "10 / 10 RMB"),
        ("%%glm -m zai/glm-4.5-f", "free"),
        ("%%glm --compare glm-4.7,glm-4-airx", "10 / 10 RMB"),
        ("%glm mod", "list models with prices and limits"),
        ("x = 1\n%glm use glm-4-airx", "10 / 10 RMB"),
    ],
)
def test_a_hint_goes_with_what_tab_offers(running: Kernel, code: str, hint: str) -> None:
    content = running.client.complete(code, len(code), reply=True, timeout=30)["content"]
    [offer] = content["metadata"]["_jupyter_types_experimental"]
    assert offer["signature"] == hint


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("%%glm --max-cost", "AMOUNT\n\nmost the answer may cost"),
        ("%%glm -m", "`%glm models` lists them"),
        ("%%glm -m glm-4-airx", "Price per million tokens in / out: 10 / 10 RMB\nContext: 8K"),
        ("%%glm --compare glm-4.7,zai/glm-4.7", "zai/glm-4.7\n"),
        ("x = 1\n%glm budget", "--month"),
        ("%glm use glm-4.7", "Can: thinks"),
    ],
)
def test_what_is_to_be_known_is_told_where_the_front_end_asks(
    running: Kernel, code: str, told: str
) -> None:
    for cursor in (len(code), len(code) - 1):
        reply = running.client.inspect(code, cursor, reply=True, timeout=30)["content"]
        assert told in reply["data"]["text/plain"]
        assert "%%g" not in reply["data"]["text/plain"]


def test_python_names_are_told_of_as_before(running: Kernel) -> None:
    running.run("def helper():\n    'Helps.'")
    for code in ("helper", "%%glm\nAbout helper"):
        reply = running.client.inspect(code, len(code), reply=True, timeout=30)["content"]
        assert "Helps." in reply["data"]["text/plain"]
    running.run("%unload_ext glm_jupyter")
    assert not running.client.inspect("%%glm -m", 8, reply=True, timeout=30)["content"]["found"]


def test_only_files_are_offered_where_a_file_is_meant(running: Kernel, tmp_path) -> None:
    (tmp_path / "abs.md").touch()
    running.run(f"%cd {tmp_path}")
    assert running.complete("%%glm -s @a") == ["@abs.md"]


def test_the_package_offers_its_public_names_only(running: Kernel) -> None:
    running.run("import glm_jupyter as glm")
    offered = running.complete("glm.")
    assert {"ask", "aask", "stream", "map", "session", "GLMError"} <= set(offered)
    assert not {"Any", "TYPE_CHECKING", "import_module", "turn"} & set(offered)


def test_python_cells_are_left_alone(running: Kernel) -> None:
    running.run("some_name = 1")
    assert "some_name" in running.complete("some_na")
