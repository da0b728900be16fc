"""Images: what can be one, what is sent of it, and what is refused."""

from __future__ import annotations

import base64
import copy
import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy
import pytest
from matplotlib import figure as pyplot
from PIL import Image

from glm_jupyter import GLMError
from glm_jupyter.api.request import ChatRequest
from glm_jupyter.prompt import images as vision
from glm_jupyter.prompt.images import image_part
from tests.protocol_server import ProtocolServer

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import zai


def encoded(size: tuple[int, int] = (4, 3), kind: str = "PNG", mode: str = "RGB") -> bytes:
    file = BytesIO()
    Image.new(mode, size, 200).save(file, format=kind)
    return file.getvalue()


def sent(source: Any) -> Image.Image:
    head, _, data = image_part(source)["image_url"]["url"].partition("base64,")
    assert head in ("data:image/png;", "data:image/jpeg;")
    return Image.open(BytesIO(base64.b64decode(data)))


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_png_and_jpeg_go_as_they_are(kind: str, tmp_path: Path) -> None:
    data = encoded(kind=kind)
    (tmp_path / "picture").write_bytes(data)
    for source in (data, bytearray(data), tmp_path / "picture", str(tmp_path / "picture")):
        url = image_part(source)["image_url"]["url"]
        assert url == f"data:image/{kind.lower()};base64,{base64.b64encode(data).decode()}"
        assert image_part(url)["image_url"]["url"] == url


def test_a_url_stays_a_url() -> None:
    part = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    assert image_part("https://example.org/a.png") == part


def test_figures_arrays_and_images() -> None:
    figure = pyplot.Figure()
    axes = figure.subplots()
    axes.plot([1, 2])
    assert sent(figure).size == sent(axes).size
    assert min(sent(figure).size) > 100
    assert sent(numpy.full((3, 4), 0.5)).getpixel((0, 0)) == 128
    assert sent(numpy.zeros((3, 4, 3), "uint8")).size == (4, 3)
    assert sent(numpy.ones((3, 4, 1), bool)).getpixel((0, 0)) == 255
    assert sent(Image.new("CMYK", (5, 6))).size == (5, 6)


def test_what_shows_itself_as_png_is_an_image() -> None:
    class Drawn:
        def _repr_png_(self) -> bytes:
            return encoded((7, 8))

    assert sent(Drawn()).size == (7, 8)


def test_other_kinds_are_converted() -> None:
    assert sent(encoded(kind="GIF", mode="L")).format == "PNG"
    assert sent(encoded(kind="BMP")).format == "PNG"


def test_what_is_too_large_is_made_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sent(encoded((7000, 700))).size == (6000, 600)
    assert sent(encoded((7000, 700), "JPEG")).size == (6000, 600)
    noise = numpy.random.default_rng(0).integers(0, 256, (400, 400, 3)).astype("uint8")
    monkeypatch.setattr(vision, "MAX_BYTES", 100_000)
    small = sent(noise)
    assert small.width == small.height < 400


def test_a_photo_that_is_made_smaller_stays_upright_and_a_photo() -> None:
    photo = Image.new("RGB", (7000, 700))
    exif = photo.getexif()
    exif[0x0112] = 6  # the camera was held upright
    file = BytesIO()
    photo.save(file, format="JPEG", exif=exif)
    small = sent(file.getvalue())
    assert (small.format, small.size) == ("JPEG", (600, 6000))


def test_an_image_of_sixteen_bits_keeps_its_shades() -> None:
    deep = Image.fromarray(numpy.array([[1000, 33_000, 65_000]], "uint16"))
    file = BytesIO()
    deep.save(file, format="TIFF")
    for source in (deep, file.getvalue()):
        shades = [sent(source).getpixel((x, 0)) for x in range(3)]
        assert shades == [0, 127, 255]


def test_values_beyond_those_of_an_image_are_refused() -> None:
    for array in (numpy.array([[300]]), numpy.array([[-1]]), numpy.array([[0.5, 17.0]])):
        with pytest.raises(GLMError, match="beyond 0 to"):
            image_part(array)


@pytest.mark.parametrize("thing", [b"not an image", "missing.png", 3, None, [], "data:image/png,x"])
def test_what_is_no_image_is_refused(thing: Any) -> None:
    with pytest.raises(GLMError, match="Nothing was sent") as caught:
        image_part(thing)
    assert caught.value.remedy


def test_shapes_that_are_no_image_are_refused() -> None:
    for array in (
        numpy.zeros(3),
        numpy.zeros((2, 2, 2)),
        numpy.zeros((0, 3)),
        numpy.array([["a"]]),
    ):
        with pytest.raises(GLMError, match="no image"):
            image_part(array)


def test_on_the_wire_it_is_what_the_official_client_sends(server: ProtocolServer) -> None:
    content = [image_part(encoded()), {"type": "text", "text": "What is it?"}]
    messages = [{"role": "user", "content": content}]
    ours = ChatRequest("glm-4.6v", tuple(copy.deepcopy(messages))).body("glm")
    client = zai.ZhipuAiClient(api_key="id.secret", base_url=server.url)
    client.chat.completions.create(model="glm-4.6v", messages=messages, stream=True)
    assert ours == {k: v for k, v in server.requests[0].json.items() if v is not None}
    url = ours["messages"][0]["content"][0]["image_url"]["url"]
    assert base64.b64decode(url, validate=True) == encoded()


def test_other_servers_get_a_data_url() -> None:
    messages = ({"role": "user", "content": [image_part(encoded())]},)
    body = ChatRequest("m", messages).body("openai")
    assert body["messages"][0]["content"][0]["image_url"]["url"].startswith(
        "data:image/png;base64,"
    )
