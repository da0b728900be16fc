"""Which messages a conversation holds, and what running a cell again does to it."""

from __future__ import annotations

from glm_jupyter.sessions.conversation import Conversation, Exchange, messages_of


def exchange(cell: str, text: str) -> Exchange:
    question = {"role": "user", "content": text}
    return Exchange(cell, (question, {"role": "assistant", "content": f"answer to {text}"}))


def contents(messages) -> list[str]:
    return [message["content"] for message in messages if message["role"] == "user"]


def talk(*steps: tuple[str, str, bool]) -> Conversation:
    conversation = Conversation()
    for cell, text, continued in steps:
        conversation.record(exchange(cell, text), system=None, continued=continued)
    return conversation


def test_a_cell_alone_begins_anew_and_a_continuing_one_goes_on() -> None:
    conversation = talk(("a", "one", False), ("b", "two", True), ("c", "three", True))
    assert contents(conversation.messages) == ["one", "two", "three"]
    assert contents(talk(("a", "one", False), ("b", "two", False)).messages) == ["two"]


def test_running_a_cell_again_replaces_its_own_exchange() -> None:
    conversation = talk(("a", "one", False), ("b", "two", True), ("c", "three", True))
    assert contents(messages_of(conversation.before("b"))) == ["one"]
    conversation.record(exchange("b", "two again"), system=None, continued=True)
    assert contents(conversation.messages) == ["one", "two again", "three"]
    conversation.record(exchange("a", "one again"), system=None, continued=False)
    assert contents(conversation.messages) == ["one again", "two again", "three"]


def test_a_cell_that_no_longer_continues_begins_anew() -> None:
    conversation = talk(("a", "one", False), ("b", "two", True), ("b", "two", False))
    assert contents(conversation.messages) == ["two"]


def test_answers_stand_between_the_questions() -> None:
    roles = [message["role"] for message in talk(("a", "1", False), ("b", "2", True)).messages]
    assert roles == ["user", "assistant", "user", "assistant"]
