"""Ops whose params hold sizes that are known only when they run."""

from __future__ import annotations

import numpy as np

from graphkit import ops
from graphkit.ops import counting, strings
from tests.ops.case import Row, composed

_HOLES = np.array([[0.0, 2.0, 0.0], [0.0, 0.0, -1.0]], np.float32)

CASES: list[Row] = [
    composed("size", lambda x: ops.multiply(x, ops.cast(ops.shape(x)[0] * 2 - 1, "float32")), "b 3"),
    composed("size, floor division", lambda x: ops.add(x, ops.cast((ops.shape(x)[0] - 3) // 2, "float32")), "b 3"),
    composed("reshape", lambda x: ops.reshape(x, (-1, 6)), "b 2 3"),
    composed("reshape, two unknown axes", lambda x: ops.reshape(x, (ops.shape(x)[0], ops.shape(x)[1], 1, 3)), "b t 3"),
    composed("reshape, axes exchanged", lambda x: ops.reshape(x, (ops.shape(x)[1], ops.shape(x)[0], 3)), "b t 3"),
    composed("reshape to nothing", lambda x: ops.reshape(x[:, :0], (-1, 0, 2)), "b 4"),
    composed("broadcast_to", lambda x, y: ops.broadcast_to(x, ops.shape(y)), "t 1, b t 3"),
    composed("sum_to", lambda x, y: ops.multiply(x, y), "b t 3, t 1", gradient=True),
    composed("concatenate", lambda x, y: ops.concatenate([x, y], axis=1), "b t 3, b 2 3"),
    composed("tile", lambda x: ops.tile(x, (2, 3)), "b 3"),
    composed("repeat", lambda x: ops.repeat(x, 2, axis=0), "b 3"),
    composed("slice", lambda x: x[:, 1:-1, ::2], "b t 3"),
    composed("slice backwards", lambda x: x[::-1, :, 1], "b t 3"),
    composed("slice to a size", lambda x: x[: ops.shape(x)[1] // 2], "4 t"),
    composed("unslice", lambda x: x[:, 1:-1, ::2], "b t 5", gradient=True),
    composed("unslice backwards", lambda x: x[::-1, ::-2], "b 5", gradient=True),
    *(
        composed(f"pad {m} gradient", lambda x, m=m: ops.pad(x, ((0, 0), (2, 1)), mode=m), "b 4", gradient=True)
        for m in ("reflect", "edge")
    ),
    composed("arange", lambda x: ops.add(x, ops.cast(ops.arange(ops.shape(x)[1]), "float32")), "b t"),
    composed("scatter_set", lambda x, u: ops.scatter_update(x, np.array([[1], [0]], np.int32), u), "4 t, 2 t"),
    composed("nonzero", lambda x: list(counting.nonzero_p.bind(x, size=2)), "b t", arrays=(_HOLES,)),
    composed("solve", ops.solve, "b 3 3, b 3 2", tolerance=2e-3),
    composed(
        "cholesky",
        lambda x: ops.cholesky(ops.add(ops.matmul(x, ops.swapaxes(x, 1, 2)), np.eye(3, dtype=np.float32))),
        "b 3 3",
    ),
    composed("lu_factor", lambda x: list(ops.lu_factor(x)), "b 3 3"),
    composed("qr", lambda x: list(ops.qr(x)), "b 4 3", tolerance=1e-3),
    composed("table_lookup", lambda x: strings.table_lookup(strings.as_string(x), ["1", "2"], [5, 6], -1), "b 3:int32"),
]
