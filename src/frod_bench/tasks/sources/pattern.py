"""Generated images that give their label away by the direction and colour of stripes."""

import io
import math

import numpy as np
from PIL import Image

_SIDE, _WAVE = 32, 8.0  # pixels


def striped(label: int, num_labels: int, number: int) -> bytes:
    """Return a PNG of coloured stripes, shifted by `number` so that no two images of a label are equal."""
    share = label / num_labels
    y, x = np.mgrid[:_SIDE, :_SIDE]
    along = x * math.cos(math.pi * share) + y * math.sin(math.pi * share)
    wave = 0.5 + 0.5 * np.sin(2 * math.pi * along / _WAVE + number)
    hue = np.array([0.5 + 0.5 * math.cos(2 * math.pi * (share + third / 3)) for third in range(3)])
    pixels = (255 * wave[..., None] * hue).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    return file.getvalue()
