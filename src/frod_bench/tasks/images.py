"""Encoded images to RGB, with everything that can be wrong with one named by its row."""

import io

from PIL import Image, ImageOps, UnidentifiedImageError

from frod_bench.errors import RequestError

# Others may start a program (EPS) or fail in ways of their own (BLP, DDS, SPIDER).
_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
_DEEP = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")  # Pillow cuts their values off instead of scaling them


def decode(content: bytes, where: str, max_pixels: int, size: int) -> Image.Image:
    """Return an encoded image as RGB, turned as its EXIF tag says; grey, palette and alpha images are converted.

    `where` names the row in messages, `size` is the side in pixels that the image will be brought to. Raises
    `RequestError` on what is no whole image of a format listed above, on more than `max_pixels` pixels as claimed by
    the header or as they would be after resizing, and on more than 8 bits a channel.
    """
    try:
        image = Image.open(io.BytesIO(content), formats=_FORMATS)
        _check_extent(image, where, max_pixels, size)
        if image.mode in _DEEP:
            raise RequestError(f"{where} is an image of mode {image.mode}; accepted: 8 bits a channel. Convert it.")
        image.load()
        return ImageOps.exif_transpose(image).convert("RGB")
    except UnidentifiedImageError as error:
        raise RequestError(
            f"{where} is not a readable image ({len(content):,} bytes that are none of {', '.join(_FORMATS)}). Replace"
            " or remove that row."
        ) from error
    except (RequestError, MemoryError):
        raise
    except Exception as error:  # what a decoder stumbles over
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RequestError(f"{where} is not a readable image ({reason}). Replace or remove that row.") from error


def _check_extent(image: Image.Image, where: str, max_pixels: int, size: int) -> None:
    long, short = max(image.size), min(image.size)
    pixels = max(long * short, long * size * size // short)
    if pixels > max_pixels:
        raise RequestError(
            f"{where} is an image of {image.width} x {image.height}, {pixels:,} pixels with its shorter side at no "
            f"less than {size}; accepted: {max_pixels:,}. Shrink it, or raise task.max_pixels."
        )
