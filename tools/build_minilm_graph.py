"""Writes the graphs of all-MiniLM-L6-v2, without weights: tools/build_minilm_graph.py [--check].

A graph is an ONNX model whose initialisers are names, types and shapes only; the embedder feeds
them at load from the weights' own file. What the graph computes: BERT with 6 layers (Devlin et al.
2019, arXiv:1810.04805) on the words' own vectors, the sum of the last layer over the tokens that
the mask lets through, and that sum at length 1 (which is the mean at length 1). Fused operators are
ONNX Runtime's own (`com.microsoft`); `q8` multiplies by 8-bit weights, one scale for 16 of them.

ONNX files are protocol buffers; the few messages needed are written here field by field (the
numbers are those of `onnx.proto`, IR version 10), so that no other package is needed for it.
"""

from __future__ import annotations

import argparse
import hashlib
import struct
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "src" / "scrimp" / "embedders" / "graphs"
PRECISIONS = ("fp32", "q8")
LAYERS, HIDDEN, INNER, HEADS, WINDOW = 6, 384, 1536, 12, 256
BLOCK = 16
_IR_VERSION, _OPSET = 10, 21
_FLOAT, _UINT8, _INT32, _INT64 = 1, 2, 6, 7
_EXTERNAL = 1
_EPSILON = 1e-12

Attribute = int | float
Dimension = int | str


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes | str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _attribute(name: str, value: Attribute) -> bytes:
    """AttributeProto: an int or a float."""
    if isinstance(value, float):
        held = _varint(2 << 3 | 5) + struct.pack("<f", value) + _number(20, 1)
    else:
        held = _number(3, value) + _number(20, 2)
    return _bytes(5, _bytes(1, name) + held)


def _value(name: str, kind: int, shape: Sequence[Dimension]) -> bytes:
    """ValueInfoProto of a tensor."""
    dims = b"".join(
        _bytes(1, _number(1, one) if isinstance(one, int) else _bytes(2, one)) for one in shape
    )
    tensor = _number(1, kind) + _bytes(2, dims)
    return _bytes(1, name) + _bytes(2, _bytes(1, tensor))


class _Graph:
    """Nodes and initialisers, in the order in which they are added."""

    def __init__(self, precision: str) -> None:
        self._quantised = precision == "q8"
        self._nodes: list[bytes] = []
        self._tensors: list[bytes] = []

    def fed(self, name: str, kind: int, *shape: int) -> str:
        """An initialiser that is fed at load."""
        dims = b"".join(_number(1, one) for one in shape)
        place = _bytes(13, _bytes(1, "location") + _bytes(2, "fed"))
        end = _number(14, _EXTERNAL)
        self._tensors.append(dims + _number(2, kind) + _bytes(8, name) + place + end)
        return name

    def whole_number(self, name: str, value: int) -> str:
        """A constant of one number."""
        raw = _bytes(9, struct.pack("<q", value))
        self._tensors.append(_number(1, 1) + _number(2, _INT64) + _bytes(8, name) + raw)
        return name

    def node(
        self,
        kind: str,
        inputs: Sequence[str],
        output: str,
        attributes: Mapping[str, Attribute] | None = None,
    ) -> str:
        """One operation; ONNX Runtime's own when it is written `ms.Name`. Returns its output."""
        domain, _, operator = kind.rpartition(".")
        body = b"".join(_bytes(1, one) for one in inputs) + _bytes(2, output) + _bytes(3, output)
        body += _bytes(4, operator)
        body += b"".join(_attribute(*pair) for pair in (attributes or {}).items())
        self._nodes.append(body + (_bytes(7, "com.microsoft") if domain else b""))
        return output

    def linear(self, given: str, name: str, rows: int, columns: int) -> str:
        """`given` times the transposed weights; biases are added by the operator that follows."""
        weight = f"{name}.weight"
        if not self._quantised:
            self.fed(weight, _FLOAT, rows, columns)
            return self.node("ms.FusedMatMul", (given, weight), f"{name}.out", {"transB": 1})
        self.fed(f"{weight}.q8", _UINT8, rows, columns // BLOCK, BLOCK)
        self.fed(f"{weight}.scales", _FLOAT, rows * columns // BLOCK)
        # accuracy_level 4: rows of the input go through 8 bits too, each row by itself
        settings = {"K": columns, "N": rows, "bits": 8, "block_size": BLOCK, "accuracy_level": 4}
        inputs = (given, f"{weight}.q8", f"{weight}.scales")
        return self.node("ms.MatMulNBits", inputs, f"{name}.out", settings)

    def normalised(self, given: str, more: str, norm: str, bias: str = "") -> str:
        """Layer normalisation of both added up, and of a bias."""
        inputs = [given, more]
        inputs += [self.fed(f"{norm}.{one}", _FLOAT, HIDDEN) for one in ("weight", "bias")]
        if bias:
            inputs.append(self.fed(bias, _FLOAT, HIDDEN))
        return self.node("ms.SkipLayerNormalization", inputs, f"{norm}.out", {"epsilon": _EPSILON})

    def model(self) -> bytes:
        """The file."""
        vectors = _value("vectors", _FLOAT, ("texts", HIDDEN))
        graph = b"".join(_bytes(1, one) for one in self._nodes) + _bytes(2, "all-MiniLM-L6-v2")
        graph += b"".join(_bytes(5, one) for one in self._tensors)
        graph += _bytes(11, _value("words", _FLOAT, ("texts", "tokens", HIDDEN)))
        graph += _bytes(11, _value("mask", _INT32, ("texts", "tokens")))
        graph += _bytes(12, vectors)
        own = _bytes(8, _bytes(1, "com.microsoft") + _number(2, 1))
        usual = _bytes(8, _bytes(1, "") + _number(2, _OPSET))
        return _number(1, _IR_VERSION) + _bytes(2, "scrimp") + _bytes(7, graph) + usual + own


def _embeddings(graph: _Graph) -> str:
    """Words, and their places (with the only token type added in)."""
    zero, one = graph.whole_number("zero", 0), graph.whole_number("one", 1)
    places = graph.fed("embeddings.places", _FLOAT, WINDOW, HIDDEN)
    length = graph.node("Shape", ("words",), "length", {"start": 1, "end": 2})
    cut = graph.node("Slice", (places, zero, length, zero, one), "cut")
    first = graph.node("Unsqueeze", (cut, zero), "placed")
    return graph.normalised("words", first, "embeddings.LayerNorm")


def _layer(graph: _Graph, number: int, given: str) -> str:
    name = f"encoder.layer.{number}"
    asked = [
        graph.linear(given, f"{name}.attention.self.{one}", HIDDEN, HIDDEN)
        for one in ("query", "key", "value")
    ]
    bias = graph.fed(f"{name}.attention.self.bias", _FLOAT, 3 * HIDDEN)
    attended = graph.node(
        "ms.MultiHeadAttention", (*asked, bias, "mask"), f"{name}.attended", {"num_heads": HEADS}
    )
    dense = f"{name}.attention.output.dense"
    put = graph.linear(attended, dense, HIDDEN, HIDDEN)
    between = graph.normalised(given, put, f"{name}.attention.output.LayerNorm", f"{dense}.bias")
    up = graph.linear(between, f"{name}.intermediate.dense", INNER, HIDDEN)
    bias = graph.fed(f"{name}.intermediate.dense.bias", _FLOAT, INNER)
    bent = graph.node("ms.BiasGelu", (up, bias), f"{name}.bent")
    down = graph.linear(bent, f"{name}.output.dense", HIDDEN, INNER)
    return graph.normalised(between, down, f"{name}.output.LayerNorm", f"{name}.output.dense.bias")


def build(precision: str) -> bytes:
    """The whole graph of a precision: the same bytes each time."""
    graph = _Graph(precision)
    state = _embeddings(graph)
    for number in range(LAYERS):
        state = _layer(graph, number, state)
    weights = graph.node("Cast", ("mask",), "weights", {"to": _FLOAT})
    row = graph.node("Unsqueeze", (weights, "one"), "row")
    total = graph.node("MatMul", (row, state), "total")
    flat = graph.node("Squeeze", (total, "one"), "flat")
    graph.node("LpNormalization", (flat,), "vectors", {"axis": 1, "p": 2})
    return graph.model()


def main() -> None:
    """Write, or compare with what is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; 1 when one is old")
    check: bool = parser.parse_args().check
    old = False
    for precision in PRECISIONS:
        data = build(precision)
        path = FOLDER / f"minilm-{precision}.onnx"
        if check:
            old |= not path.exists() or path.read_bytes() != data
        else:
            path.write_bytes(data)
        print(f"{path.name}: {len(data):,} bytes, sha256 {hashlib.sha256(data).hexdigest()}")
    sys.exit("a graph is old: run tools/build_minilm_graph.py" if old else 0)


if __name__ == "__main__":
    main()
