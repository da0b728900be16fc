"""The kernel's texts in Simplified Chinese: all of them, what is filled in kept, chosen rightly."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

from glm_jupyter import language
from glm_jupyter.api.errors import refusal

PACKAGE = Path(str(files("glm_jupyter")))
CHINESE = PACKAGE / "locale/zh_CN/LC_MESSAGES/glm_jupyter"
KEYWORDS = {"_": None, "N_": None, "ngettext": (1, 2)}


@pytest.fixture(autouse=True)
def _english_after() -> Iterator[None]:
    yield
    language.choose(None)


def translations() -> dict[str, str]:
    catalogue = read_po(io.BytesIO(CHINESE.with_suffix(".po").read_bytes()))
    return {_one(message.id): _one(message.string) for message in catalogue if message.id}


def _one(text: str | tuple[str, ...]) -> str:
    return text if isinstance(text, str) else text[0]


def fields(text: str) -> list[str]:
    """What is filled in; two braces are braces, as `{{ }}` in a cell."""
    return sorted(re.findall(r"(?<!\{)\{(\w+)[^{}]*\}", text))


def test_every_text_of_the_code_is_in_the_catalogue_and_no_other() -> None:
    found = extract_from_dir(PACKAGE, [("**.py", "python")], keywords=KEYWORDS)
    assert {_one(text) for _, _, text, _, _ in found} == translations().keys(), (
        "`make translations` brings the catalogue up to date"
    )


def test_every_text_is_translated_and_keeps_what_is_filled_in() -> None:
    for text, chinese in translations().items():
        assert re.search(r"[\u3001-\u303f\u4e00-\u9fff\uff00-\uffef]", chinese), text
        assert fields(chinese) == fields(text), text


def test_the_compiled_catalogue_is_that_of_the_texts() -> None:
    compiled = read_mo(io.BytesIO(CHINESE.with_suffix(".mo").read_bytes()))
    assert {_one(message.id): _one(message.string) for message in compiled if message.id} == (
        translations()
    )


def test_an_error_and_its_remedy_speak_the_chosen_language() -> None:
    body = {"error": {"code": "1002", "message": "no"}}
    assert "the key was not accepted" in str(refusal(body))
    language.choose("zh-CN")
    error = refusal(body, retry_after=3)
    assert "密钥未被接受" in str(error)
    assert error.remedy.startswith("对方要求等待 3 秒。")


@pytest.mark.parametrize(
    ("variables", "chinese"),
    [
        ({"LANG": "zh_CN.UTF-8"}, True),
        ({"LC_ALL": "zh_CN.UTF-8", "LANG": "en_US.UTF-8"}, True),
        ({"LANGUAGE": "en:zh_CN", "LANG": "zh_CN.UTF-8"}, False),
        ({"LANGUAGE": "fr:zh_CN"}, True),
        ({"LANG": "C.UTF-8"}, False),
        ({"LANG": "de_DE.UTF-8"}, False),
        ({}, False),
    ],
)
def test_without_a_page_the_environment_chooses(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], chinese: bool
) -> None:
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    said = str(refusal({"error": {"code": "1002"}}))
    assert ("密钥未被接受" in said) is chinese
