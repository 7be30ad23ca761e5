"""Writes photographs that come inside Python packages as PNG files, and what is known of their licences as JSON.

Run by photos.ts, in the environment of test/python/photos.txt: photos.py FOLDER.
"""

import json
import sys
from pathlib import Path

import matplotlib
import skimage.data
import sklearn.datasets
from PIL import Image, ImageOps

SKIMAGE = Path(skimage.data.__file__).parent
SKLEARN = Path(sklearn.datasets.__file__).parent / "images"
MATPLOTLIB = Path(matplotlib.get_data_path()) / "sample_data"

CC0 = "CC0 1.0"
PUBLIC = "public domain"
BY = "CC BY 2.0"

# As the packages' own documentation states them (skimage/data/_fetchers.py, sklearn/datasets/images/README.txt).
PHOTOS = [
    (SKIMAGE / "astronaut.png", PUBLIC, "NASA"),
    (SKIMAGE / "brick.png", CC0, "CC0Textures"),
    (SKIMAGE / "camera.png", CC0, "Lav Varshney"),
    (SKIMAGE / "chelsea.png", CC0, "Stéfan van der Walt"),
    (SKIMAGE / "clock_motion.png", PUBLIC, "Stéfan van der Walt"),
    (SKIMAGE / "coffee.png", CC0, "Rachel Michetti"),
    (SKIMAGE / "grass.png", CC0, "LinolafettCreative, CC0Textures"),
    (SKIMAGE / "gravel.png", CC0, "CC0Textures"),
    (SKIMAGE / "hubble_deep_field.jpg", PUBLIC, "NASA"),
    (SKIMAGE / "retina.jpg", CC0, "Häggström, Mikael"),
    (SKIMAGE / "rocket.jpg", PUBLIC, "SpaceX"),
    (SKLEARN / "china.jpg", BY, "danielbuechele"),
    (SKLEARN / "flower.jpg", BY, "vultilion"),
    (MATPLOTLIB / "grace_hopper.jpg", PUBLIC, "US Navy, James S. Davis"),
]


def main(folder: Path) -> None:
    found = []
    for path, licence, author in PHOTOS:
        picture = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
        file = folder / f"{path.stem}.png"
        picture.save(file)
        found.append({"name": path.stem, "path": str(file), "licence": licence, "author": author})
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
