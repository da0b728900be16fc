"""The texts of JupyterLab's extension in Simplified Chinese: all of them, their gaps kept."""

from __future__ import annotations

import json
import re
from importlib.metadata import entry_points
from importlib.resources import files

from tests.front_ends.texts import page_texts, schema_texts

CATALOGUE = files("glm_jupyter") / "locale/zh_CN/LC_MESSAGES/glm_jupyter.json"
CONTEXT = "schema\x04"  # how gettext joins a context and a text


def catalogue() -> dict[str, list[str]]:
    found = json.loads(CATALOGUE.read_text("utf-8"))
    assert found.pop("")["language"] == "zh-CN"
    return dict(found)


def test_every_text_of_the_page_and_of_the_settings_is_translated() -> None:
    wanted = page_texts() | {CONTEXT + text for text in schema_texts()}
    assert len(wanted) > 70
    assert catalogue().keys() == wanted


def test_a_translation_keeps_the_gaps_and_is_chinese() -> None:
    for text, translations in catalogue().items():
        for translated in translations:
            assert sorted(re.findall(r"%\d", text)) == sorted(re.findall(r"%\d", translated))
            assert re.search(r"[\u4e00-\u9fff]", translated), text


def test_jupyterlab_finds_the_catalogue() -> None:
    found = entry_points(group="jupyterlab.locale", name="glm_jupyter")
    assert [entry.value for entry in found] == ["glm_jupyter"]
