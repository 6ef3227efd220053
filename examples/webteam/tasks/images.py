"""Pictures: scaled and toned down for the pages that show them."""

from pathlib import Path
from typing import TypedDict

from PIL import Image, ImageOps

from examples.webteam.app import app


class Picture(TypedDict):
    """A picture on disk; on several machines this would be an S3 key."""

    path: str
    width: int
    height: int
    bytes: int


@app.task
def resize(path: str, width: int) -> Picture:
    """Scale a picture to ``width`` pixels."""
    with Image.open(path) as image:
        height = round(image.height * width / image.width)
        return _save(image.resize((width, height)), Path(path), f"{width}px")


@app.task
def to_grey(picture: Picture) -> Picture:
    """Take the colours out."""
    with Image.open(picture["path"]) as image:
        return _save(ImageOps.grayscale(image), Path(picture["path"]), "grey")


@app.task
def add_border(picture: Picture, pixels: int) -> Picture:
    """Put a frame around."""
    with Image.open(picture["path"]) as image:
        return _save(ImageOps.expand(image, pixels, fill=255), Path(picture["path"]), "framed")


def _save(image: Image.Image, source: Path, suffix: str) -> Picture:
    target = source.with_name(f"{source.stem}-{suffix}.jpg")
    image.save(target, quality=85)
    return {
        "path": str(target),
        "width": image.width,
        "height": image.height,
        "bytes": target.stat().st_size,
    }
