"""Files, ONNX, sessions, summaries and drawings."""

from __future__ import annotations

from tests.planted.defect import in_file

DEFECTS = [
    *in_file(
        "converters/keras_legacy/compile_settings.py",
        ("old files: decay does not lower the rate", "    if decay and not name.endswith(\"Nadam\") and isinstance(made.get(\"learning_rate\"), (int, float)):", "    if False:"),
        ("old files: clipnorm of one gradient in Keras' own files", "if \"clipnorm\" in made and is_standalone(version):", "if False:"),
        ("old files: epsilon inside of the root", "        optimizer.epsilon_outside = not fused", "        optimizer.epsilon_outside = fused"),
        ("old files: Keras 2.3 counts as tf.keras", 'version_numbers(version) < (2, 4)', 'version_numbers(version) < (2, 3)'),
        ("old files: Adagrad begins with 0.1", '        made.setdefault("initial_accumulator_value", 0.0)', "        pass"),
        ("old files: lr is dropped", '        made["learning_rate"] = arguments["lr"]', "        pass"),
    ),
    *in_file(
        "graphkit/saving/compile_settings.py",
        ("old files: weighted metrics are left out", 'for key in ("metrics", "weighted_metrics")}', 'for key in ("metrics",)}'),
    ),
    *in_file(
        "converters/keras_legacy/weights.py",
        ("old files: gates of Keras 1 in their own order", '    "LSTMCell": ("icfo", "ifco"),', '    "LSTMCell": ("icfo", "icfo"),'),
        ("old files: kernels of Theano are not flipped", "    if dialect.flipped:", "    if False:"),
        ("old files: deviations are taken for variances", "lambda arrays: (arrays[0] + epsilon) ** 2 - epsilon)", "lambda arrays: arrays[0])"),
        ("old files: biases of cuDNN's LSTM are not added up", "arrays[0].reshape(2, -1).sum(axis=0))]", "arrays[0].reshape(2, -1)[0])]"),
        ("old files: cuDNN's kernels are not transposed", "np.ascontiguousarray(p).reshape(units, -1).T for p in parts", "np.ascontiguousarray(p).T.reshape(units, -1).T for p in parts"),
        ("old files: frozen layers' weights stand among the trainable", "frozen = heed_frozen and not leaf.trainable", "frozen = False"),
    ),
    *in_file(
        "graphkit/saving/sharded.py",
        ("shards: the total size is of the last array", "size = sum(array.nbytes for group in arrays.values() for array in group.values())", "size = max((array.nbytes for group in arrays.values() for array in group.values()), default=0)"),
        ("shards: one array more than fits", "            if size and size + array.nbytes > limit:", "            if size and size > limit:"),
    ),
    *in_file(
        "converters/safetensors/tensors.py",
        ("safetensors: big-endian numbers are written as they are", 'array.astype(array.dtype.newbyteorder("<")) if array.dtype.byteorder == ">" else array', "array"),
        ("safetensors: the header is not padded", '    text += b" " * (-len(text) % 8)\n', ""),
        ("safetensors: gaps are accepted", "    if any(begin != before for (begin, _), before in zip(spans, ends, strict=False)) or start + ends[-1] != size:", "    if start + ends[-1] != size:"),
    ),
    *in_file(
        "converters/keras_legacy/yaml_config.py",
        ("yaml: an alias counts as one value", "self._count(self._sizes.get(event.anchor, 1), event)", "self._count(1, event)"),
        ("yaml: mappings are merged", '    def flatten_mapping(self, node: Any) -> None:\n        """Leave', '    def left_out(self, node: Any) -> None:\n        """Leave'),
        ("yaml: any depth", "        if self._depth > _MAX_DEPTH:", "        if self._depth > 100 * _MAX_DEPTH:"),
        ("yaml: an anchor may hold itself", "event.anchor in self.anchors and event.anchor not in self._sizes", "False"),
        ("yaml: tags that are not known are left out", "    raise UnsafeCodeError(\n        f\"has the YAML", "    return str(\n        f\"has the YAML"),
        tests=("tests/converters/keras_legacy/test_yaml_config.py",),
    ),
    *in_file(
        "graphkit/saving/weights.py",
        ("weights: shapes that do not fit are left out without a word", "        if not skip_mismatch:\n            raise report", "        if not skip_mismatch and len(problems) > 1:\n            raise report"),
        ("weights: what the model has no place for is accepted", "    if unclaimed and not problems:", "    if False:"),
        ("weights: the optimizer's state is in the order of text", "entries = [group[key] for key in sorted(group, key=_number)]", "entries = [group[key] for key in sorted(group)]"),
        ("weights: skip_mismatch takes part of a layer's weights", "assignments.extend([] if wrong else found)", "assignments.extend(found)"),
    ),
    *in_file(
        "graphkit/runtime/predictor.py",
        ("Predictor: the last batch is left out", "for start in range(0, rows, batch_size)", "for start in range(0, rows - rows % batch_size, batch_size)"),
    ),
    *in_file(
        "graphkit/runtime/session.py",
        ("a session is kept though the model changed", "return bool(self._stamp == model.stamp())", "return True"),
        ("a session keeps its first weights", "        changed = now != self._versions\n", "        changed = False\n"),
        ("sessions ignore the providers that were asked for", "settings = (repr(providers), threads, left_out,", "settings = (None, threads, left_out,"),
    ),
    *in_file(
        "converters/onnx/lowering/convolution.py",
        ("onnx: same padding puts the odd element first", '"auto_pad": "SAME_UPPER"', '"auto_pad": "SAME_LOWER"'),
        ("onnx: strides and dilations swapped", "strides=list(how[\"strides\"]),\n        dilations=list(how[\"dilation\"])", "strides=list(how[\"dilation\"]),\n        dilations=list(how[\"strides\"])"),
        ("onnx: pads are pairs, not befores and afters", "pads = [before for before, _ in padding] + [after for _, after in padding]", "pads = [n for pair in padding for n in pair]"),
        ("onnx: groups are ignored", 'group=how["groups"], **pad_attributes(pads),', "**pad_attributes(pads),"),
        ("onnx: transposed convolution without output padding", '({"output_padding": extra} if any(extra) else {})', "{}"),
    ),
    *in_file(
        "converters/onnx/lowering/pooling.py",
        ("onnx: means of windows count the padding", 'return _pool(b, "AveragePool", x, how)', 'return _pool(b, "AveragePool", x, how, count_include_pad=1)'),
    ),
    *in_file(
        "converters/onnx/lowering/reduction.py",
        ("onnx: any is all", 'most = reduce(b, "ReduceMax",', 'most = reduce(b, "ReduceMin",'),
        ("onnx: any holds among no elements", 'return b.op("Greater", most, b.constant(np.asarray(0, np.int32)))', 'return b.cast(most, "bool")'),
        ("onnx: cumsum is never exclusive", 'return b.op("CumSum", x, b.constant(np.asarray(axis, np.int64)), exclusive=int(exclusive)', 'return b.op("CumSum", x, b.constant(np.asarray(axis, np.int64)), exclusive=0'),
        ("onnx: cumprod compares the other way", '        (False, True): "GreaterOrEqual",', '        (False, True): "LessOrEqual",'),
    ),
    *in_file(
        "converters/onnx/lowering/resizing.py",
        ("onnx: resize aligns corners", 'coordinate_transformation_mode="half_pixel"', 'coordinate_transformation_mode="align_corners"'),
        ("onnx: nearest rounds halves down", '"nearest_mode": "round_prefer_ceil"', '"nearest_mode": "floor"'),
        ("onnx: the cubic's far part", "far = _polynomial(b, x, (-0.5, 2.5, -4.0, 2.0))", "far = _polynomial(b, x, (-0.5, 2.5, -4.0, 1.0))"),
        ("onnx: antialias is ignored for unknown sizes", "    if antialias:\n        distance", "    if False:\n        distance"),
    ),
    *in_file(
        "converters/onnx/lowering/recurrent.py",
        ("onnx: initial states of h and c swapped", "_initial(b, h0), _initial(b, c0), outputs=3", "_initial(b, c0), _initial(b, h0), outputs=3"),
        ("onnx: LSTM gates in Keras' order", "_LSTM_ORDER = (0, 3, 1, 2)", "_LSTM_ORDER = (0, 1, 2, 3)"),
        ("onnx: GRU resets before the product", "linear_before_reset=int(reset_after)", "linear_before_reset=0"),
        ("onnx: activations of gates and outputs swapped", "**_activations(recurrent_activation, activation, activation)", "**_activations(activation, recurrent_activation, activation)"),
        ("onnx: go_backwards reads forwards", 'return {"direction": "reverse"} if go_backwards else {}', "return {}"),
        ("onnx: go_backwards gives the sequence forwards", "    if go_backwards:\n        made", "    if False:\n        made"),
    ),
    *in_file(
        "converters/onnx/lowering/shaping.py",
        ("onnx: pads of symmetric padding skip the border", "_slice_one(b, name, axis, before - 1, np.iinfo(np.int64).min, -1)", "_slice_one(b, name, axis, before, 0, -1)"),
        ("onnx: slices lose their steps", "return b.op(\"Slice\", x, *chosen, b.ints(axes), b.ints(steps[a] for a in axes))", "return b.op(\"Slice\", x, *chosen, b.ints(axes))"),
        ("onnx: padding is always with zeros", 'zero = mode != "constant" or value.number == 0', "zero = True"),
    ),
    *in_file(
        "converters/onnx/lowering/activations.py",
        ("onnx: gelu is always exact", 'approximate="tanh" if approximate else "none"', 'approximate="none"'),
        ("onnx: elu ignores alpha", 'return b.op("Elu", x, alpha=float(alpha))', 'return b.op("Elu", x)'),
    ),
    *in_file(
        "converters/onnx/lowering/indexing.py",
        ("onnx: scatter_add keeps one of several", 'made = b.op("ScatterND", target, where, rows, reduction="add")', 'made = b.op("ScatterND", target, where, rows)'),
        ("onnx: argsort is descending", "axis=axis, largest=0, sorted=1, outputs=2)", "axis=axis, largest=1, sorted=1, outputs=2)"),
    ),
    *in_file(
        "converters/onnx/tidy.py",
        ("onnx: padding is folded into pooling of negative numbers", "and maker is not None and _is_never_negative(maker))", "and maker is not None)"),
        ("onnx: clip counts as never negative", 'return bool(equation.params["low"] >= 0)', "return True"),
        ("onnx: padding with other numbers is folded into a convolution", "if more is None or _filling(pad) != 0 or", "if more is None or"),
        ("onnx: padding of channels is folded into a convolution", "    if any(tuple(w) != (0, 0) for axis, w in enumerate(widths) if axis not in spatial):\n        return None\n", ""),
        ("onnx: paddings of both are not added up", "pads = tuple((a + c, b + d) for (a, b), (c, d) in zip(own, more, strict=True))", "pads = tuple((c, d) for (a, b), (c, d) in zip(own, more, strict=True))"),
        ("onnx: a padding as wide as the window is folded into pooling", 'if any(max(w) >= k for w, k in zip(more, pool.params["window"], strict=True)):', 'if any(max(w) > k for w, k in zip(more, pool.params["window"], strict=True)):'),
    ),
    *in_file(
        "graphkit/visualization/summary.py",
        ("summary: inner layers are not indented", 'self._cells(layer, "   " * level + "└ " if level else "")', 'self._cells(layer, "")'),
        ("summary: the optimizer's parameters are not in the total", "count([*trainable, *others, *slots])", "count([*trainable, *others])"),
        ("summary: trainable and not are swapped", 'Text("Y", _YES) if layer.trainable else Text("N", _NO)', 'Text("N", _NO) if layer.trainable else Text("Y", _YES)'),
        ("summary: sizes by 1000", "        size /= 1024\n", "        size /= 1000\n"),
        ("summary: the last layer of a range is left out", "return min(lower), max(upper) + 1", "return min(lower), max(upper)"),
        ("summary: connections show the tensor before the call", 'cell.append(str(node_index), _NUMBER).append("][").append(str(tensor_index), _NUMBER).append("]")', 'cell.append(str(tensor_index), _NUMBER).append("][").append(str(node_index), _NUMBER).append("]")'),
        ("summary: the shape of the first call", "node = node or (nodes[-1] if nodes else None)", "node = nodes[0] if nodes else None"),
    ),
    *in_file(
        "graphkit/visualization/dot.py",
        ("plot: an arrow into a model ends at its first layer", "for key, port in box.entries[min(slot, len(box.entries) - 1)]:", "for key, port in box.entries[0]:"),
        ("plot: an arrow out of a model starts at its first output", "key, port = box.exits[min(tensor, len(box.exits) - 1)]", "key, port = box.exits[0]"),
    ),
]  # fmt: skip
