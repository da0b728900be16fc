"""The catalogue as `%glm models` shows it: each kind in its own unit, with its own limits."""

from __future__ import annotations

import pytest

from glm_jupyter.api import catalogue
from glm_jupyter.models import about, listing


def plain(pattern: str | None = None) -> str:
    return listing(catalogue.models(pattern))["text/plain"]


def line(name: str, shown: str) -> str:
    (found,) = [line for line in shown.splitlines() if line.startswith(f"{name} ")]
    return found


def test_the_whole_list_begins_with_what_there_is_and_how_to_see_less() -> None:
    shown = listing(catalogue.models())
    for text in shown.values():
        first = text.splitlines()[0]
        assert "image (6)" in first
        assert "`%glm models image`" in first
    assert "**video: models that make videos**" in shown["text/markdown"]
    assert "\nvideo: models that make videos\n" in shown["text/plain"]


def test_one_kind_is_one_table_without_a_heading() -> None:
    shown = plain("image")
    assert shown.startswith("model ")
    assert "bigmodel/cogview-4 " in shown
    assert "glm-4.7" not in shown
    assert "answer" not in shown


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("bigmodel/glm-image", ["0.1 RMB for an image", "sides 1024 to 2048 in steps of 32"]),
        ("bigmodel/cogview-3-flash", ["free", "standard or hd"]),
        ("zai/cogvideox-3", ["0.2 USD for a video", "5 or 10 s", "up to 2 pictures", "sound"]),
        ("bigmodel/viduq1-text", ["price unknown", "1920x1080", "5 s"]),
        ("bigmodel/glm-tts", ["2 RMB for 10,000 characters", "7 voices"]),
        ("bigmodel/glm-asr-2512", ["0.15 RMB per million tokens", "30 s at a time"]),
        ("zai/glm-ocr", ["0.03 USD per million tokens", "100 pages"]),
        ("bigmodel/embedding-3", ["0.5 RMB per million tokens", "64 texts at a time"]),
        ("bigmodel/rerank", ["4,096 characters each"]),
    ],
)
def test_prices_in_the_unit_of_the_model_and_limits_in_words(name: str, says: list[str]) -> None:
    found = line(name, plain())
    for words in says:
        assert words in found


def test_a_model_in_some_lines_tells_what_it_makes() -> None:
    assert "Makes pictures" in about("cogview-4")
    assert "Price: 0.15 RMB per million tokens" in about("glm-asr-2512")
