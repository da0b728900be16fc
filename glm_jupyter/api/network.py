"""What went wrong on the way to a service: httpx's exceptions -> NetworkError with a remedy."""

from __future__ import annotations

import re
import socket
import ssl
import sys
from collections.abc import Iterator

import httpx

from glm_jupyter.language import _

from .errors import PROXY_LOGIN, NetworkError
from .proxies import proxy_for


def unreachable(error: httpx.HTTPError, base_url: str) -> NetworkError:
    """The NetworkError that `error` is, on the way to `base_url`."""
    host = httpx.URL(base_url).host
    proxy = proxy_for(base_url)
    says, remedy, retryable = _explained(error, host, proxy.named_in if proxy else "")
    return NetworkError(
        _("{url}: {says}.").format(url=base_url, says=says), remedy=remedy, retryable=retryable
    )


def _explained(error: httpx.HTTPError, host: str, proxy: str) -> tuple[str, str, bool]:
    """What happened, what to do, and whether to try again; `proxy` is where one is named."""
    if sys.platform == "emscripten" and isinstance(error, httpx.ConnectError):
        return (
            _("the browser got no answer that it may show to this page"),
            _(
                "Check the base URL and the network. A page may ask only a server that allows it "
                "(CORS); a server of your own can be set up so."
            ),
            False,
        )
    causes = list(_causes(error))
    lost = any(isinstance(cause, socket.gaierror | ConnectionRefusedError) for cause in causes)
    if proxy and (lost or isinstance(error, httpx.ProxyError)):
        if str(error).startswith("407"):
            says = _("the proxy that {variable} names wants a name and a password")
            return says.format(variable=proxy), _(PROXY_LOGIN), False
        says = _("the proxy that {variable} names refused")
        if lost:
            says = _("the proxy that {variable} names does not answer")
        remedy = _(
            "Correct {variable}, or put {host} into NO_PROXY where it is reached without a proxy."
        )
        return says.format(variable=proxy), remedy.format(variable=proxy, host=host), lost
    if tls := next((cause for cause in causes if isinstance(cause, ssl.SSLError)), None):
        says, remedy = _insecure(tls)
        return says, remedy, False
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return (
            _("the name {host} was not found").format(host=host),
            _("Check the spelling of the base URL, and that this machine has a network."),
            False,
        )
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return (
            _("nothing answers there"),
            _("Start the server, or check host and port."),
            True,
        )
    if isinstance(error, httpx.ProxyError):
        return _("the proxy refused"), _("Check HTTPS_PROXY, HTTP_PROXY and NO_PROXY."), False
    if isinstance(error, httpx.ConnectTimeout):
        return (
            _("no connection within the time allowed"),
            _("Check the network; a proxy may be needed (HTTPS_PROXY)."),
            True,
        )
    if isinstance(error, httpx.TimeoutException):
        return (
            _("the service was silent for too long"),
            _("Run the cell again; a shorter question or a faster model may help."),
            False,
        )
    if isinstance(error, httpx.DecodingError):
        return (
            _("the reply was compressed on the way and cannot be unpacked"),
            _("Run the cell again; a proxy between here and the service may have spoiled it."),
            True,
        )
    if isinstance(error, httpx.RemoteProtocolError) and not _CLOSED.search(str(error)):
        return (
            _("what answers there does not speak HTTP as it should"),
            _("Check host and port, and whether the base URL begins with http:// or https://."),
            False,
        )
    return _("the connection broke"), _("Run the cell again; check the network."), True


# What httpx says of a connection that ends too early, which is no fault of what came before.
_CLOSED = re.compile("disconnected|closed connection")


def _insecure(error: ssl.SSLError) -> tuple[str, str]:
    """What kept a connection from being secure, and what to do."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        return (
            _("no secure connection could be made (TLS)"),
            _("Check host and port; a server without TLS has a base URL that begins with http://."),
        )
    says = _("its certificate is not accepted: {reason}").format(reason=error.verify_message)
    if error.verify_code in _OUT_OF_DATE:
        return says, _("Check this machine's clock; if it is right, tell who runs the server.")
    if error.verify_code in _ANOTHER_HOST:
        return says, _("Check the host in the base URL; a login page may answer in its place.")
    return (
        says,
        _(
            "Where a company's proxy opens TLS, or the server is your own, name the file of its "
            "certificates in SSL_CERT_FILE and restart the kernel."
        ),
    )


# OpenSSL's X509_V_ERR_...
_OUT_OF_DATE = (9, 10)  # CERT_NOT_YET_VALID, CERT_HAS_EXPIRED
_ANOTHER_HOST = (62, 64)  # HOSTNAME_MISMATCH, IP_ADDRESS_MISMATCH


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """`error` and what it came from; trying several addresses at once gives groups."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        cause = waiting.pop()
        if cause is None or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting += [cause.__cause__, cause.__context__]
        if isinstance(cause, BaseExceptionGroup):
            waiting += cause.exceptions
