"""AskOptions: what a question can be asked with, in a cell as from Python."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from traitlets import Bool, Float, Int, List, TraitError, Unicode

from glm_jupyter.api.errors import InputError
from glm_jupyter.language import N_, _, sentences

from .settings import Choices

if TYPE_CHECKING:
    from .target import Target

# What a word on the line stands for: itself, an expression of the notebook's, several of them
# with commas between, several words, or a variable, a URL or a path.
Reads: TypeAlias = Literal["word", "expression", "expressions", "words", "source"]

CHAT = ("chat", "voice")
SPOKEN = ("speech", "realtime")


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """How an option is written on the line, what its word stands for, and which models take it.

    `names` are the flags, `off` the one that sets it to False. `more` is what argparse wants to
    know besides. `kinds` are kinds of models in the catalogue; empty is all. The helps are English
    until they are shown.
    """

    names: tuple[str, ...]
    help: str
    off: tuple[str, str] | None = None
    reads: Reads = "word"
    kinds: tuple[str, ...] = ()
    more: dict[str, Any] = field(default_factory=dict)


# What to give for an option, by its trait, or by the type of one that has none.
_TAKES = {
    **dict.fromkeys((Int, int), N_("It takes a whole number.")),
    **dict.fromkeys((Float, float), N_("It takes a number.")),
    **dict.fromkeys((Unicode, str), N_("It takes a text.")),
    Bool: N_("It takes True or False."),
    List: N_("It takes a list of texts."),
}


def _flag(
    *names: str,
    help: str,
    default: Any = None,
    kinds: tuple[str, ...] = (),
    reads: Reads = "word",
    off: tuple[str, str] | None = None,
    **more: Any,
) -> Any:
    flag = Flag(names=names, help=help, off=off, reads=reads, kinds=kinds, more=more)
    return field(default=default, metadata={"flag": flag})


def _switch(*names: str, help: str, kinds: tuple[str, ...] = ()) -> Any:
    return _flag(*names, help=help, default=False, kinds=kinds, action="store_true")


@dataclass(frozen=True, slots=True, kw_only=True)
class AskOptions:
    """What a question is asked with. None, False and empty are not chosen.

    Each field is an option of `%%glm` and a keyword of `ask`, and knows its flag.
    """

    model: str | None = _flag(
        "-m", "--model", metavar="NAME", help=N_("model for this cell; `%%glm models` lists them")
    )
    endpoint: str | None = _flag(
        "-e",
        "--endpoint",
        metavar="NAME",
        help=N_(
            "service that answers: bigmodel, zai, local, or the base URL of an OpenAI-compatible "
            "server"
        ),
    )
    system: str | None = _flag(
        "-s",
        "--system",
        metavar="TEXT",
        kinds=(*CHAT, "realtime"),
        help=N_("system prompt; @file.md reads a file"),
    )
    continue_: bool | str = _flag(
        "-c",
        "--continue",
        default=False,
        kinds=CHAT,
        nargs="?",
        const=True,
        metavar="NAME",
        help=N_(
            "go on with the conversation, or with the one of this name; without it the cell "
            "stands alone"
        ),
    )
    trim: bool = _switch(
        "--trim",
        kinds=CHAT,
        help=N_("leave out the oldest exchanges of a conversation that has become too long"),
    )
    temperature: float | None = _flag(
        "-t", "--temperature", kinds=CHAT, type=float, metavar="T", help=N_("sampling temperature")
    )
    top_p: float | None = _flag(
        "--top-p", kinds=CHAT, type=float, metavar="P", help=N_("nucleus sampling")
    )
    max_tokens: int | None = _flag(
        "--max-tokens",
        kinds=(*CHAT, "realtime"),
        type=int,
        metavar="N",
        help=N_("most tokens the answer may have"),
    )
    stop: list[str] | None = _flag(
        "--stop",
        kinds=CHAT,
        action="append",
        metavar="TEXT",
        help=N_("text at which to stop; repeatable"),
    )
    max_cost: str | None = _flag(
        "--max-cost",
        metavar="AMOUNT",
        help=N_("most the answer may cost: 0.5 in the endpoint's currency, or 0.5RMB, 0.1USD"),
    )
    think: bool | None = _flag(
        "--think",
        off=("--no-think", N_("reasoning off")),
        kinds=CHAT,
        action="store_true",
        help=N_("reasoning on, where the model has the switch"),
    )
    effort: str | None = None
    schema: Any = _flag(
        "--schema",
        kinds=CHAT,
        reads="expression",
        metavar="NAME",
        help=N_("what the answer must fit: a pydantic model, dataclass, TypedDict or JSON schema"),
    )
    tools: Any = _flag(
        "--tools",
        default=(),
        kinds=CHAT,
        reads="expressions",
        metavar="A,B",
        help=N_("functions of the notebook that the model may call"),
    )
    confirm: bool = _switch("--confirm", kinds=CHAT, help=N_("ask before each function call"))
    web: bool = _switch(
        "--web", kinds=CHAT, help=N_("let the model search the web; the pages found are listed")
    )
    image: Any = _flag(
        "-i",
        "--image",
        default=(),
        kinds=(*CHAT, "video"),
        reads="source",
        action="append",
        metavar="X",
        help=N_(
            "an image to look at, or the first and the last picture of a video: a path, a URL, "
            "or a variable (figure, image, array, bytes); repeatable"
        ),
    )
    size: str | None = _flag(
        "--size", kinds=("image", "video"), metavar="WxH", help=N_("size of the picture or video")
    )
    quality: str | None = _flag(
        "--quality",
        kinds=("image", "video"),
        metavar="WORD",
        help=N_(
            "quality of the picture or video: standard or hd for one, speed or quality for the "
            "other"
        ),
    )
    duration: int | None = _flag(
        "--duration", kinds=("video",), type=int, metavar="S", help=N_("seconds of the video")
    )
    fps: int | None = _flag(
        "--fps", kinds=("video",), type=int, metavar="N", help=N_("frames per second of the video")
    )
    sound: bool = _switch("--sound", kinds=("video",), help=N_("a video with sound"))
    voice: str | None = _flag(
        "--voice", kinds=SPOKEN, metavar="NAME", help=N_("whose voice speaks")
    )
    speed: float | None = _flag(
        "--speed",
        kinds=("speech",),
        type=float,
        metavar="X",
        help=N_("how fast the voice speaks: 1 is usual"),
    )
    volume: float | None = _flag(
        "--volume",
        kinds=("speech",),
        type=float,
        metavar="X",
        help=N_("how loud the voice speaks: 1 is usual"),
    )
    audio: Any = _flag(
        "--audio",
        kinds=("transcription", "voice", "realtime"),
        reads="source",
        metavar="X",
        help=N_(
            "recording of what was said: a path or a variable (bytes, or an array and its rate)"
        ),
    )
    hotwords: Any = _flag(
        "--hotwords",
        default=(),
        kinds=("transcription",),
        reads="words",
        metavar="A,B",
        help=N_("words that the recording is likely to hold"),
    )
    file: Any = _flag(
        "--file",
        default=(),
        kinds=(*CHAT, "document"),
        reads="source",
        action="append",
        metavar="X",
        help=N_(
            "a document to read: a path, a URL or a variable; repeatable, but for models that read "
            "one page by page"
        ),
    )
    pages: str | None = _flag(
        "--pages", kinds=("document",), metavar="A-B", help=N_("pages of the document")
    )
    knowledge: str | None = _flag(
        "--knowledge",
        kinds=CHAT,
        metavar="NAME",
        help=N_("answer from a knowledge base; its passages are listed"),
    )
    fresh: bool = _switch(
        "--fresh",
        help=N_(
            "ask the service also while a recording is replayed; with --map, ask everything anew"
        ),
    )

    @classmethod
    def of(cls, **given: Any) -> AskOptions:
        """The options by their names, as they come from Python, each with its type.

        Raises InputError for a value that is none for its name, and for an unknown name, with
        those there are.
        """
        known = [each.name for each in fields(cls)]
        if "images" in given and "image" not in given:
            given["image"] = given.pop("images")  # as one says it of several
        for name in given:
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                hint = _("Did you mean `{option}`?").format(option=close[0]) if close else ""
                options = _("Options: {options}.").format(options=", ".join(sorted(known)))
                raise InputError(
                    _("There is no option `{name}`. Nothing was sent.").format(name=name),
                    remedy=sentences(hint, options),
                )
        return cls(**{name: _typed(name, value) for name, value in given.items()})

    @property
    def chosen(self) -> Iterator[str]:
        """The names of what is chosen."""
        for each in fields(self):
            value = getattr(self, each.name)
            # An array has no truth of its own.
            if value is not None and value is not False and not _empty(value):
                yield each.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """From where a question is asked.

    `cell` tells which cell asks, so that running it again replaces its exchange; without one it
    is always a further exchange. What is not `to_send` needs no key; what is asked `aside` takes
    no part in the conversation. `notes` come into the answer's last line. `target` is who answers,
    where that was decided before, for many questions.
    """

    cell: str | None = None
    to_send: bool = True
    aside: bool = False
    notes: tuple[str, ...] = ()
    target: Target | None = None


@cache
def flags() -> dict[str, Flag]:
    """The options that can be written on a line: name -> flag, in the order of the help."""
    found = ((each.name, each.metadata.get("flag")) for each in fields(AskOptions))
    return {name: flag for name, flag in found if flag is not None}


def _empty(value: Any) -> bool:
    return isinstance(value, str | list | tuple) and not value


def _typed(name: str, value: Any) -> Any:
    """A value that came from Python, as the option `name` holds it."""
    flag = flags().get(name)
    if hasattr(value, "item") and flag and "type" in flag.more:
        value = value.item()  # a number of numpy's
    if name not in Choices.class_trait_names(config=True):
        return value if flag is None or value is None else _of_kind(name, flag, value)
    if name == "stop" and isinstance(value, str):
        value = [value]
    elif name == "max_cost" and value is not None:
        value = str(value)
    choices = Choices()
    try:
        setattr(choices, name, value)
    except TraitError:
        raise InputError(
            _cannot_be(name, value),
            remedy=_(_TAKES[type(choices.traits()[name])]),
        ) from None
    return getattr(choices, name)


def _of_kind(name: str, flag: Flag, value: Any) -> Any:
    """A value that has no trait: a number or a word where its flag takes one."""
    wanted = flag.more.get("type", str)
    if flag.reads != "word" or "action" in flag.more or "nargs" in flag.more:
        return value
    if wanted is float and type(value) is int:
        return float(value)
    if type(value) is not wanted:
        raise InputError(_cannot_be(name, value), remedy=_(_TAKES[wanted]))
    return value


def _cannot_be(name: str, value: Any) -> str:
    return _("The option `{name}` cannot be {value!r}. Nothing was sent.").format(
        name=name, value=value
    )
