"""From a question to a request for what its model makes: pictures, videos, sound, documents."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from glm_jupyter.api import catalogue
from glm_jupyter.api.catalogue_file import KINDS
from glm_jupyter.api.documents import DocumentRequest
from glm_jupyter.api.errors import InputError, clean
from glm_jupyter.api.pictures import PictureRequest
from glm_jupyter.api.realtime import RealtimeRequest
from glm_jupyter.api.speech import SpeechRequest
from glm_jupyter.api.transcription import IN_FLIGHT, TranscriptionRequest
from glm_jupyter.api.videos import VideoRequest
from glm_jupyter.language import _
from glm_jupyter.prompt.audio import audio_of
from glm_jupyter.prompt.expand import read_text
from glm_jupyter.prompt.files import file_of
from glm_jupyter.prompt.images import image_part

from .options import flags

if TYPE_CHECKING:
    from glm_jupyter.api.catalogue import Model
    from glm_jupyter.api.making import MakingRequest

    from .options import AskOptions
    from .target import Target

_RANGE = re.compile(r"\s*([0-9]{1,5})\s*(-\s*([0-9]{1,5})?)?\s*")

# Kinds that are asked by messages, and answer in text.
BY_MESSAGES = ("chat", "voice")


def kind_of(target: Target) -> str:
    """What the target makes; a model that nobody knows answers in text."""
    return target.known.kind if target.known else "chat"


def check_options(options: AskOptions, kind: str, name: str) -> None:
    """Refuse what was chosen for the question and models of this kind do not take."""
    known = flags()
    for option in options.chosen:
        flag = known.get(option)
        if flag is None or not flag.kinds or kind in flag.kinds:
            continue
        takers = [m.name for each in flag.kinds for m in catalogue.models(each) if not m.retired]
        some = ", ".join(list(dict.fromkeys(takers))[:3])
        raise InputError(
            _("{model} makes {kind} and takes no {flag}. Nothing was sent.").format(
                model=name, kind=_(KINDS[kind]), flag=flag.names[-1]
            ),
            remedy=_("Leave it out, or choose a model that takes it: {models} …").format(
                models=some
            ),
        )


def needs_words(kind: str, options: AskOptions) -> bool:
    """Whether a question of this kind must say something in words."""
    if kind in ("transcription", "document"):
        return False
    if kind in ("voice", "realtime"):
        return options.audio is None
    return not (kind == "video" and listed(options.image))


def request_for(model: Model, prompt: str, options: AskOptions, level: int) -> MakingRequest:
    """The request that asks `model` for what it makes; `level` is the account's, V0 to V3.

    Raises InputError.
    """
    match model.kind:
        case "image":
            return PictureRequest(
                model=model.name, prompt=prompt, size=options.size, quality=options.quality
            )
        case "video":
            return VideoRequest(
                model=model.name,
                prompt=prompt,
                frames=tuple(_url(image) for image in listed(options.image)),
                size=options.size,
                quality=options.quality,
                duration=options.duration,
                fps=options.fps,
                sound=options.sound or None,
            )
        case "transcription":
            if options.audio is None:
                raise InputError(
                    _(
                        "{model} writes down recordings, and there is none. Nothing was sent."
                    ).format(model=model.name),
                    remedy=_("Name one with --audio: a path, or a variable."),
                )
            audio, mime, seconds = audio_of(options.audio)
            return TranscriptionRequest(
                model=model.name,
                prompt=prompt,
                audio=audio,
                mime=mime,
                seconds=seconds,
                in_flight=model.in_flight(level) or IN_FLIGHT,
                hotwords=tuple(map(str, listed(options.hotwords))),
            )
        case "realtime":
            audio = audio_of(options.audio)[0] if options.audio is not None else b""
            return RealtimeRequest(
                model=model.name,
                prompt=prompt,
                audio=audio,
                voice=options.voice,
                instructions=read_text(options.system) if options.system else None,
                most_tokens=options.max_tokens,
            )
        case "document":
            return _document(model, prompt, options)
        case "speech":
            return SpeechRequest(
                model=model.name,
                prompt=prompt,
                voice=options.voice,
                speed=options.speed,
                volume=options.volume,
            )
        case kind:
            call = "glm.rerank" if kind == "rerank" else "glm.embed"
            raise InputError(
                _("{model} gives {kind}, not an answer. Nothing was sent.").format(
                    model=model.name, kind=_(KINDS[kind])
                ),
                remedy=_("Call it from Python: `{call}(...)`.").format(call=call),
            )


def _document(model: Model, prompt: str, options: AskOptions) -> DocumentRequest:
    files = listed(options.file)
    if len(files) != 1:
        raise InputError(
            _("{model} reads one document at a time; {n} were given. Nothing was sent.").format(
                model=model.name, n=len(files)
            ),
            remedy=_("Name it with --file: a path, a URL or a variable."),
        )
    document = file_of(files[0], as_document=True)
    first, last = page_range(options.pages)
    return DocumentRequest(
        model=model.name,
        prompt=prompt or document.name,
        url=document.url,
        size=document.size,
        first=first,
        last=last,
    )


def page_range(text: str | None) -> tuple[int | None, int | None]:
    """The first and the last page of "3" or "2-5"; "2-" goes on to the end."""
    if text is None:
        return None, None
    found = _RANGE.fullmatch(text)
    if not found or int(found[1]) < 1 or (found[3] and int(found[3]) < 1):
        raise InputError(
            _("--pages {pages} names no pages. Nothing was sent.").format(pages=clean(text, 40)),
            remedy=_("Write --pages 3, or --pages 2-5; the first page is 1."),
        )
    first = int(found[1])
    return first, int(found[3]) if found[3] else None if found[2] else first


def listed(given: Any) -> list[Any]:
    """What is given as a list; one thing alone is a list of one."""
    if given is None:
        return []
    return list(given) if isinstance(given, list | tuple) else [given]


def _url(image: Any) -> str:
    return str(image_part(image)["image_url"]["url"])
