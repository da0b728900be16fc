"""The panel in a real kernel: its controls act while a cell is answered."""

from __future__ import annotations

from threading import Event
from typing import Any

from tests.kernels import WHILE_A_CELL_RUNS, Kernel
from tests.protocol_server import ProtocolServer, Reply

FIND = """
def find(description, within=None):
    from glm_jupyter.panel import panel_of
    import glm_jupyter
    widget = within or panel_of(glm_jupyter.session).widget
    if getattr(widget, "description", "").startswith(description):
        return widget
    for child in getattr(widget, "children", ()):
        if found := find(description, child):
            return found
"""


def send(running: Kernel, comm_id: str, data: dict[str, Any]) -> str:
    """What a front end sends when a control is used; the id of the message."""
    message = running.client.session.msg("comm_msg", {"comm_id": comm_id, "data": data})
    running.client.shell_channel.send(message)
    return str(message["header"]["msg_id"])


def test_the_panel_is_one_widget_however_often_it_is_shown(running: Kernel) -> None:
    first, second = running.run("%glm"), running.run("%glm panel")
    views = [run.bundle["application/vnd.jupyter.widget-view+json"] for run in (first, second)]
    assert views[0]["model_id"] == views[1]["model_id"]
    # This is what an exported notebook shows.
    assert first.bundle["text/plain"].startswith("The panel of glm-jupyter")
    assert "VBox" not in str(first.bundle)


@WHILE_A_CELL_RUNS
def test_stop_stops_the_answer_under_way(running: Kernel, server: ProtocolServer) -> None:
    running.run(FIND)
    running.run("%glm")
    stop = running.value("find('Stop').comm.comm_id")
    server.enqueue(Reply(text="word " * 2000, pause=0.02))
    clicked: list[bool] = []

    def click(message: dict[str, Any]) -> None:
        # The first display may have no text yet.
        if "word" in str(message["content"].get("data")) and not clicked:
            clicked.append(True)
            send(running, stop, {"method": "custom", "content": {"event": "click"}})

    run = running.run("%%glm -m glm-4-airx\nHello", on_message=click, timeout=30)
    assert not run.ok
    assert "Stopped" in run.error
    assert 0 < int(running.value("len(_glm.text)")) < 10_000
    assert running.value("_glm.complete") == "False"
    assert running.run("%%glm -m glm-4-airx\nHello").ok


def test_a_model_picked_during_an_answer_gives_the_next(
    running: Kernel, server: ProtocolServer
) -> None:
    running.run(FIND)
    running.run("%glm")
    model = running.value("find('Model').comm.comm_id")
    names = running.value("[label for label, _ in find('Model').options]")
    index = next(n for n, name in enumerate(eval(names)) if name.startswith("glm-4-airx"))
    server.enqueue(Reply(text="word " * 60, pause=0.02))
    picked: list[bool] = []

    def pick(message: dict[str, Any]) -> None:
        if message["msg_type"] == "display_data" and not picked:
            picked.append(True)
            send(
                running, model, {"method": "update", "state": {"index": index}, "buffer_paths": []}
            )

    run = running.run("%%glm -m glm-4.7\nHello", on_message=pick)
    assert run.ok, run.error
    assert running.value("_glm.model") == "glm-4.7"
    assert running.run("%%glm\nHello").ok
    assert server.requests[-1].json["model"] == "glm-4-airx"


def test_a_control_acts_as_often_as_it_is_used_during_an_answer(
    running: Kernel, server: ProtocolServer
) -> None:
    """A front end keeps a control's next change back until the kernel is idle after the last."""
    running.run(FIND)
    running.run("%glm")
    model = running.value("find('Model').comm.comm_id")
    rest = Event()
    server.enqueue(Reply(text="word " * 60, hold=rest))
    client = running.client
    cell = client.execute("%%glm -m glm-4.7\nHello")
    told: list[tuple[str, str]] = []  # the states of the kernel, and what each is said of
    waiting, used = [3, 5], ""
    while (cell, "idle") not in told:
        message = client.get_iopub_msg(timeout=60)
        parent = message["parent_header"].get("msg_id", "")
        if message["msg_type"] == "status":
            told.append((parent, message["content"]["execution_state"]))
        shown = message["msg_type"] == "display_data" and parent == cell
        if (shown and not used) or (told[-1:] == [(used, "busy")] and waiting):
            state = {"index": waiting.pop(0)}
            data = {"method": "update", "state": state, "buffer_paths": []}
            used = send(running, model, data)
        elif told[-1:] == [(used, "busy")]:
            rest.set()
    client.get_shell_msg(timeout=60)
    assert (used, "idle") in told[: told.index((cell, "idle"))]
    assert running.value("find('Model').index") == "5"


def test_a_map_is_drawn_to_its_end_and_not_at_each_answer(running: Kernel) -> None:
    running.run("%glm")
    running.run(
        "import glm_jupyter as glm\n"
        "from glm_jupyter.panel import bill\n"
        "view, drawn = bill.view, []\n"
        "bill.view = lambda session: drawn.append(1) or view(session)"
    )
    run = running.run("answers = glm.map(range(200), 'Why {{ item }}?', model='glm-4-airx')")
    assert run.ok, run.error
    # The last drawing may come after the cell has ended.
    messages = list(run.messages)
    while not any(m["msg_type"] == "comm_msg" and "0.092 RMB" in str(m) for m in messages):
        messages.append(running.client.get_iopub_msg(timeout=60))
    assert 0 < int(running.value("len(drawn)")) < 100
