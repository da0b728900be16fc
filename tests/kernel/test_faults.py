"""What network, service, kernel and disk can do: each row of docs/reference/faults.md, for real.

The page says what a user sees and what is kept; a case here makes it happen, in one kernel for all.
"""

from __future__ import annotations

import ast
import gzip
import json
import re
import socket
import sqlite3
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trustme

from glm_jupyter.api.errors import REFUSALS
from tests.kernel.conftest import KEY, environment
from tests.kernels import VENDOR, Kernel, Run, kernel
from tests.protocol_server import ProtocolServer, Reply, sse
from tests.raw_server import OK, Behaviour, Holds, RawServer, resets, says

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "faults.md"
LEDGER = "data/glm-jupyter/ledger.sqlite"
ASK = "%%glm -m glm-4-airx\nWhat is a mean?"
ASK_AT = "%%glm -m glm-4-airx -e {url}\nWhat is a mean?"
ARRIVED = "Half of "


class Row(NamedTuple):
    """A row of the page."""

    says: list[str]  # what the cell says, where it says something
    answers: bool  # whether it is an answer all the same
    kept: str


@dataclass
class Faults:
    """The one kernel, the service, and what a case leaves to be checked."""

    kernel: Kernel
    server: ProtocolServer
    home: Path
    expected: str | None = None  # the exact text of the answer, where it matters
    complaints: list[str] = field(default_factory=list)  # what the kernel wrote to standard error

    def run(self, code: str, **options: Any) -> Run:
        run = self.kernel.run(code, timeout=40, **options)
        self.complaints += [
            message["content"]["text"]
            for message in run.messages
            if message["msg_type"] == "stream" and message["content"]["name"] == "stderr"
        ]
        return run

    def ask(self, url: str | None = None, options: str = "") -> Run:
        where = f" -e {url}" if url else ""
        return self.run(ASK.replace("\n", f"{where} {options}\n", 1))

    def of(self, behave: Behaviour, tls: ssl.SSLContext | None = None) -> Run:
        """Ask a server that behaves so."""
        with RawServer(behave, tls=tls) as raw:
            return self.ask(raw.url)

    def left(self, holds: Holds, code: str = ASK_AT) -> Run:
        """Ask a server that then keeps silent, which must see that nobody listens any more."""
        with RawServer(holds) as raw:
            run = self.run(code.format(url=raw.url))
            assert holds.left.wait(10)
            return run

    def stopped(
        self, code: str, when: Callable[[], bool] = lambda: True, *, shown: str = ""
    ) -> Run:
        """Interrupt a cell when it has shown a text and `when` is true."""
        seen = threading.Event()

        def watch(message: dict[str, Any]) -> None:
            if shown in str(message["content"]):
                seen.set()

        def interrupt() -> None:
            assert seen.wait(20)
            deadline = time.monotonic() + 20
            while not when():
                assert time.monotonic() < deadline
                time.sleep(0.01)
            time.sleep(0.2)  # for the kernel to go on to what it waits for
            self.kernel.manager.interrupt_kernel()

        interrupting = threading.Thread(target=interrupt, daemon=True)
        interrupting.start()
        run = self.run(code, on_message=watch)
        interrupting.join()
        return run

    @contextmanager
    def environ(self, **variables: str) -> Iterator[None]:
        """The kernel with these variables in its environment."""
        self.run(f"os.environ.update({variables!r}); http._ssl_context.cache_clear()")
        yield
        self.run(
            f"[os.environ.pop(name) for name in {list(variables)!r}]; "
            "http._ssl_context.cache_clear()"
        )

    def by_proxy(
        self, url: str = "http://glm.test/v1", says_: Behaviour | None = None, **variables: str
    ) -> Run:
        """Ask `url` with a proxy, whose address stands for PROXY in the variables."""
        with RawServer(says_ or says(OK, ANSWER)) as proxy:
            at = f"127.0.0.1:{proxy.port}"
            with self.environ(**{k: v.replace("PROXY", at) for k, v in variables.items()}):
                return self.ask(url)


SET_UP = """
import functools, os, time
import glm_jupyter as glm
from glm_jupyter.api import chat, client, http
# Short waits: what is waited for is the same.
client.Client = functools.partial(client.Client, pause=0.01)
chat.TIMEOUT = http.TIMEOUT = __import__("httpx").Timeout(120, connect=2)
chat.LONGEST_THINKING = chat.LONGEST_SILENCE = 30
chat.LONGEST_ANSWER = 50_000
"""


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faults]:
    home = tmp_path_factory.mktemp("home")
    env = {"PYTHONWARNINGS": "default::ResourceWarning"}  # connections that nobody has closed
    with ProtocolServer() as server, kernel(environment(server, home) | env) as running:
        assert running.run(f"import os; os.chdir({str(home)!r})\n{SET_UP}").ok
        yield Faults(running, server, home)


def chunk(**delta: Any) -> bytes:
    return sse({"id": "1", "choices": [{"index": 0, "delta": delta}]})


def finish(reason: str = "stop") -> bytes:
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    return sse({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}], "usage": usage})


DONE = b"data: [DONE]\n\n"
ANSWER = chunk(content="It is whole.") + finish() + DONE
HALF = chunk(content=ARRIVED)


def rows() -> dict[str, Row]:
    """What the page says of each fault."""
    found = {}
    for line in PAGE.read_text("utf-8").splitlines():
        if line.startswith("| ") and not line.startswith(("| What", "| ---")):
            what, seen, kept = (cell.strip() for cell in line.strip("|").split(" | "))
            found[what.strip()] = Row(
                re.findall("“(.*?)”", seen), seen.strip().startswith("the answer"), kept.strip()
            )
    return found


CASES: dict[str, Callable[[Faults], Run]] = {}


def case(what: str) -> Callable[[Callable[[Faults], Run]], Callable[[Faults], Run]]:
    """Registers what makes the fault of that row."""

    def register(make: Callable[[Faults], Run]) -> Callable[[Faults], Run]:
        CASES[what] = make
        return make

    return register


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@case("no server listens at the address")
def _(faults: Faults) -> Run:
    return faults.ask(f"http://127.0.0.1:{free_port()}/v1")


@case("the host has no address")
def _(faults: Faults) -> Run:
    return faults.ask("http://no-such-host.invalid/v1")


@contextmanager
def full() -> Iterator[str]:
    """The address of a server that takes no connection, since too many wait already."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"


@case("the connection is not taken")
def _(faults: Faults) -> Run:
    faults.run("chat.TIMEOUT = __import__('httpx').Timeout(120, connect=0.2)")
    with full() as url:
        return faults.ask(url)


WIRE = {
    "the connection is closed before the answer": says(),
    "the connection is reset before the answer": resets(),
    "the connection is closed in the head of the response": says(b"HTTP/1.1 200 OK\r\nContent-Ty"),
    "another program than a web server answers": says(b"220 mail.test ESMTP\r\n\r\n"),
}
CASES |= {what: partial(Faults.of, behave=behave) for what, behave in WIRE.items()}


def certified(*names: str, **more: Any) -> tuple[trustme.CA, ssl.SSLContext]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, **more).configure_cert(context)
    return authority, context


def trusted(faults: Faults, *names: str, **more: Any) -> Run:
    """Ask a server whose certificate is of an authority that SSL_CERT_FILE names."""
    authority, context = certified(*names, **more)
    file = faults.home / "authority.pem"
    authority.cert_pem.write_to_path(str(file))
    with faults.environ(SSL_CERT_FILE=str(file)):
        return faults.of(says(OK, ANSWER), context)


@case("nobody known vouches for the certificate")
def _(faults: Faults) -> Run:
    return faults.of(says(OK, ANSWER), certified("127.0.0.1")[1])


@case("the certificate is of another host")
def _(faults: Faults) -> Run:
    return trusted(faults, "elsewhere.test")


@case("the certificate is out of date")
def _(faults: Faults) -> Run:
    return trusted(faults, "127.0.0.1", not_after=datetime.now(UTC) - timedelta(days=2))


@case("https is asked of a server without TLS")
def _(faults: Faults) -> Run:
    return faults.ask(faults.server.url.replace("http:", "https:"))


@case("`SSL_CERT_FILE` names a file that is gone")
def _(faults: Faults) -> Run:
    with faults.environ(SSL_CERT_FILE=str(faults.home / "gone.pem")):
        return faults.of(says(OK, ANSWER), certified("127.0.0.1")[1])


PROXY_REFUSES = says(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
PROXY_ASKS = says(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
IPV6 = "http://[fd00::2]:9/v1"
PROXIES: dict[str, Callable[[Faults], Run]] = {
    "`HTTP_PROXY` names a proxy": lambda f: f.by_proxy(HTTP_PROXY="http://PROXY"),
    "`ALL_PROXY` names a proxy without http://": lambda f: f.by_proxy(ALL_PROXY="PROXY"),
    "the proxy does not answer": lambda f: f.by_proxy(HTTP_PROXY=f"127.0.0.1:{free_port()}"),
    "the proxy wants a password": lambda f: f.by_proxy(says_=PROXY_ASKS, HTTP_PROXY="PROXY"),
    "the proxy wants a password for https": lambda f: f.by_proxy(
        "https://glm.test/v1", PROXY_ASKS, HTTPS_PROXY="PROXY"
    ),
    "the proxy refuses": lambda f: f.by_proxy(
        "https://glm.test/v1", PROXY_REFUSES, HTTPS_PROXY="PROXY"
    ),
    "`ALL_PROXY` is socks://": lambda f: f.by_proxy(ALL_PROXY="socks://PROXY"),
    "the proxy is no address": lambda f: f.by_proxy(http_proxy="http://[::1"),
    "`NO_PROXY` names the domain": lambda f: f.by_proxy(HTTP_PROXY="PROXY", NO_PROXY=".test"),
    "`NO_PROXY` names the network of the address": lambda f: f.by_proxy(
        f"http://127.0.0.2:{free_port()}/v1", HTTP_PROXY="PROXY", NO_PROXY="10.0.0.0/8,127.0.0.0/8"
    ),
    "`NO_PROXY` names an IPv6 network": lambda f: f.by_proxy(
        IPV6, HTTP_PROXY="PROXY", NO_PROXY="::1,[fd00::]/8,fd00::/8"
    ),
}
CASES |= PROXIES


HTML = b"HTTP/1.1 %s\r\nContent-Type: text/html\r\n\r\n<html><form>Log in</form></html>"
JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
ZIPPED = OK.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
OVERLOADED = sse({"error": {"code": "1305", "message": "busy"}})
BROKEN = b'data: {"choices": [\n\n'


def begun_zip(data: bytes) -> bytes:
    """A gzip file that has not come to its end."""
    packer = zlib.compressobj(wbits=31)
    return packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)


def endless(begin: bytes, more: bytes, pause: float = 0) -> Behaviour:
    """Send something and then more of it, as long as anybody reads."""

    def behave(wire: socket.socket) -> None:
        says(begin)(wire)
        while True:
            wire.sendall(more)
            time.sleep(pause)

    return behave


RESPONSES: dict[str, Behaviour] = {
    "a login page with status 200": says(HTML % b"200 OK"),
    "a redirect": says(b"HTTP/1.1 302 Found\r\nLocation: https://login.test/\r\n\r\n"),
    "status 200 and no more": says(JSON),
    "status 204": says(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "status 200 and an error": says(JSON, b'{"code": 500, "msg": "no luck", "success": false}'),
    "status 200 and JSON of something else": says(JSON, b'{"hello": "world"}'),
    "a web page with status 502": says(HTML % b"502 Bad Gateway"),
    "an error page without end": endless(HTML % b"500 Oh", b"<p>" * 100_000),
    "a compressed answer": says(ZIPPED, gzip.compress(ANSWER)),
    "an answer that is said to be compressed and is not": says(ZIPPED, ANSWER),
    "a compressed answer that is cut": says(ZIPPED, begun_zip(HALF)),
}
STREAMS: dict[str, Behaviour] = {
    "it ends before the first piece": says(OK),
    "it ends while the model thinks": says(OK, chunk(reasoning_content=ARRIVED)),
    "it breaks while the model thinks": resets(OK, chunk(reasoning_content=ARRIVED)),
    "it ends in the answer": says(OK, HALF),
    "it breaks in the answer": resets(OK, HALF),
    "it ends in the middle of a piece": says(OK, HALF, b'data: {"choices":[{"delta":{"cont'),
    "an error before the answer": says(OK, OVERLOADED),
    "an error in the answer": says(OK, HALF, OVERLOADED),
    "broken JSON before the answer": says(OK, BROKEN),
    "broken JSON in the answer": says(OK, HALF, BROKEN),
    "the finish reason `network_error`": says(OK, HALF, finish("network_error"), DONE),
    "the finish reason `sensitive`": says(OK, HALF, finish("sensitive"), DONE),
    "the finish reason `length`": says(OK, HALF, finish("length"), DONE),
    "a finish reason that nobody knows": says(OK, HALF, finish("abort"), DONE),
    "no [DONE] after the finish reason": says(OK, chunk(content="It is whole.") + finish()),
    "it breaks after the finish reason": resets(OK, chunk(content="It is whole.") + finish()),
    "a line of 50 MB": says(OK, HALF, b'data: {"choices": "', b"x" * 50_000_000, b'"}\n\n'),
    "an answer without end": endless(OK + HALF, chunk(content="word " * 500)),
}
CASES |= {what: partial(Faults.of, behave=it) for what, it in (RESPONSES | STREAMS).items()}


@case("pieces after [DONE]")
def _(faults: Faults) -> Run:
    faults.expected = "It is whole."
    return faults.of(says(OK, ANSWER, chunk(content="More."), OVERLOADED))


@case("characters cut in pieces")
def _(faults: Faults) -> Run:
    faults.expected = "漢字 é 😀"
    return faults.of(says(OK, *(bytes([b]) for b in chunk(content=faults.expected)), finish()))


@case("characters that some take for line ends")
def _(faults: Faults) -> Run:
    faults.expected = "a\u2028b\u2029c\x85d\x0be\x0cf"
    return faults.of(says(OK, chunk(content=faults.expected) + finish() + DONE))


@case("bytes that are no characters")
def _(faults: Faults) -> Run:
    faults.expected = "a\ufffdb"
    return faults.of(says(OK, chunk(content="a?b").replace(b"?", b"\xff") + finish() + DONE))


@case("no sign before the answer")
def _(faults: Faults) -> Run:
    faults.run("chat.LONGEST_THINKING = 0.3")
    return faults.left(Holds(OK))


@case("no sign in the answer")
def _(faults: Faults) -> Run:
    faults.run("chat.LONGEST_SILENCE = 0.3")
    return faults.left(Holds(OK, HALF))


@case("a sign now and then in a long silence")
def _(faults: Faults) -> Run:
    faults.run("chat.LONGEST_SILENCE = 0.6")
    faults.expected = f"{ARRIVED}It is whole."

    def signs(wire: socket.socket) -> None:
        says(OK, HALF)(wire)
        for _ in range(4):
            time.sleep(0.3)
            wire.sendall(b": still there\n\n")
        wire.sendall(ANSWER)

    return faults.of(signs)


def calls(name: str) -> Reply:
    """An answer that asks for a call of a function."""
    return Reply("", tool_calls=[{"name": name, "arguments": {}}], finish_reason="tool_calls")


@case("an expression of the cell is computed")
def _(faults: Faults) -> Run:
    faults.run("def slow():\n    print('begun')\n    while True: time.sleep(0.01)")
    return faults.stopped("%%glm -m glm-4-airx\n{{ slow() }}", shown="begun")


@case("the connection is being made")
def _(faults: Faults) -> Run:
    faults.run("chat.TIMEOUT = __import__('httpx').Timeout(60)")
    with full() as url:
        return faults.stopped(ASK_AT.format(url=url), shown="Waiting")


MAP = "%%glm -m glm-4-airx --map range(3)\n{{ item }}"
WAITING: dict[str, tuple[bytes, str]] = {
    "no response has come": (b"", ASK_AT),
    "half the head of the response has come": (b"HTTP/1.1 200 O", ASK_AT),
    "the response has begun": (OK, ASK_AT),
    "an error page comes slowly": (b"HTTP/1.1 500 Oh\r\nContent-Length: 99\r\n\r\n<p>", ASK_AT),
    "the model thinks": (OK + chunk(reasoning_content=ARRIVED), ASK_AT),
    "the model answers": (OK + HALF, ASK_AT),
    "the model answers, below `%%time`": (OK + HALF, f"%%time\n{ASK_AT}"),
    "the answer ends in half a tag": (OK + chunk(content=f"{ARRIVED}</thi"), ASK_AT),
    "`glm.embed` waits": (b"", "glm.embed(['a'], model='embedding-3', endpoint='{url}')"),
    "`glm.aembed` waits": (b"", "await glm.aembed(['a'], model='embedding-3', endpoint='{url}')"),
    "`glm.amap` waits": (
        b"",
        "async for each in glm.amap(['a'], model='m', endpoint='{url}'): pass",
    ),
    "models are compared": (OK + HALF, "%%glm --compare m,n -e {url}\nHi"),
}


def in_silence(faults: Faults, begun: bytes, code: str) -> Run:
    """Stop a cell whose server has sent so much and keeps silent; it must see the client leave."""
    holds = Holds(begun)
    with RawServer(holds) as raw:
        run = faults.stopped(code.format(url=raw.url), holds.sent.is_set)
        assert holds.left.wait(10)
    return run


CASES |= {w: partial(in_silence, begun=b, code=c) for w, (b, c) in WAITING.items()}


@case("`%glm doctor --online` waits")
def _(faults: Faults) -> Run:
    holds = Holds()
    with RawServer(holds) as raw, faults.environ(ZAI_BASE_URL=raw.url):
        run = faults.stopped("%glm doctor --online", holds.sent.is_set)
        assert holds.left.wait(10)
    faults.run(f"os.environ['ZAI_BASE_URL'] = {faults.server.url!r}")
    return run


@case("`glm.ask` waits")
def _(faults: Faults) -> Run:
    run = in_silence(faults, OK + HALF, "glm.ask('Hi', model='m', endpoint='{url}')")
    faults.run("_glm = glm.session.last")
    return run


@case("the next try is waited for")
def _(faults: Faults) -> Run:
    faults.run("client.Client = functools.partial(client.Client.func, pause=60)")
    faults.server.enqueue(Reply(status=500, body={}))
    return faults.stopped(ASK, shown="Trying again")


@case("an answer without end streams in")
def _(faults: Faults) -> Run:
    with RawServer(endless(OK + HALF, chunk(content="word "), pause=0.001)) as raw:
        return faults.stopped(ASK_AT.format(url=raw.url), shown=ARRIVED.strip())


@case("a function is computed")
def _(faults: Faults) -> Run:
    faults.run("def slow():\n    print('begun')\n    while True: time.sleep(0.01)")
    faults.server.enqueue(calls("slow"))
    return faults.stopped("%%glm -m glm-4.7 --tools slow\nGo", shown="begun")


@case("a function is awaited")
def _(faults: Faults) -> Run:
    faults.run("async def slow():\n    print('begun')\n    await __import__('asyncio').sleep(60)")
    faults.server.enqueue(calls("slow"))
    return faults.stopped("%%glm -m glm-4.7 --tools slow\nGo", shown="begun")


@case("a map is under way")
def _(faults: Faults) -> Run:
    silence = threading.Event()
    faults.server.respond = lambda request: (
        Reply()
        if request.json["messages"][0]["content"] == "0"
        else Reply(hold=silence, hold_after=0)
    )
    run = faults.stopped(MAP, shown="1/3")
    assert all(request.ended.wait(10) for request in faults.server.chats[-3:])
    return run


@case("a batch is waited for")
def _(faults: Faults) -> Run:
    faults.server.batching.states = ["in_progress"]
    return faults.stopped(MAP.replace("--map", "--batch --map"), shown="in progress")


@case("a video is waited for")
def _(faults: Faults) -> Run:
    faults.server.making.states = ["PROCESSING"]
    return faults.stopped("%%glm -m cogvideox-3\nA cat", shown="processing")


@case("another program has locked the ledger")
def _(faults: Faults) -> Run:
    faults.run(ASK)  # so that there is one
    faults.run("from glm_jupyter.money import ledger_file; ledger_file.BUSY_SECONDS = 999")
    with closing(sqlite3.connect(faults.home / LEDGER, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        run = faults.run(ASK)
    faults.run("ledger_file.BUSY_SECONDS = 1")
    assert faults.kernel.value("glm.usage().finish.iloc[-1]") == "stop"  # written when it was free
    return run


def on_a_full_disk(faults: Faults, code: str) -> Run:
    limit = "import resource as r; r.setrlimit(r.RLIMIT_FSIZE, ({}, r.RLIM_INFINITY))"
    faults.server.making.states = ["SUCCESS"]
    faults.run(limit.format(0))
    try:
        return faults.run(code)
    finally:
        faults.run(limit.format("r.RLIM_INFINITY"))


BATCH = MAP.replace("--map", "--batch --map")
FULL = {
    "the disk is full: a cell": ASK,
    "the disk is full: a map": MAP,
    "the disk is full: a batch": BATCH,
    "the disk is full: a picture": "%%glm -m cogview-4\nA cat",
    "the disk is full: a video": "%%glm -m cogvideox-3\nA cat",
    "the disk is full: `%glm export chat.md`": "%glm export chat.md",
    "the disk is full: `%glm budget 5 --day`": "%glm budget 5 --day",
}
CASES |= {what: partial(on_a_full_disk, code=code) for what, code in FULL.items()}


@case("the disk is full: an answer that is recorded")
def _(faults: Faults) -> Run:
    faults.run("%glm record answers.jsonl")
    run = on_a_full_disk(faults, ASK)
    faults.run("%glm record off")
    return run


@case("the home folder cannot be written")
def _(faults: Faults) -> Run:
    (faults.home / "file").touch()
    env = environment(faults.server, faults.home / "file")
    with kernel({**env, "IPYTHONDIR": str(faults.home / "ipython")}) as homeless:
        run = homeless.run(ASK)
        for code in (ASK, MAP, "%glm usage", "%glm tasks", "%glm doctor", "%glm models"):
            assert homeless.run(code).ok
        assert "cannot be kept in" in homeless.run(BATCH).error
    faults.run("_glm = glm.ask('Hi', model='glm-4-airx')")
    return run


def answer(faults: Faults, run: Run) -> tuple[str, bool]:
    """The text that is kept of the cell's answer, and whether it counts as whole."""
    kept = faults.kernel.value(
        "repr([(_glm.reasoning + _glm.text, _glm.complete)] if _glm else [])"
    )
    (found,) = ast.literal_eval(kept) or [("", False)]
    return found


def nothing(faults: Faults, run: Run) -> None:
    assert answer(faults, run) == ("", False)


def what_had_arrived(faults: Faults, run: Run) -> None:
    text, complete = answer(faults, run)
    assert text.startswith(ARRIVED)
    assert not complete
    for bundle in run.displays.values():
        assert ARRIVED.strip() in bundle["text/plain"]
        assert bundle[VENDOR]["complete"] is False


def the_whole_answer(faults: Faults, run: Run) -> None:
    text, complete = answer(faults, run)
    assert complete
    assert text
    assert faults.expected in (None, text)


def the_answers_that_came(faults: Faults, run: Run) -> None:
    assert faults.kernel.value("[str(each or '').strip() for each in _glm]") in (
        "['Hello.', '', '']",
        f"['{ARRIVED.strip()}', '{ARRIVED.strip()}']",
    )


def every_answer(faults: Faults, run: Run) -> None:
    assert faults.kernel.value("[each.complete for each in _glm]") == "[True, True, True]"


def nothing_was_sent(faults: Faults, run: Run) -> None:
    assert not faults.server.batching.files


def the_picture(faults: Faults, run: Run) -> None:
    assert "image/png" in next(iter(run.displays.values()))


def the_task(faults: Faults, run: Run) -> None:
    assert "under way" in faults.run("%glm tasks").bundle["text/plain"]


KEPT: dict[str, Callable[[Faults, Run], None]] = {
    "nothing": nothing,
    "what had arrived": what_had_arrived,
    "the whole answer": the_whole_answer,
    "the answers that came": the_answers_that_came,
    "every answer": every_answer,
    "nothing, and nothing was sent": nothing_was_sent,
    "the picture, in the notebook": the_picture,
    "the task, for `%glm tasks`": the_task,
}


@pytest.mark.parametrize("what", rows())
def test_what_happens_is_told_and_what_came_is_kept(faults: Faults, what: str) -> None:
    row = rows()[what]
    assert faults.run(f"_glm = None\n{SET_UP}").ok
    faults.expected, faults.server.respond = None, None
    faults.server.batching.files.clear()
    run = CASES[what](faults)
    shown = "\n".join(str(bundle.get("text/plain", "")) for bundle in run.displays.values())
    for text in row.says:
        assert text in f"{run.error}\n{shown}"
    assert run.ok == row.answers, run.error
    assert len(run.error.splitlines()) <= 3, run.error
    assert KEY not in json.dumps(run.messages, default=str)
    KEPT[row.kept](faults, run)


def test_the_page_has_a_row_for_each_case_and_a_case_for_each_row() -> None:
    assert sorted(rows()) == sorted(CASES)


# The HTTP status of each code, as the services' error tables have it.
STATUS = {
    **dict.fromkeys(("1000", "1001", "1002", "1003", "1004", "1005", "401"), 401),
    **dict.fromkeys(("1200", "1230", "1234"), 500),
    **dict.fromkeys(("1220",), 403),
    **dict.fromkeys(("1113", "1302", "1303", "1304", "1305", "1308", "1309", "1310"), 429),
    **dict.fromkeys((str(code) for code in range(1311, 1322)), 429),
}
CODES = [code for code in REFUSALS if code.isdecimal()]


def refused(code: str, **headers: str) -> Reply:
    body = {"error": {"code": code, "message": f"Nachricht \u4f59 {code}"}}
    return Reply(status=STATUS.get(code, 400), body=body, headers=headers)


@pytest.mark.parametrize("code", CODES)
def test_a_refusal_is_told_with_its_remedy_and_tried_again_where_that_may_help(
    faults: Faults, code: str
) -> None:
    meaning = REFUSALS[code]
    for headers, tries in (
        ({}, 3 if meaning.retryable else 1),
        ({"Retry-After": "0.01"}, 3 if meaning.retryable else 1),
        ({"Retry-After": "3600"}, 1),  # too long to wait for
    ):
        before = len(faults.server.chats)
        reply = refused(code, **headers)
        faults.server.respond = lambda request, reply=reply: reply
        run = faults.ask()
        assert not run.ok
        assert run.reply["ename"] == meaning.kind.__name__
        lines = run.error.splitlines()
        assert len(lines) == 2
        assert f"{meaning.says} ({code}). It says: Nachricht 余 {code}" in lines[0]
        assert lines[1].endswith(meaning.remedy)
        assert ("It asks to wait 3,600 s." in lines[1]) == ("3600" in headers.values())
        assert len(faults.server.chats) - before == tries


def test_nothing_is_left_behind(faults: Faults) -> None:
    """No task that failed unheard, no generator that was left, no connection that stays open."""
    for case_ in ("the model answers", "it breaks in the answer", "a map is under way"):
        CASES[case_](faults)
    faults.run("import gc; gc.collect()")
    assert not "".join(faults.complaints)
