"""The innermost loop of the suffix, written in vector instructions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array
from numpy.typing import NDArray

WIDTH = 16
"""Float32 values per vector, 64 bytes; LLVM splits it where the machine's vectors are narrower.
Rows of weights are padded to a multiple of it."""

LANES = 4
"""Rows of values worked on together, so that each weight fetched serves all of them."""

VECTORS = 2 if binding.get_host_cpu_features().get("avx512f") else 1
"""Vectors a lane whose sums are held in registers at a time."""

INT, FLOAT = ir.IntType(64), ir.FloatType()
VECTOR = ir.VectorType(FLOAT, WIDTH)


def aligned(shape: int | tuple[int, ...]) -> NDArray[np.float32]:
    """Return zeros that start on a cache line, so that no vector lies across two of them."""
    size = int(np.prod(shape))
    padded = np.zeros(size + WIDTH, np.float32)
    start = -(padded.ctypes.data // padded.itemsize) % WIDTH
    return padded[start : start + size].reshape(shape)


def row_adder(lanes: int) -> Callable[..., None]:
    """Make a compiled function that adds multiples of rows of weights to `lanes` rows of values.

    ``add(values, lane, out, size, weights, rows, factors, count)`` is, for every l below `lanes`,

        values[lane + l, out + i] += sum over j < count of factors[j, l] * weights[rows[j] + i]

    for i below `size`.

    - values: float32 (any, any); weights: float32 (any,); both C-contiguous
    - lane, out, size, count: uint64, `size` a multiple of :data:`WIDTH`
    - rows: uint64 (count or more,), where each row starts
    - factors: float32 (count or more, lanes), C-contiguous

    The sums stay in registers while all rows go by. As plain loops, LLVM loads and stores them for
    every few rows and first checks every pair of arrays for overlap, which for 160 values takes
    longer than the sums: 1.2 us for 216 rows and a lane instead of 0.3.
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def add(
        typing_context: Any, values: Any, lane: Any, out: Any, size: Any, weights: Any, rows: Any,
        factors: Any, count: Any,
    ) -> Any:  # fmt: skip
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            _Emitter(context, builder, signature.args, arguments, lanes).emit()
            return context.get_dummy_value()

        return types.void(values, lane, out, size, weights, rows, factors, count), generate

    return add  # type: ignore[no-any-return]


class _Emitter:
    """Writes the loops of :func:`row_adder`: blocks of columns outside, rows of weights inside."""

    def __init__(self, context: Any, builder: Any, kinds: Any, arguments: Any, lanes: int) -> None:
        values, self.lane, self.out, self.size, weights, rows, factors, self.count = (
            make_array(kind)(context, builder, value) if isinstance(kind, types.Array) else value
            for kind, value in zip(kinds, arguments, strict=True)
        )
        self.builder, self.lanes = builder, lanes
        self.values, self.values_row = values.data, builder.extract_value(values.strides, 0)
        self.weights, self.rows, self.factors = weights.data, rows.data, factors.data
        kind = ir.FunctionType(VECTOR, [VECTOR] * 3)
        name = f"llvm.fmuladd.v{WIDTH}f32"  # fused where the machine can
        self.multiply_add = cgutils.get_or_insert_function(builder.module, kind, name)

    def emit(self) -> None:
        wide = INT(WIDTH * VECTORS)
        whole = self.builder.sub(self.size, self.builder.urem(self.size, wide))
        for start, stop, step in ((INT(0), whole, VECTORS), (whole, self.size, 1)):
            loop = cgutils.for_range_slice(self.builder, start, stop, INT(WIDTH * step), INT)
            with loop as (column, _):
                self.block(column, step)

    def block(self, column: Any, vectors: int) -> None:
        """Add all rows to `vectors` vectors of every lane, from `column` on."""
        builder, lanes = self.builder, range(self.lanes)
        places = [self.place(lane, column) for lane in lanes]
        sums = [[cgutils.alloca_once(builder, VECTOR) for _ in range(vectors)] for _ in lanes]
        for lane in lanes:
            for value, total in zip(self.load(places[lane], vectors), sums[lane], strict=True):
                builder.store(value, total)
        with cgutils.for_range_slice(builder, INT(0), self.count, INT(1), INT) as (row, _):
            start = builder.add(builder.load(builder.gep(self.rows, [row])), column)
            weights = self.load(builder.gep(self.weights, [start]), vectors)
            for lane in lanes:
                at = builder.add(builder.mul(row, INT(self.lanes)), INT(lane))
                factor = self.spread(builder.load(builder.gep(self.factors, [at])))
                for weight, total in zip(weights, sums[lane], strict=True):
                    added = builder.call(self.multiply_add, [factor, weight, builder.load(total)])
                    builder.store(added, total)
        for lane in lanes:
            for index, total in enumerate(sums[lane]):
                store = builder.store(builder.load(total), self.vector(places[lane], index))
                store.align = 4

    def place(self, lane: int, column: Any) -> Any:
        """Return where a lane's values from `column` on lie."""
        builder = self.builder
        start = builder.mul(builder.add(self.lane, INT(lane)), self.values_row)
        row = builder.inttoptr(
            builder.add(builder.ptrtoint(self.values, INT), start), FLOAT.as_pointer()
        )
        return builder.gep(row, [builder.add(self.out, column)])

    def load(self, place: Any, vectors: int) -> list[Any]:
        """Load consecutive vectors."""
        loads = [self.builder.load(self.vector(place, index)) for index in range(vectors)]
        for one in loads:
            one.align = 4
        return loads

    def vector(self, place: Any, index: int) -> Any:
        """Return a pointer to the vector that lies `index` vectors behind a place."""
        at = self.builder.gep(place, [INT(WIDTH * index)])
        return self.builder.bitcast(at, VECTOR.as_pointer())

    def spread(self, value: Any) -> Any:
        """Return a vector of one value."""
        nothing = ir.Constant(VECTOR, ir.Undefined)
        first = self.builder.insert_element(nothing, value, ir.IntType(32)(0))
        every = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
        return self.builder.shuffle_vector(first, nothing, every)


add_rows = row_adder(LANES)
add_rows_to_one = row_adder(1)
