"""Making: requests for pictures, videos, sound, pages, vectors and scores, read and checked."""

from __future__ import annotations

import wave
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.types import Message

from glm_jupyter.api.catalogue import Model
from glm_jupyter.api.documents import DocumentRequest
from glm_jupyter.api.making import MakingRequest
from glm_jupyter.api.pictures import PictureRequest
from glm_jupyter.api.speech import SpeechRequest
from glm_jupyter.api.transcription import LONGEST, TranscriptionRequest
from glm_jupyter.api.vectors import EmbeddingRequest, RerankRequest
from glm_jupyter.api.videos import VideoRequest

from .asked import Asked, allowed, content_of, malformed
from .config import Config
from .counting import ReplyCounter
from .errors import Refused

TRANSCRIPTIONS = "audio/transcriptions"


@dataclass(frozen=True, slots=True)
class _Form:
    """What a path takes: the request in its JSON, and in words what that has to be."""

    request: Callable[[Model, dict[str, Any]], MakingRequest]
    what: str
    task: bool = False


def _picture(model: Model, content: dict[str, Any]) -> MakingRequest:
    return PictureRequest(model=model.name, prompt=_text(content["prompt"]))


def _video(model: Model, content: dict[str, Any]) -> MakingRequest:
    return VideoRequest(model=model.name, prompt=_text(content.get("prompt", "")))


def _speech(model: Model, content: dict[str, Any]) -> MakingRequest:
    return SpeechRequest(model=model.name, prompt=_text(content["input"]))


def _document(model: Model, content: dict[str, Any]) -> MakingRequest:
    first, last = (content.get(f"{end}_page_id") for end in ("start", "end"))
    for page in (first, last):
        if page is not None and (type(page) is not int or page < 1):
            raise TypeError
    return DocumentRequest(
        model=model.name, url=_text(content["file"]), first=first, last=last
    ).checked(model)


def _embedding(model: Model, content: dict[str, Any]) -> MakingRequest:
    return EmbeddingRequest(model=model.name, items=_texts(content["input"]))


def _rerank(model: Model, content: dict[str, Any]) -> MakingRequest:
    items = _texts(content["documents"])
    return RerankRequest(model=model.name, prompt=_text(content["query"]), items=items)


_FORMS = {
    "images/generations": _Form(_picture, "JSON with a model and a prompt"),
    "async/images/generations": _Form(_picture, "JSON with a model and a prompt", task=True),
    "videos/generations": _Form(_video, "JSON with a model and a prompt", task=True),
    "audio/speech": _Form(_speech, "JSON with a model and an input, a text"),
    "layout_parsing": _Form(_document, "JSON with a model, a file and pages from 1 on"),
    "embeddings": _Form(_embedding, "JSON with a model and an input, a text or a list of texts"),
    "rerank": _Form(_rerank, "JSON with a model, a query and documents, a list of texts"),
}


async def read(path: str, body: bytes, content_type: str, config: Config) -> Asked:
    """The request in a body sent to `path`. Raises Refused for what may not be asked."""
    if path == TRANSCRIPTIONS:
        return await _transcription(body, content_type, config)
    form = _FORMS[path]
    content = content_of(body, form.what)
    model = allowed(content["model"], path, config)
    if content.get("n") not in (None, 1):
        raise Refused(400, "1214", "The gateway has one thing made by a request (n).")
    try:
        request = form.request(model, content)
    except (LookupError, TypeError):
        raise malformed(form.what) from None
    return _asked(model, request, path, body, task=form.task)


async def _transcription(body: bytes, content_type: str, config: Config) -> Asked:
    """A request whose body is a form with a file."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [(b"content-type", content_type.encode("latin-1"))]
    request = Request({"type": "http", "method": "POST", "headers": headers}, receive)
    try:
        async with request.form() as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise malformed("a form with a model and a file")
            audio = await file.read()
            name, stream = form.get("model"), form.get("stream")
    except MultiPartException:
        raise malformed("a form with a model and a file") from None
    model = allowed(name, TRANSCRIPTIONS, config)
    longest = model.max_seconds or LONGEST  # which the service refuses to pass
    asked = TranscriptionRequest(
        model=model.name, audio=audio, seconds=min(_seconds(audio) or longest, longest)
    )
    streams = str(stream).lower() == "true"
    return _asked(model, asked, TRANSCRIPTIONS, body, content_type=content_type, streams=streams)


def _asked(model: Model, request: MakingRequest, path: str, body: bytes, **more: Any) -> Asked:
    return Asked(
        model=model,
        path=path,
        body=body,
        worst=request.worst(model),
        counter=ReplyCounter(model, request),
        paid_once_sent=True,
        **more,
    )


def _seconds(audio: bytes) -> float | None:
    """How long a WAV file is; None where that cannot be told."""
    try:
        with wave.open(BytesIO(audio)) as file:
            rate: int = file.getframerate() * file.getnchannels() * file.getsampwidth()
        return len(audio) / rate
    except (wave.Error, EOFError, ZeroDivisionError):
        return None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(map(_text, value))
    return (_text(value),)
