"""`--image` in a real kernel: what is sent, what stays out of the notebook, what is refused."""

from __future__ import annotations

import base64
import json

import pytest

from tests.kernels import Kernel
from tests.protocol_server import Reply

PICTURE = """
import numpy as np
from matplotlib.figure import Figure
fig = Figure(); fig.subplots().plot([1, 3, 2])
pictures = [np.zeros((2, 3, 3), 'uint8'), np.ones((4, 5))]
fig.savefig('plot.png')
"""


@pytest.fixture
def ready(running: Kernel, tmp_path) -> Kernel:
    run = running.run(f"import os; os.chdir({str(tmp_path)!r})\n{PICTURE}")
    assert run.ok, run.error
    return running


def parts(server) -> list[dict]:
    return server.chats[-1].json["messages"][-1]["content"]


def test_variables_paths_and_urls_are_seen(ready: Kernel, server) -> None:
    server.enqueue(Reply("A line."))
    run = ready.run(
        "%%glm -m glm-4.6v -i fig -i pictures[1] --image plot.png -i https://example.org/a.jpg\n"
        "What do you see?"
    )
    assert run.ok, run.error
    *images, text = parts(server)
    assert text == {"type": "text", "text": "What do you see?"}
    urls = [part["image_url"]["url"] for part in images]
    assert urls.pop() == "https://example.org/a.jpg"
    assert all(base64.b64decode(url).startswith(b"\x89PNG") for url in urls)
    assert len(urls) == 3
    # The notebook holds the picture where it was drawn, not once more with the answer.
    assert all(url not in json.dumps(run.messages, default=str) for url in urls)


def test_a_dry_run_names_the_image_and_does_not_print_it(ready: Kernel, server) -> None:
    run = ready.run("%%glm -m glm-4.6v -i fig --dry-run\nWhat do you see?")
    assert run.ok, run.error
    shown = run.bundle["text/markdown"]
    assert "[image, image/png," in shown
    assert "at most 7,502 for each image" in shown
    assert len(shown) < 2000
    assert server.chats == []


def test_a_conversation_goes_on_about_the_image(ready: Kernel, server) -> None:
    ready.run("%%glm -m glm-4.6v -i fig\nWhat do you see?", cell_id="a")
    ready.run("%%glm -m glm-4.6v -c -i https://example.org/a.png\nWhich colour?", cell_id="b")
    history = ready.run("%glm history").bundle["text/plain"]
    assert "[image, image/png," in history
    assert "[image at https://example.org/a.png]\n\nWhich colour?" in history
    first = server.chats[1].json["messages"][0]["content"]
    assert [part["type"] for part in first] == ["image_url", "text"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("-m glm-4.7 -i fig", "cannot see images"),
        ("-m glm-4.6v -i fgi", "Did you mean `fig`"),
        ("-m glm-4.6v -i plt.png", "Did you mean `plot.png`"),
        ("-m glm-4.6v -i pictures[7]", "IndexError"),
        ("-m glm-4v-flash -i fig", "by URL only"),
        ("-m glm-4v-plus-0111" + " -i fig" * 6, "at most 5 images"),
    ],
)
def test_what_cannot_be_seen_is_refused_before_anything_is_sent(ready, server, line, said) -> None:
    run = ready.run(f"%%glm {line}\nWhat do you see?")
    assert not run.ok
    assert said in run.error
    assert server.chats == []


def test_from_python(ready: Kernel, server) -> None:
    ready.run("import glm_jupyter as glm")
    ready.value("glm.ask('What?', model='glm-4.6v', image=[fig, 'plot.png'])")
    assert [part["type"] for part in parts(server)] == ["image_url", "image_url", "text"]
