"""Matching: every way a pattern fits, and nothing that does not fit."""

from __future__ import annotations

import random

import pytest

from matcalc.language.dims import dim
from matcalc.language.terms import (
    Term,
    add,
    differential,
    eye,
    fn,
    had,
    hdiv,
    inner,
    make,
    mul,
    neg,
    number,
    ones,
    power,
    sub,
    symbol,
    transpose,
)
from matcalc.rewriting.matching import Bindings, instantiate, match

# Metavariables of the rules have sizes p, q, r; the terms have m, n, k.
P = symbol("P", "p", "q")
Q = symbol("Q", "q", "r")
R = symbol("R", "p", "q")
S = symbol("S", "p", "p")
u = symbol("u", "p")
c = symbol("c")
H = symbol("H", "q", "r")
KINDS = {"P": "matrix", "Q": "matrix", "R": "matrix", "S": "square", "u": "vector", "c": "scalar"}

A = symbol("A", "m", "n")
B = symbol("B", "n", "k")
C = symbol("C", "k", "k")
N = symbol("N", "n", "n")
x = symbol("x", "n")
y = symbol("y", "m")
s = symbol("s")
t = symbol("t")


def found(pattern: Term, term: Term, kinds: dict[str, str] | None = None) -> list[Bindings]:
    return list(match(pattern, term, KINDS if kinds is None else kinds))


def test_a_product_is_split_at_every_place() -> None:
    splits = [(b.terms["P"], b.terms["Q"]) for b in found(mul(P, Q), mul(A, B, C))]
    assert splits == [(A, mul(B, C)), (mul(A, B), C)]


def test_sizes_are_bound_to_sizes() -> None:
    (b,) = found(mul(P, Q), mul(A, B))
    assert b.dims == {"p": dim("m"), "q": dim("n"), "r": dim("k")}


def test_a_repeated_metavariable_must_be_the_same() -> None:
    assert len(found(mul(transpose(P), P), mul(transpose(A), A))) == 1
    assert found(mul(transpose(P), P), mul(transpose(A), symbol("Z", "m", "n"))) == []
    assert len(found(mul(S, S), mul(N, N, N, N))) == 1  # N*N twice


def test_sizes_must_agree() -> None:
    assert found(mul(S, S), mul(A, B)) == []
    assert found(make("inv", S), A) == []
    assert found(S, A) == []
    assert len(found(S, N)) == 1


def test_a_scalar_may_stand_anywhere_in_a_product() -> None:
    found_ = found(mul(c, P), mul(A, s, B))
    assert [(b.terms["c"], b.terms["P"]) for b in found_] == [(s, mul(A, B))]


def test_scalars_are_taken_together_first() -> None:
    first = found(mul(c, P), mul(number(2), s, A, t, B))[0]
    assert first.terms["c"] is mul(number(2), s, t)
    assert first.terms["P"] is mul(A, B)


def test_a_run_of_factors_may_be_a_scalar() -> None:
    every = [b.terms["c"] for b in found(mul(c, P), mul(transpose(x), x, s))]
    assert mul(transpose(x), x) in every


def test_a_matrix_metavariable_is_no_scalar_factor_of_a_matrix() -> None:
    assert found(mul(P, Q), mul(s, A)) == []


def test_sums_match_in_any_order() -> None:
    pattern = add(neg(P), R)
    assert len(found(pattern, add(A, neg(symbol("Z", "m", "n"))))) == 1
    assert len(found(pattern, sub(A, symbol("Z", "m", "n")))) == 1


def test_the_last_summand_takes_the_rest() -> None:
    parts = [symbol(name, "m", "n") for name in "ABCD"]
    for b in found(add(P, R), add(*parts)):
        rest = [*_summands(b.terms["P"]), *_summands(b.terms["R"])]
        assert sorted(map(str, rest)) == ["A", "B", "C", "D"]
    assert len(found(add(P, R), add(*parts))) == 2**4 - 2


def _summands(a: Term) -> tuple[Term, ...]:
    return a.args if a.op == "add" else (a,)


def test_a_common_factor_is_found_by_backtracking() -> None:
    pattern = add(mul(P, Q), mul(P, symbol("T", "q", "r")))
    kinds = {**KINDS, "T": "matrix"}
    D, E = symbol("D", "n", "k"), symbol("E", "n", "k")
    first = [b for b in found(pattern, add(mul(A, D), mul(A, E)), kinds) if b.terms["Q"] is D]
    assert len(first) == 1
    (b,) = first
    assert (b.terms["P"], b.terms["T"]) == (A, E)


def test_entrywise_products_match_in_any_order() -> None:
    Z = symbol("Z", "m", "n")
    assert {b.terms["P"] for b in found(had(P, fn("exp", R)), had(fn("exp", A), Z))} == {Z}


def test_tangents_match_differentials_only() -> None:
    kinds = {"P": "matrix", "H": "tangent"}
    pattern = mul(P, H)
    (b,) = found(pattern, mul(A, differential(B)), kinds)
    assert (b.terms["P"], b.terms["H"]) == (A, differential(B))
    assert found(pattern, mul(differential(A), B), kinds) == []
    assert found(pattern, mul(A, B), kinds) == []


def test_functions_are_bound_with_their_derivative() -> None:
    pattern = fn("f", P)
    (b,) = found(pattern, fn("tanh", A))
    assert b.functions == {"f": "tanh"}
    assert instantiate(fn("f", P, 1), b) is fn("tanh", A, 1)
    (b,) = found(pattern, fn("phi", A, 1))
    assert instantiate(fn("f", P, 1), b) is fn("phi", A, 2)
    assert found(fn("f", P, 1), fn("phi", A)) == []


def test_a_known_function_matches_itself_only() -> None:
    assert len(found(fn("exp", P), fn("exp", A))) == 1
    assert found(fn("exp", P), fn("log", A)) == []


def test_opaque_functions_are_bound_by_name() -> None:
    pattern = make("call", P, data=("f", dim(1), dim(1)))
    (b,) = found(pattern, make("call", A, data=("loss", dim(1), dim(1))))
    assert instantiate(make("grad", P, data=("f", 0)), b) is make("grad", A, data=("loss", 0))
    assert found(pattern, make("call", A, B, data=("loss", dim(1), dim(1)))) == []


def test_sizes_in_leaves_are_bound_and_put_in() -> None:
    (b,) = found(mul(P, eye("q")), mul(A, eye("n")))
    assert instantiate(ones("p", "q"), b) is ones("m", "n")
    assert instantiate(eye("p"), b) is eye("m")
    assert found(mul(P, ones("q", "q")), mul(A, ones("n", "k"))) == []


def test_composed_sizes_are_checked_when_their_names_are_known() -> None:
    pattern = inner(symbol("g", dim("p") * dim("q")), make("vec", P))
    kinds = {"g": "vector", "P": "matrix"}
    long = symbol("v", dim("m") * dim("n"))
    assert len(found(pattern, inner(long, make("vec", A)), kinds)) == 1
    assert found(symbol("g", dim("p") * dim("q")), long, kinds) == []  # p and q are not determined


def test_numbers_match_themselves() -> None:
    assert len(found(power(c, 2), power(s, 2))) == 1
    assert found(power(c, 2), power(s, 3)) == []


def test_what_is_bound_before_is_kept() -> None:
    before = Bindings({"P": mul(A, B)})
    (b,) = match(mul(P, Q), mul(A, B, C), KINDS, before)
    assert b.terms["Q"] is C


def test_entrywise_operations_of_scalars_become_scalar_operations() -> None:
    b = Bindings({"P": s, "R": t})
    assert instantiate(had(P, R), b) is mul(s, t)
    assert instantiate(hdiv(P, R), b) is make("div", s, t)


def test_a_kind_is_a_guard() -> None:
    assert found(u, A) == []
    assert len(found(u, y)) == 1
    assert found(c, y) == []
    assert len(found(c, mul(transpose(y), y))) == 1


@pytest.mark.parametrize("seed", range(20))
def test_what_matches_can_be_instantiated_again(seed: int) -> None:
    """For random products and sums: the pattern under the bindings is the term, up to the order of summands."""
    rng = random.Random(seed)
    names = [symbol(f"M{i}", "n", "n") for i in range(4)]
    product = mul(*(rng.choice(names) for _ in range(rng.randint(2, 6))))
    summands = [
        mul(*rng.choices(names, k=rng.choice((2, 3)))) if rng.random() < 0.7 else rng.choice(names) for _ in "123"
    ]
    total = add(*summands)
    kinds = {"U": "square", "V": "square", "W": "square"}
    U, V, W = (symbol(name, "p", "p") for name in "UVW")
    for b in match(mul(U, V), product, kinds):
        assert instantiate(mul(U, V), b) is product
    patterns = [add(U, V), add(mul(U, V), W), add(mul(U, V), mul(U, W))]
    for pattern in patterns:
        for b in match(pattern, total, kinds):
            assert sorted(map(str, _summands(instantiate(pattern, b)))) == sorted(map(str, _summands(total)))
