"""Pictures: asks for a picture, at once or as a task, and fetches it."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from glm_jupyter.language import _, sentences

from . import events as ev
from .errors import InputError, NetworkError, clean, not_the_api
from .making import MakingRequest, accepted, not_too_long, one_of, perhaps_billed, without_none

if TYPE_CHECKING:
    from .catalogue import Model
    from .endpoints import Endpoint
    from .http import Http
    from .request import Dialect

_SIZE = re.compile(r"\s*([0-9]{1,5})\s*[x×*X]\s*([0-9]{1,5})\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureRequest(MakingRequest):
    """A request for one picture; `size` is "WxH" in pixels.

    As a task its result is fetched later, and survives that nobody waits for it.
    """

    size: str | None = None
    quality: str | None = None
    asynchronous: bool = False

    def body(self, dialect: Dialect) -> dict[str, Any]:
        """The JSON body."""
        return without_none(
            model=self.model, prompt=self.prompt, size=self.size, quality=self.quality
        )

    def checked(self, model: Model) -> PictureRequest:
        """The request as the model takes it; `×` in a size becomes the API's `x`."""
        not_too_long(self.prompt, model.max_characters, model.name)
        one_of("quality", self.quality, model.qualities, model)
        size = None if self.size is None else checked_size(self.size, model)
        return replace(self, size=size, asynchronous=self.asynchronous or model.asynchronous)

    async def events(self, http: Http, endpoint: Endpoint) -> AsyncGenerator[ev.Event, None]:
        """Ask for the picture and fetch it."""
        from .download import fetched
        from .tasks import KEPT, submitted, task_events

        if self.asynchronous:
            task = await submitted(http, endpoint, "/async/images/generations", self, _("picture"))
            yield ev.Started(task.request_id, self.model)
            yield ev.Billed(1)
            yield ev.TaskStarted(task.id)
            async for event in task_events(http, endpoint, task.id, "image"):
                yield event
            return
        try:
            reply = await http.call(
                endpoint, "POST", "/images/generations", json=self.body(endpoint.dialect)
            )
        except NetworkError as error:
            raise perhaps_billed(error, _("picture")) from None
        yield accepted(reply, self.model)
        yield ev.Billed(1)
        try:
            url = str(reply["data"][0]["url"])
        except (LookupError, TypeError):
            raise not_the_api(endpoint.base_url, _("no picture")) from None
        yield await fetched(url, endpoint, "image", _(KEPT["image"]))
        yield ev.Finish("stop")


def checked_size(size: str, model: Model) -> str:
    """A size as the API writes it. Raises InputError where the model cannot take it."""
    found = _SIZE.fullmatch(size)
    if not found:
        raise InputError(
            _("--size {size} is no size. Nothing was sent.").format(size=clean(size, 40)),
            remedy=_("Give width and height in pixels, for example --size {size}.").format(
                size=model.default_size or "1024x1024"
            ),
        )
    width, height = int(found[1]), int(found[2])
    size = f"{width}x{height}"
    if size in model.sizes:
        return size
    span, step, most = model.side_range, model.side_multiple, model.max_pixels
    presets = ""
    if model.sizes:
        presets = _("Sizes it is made for: {sizes}.").format(sizes=", ".join(model.sizes))
    if span is None or step is None:
        one_of("size", size, model.sizes, model)
        return size
    for side, says in (
        (width, _("{model} makes no picture with a width of {side} pixels. Nothing was sent.")),
        (height, _("{model} makes no picture with a height of {side} pixels. Nothing was sent.")),
    ):
        if not span[0] <= side <= span[1] or side % step:
            allowed = _("A side has {low} to {high} pixels and is a multiple of {step}.")
            raise InputError(
                says.format(model=model.name, side=side),
                remedy=sentences(allowed.format(low=span[0], high=span[1], step=step), presets),
            )
    if most is not None and width * height > most:
        raise InputError(
            _(
                "A picture of {size} is too large for {model}: it has {pixels:,} pixels of at "
                "most {most:,}. Nothing was sent."
            ).format(size=size, model=model.name, pixels=width * height, most=most),
            remedy=presets,
        )
    return size
