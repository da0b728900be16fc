"""Videos: asks for a video, which the service makes as a task."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from glm_jupyter.language import _, ngettext

from . import events as ev
from .errors import InputError
from .making import MakingRequest, not_too_long, one_of, without_none
from .pictures import checked_size
from .tasks import submitted, task_events

if TYPE_CHECKING:
    from .catalogue import Model
    from .endpoints import Endpoint
    from .http import Http
    from .request import Dialect


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoRequest(MakingRequest):
    """A request for a video from words, pictures or both.

    `frames` are the first picture, or the first and the last, or what the video refers to: URLs,
    which may hold the picture itself. `duration` is in seconds, `size` "WxH" in pixels.
    """

    frames: tuple[str, ...] = ()
    size: str | None = None
    quality: str | None = None
    duration: int | None = None
    fps: int | None = None
    sound: bool | None = None

    @property
    def images(self) -> tuple[str, ...]:
        """The pictures that the video begins from."""
        return self.frames

    def body(self, dialect: Dialect) -> dict[str, Any]:
        """The JSON body."""
        frames: Any = list(self.frames) if len(self.frames) > 1 else next(iter(self.frames), None)
        return without_none(
            model=self.model,
            prompt=self.prompt.strip() or None,
            image_url=frames,
            size=self.size,
            quality=self.quality,
            duration=self.duration,
            fps=self.fps,
            with_audio=self.sound,
        )

    def checked(self, model: Model) -> VideoRequest:
        """The request as the model takes it."""
        not_too_long(self.prompt, model.max_characters, model.name)
        if model.prompt_needed and not self.prompt.strip():
            raise InputError(
                _("{model} makes videos from words only. Nothing was sent.").format(
                    model=model.name
                ),
                remedy=_("Write below the %%glm line what the video shows."),
            )
        fewest, most = model.frames or (0, len(self.frames))
        if not fewest <= len(self.frames) <= most:
            if not most:
                says = _("{model} takes no picture, not {given}. Nothing was sent.")
            elif fewest != most:
                says = _(
                    "{model} takes {fewest} to {most} pictures, not {given}. Nothing was sent."
                )
            else:
                says = ngettext(
                    "{model} takes exactly {most} picture, not {given}. Nothing was sent.",
                    "{model} takes exactly {most} pictures, not {given}. Nothing was sent.",
                    most,
                )
            raise InputError(
                says.format(model=model.name, fewest=fewest, most=most, given=len(self.frames)),
                remedy=_("Give each with -i: a path, a URL or a variable."),
            )
        if self.sound and not model.sound:
            raise InputError(
                _("{model} makes no sound. Nothing was sent.").format(model=model.name),
                remedy=_("Leave out --sound."),
            )
        one_of("quality", self.quality, model.qualities, model)
        one_of("duration", self.duration, model.durations, model)
        one_of("fps", self.fps, model.fps, model)
        size = None if self.size is None else checked_size(self.size, model)
        return replace(self, size=size)

    async def events(self, http: Http, endpoint: Endpoint) -> AsyncGenerator[ev.Event, None]:
        """Ask for the video, wait until it is made and fetch it."""
        task = await submitted(http, endpoint, "/videos/generations", self, _("video"))
        yield ev.Started(task.request_id, self.model)
        yield ev.Billed(1)
        yield ev.TaskStarted(task.id)
        async for event in task_events(http, endpoint, task.id, "video"):
            yield event
