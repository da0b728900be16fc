"""The session that cells, panel and threads share."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal

import numpy
import pytest

from glm_jupyter import aask, ask
from glm_jupyter.api.errors import InputError
from glm_jupyter.api.request import ChatRequest
from glm_jupyter.sessions.options import AskOptions
from glm_jupyter.sessions.session import Session

ASK_AT_ONCE = """
import sys, threading
sys.setswitchinterval(1e-6)
import glm_jupyter as glm

def ask():
    ready.wait()
    for _ in range(5):
        glm.ask("Hi", model="glm-4-airx")

ready = threading.Barrier(8)
threads = [threading.Thread(target=ask) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(glm.session.spent["RMB"], glm.session.answers, glm.session.running)
"""


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("stop", "END", ["END"]),
        ("stop", ("a", "b"), ["a", "b"]),
        ("max_cost", 0.5, "0.5"),
        ("temperature", 1, 1.0),
        ("think", None, None),
    ],
)
def test_options_from_python_are_taken_as_they_are_meant(name, value, kept) -> None:
    assert getattr(AskOptions.of(**{name: value}), name) == kept


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("temperature", "hot", "a number"),
        ("max_tokens", 5.5, "a whole number"),
        ("model", 5, "a text"),
        ("stop", [1], "a list"),
        ("think", "yes", "True or False"),
    ],
)
def test_an_option_of_another_type_is_an_error(name, value, wanted) -> None:
    with pytest.raises(
        InputError, match=f"`{name}` cannot be {value!r}".replace("[", r"\[")
    ) as got:
        AskOptions.of(**{name: value})
    assert wanted in got.value.remedy


def test_an_unknown_option_is_told_all_that_there_are(session) -> None:
    with pytest.raises(InputError, match="no option `temprature`") as got:
        session.turn("Hi", AskOptions.of(temprature=0.5))
    assert "Did you mean `temperature`?" in got.value.remedy
    said = aask.__doc__ or ""
    listed = got.value.remedy.partition("Options: ")[2].rstrip(".").split(", ")
    assert {"model", "continue_", "schema", "tools", "image", "web", "fresh"} < set(listed)
    assert [name for name in listed if f"`{name}`" not in said] == []


def test_the_names_of_services_have_no_case(session) -> None:
    for options in ({"model": "BigModel/glm-4.7"}, {"model": "glm-4.7", "endpoint": "BIGMODEL"}):
        target = session.turn("Hi", AskOptions.of(**options)).opening.target
        assert (target.endpoint.name, target.model) == ("bigmodel", "glm-4.7")
    target = session.turn("Hi", AskOptions.of(endpoint="LOCAL")).opening.target
    assert (target.endpoint.name, target.model) == ("local", "smollm2-135m")


def test_one_image_or_function_needs_no_list(session) -> None:
    def add(a: int) -> int:
        """Add."""
        return a

    picture = "https://example.org/cat.png"

    def sent(**options: object) -> ChatRequest:
        return session.turn("Hi", AskOptions.of(model="glm-4.6v", **options)).opening.request

    asked = sent(image=picture, tools=add)
    assert asked.images == (picture,)
    assert [tool["function"]["name"] for tool in asked.tools] == ["add"]
    assert len(sent(image=numpy.zeros((4, 4))).images) == 1  # in which a loop would find four
    assert sent(images=None, tools=None).tools == ()


@pytest.mark.parametrize("inner", ["to_send", "aside", "cell", "notes"])
def test_what_cells_fill_in_is_no_option_of_the_user_s(session, inner) -> None:
    with pytest.raises(InputError, match=f"no option `{inner}`"):
        ask("Hi", **{inner: False})


def test_numbers_of_numpy_are_numbers() -> None:
    given = AskOptions.of(max_tokens=numpy.int64(5), temperature=numpy.float32(0.5))
    assert type(given.max_tokens) is int
    assert type(given.temperature) is float


def test_threads_that_ask_at_once_share_one_session_and_its_sums(server, tmp_path) -> None:
    environment = {
        "HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path),
        "ZAI_API_KEY": "k.s",
        "ZAI_BASE_URL": server.url,
    }
    said = subprocess.run(
        [sys.executable, "-c", ASK_AT_ONCE],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    ).stdout
    spent, answers, running = said.split()
    assert answers == "40"
    assert Decimal(spent) == 40 * Decimal("0.00046")
    assert running == "()"


@pytest.mark.parametrize("keyed", [True, False])
def test_a_model_that_only_the_other_service_has_is_refused_before_sending(
    session: Session, monkeypatch: pytest.MonkeyPatch, keyed: bool
) -> None:
    if not keyed:
        monkeypatch.delenv("ZAI_API_KEY")
    with pytest.raises(InputError, match=r"glm-tts is not at zai.*Nothing was sent") as caught:
        session.turn("Say hello", AskOptions(model="glm-tts", endpoint="zai"))
    assert "-e bigmodel" in caught.value.remedy


@pytest.mark.parametrize(
    "options",
    [
        AskOptions(model="glm-tts", endpoint="http://gpu:8000/v1"),  # a server of one's own
        AskOptions(model="glm-99-image", endpoint="zai"),
        AskOptions(model="glm-4-airx", endpoint="zai"),
        AskOptions(model="glm-ocr", endpoint="zai"),
    ],
)
def test_other_names_go_to_the_service_that_is_chosen(
    session: Session, options: AskOptions
) -> None:
    assert session.target(options, to_send=False).model == options.model
