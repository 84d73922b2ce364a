"""Sizes that only a run knows."""

import pytest

from netc.onnx_import.sizes import Size, product

N, T = Size.of("N"), Size.of("T")


@pytest.mark.parametrize(
    ("size", "dim"),
    [(N * 2, "2*N"), (2 * N - N - N + 3, 3), (N * T + 2 * N - 1, "N*T+2*N-1"), (-N + 5, "-N+5"), (N - 2, "N-2"), (5 - N + N, 5)],
)
def test_a_size_is_a_dimension_and_back(size: Size, dim: int | str) -> None:
    assert size.dim == dim and Size.of(dim) == size


def test_names_of_other_tools_stay_whole() -> None:
    assert Size.of("batch size") != Size.of("batch") * Size.of("size") and Size.of("unk__3").dim == "unk__3"


def test_only_exact_quotients() -> None:
    assert (4 * N * T) // (2 * N) == 2 * T and ((N * 3) // N).dim == 3 and ((N + T) // (N + T)).dim == 1
    for a, b in ((N, 2), (N, T), (N + 1, N)):
        with pytest.raises(ValueError):
            a // b


def test_lower_bounds() -> None:
    assert (N + 3).low == 3 and N.low == 0 and (N - T).low is None and product(["N", 2, 3]) == 6 * N
