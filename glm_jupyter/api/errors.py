"""GLMError and its kinds: what happened, whether to try again, and what to do.

`REFUSALS` holds what the services' own codes mean, `STATUSES` what an HTTP status means where
there is no known code; `refusal()` turns an answer that is an error into the right kind.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from glm_jupyter.language import N_, _, sentences

LONGEST_QUOTE = 300  # characters of a server's text in a message
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)?", re.DOTALL)


class GLMError(Exception):
    """Something kept an answer from being given, or from being whole.

    `code` is the service's own code (for example "1302"), `status` the HTTP status,
    `retryable` whether the same request may succeed later, `remedy` what the user can do,
    `retry_after` the seconds the service asks to wait, where it says so.
    """

    def __init__(
        self,
        message: str,
        *,
        remedy: str = "",
        code: str | None = None,
        status: int | None = None,
        retryable: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.remedy = remedy
        self.code = code
        self.status = status
        self.retryable = retryable
        self.retry_after = retry_after
        if remedy:
            self.add_note(remedy)  # for tracebacks outside of IPython

    def __reduce__(self) -> tuple[Any, ...]:
        # What the kinds take differs; what they hold goes to another process as it is.
        return _restored, (type(self), self.args, self.__dict__)

    def _render_traceback_(self) -> list[str]:
        """The few lines that IPython shows in place of a stack."""
        head = f"{type(self).__name__}: {self}"
        return [head, self.remedy] if self.remedy else [head]


def _restored(kind: type[GLMError], args: tuple[Any, ...], state: dict[str, Any]) -> GLMError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class InputError(GLMError):
    """What was asked cannot be sent as it stands; nothing was sent."""


class AuthenticationError(GLMError):
    """No key, a wrong key, or a key without the right to what was asked."""


class RequestError(GLMError):
    """The service refused this request, and will refuse it again."""


class BusyError(GLMError):
    """The service is over a limit or has failed; the same request may succeed later."""


class NetworkError(GLMError):
    """The service could not be reached, or did not speak its protocol.

    `sent` says that the request may have reached it all the same.
    """

    sent = False


class IncompleteError(GLMError):
    """The answer broke off; what had arrived is kept."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a code or status means: the kind of error, the words for it, and what to do."""

    kind: type[GLMError]
    says: str
    remedy: str
    retryable: bool = False


_KEY = Refusal(
    AuthenticationError,
    N_("the key was not accepted"),
    N_(
        "Check the key (`%glm login` stores a new one; `%glm doctor` tells which one is in use). "
        "Keys of open.bigmodel.cn and of z.ai are not the same: `-e zai` or `-e bigmodel` asks "
        "the other."
    ),
)
_ACCOUNT = Refusal(
    AuthenticationError,
    N_("the account cannot be used"),
    N_("See the account's page in the service's console."),
)
_FAILED = Refusal(BusyError, N_("the service failed"), N_("Run the cell again in a moment."), True)
_BUSY = Refusal(
    BusyError,
    N_("too many requests at once"),
    N_("Wait a moment and run the cell again; ask fewer questions at a time."),
    True,
)
_OVERLOADED = Refusal(
    BusyError,
    N_("the model is overloaded"),
    N_("Wait a minute and run the cell again, or choose another model (`%glm models`)."),
    True,
)
_QUOTA = Refusal(
    BusyError,
    N_("the plan's quota is used up"),
    N_("Wait until the time the service names, or choose another model or key."),
)
_PLAN = Refusal(
    AuthenticationError,
    N_("the plan does not cover this request"),
    N_("Choose another model (`%glm models`), or see the plan in the service's console."),
)
_FIELD = Refusal(
    RequestError,
    N_("a part of the request is not valid"),
    N_("Check the model's name (`%glm models`) and the cell's options."),
)
_MODEL = Refusal(
    RequestError,
    N_("there is no such model"),
    N_("Check its name: `%glm models` lists the known ones. Retired models leave the service."),
)
_BUDGET = Refusal(
    BusyError,
    N_("the budget at the gateway does not cover this request"),
    N_(
        "Give a smaller --max-tokens or choose a cheaper model (`%glm models`), wait for the next "
        "day or month, or ask who runs the gateway for more."
    ),
)
_NOT_OFFERED = Refusal(
    RequestError,
    N_("the gateway does not offer this model to you"),
    N_("Choose one that it names."),
)
_API = Refusal(
    RequestError,
    N_("this is not offered, or no longer"),
    N_("Choose another model: `%glm models` lists them. Retired ones leave the service."),
)
_UNSAFE = Refusal(
    RequestError,
    N_("the service's safety filter stopped the request"),
    N_("Put the question in other words."),
)
_TOO_LONG = Refusal(
    RequestError,
    N_("the prompt is longer than the model's context"),
    N_(
        "Shorten the cell or what `{{ }}` puts into it, start over without `--continue`, or choose "
        "a model with a longer context (`%glm models`)."
    ),
)
_PARAMETERS = Refusal(
    RequestError,
    N_("the service does not take these parameters"),
    N_("Check the cell's options; the model may not have one of them."),
)

# The services' own codes: the error tables of docs.bigmodel.cn (cn/api/api-code) and docs.z.ai
# (api-reference/api-code), read in October 2026.
REFUSALS = {
    **dict.fromkeys(("1000", "1001", "1002", "1003", "1004", "401", "invalid_api_key"), _KEY),
    **dict.fromkeys(("1005", "1100", "1110", "1111", "1112", "1121"), _ACCOUNT),
    "1113": Refusal(
        AuthenticationError,
        N_("the account has no balance left for this model"),
        N_(
            "Top up the account in the service's console, or use a free model: "
            "`--model glm-4.7-flash`."
        ),
    ),
    "1120": Refusal(
        BusyError, N_("the account cannot be reached now"), N_("Run the cell again later."), True
    ),
    **dict.fromkeys(("1200", "1230", "1234"), _FAILED),
    "1210": _PARAMETERS,
    **dict.fromkeys(("1211", "model_not_found"), _MODEL),
    **dict.fromkeys(("1212", "1213", "1214", "1215"), _FIELD),
    "1220": Refusal(
        AuthenticationError,
        N_("the key has no right to this"),
        N_(
            "The account's plan may not include this model: choose another (`%glm models`), or see "
            "the service's console."
        ),
    ),
    **dict.fromkeys(("1221", "1222"), _API),
    "1231": Refusal(
        RequestError, N_("the same request is already being answered"), N_("Wait until it ends.")
    ),
    **dict.fromkeys(("1261", "context_length_exceeded", "exceed_context_size_error"), _TOO_LONG),
    **dict.fromkeys(("1300", "1301", "sensitive"), _UNSAFE),
    **dict.fromkeys(("1302", "1303", "rate_limit_exceeded"), _BUSY),
    # What gateways between here and a service say: ours, LiteLLM's, and others like it.
    "budget_exceeded": _BUDGET,
    "insufficient_quota": _BUDGET,
    **dict.fromkeys(
        (
            "model_not_allowed",
            "key_model_access_denied",
            "team_model_access_denied",
            "user_model_access_denied",
        ),
        _NOT_OFFERED,
    ),
    **dict.fromkeys(("token_not_found_in_db", "expired_key"), _KEY),
    "gateway_key": Refusal(
        AuthenticationError,
        N_("the gateway's own key was not accepted"),
        N_("Tell who runs the gateway; your own token is right."),
    ),
    "not_passed_on": Refusal(
        RequestError,
        N_("the gateway does not pass this on"),
        N_("It takes a key of your own at the service, without the gateway's ZAI_BASE_URL."),
    ),
    "1304": Refusal(
        BusyError,
        N_("today's number of calls is used up"),
        N_("Go on tomorrow, or with another key."),
    ),
    **dict.fromkeys(("1305", "1312"), _OVERLOADED),
    **dict.fromkeys(("1308", "1310", *(str(code) for code in range(1316, 1322))), _QUOTA),
    **dict.fromkeys(("1309", "1311", "1313", "1314", "1315"), _PLAN),
    "1701": Refusal(
        BusyError,
        N_("too many web searches at once"),
        N_("Wait a moment and run the cell again."),
        True,
    ),
    **dict.fromkeys(
        ("1702", "1703"),
        Refusal(
            RequestError, N_("the web search found nothing it could use"), N_("Leave out --web.")
        ),
    ),
}

PROXY_LOGIN = N_(
    "Write them into the variable that names the proxy (HTTPS_PROXY, HTTP_PROXY), as "
    "http://NAME:PASSWORD@HOST:PORT, or put the service's host into NO_PROXY."
)
STATUSES = {
    400: _PARAMETERS,
    401: _KEY,
    402: _BUDGET,
    403: Refusal(
        AuthenticationError,
        N_("the key has no right to this"),
        N_("Check the key and the model; a proxy between here and the service can say this too."),
    ),
    404: Refusal(
        RequestError,
        N_("there is no such model, or no such address"),
        N_("Check the model's name and the base URL; most end in /v1 or /v4."),
    ),
    407: Refusal(
        NetworkError,
        N_("the proxy on the way wants a name and a password"),
        PROXY_LOGIN,
    ),
    408: _FAILED,
    413: Refusal(
        RequestError,
        N_("the request is too large"),
        N_("Shorten the cell or what `{{ }}` puts into it, or give fewer or smaller images."),
    ),
    422: _PARAMETERS,
    429: _BUSY,
}
# What LiteLLM says of budgets where it names no type.
_OVER_BUDGET = re.compile(r"budget has been exceeded|exceeded ?budget|over budget", re.IGNORECASE)
# What the services' gateway says, with status 500, for an address that it does not know.
_NO_ADDRESS = "404 NOT_FOUND"
_SUCCESS = range(200, 300)
_OTHER = Refusal(
    RequestError, N_("the request was refused"), N_("Check the model and the options.")
)


def refusal(
    body: bytes | str | dict[str, Any],
    *,
    status: int | None = None,
    base_url: str = "",
    retry_after: float | None = None,
    login: str = "",
) -> GLMError:
    """The error that a response with this body and HTTP status is; in a stream, no status.

    `login` is the command that keeps a key for a server of the user's own.

    Understands the services' `{"error": {"code", "message"}}`, `{"code", "msg"}`, what
    OpenAI-compatible servers send, web pages, and nothing at all.
    """
    found = body if isinstance(body, dict) else _decoded(body)
    if found is None:
        page = _is_page(body)
        if page and (status is None or status < 400 or status == 404):
            return not_the_api(base_url, _("a web page (HTML)"))
        if status in _SUCCESS:
            return not_the_api(base_url, _("a text that is not JSON") if body else "")
        code, text = None, "" if page else clean(body)
    else:
        code, text = _code_and_text(found)
        if status in _SUCCESS and not (code or text):
            return not_the_api(base_url, _("JSON that holds no answer"))
    meaning = _meaning(code, 404 if text == _NO_ADDRESS else status)
    if code in (None, str(status)) and _OVER_BUDGET.search(text):
        meaning = _BUDGET
    says, remedy = _(meaning.says), _(meaning.remedy)
    if login and meaning is _KEY:
        says = _("the server wants a key, or another one")
        remedy = _("`{login}` asks for the key and keeps it for this server.").format(login=login)
    number = code or status
    sentence = _("{says} ({number}).") if number else _("{says}.")
    sentence = sentence.format(says=says, number=number)
    if base_url:
        sentence = _("{host}: {sentence}").format(host=_host(base_url), sentence=sentence)
    if text:
        sentence = sentences(sentence, _("It says: {text}").format(text=text))
    wait = ""
    if retry_after:
        wait = _("It asks to wait {seconds:,.0f} s.").format(seconds=retry_after)
    return meaning.kind(
        sentence,
        remedy=sentences(wait, remedy),
        code=code,
        status=status,
        retryable=meaning.retryable,
        retry_after=retry_after,
    )


def not_the_api(base_url: str, what: str) -> NetworkError:
    """The error for a server that answers something else than the chat API, or nothing."""
    says = _("{base_url} answered with nothing, not as a chat API does.")
    if what:
        says = _("{base_url} answered with {what}, not as a chat API does.")
    return NetworkError(
        says.format(base_url=clean(base_url), what=what),
        remedy=_(
            "Check the base URL (most end in /v1 or /v4), and whether a login page or proxy "
            "stands between here and the service."
        ),
    )


def clean(text: object, longest: int = LONGEST_QUOTE) -> str:
    """A server's text made fit to show: one line, no terminal escapes, not endless."""
    if isinstance(text, bytes):
        text = text[: longest * 8].decode("utf-8", "replace")
    line = _ESCAPES.sub("", str(text)[: longest * 8])
    line = " ".join("".join(c if c.isprintable() else " " for c in line).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def _meaning(code: str | None, status: int | None) -> Refusal:
    if code in REFUSALS:
        return REFUSALS[code]
    if (status is None or status in _SUCCESS) and code and code.isdecimal() and len(code) == 3:
        status = int(code)
    if status in STATUSES:
        return STATUSES[status]
    return _FAILED if status is not None and status >= 500 else _OTHER


def _decoded(body: bytes | str) -> dict[str, Any] | None:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _code_and_text(body: dict[str, Any]) -> tuple[str | None, str]:
    error = body.get("error", body)
    if not isinstance(error, dict):
        error = {**body, "message": error}  # {"error": "text"}
    text = error.get("message") or error.get("msg") or error.get("detail") or ""
    codes = [str(error[name]) for name in ("code", "type") if error.get(name) is not None]
    # "401" is a code of the services; beside a type it is the HTTP status of a gateway.
    known = sorted((code for code in codes if code in REFUSALS), key="401".__eq__)
    if not known and isinstance(error.get("code"), str | int):
        known = [clean(error["code"], 40)]
    return known[0] if known else None, clean(text)


def _is_page(body: bytes | str | dict[str, Any]) -> bool:
    return clean(body, 20).lstrip("\ufeff ").startswith("<")


def _host(base_url: str) -> str:
    return clean(base_url.partition("://")[2].partition("/")[0])
