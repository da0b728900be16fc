"""A growing answer in a plain terminal."""

from __future__ import annotations

import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glm_jupyter.answer import Answer
from glm_jupyter.api import events as ev
from glm_jupyter.render.terminal import TerminalView
from glm_jupyter.text import Cleaner, clean


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(*events: ev.Event, finish: bool = True) -> str:
    """What a terminal has got after these events."""
    answer = Answer("glm-z1-air", "bigmodel")
    out: list[str] = []
    view = TerminalView(answer, out.append)
    for event in events:
        answer.apply(event)
        view.changed()
    if finish:
        answer.apply(ev.Finish("stop"))
    answer.seconds = answer.thinking_seconds = 3.0
    view.close()
    return "".join(out)


LAST = "glm-z1-air · cost unknown · 3.0 s\n"


def test_text_comes_as_it_grows() -> None:
    answer = Answer("glm-z1-air", "bigmodel")
    out: list[str] = []
    view = TerminalView(answer, out.append)
    for text in ("One ", "two", " three"):
        answer.apply(ev.TextDelta(text))
        view.changed()
        assert "".join(out) == answer.text
    view.changed()
    assert "".join(out) == answer.text


def test_the_last_line_follows_the_text() -> None:
    assert shown(ev.TextDelta("\nHi "), ev.TextDelta("there")) == f"Hi there\n\n{LAST}"


def test_an_answer_that_broke_off_says_so() -> None:
    assert shown(ev.TextDelta("Hi"), finish=False) == f"Hi\n\nBroke off.\n\n{LAST}"


def test_reasoning_is_framed_by_lines() -> None:
    text = shown(ev.ReasoningDelta("Hm"), ev.ReasoningDelta(", so."), ev.TextDelta("Yes"))
    assert text.startswith("Thinking…\nHm, so.\nThought for ")
    assert text.endswith(f"\n\nYes\n\n{LAST}")
    assert "\x1b" not in text


def test_reasoning_is_dimmed_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys, "stdout", Terminal())
    text = shown(ev.ReasoningDelta("Hm"), ev.TextDelta("Yes"))
    assert text.startswith("\x1b[2mThinking…\nHm\x1b[0m")
    assert text.endswith(f"\x1b[0m\n\nYes\n\n{LAST}")


def test_no_colour_means_no_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert "\x1b" not in shown(ev.ReasoningDelta("Hm"), ev.TextDelta("Yes"))


def test_without_a_writer_it_writes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    answer = Answer("glm-z1-air", "bigmodel")
    view = TerminalView(answer)
    view.status("Waiting …")
    answer.apply(ev.TextDelta("Hi"))
    view.changed()
    assert capsys.readouterr().out == "Waiting …\nHi"


@pytest.mark.parametrize(
    ("chunks", "text"),
    [
        (["a\x1b[3", "1mb"], "ab"),
        (["a\x1b", "]0;title", "\x07b"], "ab"),
        (["a\x1b]8;;http://x\x1b", "\\b"], "ab"),
        (["a\x1b(", "Bb\x1bcd"], "abd"),
        (["a\r", "\nb\rc"], "a\nb\nc"),
        (["a\x08\x00\x7fb\x9b", "2Jc"], "abc"),
        (["a\x1b]never ends\n", "b"], "a]never ends\nb"),
        (["a\x1b"], "a"),
        (["a\r"], "a\n"),
        (["tab\tkept"], "tab\tkept"),
    ],
)
def test_control_sequences_are_dropped_however_they_are_cut(chunks: list[str], text: str) -> None:
    assert shown(*map(ev.TextDelta, chunks)) == f"{text}\n\n{LAST}"


CONTROL = st.lists(
    st.sampled_from([*"ab\r\n\t\x1b[]0;m\x07\\\x9b\x9c\x9dP(\x00", "\x1b[1m", "\x1b]0;t\x07"]),
    max_size=40,
).map("".join)


@given(CONTROL | st.text(), st.lists(st.integers(0, 20)))
def test_any_cut_gives_the_same_clean_text(text: str, cuts: list[int]) -> None:
    cleaner = Cleaner()
    out, rest = "", text
    for cut in cuts:
        out += cleaner.decode(rest[:cut])
        rest = rest[cut:]
    out += cleaner.decode(rest) + cleaner.flush()
    assert out == clean(text)
    assert not {character for character in out if ord(character) < 32} - {"\n", "\t"}
    assert not {character for character in out if 127 <= ord(character) < 160}


def test_a_terminal_that_cannot_show_every_character(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="latin-1"))
    answer = Answer("glm-z1-air", "bigmodel")
    view = TerminalView(answer)
    answer.apply(ev.TextDelta("é 矩阵"))
    view.close()
    assert written.getvalue().startswith("é ??\n".encode("latin-1"))
