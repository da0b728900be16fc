"""The kernel's texts in Simplified Chinese: all of them, what is filled in kept, chosen rightly."""

from __future__ import annotations

import ast
import builtins
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
from glm_jupyter.gateway.__main__ import main

PACKAGE = Path(str(files("glm_jupyter")))
CHINESE = PACKAGE / "locale/zh_CN/LC_MESSAGES/glm_jupyter"
# What is searched for texts that no catalogue has. The gateway speaks English: many users read it.
SEARCHED = (
    *("api", "engine", "magics", "mapping", "money", "panel", "prompt", "recordings", "render"),
    *("sessions", "answer.py", "asking.py", "bridge.py", "gateway_usage.py", "media.py"),
    *("models.py", "schema.py", "spending.py", "tools.py", "vectors.py", "websearch.py"),
)
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


def left_in_english(part: ast.AST) -> Iterator[str]:
    """The words in an expression that no catalogue is asked for."""
    match part:
        case ast.Constant(value=str(text)) if re.search("[A-Za-z]{2}", text):
            yield text
        case ast.Call(func=ast.Attribute(value=template, attr="format")):
            yield from left_in_english(template)
        case ast.Call() | ast.Compare() | ast.Constant():
            pass  # `_`, what is filled in, or what decides
        case _:
            for inner in ast.iter_child_nodes(part):
                yield from left_in_english(inner)


def shown(call: ast.Call) -> Iterator[ast.AST]:
    """What of a call users will read: an error's message and remedy, a note of an answer."""
    name = ast.unparse(call.func)
    error = name.endswith("Error") and not hasattr(builtins, name)
    if error or name.endswith(("notes.append", ".refusal", "not_the_api", "_Unfit")):
        yield from call.args
    yield from (given.value for given in call.keywords if given.arg == "remedy")


@pytest.mark.parametrize("place", SEARCHED)
def test_no_error_remedy_or_note_is_left_out_of_the_catalogue(place: str) -> None:
    path = PACKAGE / place
    files = [path] if path.is_file() else sorted(path.rglob("*.py"))
    assert files
    found = [
        f"{file.relative_to(PACKAGE)}:{call.lineno}: {text}"
        for file in files
        for call in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(call, ast.Call)
        for part in shown(call)
        for text in left_in_english(part)
    ]
    assert not found


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


def test_sentences_stand_behind_each_other_as_the_language_has_it() -> None:
    assert language.sentences("", "One.", "", "Two.") == "One. Two."
    assert language.sentences("一。", "二？", "三。") == "一。二？三。"


def test_the_gateway_speaks_english_whatever_its_machine_speaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LANGUAGE", "zh_CN")
    monkeypatch.setenv("ZAI_BASE_URL", "http://127.0.0.1:1")
    config = tmp_path / "gateway.toml"
    config.write_text('[budget]\nday = "-5"\n', "utf-8")
    assert main(["--config", str(config)]) == 2
    assert "-5 is less than nothing" in capsys.readouterr().err
