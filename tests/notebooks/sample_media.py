"""The pictures, the sound and the page that `media.ipynb` shows: drawn here, no model was asked."""

from __future__ import annotations

import io
import math
import struct

from PIL import Image, ImageDraw, ImageFont

from tests.making_server import Making, wav

RATE = 16_000
NOTES = (262, 330, 392, 523)  # C, E, G, C
TRANSCRIPT = "> **A sample**, written for this notebook. No model was asked.\n\nDo, mi, sol, do."
PAGE = [
    {"index": 0, "label": "text", "content": "# A sample page"},
    {
        "index": 1,
        "label": "text",
        "content": "> **A sample**, written for this notebook. No model was asked.",
    },
    {"index": 2, "label": "text", "content": "The sample covariance of two columns is"},
    {
        "index": 3,
        "label": "formula",
        "content": r"s_{xy} = \frac{1}{n-1} \sum_{i=1}^{n} (x_i - \bar x)(y_i - \bar y)",
    },
    {
        "index": 4,
        "label": "table",
        "content": "<table><tr><th>student</th><th>hours</th><th>points</th></tr>"
        "<tr><td>Ada</td><td>2</td><td>4</td></tr><tr><td>Bo</td><td>7</td><td>10</td></tr></table>",
    },
]


def playing() -> Making:
    """A service that gives the samples."""
    making = Making()
    making.picture = picture()
    making.cover = picture(320, 180)
    making.speech = wav(chord(), RATE)
    making.transcript = TRANSCRIPT
    making.pages = [PAGE]  # the first page of the file that is sent
    return making


def picture(width: int = 768, height: int = 512) -> bytes:
    """Hills under a sun, and what they are."""
    image = Image.new("RGB", (width, height), "#dbeafe")
    draw = ImageDraw.Draw(image)
    draw.ellipse((width * 0.68, height * 0.1, width * 0.82, height * 0.31), fill="#fbbf24")
    for number, colour in enumerate(("#94a3b8", "#64748b", "#334155")):
        line = [
            (x, height * (0.55 + 0.13 * number + 0.08 * math.sin(x / width * 5 + number * 2)))
            for x in range(0, width + 1, 4)
        ]
        draw.polygon([*line, (width, height), (0, height)], fill=colour)
    text = "A sample: drawn by a program, no model was asked"
    draw.text((16, height - 28), text, fill="#e2e8f0", font=ImageFont.load_default(14))
    return _png(image)


def page() -> bytes:
    """The page that is read, as somebody might have photographed it."""
    image = Image.new("RGB", (620, 320), "white")
    draw = ImageDraw.Draw(image)
    big, small = ImageFont.load_default(26), ImageFont.load_default(16)
    draw.text((30, 24), "A sample page", fill="black", font=big)
    draw.text((30, 80), "The sample covariance of two columns is", fill="black", font=small)
    draw.text((60, 116), "s_xy = 1/(n-1) sum (x_i - x)(y_i - y)", fill="black", font=small)
    for row, cells in enumerate(
        (("student", "hours", "points"), ("Ada", "2", "4"), ("Bo", "7", "10"))
    ):
        for column, cell in enumerate(cells):
            place = (30 + 120 * column, 170 + 34 * row)
            draw.rectangle((*place, place[0] + 120, place[1] + 34), outline="black")
            draw.text((place[0] + 10, place[1] + 8), cell, fill="black", font=small)
    return _png(image)


def chord() -> bytes:
    """Four notes, as samples."""
    samples = []
    for note in NOTES:
        for number in range(RATE // 4):
            loud = 9000 * math.sin(math.pi * number / (RATE // 4))
            samples.append(int(loud * math.sin(2 * math.pi * note * number / RATE)))
    return struct.pack(f"<{len(samples)}h", *samples)


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.quantize(64).save(file, "PNG", optimize=True)
    return file.getvalue()
