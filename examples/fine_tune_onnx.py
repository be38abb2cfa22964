"""Load a net that PyTorch trained on the digits 0 to 4 and wrote as ONNX, give it a head for ten digits, train it, export it again."""

import pathlib
import sys
import tempfile

import numpy as np

import graphkit
from graphkit import graphs
from graphkit.datasets.digits import load_data
from graphkit.losses import SparseCategoricalCrossentropy
from graphkit.optimizers import Adam
from graphkit.runtime import Predictor

FILES = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "onnx" / "pretrained"
EPOCHS = {"convnet": 12, "transformer": 25}


def accuracy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of images whose largest logit is that of the label."""
    return float(np.mean(logits.argmax(1) == labels))


def fine_tune(path: pathlib.Path, target: pathlib.Path, epochs: int) -> dict[str, float]:
    """Train on the digits' training images and export; return accuracies on the 360 images that are held out."""
    graphkit.utils.set_random_seed(0)
    (images, labels), (held_images, held_labels) = load_data()
    x, held = (
        array[:, None].astype("float32") / 16 for array in (images, held_images)
    )  # channels first, as in the file
    pretrained = graphkit.load(path)
    few = held_labels < 5
    found = {"0 to 4, as it came": accuracy(pretrained.predict(held[few], verbose=0), held_labels[few])}

    model = graphs.replace_head(pretrained, 10)
    found["all digits, new head"] = accuracy(model.predict(held, verbose=0), held_labels)
    model.compile(Adam(3e-3), SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, labels, batch_size=32, epochs=epochs, verbose=0)
    found["all digits, trained"] = accuracy(np.asarray(model(held)), held_labels)

    model.export(target)
    found["all digits, exported to onnxruntime"] = accuracy(Predictor(str(target))(held), held_labels)
    return found


def main() -> None:
    """Fine-tune both nets, or those named on the command line."""
    with tempfile.TemporaryDirectory() as folder:
        for name in [name for name in sys.argv[1:] if name in EPOCHS] or EPOCHS:
            for what, share in fine_tune(
                FILES / f"{name}.onnx", pathlib.Path(folder) / f"{name}.onnx", EPOCHS[name]
            ).items():
                print(f"{name}, {what}: accuracy {share:.3f}")


if __name__ == "__main__":
    main()
