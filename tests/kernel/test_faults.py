"""What network, service, kernel and disk can do: each row of docs/reference/faults.md, for real.

The page says what a user sees and what is kept; a case here makes it happen, in one kernel for all.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trustme

from tests.kernel.conftest import KEY, environment
from tests.kernels import VENDOR, Kernel, Run, kernel
from tests.protocol_server import ProtocolServer, sse
from tests.raw_server import OK, Behaviour, RawServer, resets, says

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "faults.md"
ASK = "%%glm -m glm-4-airx\nWhat is a mean?"
ARRIVED = "Half of "


class Row(NamedTuple):
    """A row of the page."""

    says: list[str]  # what the cell says, where it says something
    kept: str


@dataclass
class Faults:
    """The one kernel, the service, and what a case leaves to be checked."""

    kernel: Kernel
    server: ProtocolServer
    home: Path

    def run(self, code: str, **options: Any) -> Run:
        return self.kernel.run(code, timeout=40, **options)

    def ask(self, url: str | None = None, options: str = "") -> Run:
        where = f" -e {url}" if url else ""
        return self.run(ASK.replace("\n", f"{where} {options}\n", 1))

    def of(self, behave: Behaviour, tls: ssl.SSLContext | None = None) -> Run:
        """Ask a server that behaves so."""
        with RawServer(behave, tls=tls) as raw:
            return self.ask(raw.url)

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
chat.LONGEST_ANSWER = 50_000
"""


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faults]:
    home = tmp_path_factory.mktemp("home")
    with ProtocolServer() as server, kernel(environment(server, home)) as running:
        assert running.run(SET_UP).ok
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
            found[what.strip()] = Row(re.findall("“(.*?)”", seen), kept)
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


@pytest.mark.parametrize("what", rows())
def test_what_happens_is_told_and_what_came_is_kept(faults: Faults, what: str) -> None:
    row = rows()[what]
    assert faults.run(f"_glm = None\n{SET_UP}").ok
    run = CASES[what](faults)
    shown = "\n".join(str(bundle.get("text/plain", "")) for bundle in run.displays.values())
    for text in row.says:
        assert text in f"{run.error}\n{shown}"
    assert len(run.error.splitlines()) <= 3, run.error
    assert KEY not in json.dumps(run.messages, default=str)
    assert run.ok == (row.kept == "the whole answer"), run.error
    text, complete = json.loads(
        faults.kernel.value(
            "__import__('json').dumps([_glm.reasoning + _glm.text, _glm.complete] "
            "if _glm is not None else ['', False])"
        )
    )
    assert complete == run.ok
    if row.kept == "nothing":
        assert text == ""
    elif row.kept == "what had arrived":
        assert text == ARRIVED
        assert ARRIVED.strip() in shown
        assert run.bundle[VENDOR]["complete"] is False
    else:
        assert row.kept == "the whole answer"
        assert text


def test_the_page_has_a_row_for_each_case_and_a_case_for_each_row() -> None:
    assert sorted(rows()) == sorted(CASES)
