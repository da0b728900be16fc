"""No key in any byte: keys by every way in, quoted by the service in every form, and all that was
written is searched.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from tests.gateway.running import config, gateway
from tests.kernel.conftest import environment
from tests.kernels import Kernel, kernel
from tests.protocol_server import ProtocolServer, Reply, Request, sse
from tests.raw_server import OK, RawServer, says

# With characters that JSON, URLs and regular expressions write in other ways.
KEY = "3nV1r0n/c4n4ry+k3y=.S3cr3tS3cr3t"  # in the environment, as people paste it
STORED = "st0r3d/c4n4ry+k3y=.S3cr3tS3cr3t"  # in the keyring, for a server of the user's own
PASSWORD = "pr0xyC4n4ryP4ssw0rd"
IN_URL = "b4s3UrlC4n4ryP4ssw0rd"
HUB = "hubT0k3nC4n4ry0123456789"
OTHER = "0th3rC4n4ryS3cr3tK3y"
CANARIES = (KEY, STORED, PASSWORD, IN_URL, HUB, OTHER)

KEYRING = """
from keyring.backend import KeyringBackend

class Memory(KeyringBackend):
    priority = 1
    kept = {}

    def get_password(self, service, name):
        return self.kept.get((service, name))

    def set_password(self, service, name, password):
        self.kept[service, name] = password
"""


def spellings(key: str) -> dict[str, str]:
    """A key as servers quote it."""
    return {
        "as it is": key,
        "escaped slashes": key.replace("/", r"\/"),
        "escaped characters": "".join(rf"\u{ord(c):04x}" for c in key),
        "escaped in upper case": "".join(rf"\u{ord(c):04X}" for c in key),
        "percent-encoded": quote(key, safe=""),
        "percent-encoded whole": "".join(f"%{ord(c):02x}" for c in key),
        "percent-encoded twice": quote(quote(key, safe=""), safe=""),
    }


def quoted(key: str) -> str:
    """A text of the service that has the key in all spellings."""
    return "You sent: " + "; ".join(f"Bearer {text}" for text in spellings(key).values()) + "."


def found(text: str) -> list[str]:
    """The canaries in a text, or all but their end, whatever their spelling."""
    return [
        f"{canary} {how}: {text[max(0, text.index(form) - 200) : text.index(form) + 100]}"
        for canary in CANARIES
        for how, form in spellings(canary[:16]).items()
        if form in text
    ]


def shown_to(request: Request) -> str:
    """The key that a request came with."""
    return request.headers.get("authorization", f"Bearer {KEY}").removeprefix("Bearer ")


def echo(request: Request) -> Reply:
    """Quotes the key in the way that the question asks for."""
    key = shown_to(request)
    text = quoted(key)
    how = str(request.json["messages"][-1]["content"]).split("\n")[-1]
    error = {"error": {"code": "1210", "message": text}}
    escaped = json.dumps(text).replace(key[0], rf"\u{ord(key[0]):04x}")
    frame = b'data: {"choices": [{"delta": {"content": %s}}]}\n\n' % escaped.encode()
    half = sse({"choices": [{"delta": {"content": "Half"}}]})
    end = sse({"choices": [{"delta": {}, "finish_reason": "stop"}]})
    replies = {
        "text": Reply(text),
        "pieces": Reply(text, chunk=1),
        "pieces of three": Reply(text, chunk=3),
        "thinking": Reply("Done.", reasoning=text, chunk=5),
        "thinking inline": Reply("Done.", reasoning=text, reasoning_field="inline", chunk=4),
        "escaped frames": Reply(raw=[frame, end]),
        "sources": Reply("Done.", sources=[{"title": text, "link": f"https://h/{text}"}]),
        "model": Reply("Done.", model=text),
        "finish reason": Reply("Done.", finish_reason=text),
        "error in the stream": Reply("Half", error={"code": "1305", "message": text}),
        "own code": Reply("Half", error={"code": key, "message": text}),
        "broken frame": Reply(raw=[half, f"data: {text}\n\n".encode()]),
        "cut in the key": Reply(f"Half, {key[:-1]}", chunk=2, done=False, finish_reason=None),
        "refusal cut in the key": Reply(status=400, body=f"You sent: {key[:-1]}"),
        "refusal": Reply(status=400, body=error),
        "wrong key": Reply(status=401, body={"error": {"code": "1002", "message": text}}),
        "plain refusal": Reply(status=400, body=text),
        "page": Reply(body=f"<html>{text}</html>"),
        "failure": Reply(status=500, body=f"<html>{text}</html>"),
        "redirect": Reply(
            status=302, body="", headers={"Location": f"https://h/?key={quote(key)}"}
        ),
        "header": Reply("Done.", headers={"X-Echo": key, "Set-Cookie": f"key={quote(key)}"}),
        "whole": Reply(body={"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}),
    }
    if how == "call":
        if request.json["messages"][-1]["role"] == "tool":
            return Reply(text)
        return Reply(
            "",
            tool_calls=[{"name": "look", "arguments": {"where": text}, "id": key}],
            finish_reason="tool_calls",
            tool_stream=True,
            chunk=3,
        )
    return replies.get(how, Reply(text))


WAYS = [
    "text",
    "pieces",
    "pieces of three",
    "thinking",
    "thinking inline",
    "escaped frames",
    "sources",
    "model",
    "finish reason",
    "error in the stream",
    "own code",
    "broken frame",
    "cut in the key",
    "refusal cut in the key",
    "refusal",
    "wrong key",
    "plain refusal",
    "page",
    "failure",
    "redirect",
    "header",
    "whole",
]

SET_UP = """
import functools, logging, os, json, sys
logging.basicConfig(level=logging.DEBUG, filename="debug.log", force=True)
import glm_jupyter as glm
from glm_jupyter.api import client, retries
client.Client = functools.partial(client.Client, pause=0.01)
retries.PAUSE = 0.01

def look(where: str = "") -> str:
    "Look at the environment."
    return str(dict(os.environ))
"""

ASKED = [f"%%glm -m glm-4.7\n{way}" for way in WAYS]
EVERYTHING = [
    "%xmode Verbose",
    "%glm",
    "%glm doctor",
    "%glm doctor --online",
    "%glm models",
    "%glm record answers.jsonl",
    *ASKED,
    "%tb",
    "import traceback; traceback.print_exc()",
    "%%glm -m glm-4.7 --tools look\ncall",
    "%%glm -m glm-4.7 --dry-run\n{{ glm.session }}",
    "%%glm -m glm-4.7\n{{ dict(os.environ) }}",
    "%%glm -m glm-4.7\n{{ 1 / 0 }}",
    "%tb",
    "%%glm -m glm-4.7 --above\ntext",
    "%%glm -m glm-4.7 -c -o kept\ntext",
    "%%glm --compare glm-4.7,glm-4.6\ntext",
    "%glm record off",
    "%glm replay answers.jsonl",
    "%%glm -m glm-4.7\ntext",
    "%glm replay off",
    "items = ['text', 'refusal', 'pieces', 'own code']",
    "%%glm -m glm-4.7 --map items\n{{ item }}",
    "%%glm -m glm-4-airx --batch --map items\n{{ item }}",
    "%%glm -m cogview-4\nA cat",
    "%%glm -m cogview-4\nA cat that fails",
    "%%glm -m cogvideox-3\nA cat",
    "%%glm -m glm-tts\nHello.",
    "%%glm -m glm-realtime-flash\nHello.",
    "glm.embed(['a'])",
    "glm.rerank('a', ['a'])",
    "%glm files",
    "%glm knowledge",
    "%glm tasks",
    "%glm history",
    "%glm save question",
    "%glm export chat.md",
    "%glm usage",
    "%glm usage --csv usage.csv",
    "1 / 0",
    "%glm explain",
    "glm.usage()",
    "_glm.__dict__",
    "kept",
    "glm.session, vars(glm.session), [repr(each) for each in vars(glm.session).values()]",
    "from glm_jupyter.api import endpoints, proxies, redact\nendpoints.resolve()",
    "vars(endpoints), vars(redact), vars(redact._Quiet), endpoints.Secret.__doc__",
    "[endpoints.resolve().key], f'{endpoints.resolve().key}', format(endpoints.resolve().key)",
    "import pickle; pickle.dumps(endpoints.resolve())",
    "import copy; copy.deepcopy(endpoints.resolve())",
    "import ipywidgets; ipywidgets.Widget.get_manager_state()",
    "%whos",
]
# What nobody has foreseen goes wrong within a library: "%xmode Verbose" shows what frames hold.
BREAK = """
import h11, httpcore, websockets.asyncio.client
def fails(*args, **options): raise RuntimeError('unforeseen')
broken, name = {}
whole = getattr(broken, name)
setattr(broken, name, fails)
"""
BROKEN = [
    "httpcore.AsyncConnectionPool, 'handle_async_request'",
    "h11.Connection, 'send'",
    "h11.Connection, 'next_event'",
    "websockets.asyncio.client.ClientConnection, 'handshake'",
]
UNFORESEEN = [
    code
    for place in BROKEN
    for code in (
        BREAK.format(place),
        "%%glm -m glm-4.7\ntext",
        "%tb",
        "glm.ask('text', model='glm-4.7')",
        "%%glm -m glm-realtime-flash\nHello.",
        "setattr(broken, name, whole)",
    )
]
PROXIED = "%%glm -e http://glm.test/v1 -m m\ntext"
ELSEWHERE = "%%glm -e http://127.0.0.1:{port}/v1 -m m\n"


class Watched:
    """A kernel of which every message is kept."""

    def __init__(self, running: Kernel) -> None:
        self.kernel = running
        self.seen: list[tuple[str, str]] = []  # what ran, and what came of it
        self._code = ""
        session = running.client.session
        deserialize = session.deserialize

        def deserialized(*args: Any, **options: Any) -> dict[str, Any]:
            message: dict[str, Any] = deserialize(*args, **options)
            self.seen.append((self._code, json.dumps(message, default=str)))
            return message

        session.deserialize = deserialized

    def run(self, code: str) -> None:
        self._code = code
        self.kernel.run(code)

    def listen(self) -> None:
        """Have answers flow through the live channel, as JupyterLab does."""
        session = self.kernel.client.session
        hello = {"comm_id": "glm-jupyter.answer", "data": {"type": "hello"}}
        self.kernel.client.shell_channel.send(session.msg("comm_msg", hello))

    def type(self, code: str, typed: str) -> None:
        """Run a cell that asks for something."""
        self._code = code
        self.kernel.client.execute_interactive(
            code,
            allow_stdin=True,
            stdin_hook=lambda message: self.kernel.client.input(typed),
            output_hook=lambda message: None,
            timeout=30,
        )


def written(*folders: Path) -> Iterator[tuple[str, str]]:
    """Every file below the folders, and every command line of this machine."""
    for folder in folders:
        for file in folder.rglob("*"):
            if file.is_file():
                yield str(file), file.read_bytes().decode("latin-1")
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended
            yield str(process), process.read_text("latin-1")


def test_no_key_is_in_any_byte(server: ProtocolServer, tmp_path: Path) -> None:
    home, outside = tmp_path / "home", tmp_path / "outside"
    (home / "work").mkdir(parents=True)
    outside.mkdir()
    (outside / "memory_keyring.py").write_text(KEYRING)
    env = {
        **environment(server, home),
        "ZAI_API_KEY": f' "Bearer {KEY}" ',
        "PYTHON_KEYRING_BACKEND": "memory_keyring.Memory",
        "PYTHONPATH": str(outside),
        "JUPYTERHUB_API_TOKEN": HUB,
        "OTHER_SECRET_KEY": OTHER,
        "JPY_SESSION_NAME": str(home / "work" / "lesson.ipynb"),
    }
    port = int(server.root.rpartition(":")[2])
    server.key, server.respond = None, echo
    refused = {"error": {"code": "1210", "message": quoted(KEY)}}
    server.making.fail("images/generations", 200, None)
    server.making.fail("images/generations", 400, refused)
    for path in ("embeddings", "rerank", "files", "knowledge", "async-result"):
        server.making.fail(path, 400, refused)
    with (
        (home / "kernel.log").open("w") as log,
        RawServer(says(OK, b"data: {}")) as proxy,
        kernel(env, stderr=log, cwd=home / "work") as running,
    ):
        watched = Watched(running)

        def environ(**variables: str) -> None:
            (outside / "environ.json").write_text(json.dumps(variables))
            watched.run(f"os.environ.update(json.load(open('{outside}/environ.json')))")

        watched.run(SET_UP)
        for code in EVERYTHING:
            watched.run(code)
        watched.listen()  # as JupyterLab does
        for code in [*ASKED, *UNFORESEEN]:
            watched.run(code)
        watched.type(f"%glm login -e http://127.0.0.1:{port}/v1", f" 'Bearer {STORED}'\n")
        for way in WAYS:
            watched.run(ELSEWHERE.format(port=port) + way)
        environ(HTTP_PROXY=f"http://ada:{PASSWORD}@127.0.0.1:{proxy.port}")
        for code in (PROXIED, "%glm doctor", *UNFORESEEN):
            watched.run(code.replace("-m glm-4.7", "-e http://glm.test/v1 -m m"))
        environ(
            HTTP_PROXY=f"http://ada:{PASSWORD}@127.0.0.1:9", http_proxy=f"socks://a:{PASSWORD}@h"
        )
        for code in (PROXIED, "%tb", "proxies.proxy_for('http://glm.test/v1')"):
            watched.run(code)
        hub = f"{server.root}/services/gateway/api/paas/v4"
        environ(ZAI_BASE_URL=hub, ZAI_API_KEY="", JUPYTERHUB_BASE_URL="/")
        for code in ("%glm doctor", *ASKED):
            watched.run(code)
        environ(ZAI_BASE_URL=f"http://ada:{IN_URL}@127.0.0.1:{port}/v1")
        for code in ("%glm doctor", "%glm models", ASKED[0], "%tb", "%glm usage"):
            watched.run(code)
        read = [*watched.seen, *written(home)]
    keys = {request.headers.get("authorization") for request in server.requests}
    assert {f"Bearer {key}" for key in (KEY, STORED, HUB)} <= keys
    leaks = [f"{what[:80]!r}: {leak}" for what, text in read for leak in found(text)]
    assert not leaks, "\n".join(leaks)


def test_the_gateway_tells_its_key_to_nobody(server: ProtocolServer, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    # As somebody would who looks for a mistake.
    (outside / "sitecustomize.py").write_text(
        "import logging\nlogging.basicConfig(level='DEBUG')\n"
    )
    place = tmp_path / "gateway"
    place.mkdir()
    server.key, server.respond = None, echo
    tokens = {"ada": f"{STORED}-ada", "grace": f"{STORED}-grace"}
    settings = config(place, users=()) + "".join(
        f'"{t}" = "{user}"\n' for user, t in tokens.items()
    )
    received: list[tuple[str, str]] = []
    environ = {"ZAI_API_KEY": f"'{KEY}'", "PYTHONPATH": str(outside), "OTHER_SECRET_KEY": OTHER}
    with gateway(place, server, settings, **environ) as running, httpx.Client(timeout=60) as client:

        def get(what: str, user: str, **request: Any) -> None:
            headers = {"Authorization": f"Bearer {tokens.get(user, user)}"}
            response = client.request(headers=headers, **request)
            texts = "".join(delta_texts(response.text))
            received.append((what, f"{response.headers.raw!r}\n{response.text}\n{texts}"))

        for way in [*WAYS, "call"]:
            for stream in (True, False):
                body = {
                    "model": "glm-4.7",
                    "stream": stream,
                    "messages": [{"role": "user", "content": way}],
                }
                url = f"{running.url}/chat/completions"
                get(way, "ada", method="POST", url=url, json=body)
                get(way, KEY, method="POST", url=url, json=body)  # no user's token
        for page in ("usage", "usage.csv", "api/paas/v4/usage", "api/paas/v4/models", "nowhere"):
            for user in ("ada", "grace", "nobody"):
                get(page, user, method="GET", url=f"{running.root}/{page}")
        (place / "glm_gateway.toml").unlink()  # where tokens are, as its owner wrote them
        read = [*received, *written(place)]
    assert any("Half, " in text for _, text in received)
    assert f"Bearer {KEY}" in {request.headers.get("authorization") for request in server.requests}
    leaks = [f"{what[:80]!r}: {leak}" for what, text in read for leak in found(text)]
    assert not leaks, "\n".join(leaks)


def delta_texts(stream: str) -> Iterator[str]:
    """The texts of an answer, joined as clients do."""
    for line in stream.splitlines():
        with suppress(ValueError, LookupError, TypeError):
            delta = json.loads(line.removeprefix("data: "))["choices"][0]["delta"]
            yield from (delta[name] for name in ("content", "reasoning_content") if name in delta)
            yield from (call["function"]["arguments"] for call in delta.get("tool_calls", ()))
