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
    assert any(match.endswith(offered.split(".")[-1]) for match in matches), matches


def test_hints_tell_price_and_context(running: Kernel) -> None:
    code = "%%glm -m bigmodel/glm-4-airx"
    content = running.client.complete(code, len(code), reply=True, timeout=30)["content"]
    (item,) = content["metadata"]["_jupyter_types_experimental"]
    assert item["text"] == "bigmodel/glm-4-airx"
    assert "10 / 10 RMB" in item["type"]
    assert "8K" in item["type"]


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
