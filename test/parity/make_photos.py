"""Makes the photographs that this project shows and tests with, from the one in scikit-image's package.

Run by make-reference.ts, in the environment of test/python/rembg.txt.
"""

import hashlib
import sys
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

ORIENTATION = 0x0112
# Of skimage/data/astronaut.png, as scikit-image's own registry has it.
SOURCE_SHA256 = "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5"


def astronaut() -> Image.Image:
    path = Path(skimage.data.__file__).parent / "astronaut.png"
    if hashlib.sha256(path.read_bytes()).hexdigest() != SOURCE_SHA256:
        raise SystemExit(f"{path} is not the picture that was checked to be in the public domain")
    return Image.open(path).convert("RGB")


def turned(picture: Image.Image) -> Image.Image:
    """A portrait crop lying on its side, as a camera held upright stores it."""
    return picture.crop((70, 0, 390, 430)).transpose(Image.Transpose.ROTATE_90)


def with_alpha(picture: Image.Image) -> Image.Image:
    """A small copy that fades out to its left."""
    small = picture.crop((70, 0, 390, 400)).resize((153, 191), Image.Resampling.LANCZOS)
    fade = np.minimum(np.arange(small.width) * 4, 255).astype(np.uint8)
    small.putalpha(Image.fromarray(np.tile(fade, (small.height, 1))))
    return small


def main(examples: Path, tests: Path) -> None:
    picture = astronaut()
    picture.save(examples / "astronaut.jpg", quality=93, optimize=True)
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    turned(picture).save(tests / "astronaut-turned.jpg", quality=92, optimize=True, exif=exif)
    with_alpha(picture).save(tests / "astronaut-alpha.png", optimize=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
