"""An Answer as it grows: what is read from it, also while it grows in another thread."""

from __future__ import annotations

import pickle
import sys
import threading
from collections.abc import Iterator

import pytest

from glm_jupyter.answer import Answer
from glm_jupyter.api import events as ev


@pytest.fixture
def eager_threads() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_reading_in_another_thread_loses_nothing(eager_threads: None) -> None:
    answer = Answer("glm-4-airx", "bigmodel")
    parts = [f"{number} " for number in range(100_000)]
    ended = threading.Event()
    seen: list[str] = []

    def read() -> None:
        while not ended.is_set():
            seen.append(answer.text[-1:] + answer.reasoning[-1:])

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for part in parts:
        answer.apply(ev.ReasoningDelta(part))
        answer.apply(ev.TextDelta(part))
    ended.set()
    for reader in readers:
        reader.join()
    assert answer.text == answer.reasoning == "".join(parts)
    assert seen


def test_an_answer_can_be_pickled_and_grows_on() -> None:
    answer = Answer("glm-4.7", "bigmodel")
    for event in (ev.ReasoningDelta("Hm."), ev.TextDelta("One, "), ev.TextDelta("two")):
        answer.apply(event)
    back = pickle.loads(pickle.dumps(answer))
    back.apply(ev.TextDelta(", three"))
    assert (back.reasoning, back.text) == ("Hm.", "One, two, three")
    assert (back.id, answer.text) == (answer.id, "One, two")


def test_what_turns_out_to_be_reasoning_moves_there() -> None:
    answer = Answer("glm-z1", "bigmodel")
    answer.apply(ev.TextDelta("Let me "))
    assert answer.text == "Let me "
    answer.apply(ev.TextDelta("see."))
    answer.apply(ev.TextWasReasoning())
    answer.apply(ev.TextDelta("42"))
    assert (answer.text, answer.reasoning) == ("42", "Let me see.")
