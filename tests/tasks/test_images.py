import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile

from frod_bench.errors import RequestError
from frod_bench.tasks.images import decode

LIMIT = 10_000


def encoded(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, format=kind, **options)
    return file.getvalue()


def read(content, max_pixels=LIMIT, size=8):
    return decode(content, "Row 7 of a/b/train", max_pixels, size)


COLOURS = Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8))


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "RGBA", "LA", "CMYK", "YCbCr"])
def test_every_mode_of_eight_bits_becomes_rgb(mode):
    image = COLOURS.convert(mode)
    found = read(encoded(image, "JPEG" if mode in ("CMYK", "YCbCr") else "PNG"))
    assert (found.mode, found.size) == ("RGB", (9, 6))
    if mode not in ("CMYK", "YCbCr"):
        assert np.array_equal(np.asarray(found), np.asarray(image.convert("RGB")))


def test_grey_stays_grey():
    found = np.asarray(read(encoded(COLOURS.convert("L"))))
    assert np.array_equal(found[..., 0], found[..., 2])


def test_one_pixel_is_an_image():
    assert np.asarray(read(encoded(Image.new("RGB", (1, 1), (1, 2, 3))))).tolist() == [[[1, 2, 3]]]


def test_an_image_is_turned_as_its_camera_says():
    tags = Image.Exif()
    tags[0x0112] = 6  # to be shown a quarter turn to the right
    assert read(encoded(COLOURS, "JPEG", exif=tags)).size == (6, 9)


@pytest.mark.parametrize(
    "content",
    [b"", b"no image", encoded(COLOURS)[:60], encoded(COLOURS, "JPEG")[:-40], encoded(COLOURS, "BMP")[:50]],
    ids=["empty", "text", "cut png", "cut jpeg", "cut bmp"],
)
def test_what_is_no_whole_image_is_named_by_its_row(content):
    with pytest.raises(RequestError, match=r"Row 7 of a/b/train is not a readable image \([^<]+\)\. Replace or remove"):
        read(content)


@pytest.mark.parametrize("kind", ["EPS", "DDS", "TGA", "ICO"])
def test_formats_that_no_data_set_comes_in_are_not_opened(kind, monkeypatch):
    def opened(*arguments):
        raise AssertionError

    monkeypatch.setitem(Image.OPEN, kind, (opened, None))
    with pytest.raises(RequestError, match=r"Row 7 of a/b/train is not a readable image \(.*none of PNG, JPEG"):
        read(encoded(COLOURS, kind))


def test_whatever_a_decoder_raises_names_the_row(monkeypatch):
    content = encoded(COLOURS)
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: 1 / 0)
    with pytest.raises(RequestError, match=r"Row 7 of a/b/train is not a readable image \(division by zero"):
        read(content)


def test_flipped_bits_are_found():
    content = bytearray(encoded(COLOURS))
    content[content.index(b"IDAT") + 8] ^= 255
    with pytest.raises(RequestError, match="Row 7 of a/b/train is not a readable image"):
        read(bytes(content))


def claims(width, height):
    """A PNG of a few bytes whose header says width x height."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    parts = [struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_an_image_that_claims_to_be_large_is_not_unpacked():
    with pytest.raises(RequestError, match=r"Row 7 .* 200 x 100, 20,000 pixels .*: 10,000\..*task\.max_pixels"):
        read(claims(200, 100))


def test_what_pillow_refuses_is_refused():
    with pytest.raises(RequestError, match="Row 7 of a/b/train is not a readable image"):
        read(claims(2**15, 2**15), max_pixels=2**40)


def test_a_line_that_resizing_would_blow_up_is_refused():
    line = encoded(Image.new("RGB", (400, 1)))
    assert read(line, size=4).size == (400, 1)
    with pytest.raises(RequestError, match="400 x 1, 25,600 pixels with its shorter side at no less than 8"):
        read(line, size=8)


def test_sixteen_bits_are_refused_instead_of_cut_off():
    with pytest.raises(RequestError, match=r"Row 7 .* of mode I;16; accepted: 8 bits a channel"):
        read(encoded(Image.fromarray(np.full((4, 4), 60000, dtype=np.uint16))))
