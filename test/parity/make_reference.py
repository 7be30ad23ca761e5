"""Runs rembg on photographs and writes what it gives, for the product to be compared with.

Run by make-reference.ts, in the environment of test/python/rembg.txt. One JSON object on standard input:
{"photos": [path], "models": {name: path}, "output": folder, "command": string}.
"""

import hashlib
import io
import json
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import rembg
from PIL import Image, ImageOps

BACKGROUND = (20, 120, 220, 200)
# Instruction sets that choose between onnxruntime's kernels.
CPU_FLAGS = [
    "avx",
    "avx2",
    "fma",
    "f16c",
    "avx512f",
    "avx512vl",
    "avx512_vnni",
    "avx_vnni",
    "amx_int8",
    "asimd",
    "sve",
]
# A cut-out needs its model only for its mask: one model's are enough, and small ones.
CUTOUTS_OF = "medium"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def described(picture: Image.Image) -> dict:
    pixels = sha256(picture.tobytes())
    return {"width": picture.width, "height": picture.height, "mode": picture.mode, "pixelsSha256": pixels}


def save(picture: Image.Image, path: Path) -> dict:
    picture.save(path, optimize=True)
    return {"file": path.name, **described(picture)}


def decoded(photo: bytes) -> dict:
    """What Pillow decodes: where a difference can only be the decoder's."""
    return described(ImageOps.exif_transpose(Image.open(io.BytesIO(photo))))


def outputs(photo: bytes, session, stem: str, folder: Path, with_cutouts: bool) -> dict:
    def run(**options) -> Image.Image:
        return Image.open(io.BytesIO(rembg.remove(photo, session=session, **options)))

    made = {"mask": save(run(only_mask=True), folder / f"{stem}.mask.png")}
    if with_cutouts:
        made["cutout"] = save(run(), folder / f"{stem}.cutout.png")
        # It follows from the cut-out, so its digest is enough.
        made["background"] = described(run(bgcolor=BACKGROUND))
    return made


def new_session(model: Path):
    # rembg opens models only below its own folder.
    os.environ["REMBG_HOME"] = str(model.parent)
    return rembg.new_session("dis_custom", model_path=str(model), providers=["CPUExecutionProvider"])


def cpu() -> dict:
    name, flags = platform.processor() or platform.machine(), set()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                name = value.strip()
            if key.strip() in ("flags", "Features"):
                flags.update(value.split())
    except OSError:
        pass
    return {
        "machine": platform.machine(),
        "model": name,
        "flags": [flag for flag in CPU_FLAGS if flag in flags],
    }


def main(order: dict) -> None:
    folder = Path(order["output"])
    photos = {Path(path).stem: Path(path) for path in order["photos"]}
    reference = {
        "command": order["command"],
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("rembg", "onnxruntime", "pillow", "numpy")},
        },
        "cpu": cpu(),
        "background": BACKGROUND,
        "photos": {
            stem: {
                "file": path.name,
                "sha256": sha256(path.read_bytes()),
                "decoded": decoded(path.read_bytes()),
            }
            for stem, path in photos.items()
        },
        "models": {},
    }
    for name, path in order["models"].items():
        model = Path(path).resolve()
        session = new_session(model)
        reference["models"][name] = {
            "sha256": sha256(model.read_bytes()),
            "outputs": {
                stem: outputs(photo.read_bytes(), session, f"{stem}.{name}", folder, name == CUTOUTS_OF)
                for stem, photo in photos.items()
            },
        }
        print(f"made the references of {name}", file=sys.stderr)
    json.dump(reference, sys.stdout)


if __name__ == "__main__":
    main(json.load(sys.stdin))
