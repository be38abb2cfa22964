"""Patterns, on small ONNX files of PyTorch's exporters and of tf2onnx: which layers they become, and with which numbers."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit

FILES = Path(__file__).parent.parent.parent / "fixtures" / "onnx"
INDEX = json.loads((FILES / "index.json").read_text())

# The layers with weights, or the layers that the case is about, that each case becomes.
TORCH = {
    "conv1d_same": "Conv1D", "conv1d_dilated": "Conv1D", "conv2d_valid": "Conv2D", "conv2d_same": "Conv2D",
    "conv2d_same_even": "Conv2D", "conv2d_groups": "Conv2D", "conv2d_no_bias": "Conv2D", "conv2d_free_size": "Conv2D",
    "conv3d_stride": "Conv3D", "conv2d_depthwise": "DepthwiseConv2D", "conv2d_depthwise_multiplier": "DepthwiseConv2D",
    "conv2d_separable": "SeparableConv2D", "conv_transpose2d_stride": "Conv2DTranspose",
    "conv_transpose2d_crop": "Conv2DTranspose Cropping2D", "conv_transpose1d_valid": "Conv1DTranspose",
    "conv_transpose3d_valid": "Conv3DTranspose", "linear_2d": "Dense", "linear_3d": "Dense", "linear_4d_no_bias": "Dense",
    "linear_free_time": "Dense", "matmul_add": "Dense", "batch_norm1d": "BatchNormalization", "batch_norm2d": "BatchNormalization",
    "layer_norm": "LayerNormalization", "layer_norm_written_out": "LayerNormalization", "layer_norm_two_axes": "LayerNormalization",
    "layer_norm_opset16": "LayerNormalization", "group_norm": "GroupNormalization", "group_norm_time": "GroupNormalization",
    "instance_norm1d": "GroupNormalization", "instance_norm2d": "GroupNormalization", "rms_norm_written_out": "RMSNormalization",
    "lstm": "LSTM", "lstm_2layers": "LSTM LSTM", "lstm_bidirectional": "LSTM LSTM", "lstm_no_bias": "LSTM", "lstm_states": "LSTM",
    "lstm_time_major": "LSTM", "lstm_free_time": "LSTM", "gru": "GRU", "gru_bidirectional": "GRU GRU", "gru_states": "GRU",
    "gru_no_bias": "GRU", "embedding": "Embedding", "embedding_two": "Embedding Embedding",
    "activation_prelu": "PReLU", "activation_elu": "ELU",
    "activation_leaky_relu": "LeakyReLU", "activation_softmax": "Softmax", "shared_linear": "Dense", "shared_convolution": "Conv2D",
    "zero_pad_conv": "ZeroPadding2D Conv2D", "flatten_linear": "Conv2D Flatten Dense",
    "mha_self": "MultiHeadAttention", "mha_cross": "MultiHeadAttention", "mha_no_bias": "MultiHeadAttention",
    "mha_causal": "MultiHeadAttention", "attention_written": "MultiHeadAttention", "attention_written_causal": "MultiHeadAttention",
    "attention_sdpa": "MultiHeadAttention", "attention_sdpa_fused": "MultiHeadAttention", "attention_sdpa_causal": "MultiHeadAttention",
    "attention_free_time": "MultiHeadAttention", "attention_grouped_query": "GroupedQueryAttention",
    "attention_multi_query": "GroupedQueryAttention", "vit_pre_norm": "MultiHeadAttention",
}  # fmt: skip
# What the newer exporter writes step by step.
TORCH_LEGACY = {
    "opset11_pad_upsample": "ZeroPadding2D UpSampling2D",
    "rnn": "SimpleRNN",
    "rnn_relu": "SimpleRNN",
    "rnn_bidirectional": "SimpleRNN SimpleRNN",
    "rnn_states": "SimpleRNN",
}
TORCH_DYNAMO = {"upsample_nearest": "UpSampling2D"}
KERAS = {
    "conv1d_same": "Conv1D", "conv2d_same_stride": "Conv2D", "conv2d_valid": "Conv2D", "conv3d_valid": "Conv3D",
    "depthwise_conv2d": "DepthwiseConv2D", "separable_conv2d": "SeparableConv2D", "conv2d_transpose_stride": "Conv2DTranspose",
    "conv2d_transpose_same_stride": "Conv2DTranspose", "dense": "Dense", "dense_3d": "Dense", "dense_free_time": "Dense",
    "einsum_dense": "EinsumDense", "layer_normalization": "LayerNormalization", "layer_normalization_axes": "LayerNormalization",
    "group_normalization": "GroupNormalization", "rms_normalization": "RMSNormalization", "lstm": "LSTM", "lstm_sequences": "LSTM",
    "lstm_stack": "LSTM LSTM", "lstm_bidirectional": "LSTM LSTM",
    "embedding": "Embedding", "prelu": "PReLU", "prelu_shared": "PReLU",
    "average_pooling2d_same": "AveragePooling2D", "max_pooling2d_same": "MaxPooling2D", "max_pooling1d": "MaxPooling2D",
    "global_average_pooling2d": "GlobalAveragePooling2D", "global_max_pooling1d": "GlobalMaxPooling1D",
    "zero_padding2d": "ZeroPadding2D", "flatten": "Flatten", "reshape": "Reshape", "permute": "Permute", "add": "Add",
    "concatenate": "Concatenate", "subtract": "Subtract", "maximum": "Maximum", "activation_elu": "ELU",
    "activation_leaky_relu": "LeakyReLU", "activation_softmax": "Softmax",
    "multi_head_attention": "MultiHeadAttention", "transformer_block": "MultiHeadAttention",
}  # fmt: skip
# Activations by the case's name, and Keras' name.
ACTIVATIONS = {
    "torch_legacy/activation_gelu": "gelu", "torch_dynamo/activation_gelu": "gelu", "torch_legacy/activation_silu": "silu",
    "torch_dynamo/activation_silu": "silu", "torch_legacy/activation_hardswish": "hard_silu",
    "torch_dynamo/activation_hardswish": "hard_silu", "torch_legacy/activation_hardsigmoid": "hard_sigmoid",
    "torch_legacy/activation_mish": "mish", "torch_legacy/activation_relu6": "relu6", "torch_dynamo/activation_relu6": "relu6",
    "torch_legacy/activation_softplus": "softplus", "tf2onnx/activation_silu": "silu", "tf2onnx/activation_mish": "mish",
    "tf2onnx/activation_hard_silu": "hard_silu", "tf2onnx/activation_hard_sigmoid": "hard_sigmoid", "tf2onnx/activation_relu6": "relu6",
    "tf2onnx/activation_softplus": "softplus",
}  # fmt: skip
# Cases that are no layers of their own, but wholly Keras' ops and layers.
WHOLE = [
    "torch_legacy/attention_written_mask", "torch_dynamo/attention_grouped_query", "torch_dynamo/attention_rotary",
    "torch_legacy/mha_padding", "torch_dynamo/mha_cross", "torch_legacy/cls_token", "torch_dynamo/cls_token",
    "torch_legacy/convnext_block", "torch_dynamo/vit_pre_norm", "torch_legacy/text_transformer", "torch_dynamo/reshape_free_time",
    "torch_dynamo/text_transformer_free_time", "torch_legacy/tied_embedding", "tf2onnx/transformer_block",
    "tf2onnx/multi_head_attention_causal", "tf2onnx/gru", "tf2onnx/siamese",
]  # fmt: skip


# What the import refuses.
NOT_READ = {"skl2onnx/tfidf"}  # its texts are split on arrays only; test_files_of_exporters.py holds the refusal


def answers(name: str) -> list[tuple[list[Any], list[Any]]]:
    """Return the inputs and outputs of a file, for two batch sizes where it has them."""
    arrays = np.load(FILES / f"{name}.npz")
    found = []
    for before, after in (("in/", "out/"), ("in1/", "out1/")):
        outputs = [arrays[key] for key in arrays.files if key.startswith(after)]
        if outputs:
            found.append(([arrays[before + key] for key in INDEX[name]["inputs"]], outputs))
    return found


def lifted(name: str) -> Any:
    """Return the model of a file, whose outputs are compared with those of the file."""
    model = graphkit.load(FILES / f"{name}.onnx")
    for inputs, expected in answers(name):
        made = model(inputs if len(inputs) > 1 else inputs[0])
        made = made if isinstance(made, (list, tuple)) else [made]
        for got, wanted in zip(made, expected, strict=True):
            np.testing.assert_allclose(
                got, wanted, rtol=1e-3, atol=1e-5 * max(1.0, float(np.abs(wanted).max(initial=0)))
            )
    return model


def classes(model: Any) -> Counter[str]:
    return Counter(type(layer).__name__ for layer in model.layers)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (f"{e}/{case}", layers)
        for case, layers in TORCH.items()
        for e in ("torch_legacy", "torch_dynamo")
        if f"{e}/{case}" in INDEX
    ]
    + [(f"torch_legacy/{case}", layers) for case, layers in TORCH_LEGACY.items()]
    + [(f"torch_dynamo/{case}", layers) for case, layers in TORCH_DYNAMO.items()],
)
def test_a_net_of_pytorch_becomes_the_layers_of_keras(name: str, expected: str) -> None:
    model = lifted(name)
    assert model.import_report.is_whole
    assert Counter(expected.split()) <= classes(model)


@pytest.mark.parametrize("case", sorted(KERAS))
def test_a_net_of_tf2onnx_becomes_the_layers_of_keras(case: str) -> None:
    model = lifted(f"tf2onnx/{case}")
    assert model.import_report.is_whole
    assert Counter(KERAS[case].split()) <= classes(model)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_an_activation_is_recognized(name: str) -> None:
    model = lifted(name)
    found = [layer.get_config()["activation"] for layer in model.layers if type(layer).__name__ == "Activation"]
    assert ACTIVATIONS[name] in found


@pytest.mark.parametrize("name", WHOLE)
def test_what_no_pattern_covers_becomes_ops_of_keras(name: str) -> None:
    model = lifted(name)
    assert model.import_report.is_whole


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::graphkit.saving.formats.ConverterWarning")  # of the sequence of maps
@pytest.mark.parametrize("name", sorted(n for n in INDEX if (FILES / f"{n}.npz").exists() and n not in NOT_READ))
def test_every_small_file_computes_the_same_when_it_is_lifted(name: str) -> None:
    lifted(name)
