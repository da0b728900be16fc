"""The panel: a view of the session that changes it, and never the reason why an answer fails."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import aclosing
from decimal import Decimal
from pathlib import Path
from threading import Event
from time import monotonic, sleep
from typing import Any

import ipywidgets as widgets
import pytest

from glm_jupyter import throttle as redrawing
from glm_jupyter.api.events import Started
from glm_jupyter.money import ceiling
from glm_jupyter.money.ledger import Ledger
from glm_jupyter.panel import Panel, panel_of
from glm_jupyter.panel import spending as bill
from glm_jupyter.sessions.options import AskOptions
from glm_jupyter.sessions.session import Session
from glm_jupyter.spending import report
from tests.protocol_server import ProtocolServer, Reply

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"


@pytest.fixture(autouse=True)
def interval(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has changed is drawn at once, but where a test says otherwise."""
    monkeypatch.setattr(redrawing, "INTERVAL", 0.0)


def parts(widget: Any) -> Iterator[Any]:
    yield widget
    for child in getattr(widget, "children", ()):
        yield from parts(child)


def control(panel: Panel, description: str) -> Any:
    """The control whose label begins with `description`."""
    (found,) = [
        part
        for part in parts(panel.widget)
        if getattr(part, "description", "").startswith(description)
    ]
    return found


def spoken(panel: Panel) -> str:
    """What a screen reader says when it changes."""
    return "".join(re.findall("role='status'.*?</div>", shown(panel), re.DOTALL))


def labels(panel: Panel, description: str) -> list[str]:
    return [option[0] for option in control(panel, description).options]


def shown(panel: Panel) -> str:
    return "\n".join(part.value for part in parts(panel.widget) if isinstance(part, widgets.HTML))


def pick(panel: Panel, description: str, label: str) -> None:
    field = control(panel, description)
    (field.label,) = [name for name in labels(panel, description) if name.startswith(label)]


async def ask(session: Session, prompt: str = "Hello", **options: Any) -> None:
    async for _ in session.turn(prompt, AskOptions.of(**options)).stream():
        pass


async def test_a_model_picked_in_the_panel_answers(
    session: Session, server: ProtocolServer
) -> None:
    panel = Panel(session)
    pick(panel, "Model", "glm-4-airx")
    assert session.model == "bigmodel/glm-4-airx"
    await ask(session)
    assert server.requests[-1].json["model"] == "glm-4-airx"
    pick(panel, "Model", "As configured")
    assert session.model is None


def test_endpoints_and_models_go_together(session: Session) -> None:
    panel = Panel(session)
    pick(panel, "Model", "glm-4-airx")
    pick(panel, "Endpoint", "zai")
    assert (session.endpoint, session.model) == ("zai", None)
    assert not any(label.startswith("glm-4-airx") for label in labels(panel, "Model"))
    pick(panel, "Model", "glm-4.7 ")
    assert session.target().endpoint.name == "zai"
    pick(panel, "Endpoint", "bigmodel (as")
    assert session.target().endpoint.name == "bigmodel"


def test_models_that_make_other_things_than_text_come_last_and_say_what(session: Session) -> None:
    panel = Panel(session)
    names = labels(panel, "Model")
    assert "cogview-3-flash · pictures · free" in names
    assert "cogvideox-3 · videos · 1 RMB for a video" in names
    last_chat = max(i for i, name in enumerate(names) if name.startswith("glm-4v-flash"))
    assert last_chat < names.index("cogview-3-flash · pictures · free")
    assert not any(name.startswith(("embedding-3", "rerank", "glm-ocr")) for name in names)


def test_facts_of_a_model_of_pictures_have_its_sizes_not_a_context(session: Session) -> None:
    panel = Panel(session)
    pick(panel, "Model", "cogview-4 ")
    assert "<dt>Makes</dt><dd>pictures</dd>" in shown(panel)
    assert "0.06 RMB for an image" in shown(panel)
    assert "sides 512 to 2048 in steps of 16" in shown(panel)
    assert "Context" not in shown(panel)


def test_a_base_url_and_a_name_that_no_list_has(session: Session) -> None:
    panel = Panel(session)
    pick(panel, "Endpoint", "Another")
    control(panel, "Base URL").value = "http://127.0.0.1:9/v1"
    pick(panel, "Model", "Another")
    control(panel, "Its name").value = "zai-org/GLM-4-9B"
    target = session.target()
    assert (target.endpoint.base_url, target.model) == (
        "http://127.0.0.1:9/v1",
        "zai-org/GLM-4-9B",
    )
    assert control(panel, "Model").label == "zai-org/GLM-4-9B"


def test_two_panels_stay_in_step(session: Session) -> None:
    one, other = Panel(session), Panel(session)
    pick(one, "Model", "glm-4.7 ")
    pick(one, "Thinking", "Off")
    control(one, "Set the temperature").value = True
    control(one, "Temperature").value = 0.4
    control(one, "System").value = "Be brief."
    assert control(other, "Model").label.startswith("glm-4.7 ")
    assert control(other, "Thinking").label == "Off"
    assert control(other, "Temperature").value == 0.4
    assert control(other, "System").value == "Be brief."
    session.model = "glm-from-tomorrow"
    assert control(one, "Model").label == control(other, "Model").label == "glm-from-tomorrow"
    assert shown(one) == shown(other)


async def test_choices_go_into_the_request(session: Session, server: ProtocolServer) -> None:
    panel = Panel(session)
    pick(panel, "Model", "glm-4.7 ")
    pick(panel, "Thinking", "Off")
    control(panel, "Set the temperature").value = True
    control(panel, "Temperature").value = 0.4
    control(panel, "Limit").value = True
    control(panel, "Most tokens").value = 50
    control(panel, "System").value = "Be brief."
    await ask(session)
    sent = server.requests[-1].json
    assert sent["thinking"] == {"type": "disabled"}
    assert (sent["temperature"], sent["max_tokens"]) == (0.4, 50)
    assert sent["messages"][0] == {"role": "system", "content": "Be brief."}
    control(panel, "Set the temperature").value = False
    control(panel, "Limit").value = False
    control(panel, "System").value = ""
    assert session.temperature is session.max_tokens is session.system is None


@pytest.mark.parametrize(
    ("model", "most", "heat"),
    [
        ("glm-4.7", 65_536, 1.0),
        ("glm-z1-air", 4_096, 1.0),  # nobody knows its usual length and temperature
        ("glm-4v-flash", 1_024, 1.0),
        ("glm-from-tomorrow", 4_096, 1.0),
    ],
)
def test_a_limit_begins_with_what_changes_little(
    session: Session, model: str, most: int, heat: float
) -> None:
    panel = Panel(session)
    session.model = model
    control(panel, "Limit").value = True
    control(panel, "Set the temperature").value = True
    assert (session.max_tokens, session.temperature) == (most, heat)


def test_it_tells_what_as_configured_means(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.settings.temperature = 0.0
    panel = Panel(session)
    assert control(panel, "Model").label == "As configured"
    assert "<dd>glm-4.7-flash</dd>" in shown(panel)
    assert control(panel, "Set the temperature").description.endswith("(without: 0)")
    monkeypatch.setenv("ZAI_BASE_URL", "https://api.z.ai/api/paas/v4")
    panel = Panel(session)
    assert control(panel, "Endpoint").label == "zai (as configured)"
    assert any(label.startswith("glm-5-code") for label in labels(panel, "Model"))
    session.settings.model = "bigmodel/glm-4-airx"
    panel = Panel(session)
    assert control(panel, "Endpoint").label == "bigmodel (as configured)"
    assert control(panel, "Model").label == "bigmodel/glm-4-airx (as configured)"


async def test_effort_is_offered_where_the_model_has_it(
    session: Session, server: ProtocolServer
) -> None:
    panel = Panel(session)
    pick(panel, "Model", "glm-5.3 ")
    pick(panel, "Effort", "low")
    await ask(session)
    assert server.requests[-1].json["reasoning_effort"] == "low"


def test_what_another_model_cannot_take_is_taken_back_and_said(session: Session) -> None:
    panel = Panel(session)
    pick(panel, "Model", "glm-5.3 ")
    pick(panel, "Effort", "max")
    session.max_tokens = 100_000
    pick(panel, "Model", "glm-4-airx")
    assert session.effort is session.max_tokens is None
    assert "cannot take" in shown(panel)


async def test_it_shows_what_was_spent_and_what_is_left(
    session: Session, server: ProtocolServer
) -> None:
    panel = Panel(session)
    session.budgets.set("session", "RMB", Decimal(1))
    server.enqueue(Reply(prompt_tokens=33, completion_tokens=885, cached_tokens=7))
    await ask(session, model="glm-4-airx")
    text = shown(panel)
    assert text.count(">0.00918 RMB<") == 4  # last answer, session, today, month
    assert "7 cached" in text
    assert "0.00918 of 1 RMB" in text
    assert "RMB a day" in text


async def test_it_shows_what_an_answer_has_cost_so_far(
    session: Session, server: ProtocolServer
) -> None:
    panel = Panel(session)
    rest = Event()
    # 1,600 characters are sent, and then no more until they are seen to be counted.
    server.enqueue(Reply(text="word " * 400, hold=rest, hold_after=200))
    stream = session.turn("Hello", AskOptions.of(model="glm-4-airx")).stream()
    arrived = 0
    async for event in stream:
        arrived += len(getattr(event, "text", ""))
        if arrived >= 1200:
            break
    # about 240 words of 1 token each, at 10 RMB per million
    found = re.search(r"about (0\.00\d+) RMB so far", shown(panel))
    assert found
    assert Decimal("0.001") < Decimal(found[1]) < Decimal("0.006")
    assert "so far" not in spoken(panel)
    rest.set()
    async for _ in stream:
        pass
    assert "so far" not in shown(panel)


async def test_what_earlier_requests_for_an_answer_have_cost_counts_too(
    session: Session, server: ProtocolServer
) -> None:
    def look() -> str:
        """Look it up."""
        return "It is 7."

    panel = Panel(session)
    server.enqueue(Reply("", tool_calls=[{"name": "look", "arguments": {}}]), Reply("Seven."))
    turn, begun = session.turn("Hello", AskOptions.of(model="glm-4-airx", tools=[look])), 0
    async with aclosing(turn.stream()) as stream:
        async for event in stream:
            begun += isinstance(event, Started)
            if begun == 2:
                text = shown(panel)
                break
    # 12 + 34 tokens of the first request, and the prompt of the second
    found = re.search(r"about (0\.00\d+) RMB so far", text)
    assert found
    assert Decimal("0.0005") < Decimal(found[1]) < Decimal("0.003")


async def test_an_unknown_price_is_not_shown_as_nothing(session: Session) -> None:
    panel = Panel(session)
    await ask(session, model="glm-from-tomorrow")
    text = shown(panel)
    assert "cost unknown" in text
    assert text.count(">unknown<") == 3


async def test_sums_without_the_ledger_are_not_shown_as_the_whole(
    session: Session, ledger: Ledger
) -> None:
    panel = Panel(session)
    await ask(session, model="glm-4-airx")
    assert "at least" not in shown(panel)
    content = ledger.path.read_bytes()
    ledger.path.unlink()
    ledger.path.mkdir()
    await ask(session, model="glm-4-airx")
    ledger.path.rmdir()
    ledger.path.write_bytes(content)
    panel.refresh()
    assert "Today and this month are at least that" in shown(panel)
    assert "At least: the ledger" in report(ledger, "model", None)[0]["text/plain"]


async def test_nothing_of_a_model_becomes_html(session: Session, server: ProtocolServer) -> None:
    panel = Panel(session)
    server.enqueue(Reply(reasoning=HOSTILE, text=HOSTILE))
    await ask(session, model=f"glm{HOSTILE}")
    session.model = HOSTILE
    text = shown(panel)
    assert "&lt;script&gt;" in text
    assert "<script" not in text
    assert "<img" not in text


async def test_stop_and_its_state(session: Session, server: ProtocolServer) -> None:
    panel = Panel(session)
    stop = control(panel, "Stop")
    assert stop.disabled
    server.enqueue(Reply(text="word " * 1000, pause=0.01))

    async def answering() -> None:
        async for event in session.turn("Hello", AskOptions()).stream():
            if getattr(event, "text", ""):
                assert not stop.disabled
                assert "is answering" in shown(panel)
                stop.click()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.ensure_future(answering())
    assert stop.disabled
    assert session.last is not None
    assert session.last.text
    assert not session.last.complete


async def test_a_change_during_an_answer_counts_from_the_next_and_says_so(
    session: Session, server: ProtocolServer
) -> None:
    panel = Panel(session)
    stream = session.turn("Hello", AskOptions.of(model="glm-4.7")).stream()
    await anext(stream)
    pick(panel, "Model", "glm-4-airx")
    assert "goes on as it was asked" in shown(panel)
    async for _ in stream:
        pass
    assert session.last is not None
    assert session.last.model == "glm-4.7"
    await ask(session)
    assert server.requests[-1].json["model"] == "glm-4-airx"


def test_without_a_key_it_says_what_to_do(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ZAI_API_KEY")
    session.model = "glm-4.7"
    assert "<code>%glm login</code>" in shown(Panel(session))


async def test_its_own_trouble_does_not_fail_an_answer(
    session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    panel = Panel(session)

    def fail(*_: object) -> None:
        raise RuntimeError("the panel is in trouble")

    monkeypatch.setattr("glm_jupyter.panel.spending.view", fail)
    await ask(session)
    assert session.last is not None
    assert session.last.complete
    assert "the panel is in trouble" in shown(panel)


def test_a_ceiling_that_cannot_be_read_is_told(
    session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "etc" / "ipython" / "ipython_config.py"
    path.parent.mkdir(parents=True)
    path.write_text("c.GLMCeiling.day = ['much']")
    monkeypatch.setattr(ceiling, "folders", lambda: [tmp_path / "etc"])
    ceiling.ceilings.cache_clear()
    try:
        assert "Ask the administrator" in shown(Panel(session))
    finally:
        ceiling.ceilings.cache_clear()


def test_what_is_configured_is_shown_at_once(session: Session) -> None:
    panel = Panel(session)
    session.settings.model = "glm-4-airx"
    assert "bigmodel/glm-4-airx" in shown(panel)


def test_shown_again_it_is_up_to_date(
    session: Session, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ZAI_API_KEY")
    session.model = "glm-4.7"
    panel = panel_of(session)
    assert "no key" in shown(panel)
    monkeypatch.setenv("ZAI_API_KEY", "id.secret")
    Ledger(ledger.path).set_budget("day", "RMB", Decimal(7))  # in another kernel
    assert panel_of(session) is panel
    assert "no key" not in shown(panel)
    assert "0 of 7 RMB" in shown(panel)


def test_one_panel_for_all_displays_until_it_is_closed(session: Session) -> None:
    panel = panel_of(session)
    assert panel_of(session) is panel
    panel.widget.close()
    assert panel_of(session) is not panel


async def test_a_closed_panel_draws_nothing_more(
    session: Session, server: ProtocolServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = Panel(session)
    drawn: list[Session] = []
    monkeypatch.setattr(bill, "view", lambda session: drawn.append(session) or "")
    session.temperature = 0.5
    assert drawn
    panel.widget.close()
    drawn.clear()
    session.temperature = 0.6
    async for _ in session.turn("Hi", AskOptions.of(model="glm-4-airx")).stream():
        pass
    assert drawn == []


def test_many_answers_are_drawn_a_few_times_and_the_last_for_sure(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []
    view = bill.view
    monkeypatch.setattr(bill, "view", lambda of: drawn.append(view(of)) or drawn[-1])
    monkeypatch.setattr(redrawing, "INTERVAL", 0.2)
    panel = Panel(session)

    async def ask_often() -> None:
        for _ in range(40):
            await ask(session, model="glm-4-airx")

    begun = monotonic()
    asyncio.run(ask_often())  # its loop is gone when the last drawing is due
    until(lambda: "0.0184 RMB" in shown(panel))
    assert len(drawn) <= (monotonic() - begun) / 0.2 + 2


def test_a_choice_is_drawn_at_once_however_often(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redrawing, "INTERVAL", 1000.0)
    panel = Panel(session)
    for name in ("glm-4.7", "glm-4-airx"):
        session.model = name
        assert f"bigmodel/{name}" in shown(panel)


def until(condition: Callable[[], bool]) -> None:
    deadline = monotonic() + 20
    while not condition():
        assert monotonic() < deadline, "it never came"
        sleep(0.02)
