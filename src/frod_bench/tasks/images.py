"""Decode images to RGB; an error names the row of the image."""

import io

from PIL import Image, ImageOps, UnidentifiedImageError

from frod_bench.errors import RequestError

# Other formats may start a program (EPS) or fail in their own ways (BLP, DDS, SPIDER).
_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
_DEEP = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")  # Pillow clips their values instead of scaling them


def decode(content: bytes, where: str, max_pixels: int, size: int) -> Image.Image:
    """Return an encoded image as RGB, rotated as its EXIF tag says; grey, palette and alpha images are converted.

    `where` names the row in messages; `size` is the side in pixels that the image will be resized to. Raises
    `RequestError` for anything but a complete image in a format listed above, for more than `max_pixels` pixels, by its
    header or after resizing, and for more than 8 bits per channel.
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
    except Exception as error:  # decoders raise many types
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
