"""The families of layers and their colours, legible on light and dark pages."""

from __future__ import annotations

import re
from typing import NamedTuple


class Colours(NamedTuple):
    """The colours of one family: header fill, border, header text."""

    fill: str
    line: str
    text: str


FAMILIES: dict[str, Colours] = {
    "input": Colours("#e2e8f0", "#94a3b8", "#1e293b"),
    "core": Colours("#dbeafe", "#60a5fa", "#1e3a8a"),
    "convolution": Colours("#ccfbf1", "#2dd4bf", "#134e4a"),
    "pooling": Colours("#cffafe", "#22d3ee", "#164e63"),
    "recurrent": Colours("#ffedd5", "#fb923c", "#7c2d12"),
    "normalization": Colours("#fef9c3", "#eab308", "#713f12"),
    "activation": Colours("#fee2e2", "#f87171", "#7f1d1d"),
    "regularization": Colours("#f1f5f9", "#cbd5e1", "#475569"),
    "merging": Colours("#dcfce7", "#4ade80", "#14532d"),
    "attention": Colours("#fce7f3", "#f472b6", "#831843"),
    "embedding": Colours("#e0e7ff", "#818cf8", "#312e81"),
    "reshaping": Colours("#f5f5f4", "#a8a29e", "#44403c"),
    "operation": Colours("#f3e8ff", "#c084fc", "#581c87"),
    "model": Colours("#ede9fe", "#8b5cf6", "#4c1d95"),
}

_MERGING = r"Add|Subtract|Multiply|Average|Maximum|Minimum|Concatenate|Dot|Merge"
_BY_CLASS = (
    (r"InputLayer", "input"),
    (r".*(LSTM|GRU|RNN|Bidirectional|TimeDistributed).*", "recurrent"),
    (r".*(Attention).*", "attention"),
    (r".*Embedding.*", "embedding"),
    (r".*Conv.*", "convolution"),
    (r".*Pool.*", "pooling"),
    (r".*(Normalization|SpectralNorm).*", "normalization"),
    (r"(Spatial|Gaussian|Alpha)?(Dropout|Noise)(1D|2D|3D)?|AlphaDropout|ActivityRegularization", "regularization"),
    (_MERGING, "merging"),
    (r"Activation|ReLU|LeakyReLU|PReLU|ELU|ThresholdedReLU|Softmax", "activation"),
    (
        r"Flatten|Reshape|Permute|RepeatVector|Cropping\w*|UpSampling\w*|ZeroPadding\w*|Resizing|Rescaling|CenterCrop",
        "reshaping",
    ),
    # ONNX' operators that have other names
    (r"\w*(Relu|Elu|Sigmoid|Selu|Gelu|Swish|Mish|HardSwish|Tanh|Softplus|Softsign|LogSoftmax|Clip)", "activation"),
    (
        r"Transpose|Concat|Split|Slice|Squeeze|Unsqueeze|Expand|Tile|Pad|Resize|Upsample|Gather\w*|Scatter\w*|Shape|Cast",
        "reshaping",
    ),
    (r"Mul|Sub|Div|Sum|Max|Min|Mean", "merging"),
    (r"RNN|Loop|Scan|If", "recurrent"),
)

CALLS = ("#3b82f6", "#ea580c", "#059669", "#c026d3", "#ca8a04", "#0891b2", "#dc2626", "#65a30d")
ARROW = "#7d8a9c"
FRAME = "#8b93a7"
BODY_TEXT, BODY_FILL, FAINT_TEXT = "#334155", "#ffffff", "#64748b"


def family_of(class_name: str, is_layer: bool, is_model: bool) -> str:
    """Return the family of a class by its name; ops and Lambdas are "operation", unknown layers "core"."""
    if is_model:
        return "model"
    if not is_layer or class_name == "Lambda":
        return "merging" if re.fullmatch(_MERGING, class_name) else "operation"
    return next((family for pattern, family in _BY_CLASS if re.fullmatch(pattern, class_name)), "core")


def call_colour(number: int) -> str:
    """Return the colour of the arrows of one call of a shared layer."""
    return CALLS[number % len(CALLS)]
