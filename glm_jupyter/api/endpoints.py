"""Endpoints: the services and servers that answer, and which key may be sent where.

The one rule about keys: a key from the environment belongs to the hosted services, and to the
base URL that the environment itself names. A URL that came any other way, a shared notebook for
example, gets only the key that was stored for exactly that URL. On a JupyterHub, a base URL in the
environment that is one of the Hub's services gets the user's token of the Hub.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NoReturn
from urllib.parse import urlsplit

from glm_jupyter.language import _, sentences

from .errors import AuthenticationError, InputError
from .request import Dialect

KEY_VARIABLES = ("ZAI_API_KEY", "ZHIPUAI_API_KEY")
URL_VARIABLES = ("ZAI_BASE_URL", "ZHIPUAI_BASE_URL")
HUB_TOKEN = "JUPYTERHUB_API_TOKEN"
KEYRING_SERVICE = "glm-jupyter"

# What people copy along with a key: white space, quotes, and characters that cannot be seen.
_AROUND = " \t\r\n\xa0\u200b\ufeff\"'`“”‘’"
_SCHEME = re.compile(r"bearer\s+", re.IGNORECASE)


class Secret:
    """A key that no representation, comparison or pickle gives away; `reveal()` does."""

    __slots__ = ("_value",)

    def __init__(self, value: str = "") -> None:
        self._value = value

    def reveal(self) -> str:
        """The key itself."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return "<a key>" if self else "<no key>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is not to be pickled or copied to another process")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A place that answers: its base URL, how it speaks, what money it counts in, and the key.

    `name` is "bigmodel", "zai", "local", or the base URL itself; `currency` is None where
    nothing is charged or nothing is known.
    """

    name: str
    base_url: str
    currency: str | None = None
    dialect: Dialect = "openai"
    needs_key: bool = False
    key: Secret = field(default_factory=Secret, compare=False)

    @classmethod
    def local(cls, base_url: str = "", key: str = "") -> Endpoint:
        """The embedded engine; its URL and key are known once it runs."""
        return cls("local", base_url, key=Secret(key))

    def __str__(self) -> str:
        return self.name if self.name == self.base_url else f"{self.name} ({self.base_url})"


BIGMODEL = Endpoint("bigmodel", "https://open.bigmodel.cn/api/paas/v4", "RMB", "glm", True)
ZAI = Endpoint("zai", "https://api.z.ai/api/paas/v4", "USD", "glm", True)
SERVICES = {service.name: service for service in (BIGMODEL, ZAI)}
DEFAULT = BIGMODEL
NAMES = (*SERVICES, "local")


def resolve(name_or_url: str | None = None, environ: Mapping[str, str] | None = None) -> Endpoint:
    """The endpoint of that name or base URL, with the key it may have; None is the default one.

    `environ` stands in for `os.environ`. Raises InputError for a name or URL that cannot be
    one, AuthenticationError for a key that cannot be sent.
    """
    environ = os.environ if environ is None else environ
    default = _default(environ)
    if name_or_url is None:
        found = default
    elif "://" in name_or_url:
        found = _at(base_url(name_or_url), default)
    elif name_or_url.lower() == default.name:
        found = default
    elif name_or_url.lower() in SERVICES:
        found = SERVICES[name_or_url.lower()]
    elif name_or_url.lower() == "local":
        return Endpoint.local()
    else:
        close = difflib.get_close_matches(name_or_url.lower(), NAMES, n=1)
        hint = _("Did you mean `{name}`?").format(name=close[0]) if close else ""
        names = _("Endpoints are {names}, or a base URL with http(s)://.")
        raise InputError(
            _("There is no endpoint {name!r}.").format(name=name_or_url),
            remedy=sentences(hint, names.format(names=", ".join(NAMES))),
        )
    return replace(found, key=_key(found, environ))


def base_url(text: str) -> str:
    """A base URL in its one spelling: without trailing slash, host in lower case.

    Raises InputError where `text` is not one.
    """
    text = text.strip()
    if not text.isprintable() or " " in text:
        raise not_a_base_url(_("it holds a space or a line break"))
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise not_a_base_url(_("it cannot be read as a URL")) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise not_a_base_url(_("it has no http(s)://host"))
    if parts.username is not None or parts.password is not None:
        raise not_a_base_url(_("it holds a user name or password"))
    if parts.query or parts.fragment:
        raise not_a_base_url(_("it has a part after ? or #"))
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    if port is not None and port != {"http": 80, "https": 443}[parts.scheme]:
        host += f":{port}"
    path = parts.path.rstrip("/").removesuffix("/chat/completions")
    return f"{parts.scheme}://{host}{path}"


def option(endpoint: Endpoint) -> str:
    """How a command names `endpoint`: " -e zai", or nothing for the default one."""
    return "" if endpoint.name == resolve().name else f" -e {endpoint.name}"


def store_key(endpoint: Endpoint, key: str) -> None:
    """Keep `key` for `endpoint` in the system keyring.

    Raises AuthenticationError for a key that cannot be one, InputError where there is no
    keyring that works.
    """
    key = _checked(key, _("The key"))
    if not key:
        raise AuthenticationError(
            _("No key was given."), remedy=_("Paste the key when asked for it.")
        )
    try:
        import keyring

        keyring.set_password(KEYRING_SERVICE, endpoint.name, key)
        why = "" if _stored(endpoint.name) == key else " " + _("(it keeps nothing)")
    except ImportError:
        raise InputError(
            _(
                "The key was not stored: keyring, which reaches the system's keyring, is not "
                "installed."
            ),
            remedy=_(
                "Run `%pip install 'glm-jupyter[keyring]'` and restart the kernel, or set the "
                "environment variable {variable} before Jupyter starts."
            ).format(variable=KEY_VARIABLES[0]),
        ) from None
    except Exception as error:
        # Backends raise what they like. Theirs may quote what they were given: not shown.
        why = f" ({type(error).__name__})"
    if why:
        raise InputError(
            _("The key was not stored: no system keyring works here{why}.").format(why=why),
            remedy=_("Set the environment variable {variable} before Jupyter starts.").format(
                variable=KEY_VARIABLES[0]
            ),
        )


def forget_key(endpoint: Endpoint) -> bool:
    """Remove the key of `endpoint` from the system keyring; False where none was there."""
    if not _stored(endpoint.name):
        return False
    try:
        import keyring

        keyring.delete_password(KEYRING_SERVICE, endpoint.name)
    except Exception:
        return False
    return True


def key_source(endpoint: Endpoint, environ: Mapping[str, str] | None = None) -> str | None:
    """Where the key of `endpoint` comes from: a variable's name, "keyring", or None."""
    environ = os.environ if environ is None else environ
    if endpoint.name in SERVICES and (variable := _first(KEY_VARIABLES, environ)):
        return variable
    if _is_hub_service(endpoint, environ):
        return HUB_TOKEN
    return "keyring" if _stored(endpoint.name) else None


def _default(environ: Mapping[str, str]) -> Endpoint:
    variable = _first(URL_VARIABLES, environ)
    if variable is None:
        return DEFAULT
    try:
        url = base_url(environ[variable])
    except InputError as error:
        raise InputError(f"{variable}: {error}", remedy=error.remedy) from None
    return replace(_service_at(url) or DEFAULT, base_url=url)


def _at(url: str, default: Endpoint) -> Endpoint:
    for known in (default, *SERVICES.values()):
        if url == known.base_url:
            return known
    if service := _service_at(url):  # another of its paths: nobody knows the prices, but the money
        return Endpoint(url, url, service.currency, service.dialect)
    return Endpoint(url, url)


def _service_at(url: str) -> Endpoint | None:
    """The hosted service whose host a URL names."""
    hosts = {urlsplit(service.base_url).hostname: service for service in SERVICES.values()}
    return hosts.get(urlsplit(url).hostname)


def _key(endpoint: Endpoint, environ: Mapping[str, str]) -> Secret:
    if endpoint.name in SERVICES and (variable := _first(KEY_VARIABLES, environ)):
        return Secret(
            _checked(environ[variable], _("The key in {variable}").format(variable=variable))
        )
    if _is_hub_service(endpoint, environ):
        return Secret(
            _checked(environ[HUB_TOKEN], _("The token in {variable}").format(variable=HUB_TOKEN))
        )
    return Secret(_checked(_stored(endpoint.name), _("The key in the system keyring")))


def _is_hub_service(endpoint: Endpoint, environ: Mapping[str, str]) -> bool:
    """Whether the environment names a service of the user's JupyterHub as this endpoint."""
    variable = _first(URL_VARIABLES, environ)
    if variable is None or not environ.get(HUB_TOKEN):
        return False
    services = f"{environ.get('JUPYTERHUB_BASE_URL', '/')}services/"
    named = environ[variable].strip().rstrip("/")
    return endpoint.base_url == named and urlsplit(named).path.startswith(services)


def _stored(name: str) -> str:
    try:
        import keyring

        return keyring.get_password(KEYRING_SERVICE, name) or ""
    except Exception:
        return ""  # no keyring, or none that works, is no key


def bare(key: str) -> str:
    """A key without what is often copied along with it: white space, quotes, `Bearer `."""
    return _SCHEME.sub("", key.strip(_AROUND), count=1).strip(_AROUND)


def _checked(key: str, what: str) -> str:
    """The bare key. Raises AuthenticationError where it cannot be one."""
    key = bare(key)
    if not key.isascii() or not key.isprintable() or " " in key:
        raise AuthenticationError(
            _(
                "{what} cannot be one: it holds a space, a line break or a character that is "
                "not plain ASCII."
            ).format(what=what),
            remedy=_("Copy the key again."),
        )
    return key


def _first(variables: tuple[str, ...], environ: Mapping[str, str]) -> str | None:
    return next((name for name in variables if bare(environ.get(name, ""))), None)


def not_a_base_url(why: str) -> InputError:
    """The error for a text that is no base URL; not quoted, as it may hold a password."""
    return InputError(
        _("That is not a base URL: {why}.").format(why=why),
        remedy=_("Give it as https://host/path, for example http://127.0.0.1:8000/v1."),
    )
