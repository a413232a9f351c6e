"""What an ONNX file may read, checked before it is asked anything."""

from __future__ import annotations

import builtins

import pytest
import torch

from kdsearch.errors import SpecError
from tests.toys import SHAPE

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install -e '.[onnx]'")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install -e '.[onnx]'")
from kdsearch.teaching.onnx_runner import OnnxRunner  # noqa: E402


def load(tmp_path, shape=("n", *SHAPE), kind=onnx.TensorProto.FLOAT, inputs=1, opset=17):
    """A model that flattens its first input."""
    images = [onnx.helper.make_tensor_value_info(f"in{at}", kind, shape) for at in range(inputs)]
    output = onnx.helper.make_tensor_value_info("out", kind, None)
    graph = onnx.helper.make_graph([onnx.helper.make_node("Flatten", ["in0"], ["out"])], "g", images, [output])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=8)
    return OnnxRunner(model.SerializeToString(), tmp_path / "net.onnx", SHAPE)


@pytest.mark.parametrize(
    ("shape", "batch"), [(("n", *SHAPE), None), ((1, *SHAPE), 1), ((4, *SHAPE), 4), ((None, 1, "h", "w"), None)]
)
@pytest.mark.parametrize("kind", [onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE])
def test_it_reads_images_of_any_precision(tmp_path, shape, batch, kind):
    runner = load(tmp_path, shape, kind)
    image = torch.rand(batch or 3, *SHAPE)
    (answer,) = runner.run(image).values()
    torch.testing.assert_close(answer.float(), image.flatten(1), rtol=1e-3, atol=1e-3)
    assert runner.batch == batch


def test_images_whose_channels_come_last_are_turned(tmp_path):
    image = torch.rand(2, *SHAPE)
    runner = load(tmp_path, ("n", 8, 8, 1))
    (answer,) = runner.run(image).values()
    assert torch.equal(answer, image.permute(0, 2, 3, 1).flatten(1))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"shape": ("n", 3, 8, 8)}, r"reads 3x8x8 for an image, not 1x8x8; correct teacher\.shape"),
        ({"shape": ("n", 64)}, r"reads 64 for an image, not 1x8x8"),
        ({"kind": onnx.TensorProto.UINT8}, r"reads tensor\(uint8\); export it for float32 images"),
        ({"inputs": 2}, r"has 2 inputs \(in0, in1\); a teacher's file reads images alone"),
        ({"opset": 999}, r"onnxruntime cannot load it: .*; export it again"),
    ],
)
def test_what_reads_no_such_images_is_refused_in_a_line(tmp_path, given, said):
    with pytest.raises(SpecError, match=rf"net\.onnx: {said}") as caught:
        load(tmp_path, **given)
    assert "\n" not in str(caught.value)


def test_a_trace_that_would_keep_its_answer_for_ever_is_refused(tmp_path):
    runner = load(tmp_path)
    with pytest.raises(RuntimeError, match="is run by onnxruntime, not by torch"):
        torch.jit.trace(lambda image: runner.run(image)["out"], torch.rand(1, *SHAPE))


def test_without_onnxruntime_a_line_says_how_to_get_it(tmp_path, monkeypatch):
    real = builtins.__import__

    def refuse(name, *given, **more):
        if name == "onnxruntime":
            raise ImportError(name)
        return real(name, *given, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(
        SpecError, match=r"net\.onnx: onnxruntime is not installed: in the checkout, pip install -e '\.\[onnx\]'"
    ):
        load(tmp_path)
