"""Eyes enough for a test: what colour a picture mostly has."""

from __future__ import annotations

import base64
import binascii
import io
from typing import Any

from PIL import Image, UnidentifiedImageError

COLOURS = {
    "black": (0, 0, 0),
    "blue": (0, 0, 255),
    "green": (0, 160, 0),
    "grey": (128, 128, 128),
    "red": (255, 0, 0),
    "white": (255, 255, 255),
    "yellow": (255, 255, 0),
}


def picture_of(inline_data: dict[str, Any]) -> Image.Image:
    """The picture in a part of a question. Raises :class:`ValueError` if it is no JPEG file."""
    kind = inline_data.get("mimeType", inline_data.get("mime_type"))  # JSON of protobuf: either spelling
    if kind != "image/jpeg":
        raise ValueError(f"unsupported MIME type: {kind}")
    try:
        image = Image.open(io.BytesIO(base64.urlsafe_b64decode(inline_data["data"])), formats=["JPEG"])
        image.load()
    except (binascii.Error, UnidentifiedImageError, OSError) as error:
        raise ValueError(f"unable to process input image: {error}") from None
    return image


def colour_of(inline_data: dict[str, Any]) -> str:
    """The name of the colour that is nearest to the picture's average."""
    average = picture_of(inline_data).convert("RGB").resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    assert isinstance(average, tuple)
    return min(COLOURS, key=lambda name: sum((a - b) ** 2 for a, b in zip(average, COLOURS[name], strict=True)))
