"""Runs rembg's own sessions on graphs that stand in for their weights, and writes what it gives.

Run by test/integration/families.test.ts, in the environment of test/python/rembg.txt. One JSON object on standard input:
{"graphs": {rembg's name: path}, "photo": path, "output": folder, "cases": {case: options of rembg.remove}}.
"""

import io
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path


def main(order: dict) -> None:
    with tempfile.TemporaryDirectory() as home:
        os.environ["REMBG_HOME"] = home
        import rembg

        photo = Path(order["photo"]).read_bytes()
        for name, graph in order["graphs"].items():
            folder = Path(home) / "models" / name
            folder.mkdir(parents=True)
            shutil.copy(graph, folder / f"{name}.onnx")
            session = rembg.new_session(name, providers=["CPUExecutionProvider"])
            for case, options in order["cases"].items():
                made = rembg.remove(photo, session=session, **options)
                (Path(order["output"]) / f"{name}.{case}.png").write_bytes(made)


if __name__ == "__main__":
    main(json.load(sys.stdin))
