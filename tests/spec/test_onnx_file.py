"""ONNX files are read without any package; what onnx itself writes is the second opinion."""

from __future__ import annotations

import numpy as np
import pytest

from kdsearch.spec.onnx_file import begins_as_onnx, is_onnx, is_whole, read_texts

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install -e '.[onnx]'")


def write(path, *, texts=None, outside=False):
    """A model that adds a weight to its input."""
    weight = onnx.numpy_helper.from_array(np.arange(300, dtype=np.float32), "weight")
    sides = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [300]) for name in ("x", "y")]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Add", ["x", "weight"], ["y"])], "g", *([s] for s in sides), [weight]
    )
    model = onnx.helper.make_model(graph)
    onnx.helper.set_model_props(model, texts or {})
    onnx.save(model, path, save_as_external_data=outside, location="weights.bin", size_threshold=0)
    return path


def test_a_model_is_known_and_its_texts_are_read(tmp_path):
    path = write(tmp_path / "m.onnx", texts={"manifest.json": '{"é": 1}', "empty": ""})
    assert is_onnx(path)
    assert begins_as_onnx(path)
    assert is_whole(path)
    assert read_texts(path) == {"manifest.json": '{"é": 1}', "empty": ""}


def test_weights_in_another_file_are_seen(tmp_path):
    assert not is_whole(write(tmp_path / "m.onnx", outside=True))


def test_no_beginning_of_a_model_is_one(tmp_path):
    """Cut at every byte but between two of the outermost fields behind the graph, where the rest is not missed."""
    content, cut = write(tmp_path / "m.onnx").read_bytes(), tmp_path / "cut.onnx"
    graph_ends = content.index(b"weight") + 1200  # the weights alone take so many bytes
    for length in range(0, graph_ends, 7):
        cut.write_bytes(content[:length])
        assert not is_onnx(cut), length


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"name: card\n", bytes(64), b"\xff" * 64, b"\x08\x07", b"\x08"])
def test_other_files_are_none(tmp_path, content):
    (tmp_path / "other").write_bytes(content)
    assert not is_onnx(tmp_path / "other")
