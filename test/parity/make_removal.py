"""Writes small inputs and outputs of rembg's class masks, alpha matting and decontamination, to compare ours with.

Run by make-reference.ts, in the environment of test/python/rembg.txt. Prints one JSON object, in the form of
make_functions.py.
"""

import json
import sys
from importlib.metadata import version

import numpy as np
from make_functions import raster, session, text
from PIL import Image
from rembg.bg import alpha_matting_cutout, decontaminate_cutout
from rembg.sessions.u2net_cloth_seg import Unet2ClothSession

random = np.random.default_rng(20261124)


def blocks(channels: int, width: int, height: int) -> np.ndarray:
    """Large patches of each class with noise in between: their edges make the resampling overshoot."""
    coarse = random.normal(0, 3, (channels, height // 6 + 1, width // 6 + 1))
    fine = coarse.repeat(6, axis=1).repeat(6, axis=2)[:, :height, :width]
    return (fine + random.normal(0, 0.4, fine.shape)).astype(np.float32)[np.newaxis]


def classes() -> list[dict]:
    cases = []
    for (width, height), target in (((36, 30), (50, 41)), ((36, 36), (36, 36)), ((40, 24), (17, 13))):
        output = blocks(4, width, height)
        session_of = session(Unet2ClothSession, output)
        cases.append(
            {
                "prediction": text(output.astype("<f4").tobytes()),
                "size": {"width": width, "height": height},
                "outputs": [
                    {
                        "category": category,
                        "masks": [
                            raster(mask) for mask in session_of.predict(Image.new("RGB", target), cc=category)
                        ],
                    }
                    for category in (None, "upper", "lower", "full", "attire")
                ],
            }
        )
    return cases


def scene(width: int, height: int) -> tuple[Image.Image, Image.Image]:
    """A textured disc with a soft edge before a textured ground, and a mask of it that is a little off."""
    y, x = np.mgrid[0:height, 0:width]
    distance = np.hypot(x - width * 0.45, y - height * 0.55) - min(width, height) * 0.3
    alpha = 1 / (1 + np.exp(distance / 1.5))
    front = np.stack([200 + 40 * np.sin(x / 3), 90 + 30 * np.cos(y / 4), 60 + 0 * x], axis=2)
    back = np.stack([40 + 0 * x, 120 + 50 * np.sin(x / 5 + y / 7), 170 + 40 * np.cos(x / 6)], axis=2)
    mixed = front * alpha[..., np.newaxis] + back * (1 - alpha[..., np.newaxis])
    picture = np.clip(mixed + random.normal(0, 4, mixed.shape), 0, 255).astype(np.uint8)
    mask = np.clip(255 / (1 + np.exp(distance / 2)) + random.normal(0, 3, distance.shape), 0, 255)
    return Image.fromarray(picture), Image.fromarray(mask.astype(np.uint8))


def matted() -> list[dict]:
    cases = []
    for size, settings in (
        ((64, 56), [(240, 10, 10), (240, 10, 0), (200, 40, 3), (240, 10, 4)]),
        ((90, 40), [(240, 10, 6), (250, 5, 2)]),
        ((41, 77), [(240, 10, 5)]),
    ):
        picture, mask = scene(*size)
        for foreground, background, erode in settings:
            cases.append(
                {
                    "picture": raster(picture),
                    "mask": raster(mask),
                    "options": {"foreground": foreground, "background": background, "erode": erode},
                    "output": raster(alpha_matting_cutout(picture, mask, foreground, background, erode)),
                }
            )
    return cases


def decontaminated() -> list[dict]:
    cases = []
    for size in ((64, 56), (90, 40), (33, 31), (5, 1)):
        picture, mask = scene(*size)
        cases.append(
            {
                "picture": raster(picture),
                "mask": raster(mask),
                "output": raster(decontaminate_cutout(picture, mask)),
            }
        )
    return cases


def main() -> None:
    names = ("rembg", "pillow", "numpy", "scipy", "pymatting")
    made = {
        "versions": {name: version(name) for name in names},
        "classes": classes(),
        "matted": matted(),
        "decontaminated": decontaminated(),
    }
    json.dump(made, sys.stdout)


if __name__ == "__main__":
    main()
