"""Write the ONNX files that the benchmarks of import and export use, with the peers' exporters. Runs in the peers' environment.

python onnx_maker.py tf2onnx NAME FOLDER      FOLDER/NAME.keras, as make_application.py saved it, to FOLDER/NAME-tf2onnx.onnx
python onnx_maker.py torch NAME FOLDER        torchvision's net of that name to FOLDER/NAME-torch.onnx (newer exporter)
python onnx_maker.py net NAME FOLDER          a net of NETS to FOLDER/NAME.onnx, with its normalizations kept
"""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pathlib
import sys
import warnings
from collections.abc import Callable
from typing import Any

import torch
from onnx_names import SAME_IN_TORCHVISION


def torchvision() -> Any:
    """Import torchvision; a wheel whose compiled operators do not load beside this torch will do, since no net here uses them."""
    register = torch.library.register_fake
    torch.library.register_fake = lambda *_, **__: lambda function: function
    try:
        import torchvision as library
    finally:
        torch.library.register_fake = register
    return library


def onnx2torch() -> Any:
    """Import onnx2torch, which imports torchvision."""
    torchvision()
    import onnx2torch as library

    return library


def bert(width: int = 768, depth: int = 12, heads: int = 12, words: int = 30522, length: int = 128) -> torch.nn.Module:
    """Return an encoder of BERT-base's size."""

    class Encoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.places = torch.nn.Embedding(words, width), torch.nn.Embedding(512, width)
            self.norm = torch.nn.LayerNorm(width)
            layer = torch.nn.TransformerEncoderLayer(width, heads, 4 * width, activation="gelu", batch_first=True)
            self.encoder = torch.nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
            self.pooler, self.head = torch.nn.Linear(width, width), torch.nn.Linear(width, 2)

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            x = self.norm(self.words(tokens) + self.places(torch.arange(length))[None])
            logits: torch.Tensor = self.head(torch.tanh(self.pooler(self.encoder(x)[:, 0])))
            return logits

    return Encoder()


def image(size: int = 224, channels: int = 3) -> Callable[[], torch.Tensor]:
    """Return a function that makes a batch of images."""
    return lambda: torch.randn(2, channels, size, size)


def resnet20() -> torch.nn.Module:
    """Return the CIFAR ResNet-20 of `torch_nets`."""
    from torch_nets import resnet20 as build

    return build()


NETS: dict[str, tuple[Callable[[], torch.nn.Module], Callable[[], torch.Tensor]]] = {
    "resnet50": (lambda: torchvision().models.resnet50(), image()),
    "bert": (bert, lambda: torch.randint(0, 30522, (2, 128))),
    "resnet20": (resnet20, image(32)),
}


def built(name: str) -> tuple[torch.nn.Module, torch.Tensor]:
    """Return a net with distinct weights, in evaluation mode, and inputs."""
    torch.manual_seed(0)
    build, inputs = NETS[name]
    model = build().eval()
    with torch.no_grad():
        for tensor in model.parameters():
            tensor.add_(0.01 * torch.randn_like(tensor))  # copied layers become different ones
    return model, inputs()


def export(model: torch.nn.Module, inputs: torch.Tensor, path: pathlib.Path, dynamo: bool, **words: Any) -> None:
    """Export a model with a free batch size."""
    words = {"input_names": ["x"], "output_names": ["y"], **words}
    if dynamo:
        shapes = ({0: torch.export.Dim("batch")},)
        words |= {"dynamic_shapes": shapes, "external_data": False, "verbose": False}
    else:
        words |= {"dynamic_axes": {"x": {0: "batch"}, "y": {0: "batch"}}}
    torch.onnx.export(model, (inputs,), path, dynamo=dynamo, **words)


def write_tf2onnx(name: str, folder: pathlib.Path) -> None:
    """Convert a Keras file with tf2onnx."""
    import keras
    import tensorflow as tf
    import tf2onnx

    model = keras.models.load_model(folder / f"{name}.keras")
    signature = [tf.TensorSpec([None, *model.input_shape[1:]], tf.float32, name="x")]
    function = tf.function(lambda x: model(x, training=False), input_signature=signature)
    tf2onnx.convert.from_function(function, signature, opset=18, output_path=str(folder / f"{name}-tf2onnx.onnx"))


def write_torch(name: str, folder: pathlib.Path) -> None:
    """Export torchvision's net, with random weights."""
    torch.manual_seed(0)
    words = {"init_weights": True} if name == "InceptionV3" else {}
    model = getattr(torchvision().models, SAME_IN_TORCHVISION[name])(weights=None, **words).eval()
    size = 299 if name == "InceptionV3" else int(sys.argv[4]) if len(sys.argv) > 4 else 224
    export(model, torch.randn(2, 3, size, size), folder / f"{name}-torch.onnx", True)


def write_net(name: str, folder: pathlib.Path) -> None:
    """Export a net of NETS with its normalizations kept, so that it can be trained."""
    model, inputs = built(name)
    words = {"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False, "opset_version": 17}
    export(model, inputs, folder / f"{name}.onnx", False, **words)


def main() -> None:
    """Write one file."""
    warnings.filterwarnings("ignore")
    write = {"tf2onnx": write_tf2onnx, "torch": write_torch, "net": write_net}[sys.argv[1]]
    write(sys.argv[2], pathlib.Path(sys.argv[3]))


if __name__ == "__main__":
    main()
