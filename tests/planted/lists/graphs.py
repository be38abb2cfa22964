"""Core, graphs, models and their configs, visualization, the command line."""

from __future__ import annotations

from tests.planted.defect import in_file

DEFECTS = [
    *in_file(
        "graphkit/core/dims.py",
        ("sizes: products are not in a normal form", "monomial = tuple(sorted(m1 + m2, key=_atom_key))", "monomial = tuple(m1 + m2)"),
        ("sizes: quotients lose their coefficient", "terms[tuple(left)] = c // coefficient", "terms[tuple(left)] = c"),
        ("sizes: floor division by parts rounds each", "inside = {m: c for m, c in self._terms.items() if c % divisor}", "inside = {m: c for m, c in self._terms.items() if c % divisor and m}"),
        ("sizes: int minus size has the wrong sign", "return -self + other", "return self + -other"),
    ),
    *in_file(
        "graphkit/core/nest.py",
        ("nest: dict leaves in the order of insertion", "for key in keys_in_order(structure):\n            _collect", "for key in structure:\n            _collect"),
        ("nest: dicts are filled in the order of insertion", "return like(structure, {key: _rebuild(structure[key], leaves) for key in keys_in_order(structure)})", "return like(structure, {key: _rebuild(structure[key], leaves) for key in structure})"),
        ("nest: packed dicts are sorted", "ordered = {key: values[key] for key in mapping}", "ordered = dict(values)"),
        ("nest: namedtuples become tuples", 'return type(structure)(*items) if hasattr(structure, "_fields") else tuple(items)', "return tuple(items)"),
    ),
    *in_file(
        "graphkit/core/names.py",
        ("names: automatic numbers start at 1", 'return f"{prefix}_{number}" if number else prefix', 'return f"{prefix}_{number + 1}" if number else prefix'),
        ("names: a name that is taken may come again", "self._used[prefix] = max(self._used[prefix], count)", "pass"),
        ("names: inner scopes forget the outer one", '_scope.set(f"{outer}/{name}" if outer else name)', "_scope.set(name)"),
    ),
    *in_file(
        "graphkit/core/threads.py",
        ("threads: an error of a worker is lost", "        if self.error is not None:\n            raise self.error\n", ""),
        ("threads: the first task is left out", "    for task in tasks[1:]:\n        _queue", "    for task in [*tasks[2:], tasks[-1]]:\n        _queue"),
        ("threads: BLAS stays at one thread", "                _set_threads(blas.shared, _before)\n", "                pass\n"),
        ("threads: BLAS obeys one Python thread alone", "        for release in blas.releases:\n            release()\n", ""),
        ("threads: workers leave BLAS its own threads", "    _limit(blas.local)\n    while", "    while"),
        ("threads: a BLAS of each thread stays at one thread", "            _set_threads(blas.local, own)\n", "            pass\n"),
    ),
    *in_file(
        "graphkit/core/windows.py",
        ("windows: periodic ones are symmetric", "steps = length if periodic else length - 1", "steps = length - 1"),
        ("windows: terms of one sign", "terms = [(-1) ** k * a * np.cos(k * turns)", "terms = [a * np.cos(k * turns)"),
    ),
    *in_file(
        "graphkit/core/seeds.py",
        ("seeds: a new seed does not start the global generator anew", "    _epoch += 1\n", ""),
    ),
    *in_file(
        "graphkit/core/serialization.py",
        ("slices in configs lose their step", '"step": serialize(obj.step)}', '"step": None}'),
        ("an inner scope of custom objects ends the outer one", "token = _custom.set({**(_custom.get() or {}), **(custom_objects or {})})", "token = _custom.set({**(custom_objects or {})})"),
        ("layers from configs are not built", '    if build_config and hasattr(obj, "build_from_config") and not getattr(obj, "built", False):\n        obj.build_from_config(deserialize(build_config))\n', ""),
        ("classes of users are found by their plain name only", "found = (custom_object(str(registered)) if registered else None) or custom_object(name)", "found = custom_object(name)"),
    ),
    *in_file(
        "graphkit/graph/layer_graph.py",
        ("operations of one depth come in another order", "rank = {operation: (-depth, first_use[operation])", "rank = {operation: (-depth, -first_use[operation])"),
        ("nodes are numbered in the order of the graph", "for node in sorted(self.nodes, key=lambda n: n.index):", "for node in self.nodes:"),
        ("edges lose the place of the tensor", "tensor_index=tensor_index, slot=slot,", "tensor_index=0, slot=slot,"),
        ("edges lose their slot", "tensor_index=tensor_index, slot=slot,", "tensor_index=tensor_index, slot=0,"),
        ("depths are the shortest way", "node_depth[parent] = max(depth + 1, node_depth.get(parent, 0))", "node_depth[parent] = min(depth + 1, node_depth.get(parent, depth + 1))"),
    ),
    *in_file(
        "graphkit/models/functional.py",
        ("outputs of one name are not numbered", 'made.append(f"{name}_{number}" if number else name)', "made.append(name)"),
    ),
    *in_file(
        "graphkit/models/cloning.py",
        ("clones share one copy of each call", "        if node.operation not in copies:\n            copies", "        if True:\n            copies"),
        ("a cloned Lambda forgets its arguments", "        arguments=layer.arguments,\n", ""),
        ("a cloned layer is always trainable", "        trainable=layer.trainable,\n", ""),
        ("a cloned Sequential loses the input's dtype", "Input(batch_shape=source.shape, dtype=source.dtype, name=model.input_names[0])", "Input(batch_shape=source.shape, name=model.input_names[0])"),
    ),
    *in_file(
        "graphkit/models/sequential.py",
        ("pop leaves the graph as it was", "        self._functional = None\n        if rebuild:\n            self._rebuild()\n        return layer", "        return layer"),
        ("a loaded Sequential is trainable again", '        if config.get("trainable") is False:\n            model._trainable = False\n        return model', "        return model"),
        ("the input's dtype of a nested model is lost", "self._make_functional(Input(batch_shape=first.inputs[0].shape, dtype=first.inputs[0].dtype))", "self._make_functional(Input(batch_shape=first.inputs[0].shape))"),
    ),
    *in_file(
        "graphkit/models/config.py",
        ("references to outputs lose the call's number", "name, number, tensor_index = _history(tensor, numbers)\n        assert", "name, number, tensor_index = _history(tensor, numbers)\n        number = 0\n        assert"),
        ("references into nested models are not offset", "return 1 if counts_itself else 0", "return 0"),
        ("a read model takes the first tensor of a call", "        return made[tensor_index]", "        return made[0]"),
        ("calls of one layer are read in any order", "            return name, number - 1  # calls of one layer keep their order\n", "            pass\n"),
        ("ops in configs forget what is not the default", "**{k: serialize(v) for k, v in {**_op_defaults(record), **operation.config}.items()},", "**{k: serialize(v) for k, v in {**operation.config, **_op_defaults(record)}.items()},"),
        ("a read functional model is trainable again", '    if config.get("trainable") is False:\n        model._trainable = False\n    return model', "    return model"),
        ("lists in an op's config stay lists", "return tuple(_tupled(v) for v in value) if isinstance(value, list) else value", "return value"),
    ),
    *in_file(
        "graphkit/models/feeding.py",
        ("inputs by name are taken in the order of the dict", "        return [given.get(info.name) for info in self.inputs]", "        return list(given.values())"),
        ("shapes of inputs are not checked", "    return wanted is None or not isinstance(given, int) or wanted == given", "    return True"),
        ("numbers that an input cannot hold wrap around", "    if not (low > limits.min - 1 and high < limits.max + 1):  # NaN too", "    if not high < limits.max + 1:  # NaN too"),
        ("a column of one is dropped from the front", "        return value[..., 0]\n", "        return value[0]\n"),
    ),
]  # fmt: skip
