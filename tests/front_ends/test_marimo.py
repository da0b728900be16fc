"""Answers in marimo: as the value of a cell, and streamed into a cell's output."""

from __future__ import annotations

import marimo
import pytest

import glm_jupyter as glm
from tests.protocol_server import ProtocolServer, Reply

TEXT = "So \\(x^2\\) it **is**."


@pytest.fixture(autouse=True)
def service(server: ProtocolServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZAI_API_KEY", "0123456789abcdef.sEcReTsEcReT")
    monkeypatch.setenv("ZAI_BASE_URL", server.url)
    server.default = Reply(text=TEXT, reasoning="Let me \\(y\\) it.", chunk=4)


def test_an_answer_is_shown_typeset_with_its_reasoning_folded() -> None:
    shown = marimo.as_html(glm.ask("What?")).text
    assert shown.count("<marimo-tex") == 1  # what is folded is plain text there
    assert "<strong>is</strong>" in shown
    assert "<summary>Thought for" in shown
    assert "· free ·" in shown


def test_an_app_asks_and_streams() -> None:
    app = marimo.App()

    @app.cell
    def _() -> tuple[object]:
        import glm_jupyter as glm

        return (glm,)

    @app.cell
    def _(glm) -> tuple[list[str]]:
        pieces = [
            event.text for event in glm.stream("What?") if type(event).__name__ == "TextDelta"
        ]
        return (pieces,)

    @app.cell
    def _(glm) -> tuple[object]:
        answer = glm.ask("Again?")
        answer  # noqa: B018, it is what the cell shows
        return (answer,)

    outputs, names = app.run()
    assert "".join(names["pieces"]) == TEXT
    assert len(names["pieces"]) > 1
    assert outputs[-1] is names["answer"]
