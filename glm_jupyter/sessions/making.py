"""From a question to a request for what its model makes: pictures, videos, sound, documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glm_jupyter.api import catalogue
from glm_jupyter.api.catalogue_file import KINDS
from glm_jupyter.api.errors import InputError
from glm_jupyter.api.pictures import PictureRequest
from glm_jupyter.api.speech import SpeechRequest
from glm_jupyter.api.transcription import TranscriptionRequest
from glm_jupyter.api.videos import VideoRequest
from glm_jupyter.prompt.audio import recording_of
from glm_jupyter.prompt.images import image_part

from .options import flags

if TYPE_CHECKING:
    from glm_jupyter.api.catalogue import Model
    from glm_jupyter.api.making import MakingRequest

    from .options import AskOptions
    from .target import Target

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
        makes = KINDS[kind]
        raise InputError(
            f"{name} makes {makes} and takes no {flag.names[-1]}. Nothing was sent.",
            remedy=f"Leave it out, or choose a model that takes it: {some} …",
        )


def needs_words(kind: str, options: AskOptions) -> bool:
    """Whether a question of this kind must say something in words."""
    if kind in ("transcription", "document"):
        return False
    if kind in ("voice", "realtime"):
        return options.audio is None
    return not (kind == "video" and listed(options.images))


def request_for(model: Model, prompt: str, options: AskOptions) -> MakingRequest:
    """The request that asks `model` for what it makes. Raises InputError."""
    match model.kind:
        case "image":
            return PictureRequest(
                model=model.name, prompt=prompt, size=options.size, quality=options.quality
            )
        case "video":
            return VideoRequest(
                model=model.name,
                prompt=prompt,
                frames=tuple(_url(image) for image in listed(options.images)),
                size=options.size,
                quality=options.quality,
                duration=options.duration,
                fps=options.fps,
                sound=options.sound or None,
            )
        case "transcription":
            if options.audio is None:
                raise InputError(
                    f"{model.name} writes down recordings, and there is none. Nothing was sent.",
                    remedy="Name one with --audio: a path, or a variable.",
                )
            said = recording_of(options.audio)
            return TranscriptionRequest(
                model=model.name,
                prompt=prompt,
                data=said.data,
                mime=said.mime,
                sound=said.sound,
                hotwords=tuple(map(str, listed(options.hotwords))),
            )
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
                f"{model.name} gives {KINDS[kind]}, not an answer. Nothing was sent.",
                remedy=f"Call it from Python: `{call}(...)`.",
            )


def listed(given: Any) -> list[Any]:
    """What is given as a list; one thing alone is a list of one."""
    if given is None:
        return []
    return list(given) if isinstance(given, list | tuple) else [given]


def _url(image: Any) -> str:
    return str(image_part(image)["image_url"]["url"])
