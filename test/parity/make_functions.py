"""Writes small inputs and outputs of the functions that rembg is made of, so that ours can be compared without a model.

Run by make-reference.ts, in the environment of test/python/rembg.txt. Prints one JSON object. Pixels and floats are
base64 of rows of interleaved samples, floats little-endian.
"""

import base64
import io
import json
import sys
from importlib.metadata import version

import numpy as np
from PIL import Image, ImageOps
from rembg.bg import apply_background_color, naive_cutout, post_process, putalpha_cutout
from rembg.sessions.birefnet_general import BiRefNetSessionGeneral
from rembg.sessions.dis_custom import DisCustomSession

ORIENTATION = 0x0112
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = ((0.5, 0.5, 0.5), (1.0, 1.0, 1.0))

random = np.random.default_rng(20250101)


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def raster(picture: Image.Image) -> dict:
    return {
        "width": picture.width,
        "height": picture.height,
        "channels": len(picture.getbands()),
        "data": text(picture.tobytes()),
    }


def noise(mode: str, width: int, height: int) -> Image.Image:
    """Noise of which a third is black or white: there the kernels overshoot and must be clamped."""
    shape = (height, width, len(mode)) if len(mode) > 1 else (height, width)
    samples = random.integers(-128, 384, shape)
    return Image.fromarray(np.clip(samples, 0, 255).astype(np.uint8))


def soft_mask(width: int, height: int) -> Image.Image:
    """Blobs with soft edges, thin lines and single dots, and noise everywhere."""
    y, x = np.mgrid[0:height, 0:width]
    blob = 255 / (1 + np.exp(np.hypot(x - width * 0.4, y - height * 0.5) - min(width, height) * 0.35))
    blob[height // 3, :] = 255
    blob[:: max(height // 4, 1), :: max(width // 5, 1)] = 255
    return Image.fromarray(np.clip(blob + random.integers(-40, 41, blob.shape), 0, 255).astype(np.uint8))


def resizes() -> list[dict]:
    sizes = [
        ((16, 12), (40, 50)),
        ((40, 50), (16, 12)),
        ((33, 17), (17, 33)),
        ((31, 9), (32, 9)),
        ((9, 31), (9, 30)),
        ((1, 7), (5, 3)),
        ((7, 1), (3, 5)),
        ((50, 40), (1, 1)),
        ((2, 2), (41, 37)),
        ((20, 20), (20, 20)),
    ]
    cases = []
    for mode in ("L", "RGB"):
        for source, target in sizes:
            picture = noise(mode, *source)
            resized = picture.resize(target, Image.Resampling.LANCZOS)
            cases.append({"input": raster(picture), "output": raster(resized)})
    return cases


def orientations() -> list[dict]:
    cases = []
    for orientation in range(1, 9):
        for kind, mode, options in (("JPEG", "RGB", {"quality": 95, "subsampling": 0}), ("PNG", "RGBA", {})):
            exif = Image.Exif()
            exif[ORIENTATION] = orientation
            stored = io.BytesIO()
            # Smooth, so that a decoder's last bit does not hide a wrong turn.
            y, x = np.mgrid[0:10, 0:14]
            channels = [x * 18, y * 25, 255 - x * 9 - y * 12, 255 - x * 10]
            samples = np.stack(channels[: len(mode)], axis=2).astype(np.uint8)
            Image.fromarray(samples).save(stored, kind, exif=exif, **options)
            upright = ImageOps.exif_transpose(Image.open(io.BytesIO(stored.getvalue())))
            cases.append(
                {
                    "orientation": orientation,
                    "type": kind,
                    "file": text(stored.getvalue()),
                    "output": raster(upright),
                }
            )
    return cases


def cutouts() -> list[dict]:
    cases = []
    for mode in ("RGB", "RGBA"):
        picture, mask = (
            noise(mode, 32, 32),
            Image.fromarray(np.arange(1024, dtype=np.uint32).astype(np.uint8).reshape(32, 32)),
        )
        cut = naive_cutout(picture, mask)
        cases.append(
            {
                "picture": raster(picture),
                "mask": raster(mask),
                "premultiplied": raster(cut),
                "replaced": raster(putalpha_cutout(picture.copy(), mask)),
                "backgrounds": [
                    {"colour": colour, "output": raster(apply_background_color(cut, colour))}
                    for colour in ((255, 255, 255, 255), (20, 120, 220, 128), (200, 10, 90, 1), (1, 2, 3, 0))
                ],
            }
        )
    return cases


def smoothed() -> list[dict]:
    masks = [soft_mask(50, 40), soft_mask(16, 12), soft_mask(7, 3), soft_mask(1, 5), noise("L", 48, 36)]
    return [
        {"input": raster(mask), "output": raster(Image.fromarray(post_process(np.array(mask))))}
        for mask in masks
    ]


class Graph:
    """Stands in for a model: tells its input's name, and answers with an output made beforehand."""

    def __init__(self, output: np.ndarray) -> None:
        self.output = output
        self.name = "input"

    def get_inputs(self) -> list["Graph"]:
        return [self]

    def run(self, _names, _inputs) -> list[np.ndarray]:
        return [self.output]


def session(kind, output: np.ndarray):
    made = kind.__new__(kind)
    made.inner_session = Graph(output)
    return made


def inputs() -> list[dict]:
    pictures = [
        noise("RGB", 23, 31),
        noise("RGBA", 12, 9),
        Image.fromarray(np.array(noise("RGB", 14, 14)) // 3),
    ]
    pictures.append(Image.new("RGB", (5, 4)))
    cases = []
    for mean, std in (HALF, IMAGENET):
        for picture in pictures:
            (tensor,) = (
                session(DisCustomSession, np.zeros(1)).normalize(picture, mean, std, (16, 11)).values()
            )
            cases.append(
                {
                    "picture": raster(picture),
                    "mean": mean,
                    "std": std,
                    "size": {"width": 16, "height": 11},
                    "output": text(tensor.astype("<f4").tobytes()),
                }
            )
    return cases


def masks() -> list[dict]:
    cases = []
    for activation, kind, spread in (
        ("none", DisCustomSession, 0.5),
        ("sigmoid", BiRefNetSessionGeneral, 6.0),
    ):
        for (width, height), target in (((40, 30), (40, 30)), ((24, 24), (50, 33)), ((36, 40), (13, 21))):
            output = random.normal(0, spread, (1, 1, height, width)).astype(np.float32)
            (mask,) = session(kind, output).predict(Image.new("RGB", target))
            cases.append(
                {
                    "activation": activation,
                    "prediction": text(output.astype("<f4").tobytes()),
                    "size": {"width": width, "height": height},
                    "output": raster(mask),
                }
            )
    return cases


def main() -> None:
    made = {
        "versions": {name: version(name) for name in ("rembg", "pillow", "numpy", "scipy", "scikit-image")},
        "resizes": resizes(),
        "orientations": orientations(),
        "cutouts": cutouts(),
        "smoothed": smoothed(),
        "inputs": inputs(),
        "masks": masks(),
    }
    json.dump(made, sys.stdout)


if __name__ == "__main__":
    main()
