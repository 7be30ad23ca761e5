"""Makes an 8-bit variant of an ONNX model whose activations are quantised too (static, QDQ), for CPUs.

Run by quantize.ts, in the environment of requirements.txt, with one JSON object on standard input:
{"model": path, "output": path, "float32": path or null, "photos": [path], "calibration": name,
 "keep": [node name pattern], "pipeline": {"size": {"width", "height"}, "mean": [r, g, b], "std": [r, g, b]}}.
Prints what it did as one JSON object.
"""

import json
import re
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image, ImageOps

# Everything that ONNX Runtime's CPU provider computes in 8 bits, or passes through in 8 bits without loss.
QUANTIZED = ["Conv", "Relu", "MaxPool", "Concat", "Resize", "Add"]


def widened(model: onnx.ModelProto) -> int:
    """Turns 16-bit weights, constants and casts into 32-bit ones, in place; says how many tensors were 16 bits."""
    count = 0

    def widen(tensor: TensorProto) -> None:
        nonlocal count
        if tensor.data_type == TensorProto.FLOAT16:
            values = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
            count += 1

    for tensor in model.graph.initializer:
        widen(tensor)
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                widen(attribute.t)
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT16:
                attribute.i = TensorProto.FLOAT
    for value in [*model.graph.input, *model.graph.output, *model.graph.value_info]:
        if value.type.tensor_type.elem_type == TensorProto.FLOAT16:
            value.type.tensor_type.elem_type = TensorProto.FLOAT
    return count


def only_first_output(model: onnx.ModelProto) -> int:
    """Leaves the first output and what it needs: side outputs serve training. Says how many nodes went."""
    graph = model.graph
    del graph.output[1:]
    makers = {name: node for node in graph.node for name in node.output}
    needed: set[str] = set()
    waiting = [graph.output[0].name]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting.extend(makers[name].input if name in makers else [])
    kept = [node for node in graph.node if needed.intersection(node.output)]
    gone = len(graph.node) - len(kept)
    del graph.node[:]
    graph.node.extend(kept)
    used = [tensor for tensor in graph.initializer if tensor.name in needed]
    del graph.initializer[:]
    graph.initializer.extend(used)
    return gone


def to_input(photo: Path, pipeline: dict) -> np.ndarray:
    """What the server feeds: upright, RGB, Lanczos, divided by the largest sample, normalised, [1, 3, h, w]."""
    size = (pipeline["size"]["width"], pipeline["size"]["height"])
    picture = ImageOps.exif_transpose(Image.open(photo)).convert("RGB").resize(size, Image.Resampling.LANCZOS)
    samples = np.asarray(picture, dtype=np.float64)
    samples = (samples / max(samples.max(), 1e-6) - pipeline["mean"]) / pipeline["std"]
    return samples.transpose(2, 0, 1)[np.newaxis].astype(np.float32)


class Photos(CalibrationDataReader):
    def __init__(self, name: str, photos: list[Path], pipeline: dict) -> None:
        self.feeds = ({name: to_input(photo, pipeline)} for photo in photos)

    def get_next(self) -> dict | None:
        return next(self.feeds, None)


def left_alone(model: onnx.ModelProto, patterns: list[str]) -> list[str]:
    return [node.name for node in model.graph.node if any(re.search(p, node.name) for p in patterns)]


def main(order: dict) -> None:
    started = time.monotonic()
    model = onnx.load(order["model"])
    if any(node.op_type == "DequantizeLinear" or node.op_type.endswith("Integer") for node in model.graph.node):
        raise SystemExit(f"{order['model']} is quantised already: begin with its 32-bit or 16-bit form.")
    was_half = widened(model)
    pruned = only_first_output(model)
    for index, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{index}"
    with tempfile.TemporaryDirectory() as folder:
        wide, prepared = Path(folder, "wide.onnx"), Path(folder, "prepared.onnx")
        onnx.save(model, wide)
        # Shapes inferred, constants folded, batch normalisation and activations fused.
        quant_pre_process(str(wide), str(prepared), skip_symbolic_shape=True)
        if order["float32"] is not None:
            Path(order["float32"]).write_bytes(prepared.read_bytes())
        ready = onnx.load(prepared)
        kept = left_alone(ready, order["keep"])
        quantize_static(
            str(prepared),
            order["output"],
            Photos(ready.graph.input[0].name, [Path(p) for p in order["photos"]], order["pipeline"]),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=QUANTIZED,
            nodes_to_exclude=kept,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={"CalibMovingAverage": order["calibration"] == "average"},
        )
    result = onnx.load(order["output"])
    operators: dict[str, int] = {}
    for node in result.graph.node:
        operators[node.op_type] = operators.get(node.op_type, 0) + 1
    json.dump(
        {
            "widenedTensors": was_half,
            "prunedNodes": pruned,
            "keptInFloat": kept,
            "photos": len(order["photos"]),
            "operators": operators,
            "bytes": Path(order["output"]).stat().st_size,
            "seconds": round(time.monotonic() - started, 1),
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main(json.load(sys.stdin))
