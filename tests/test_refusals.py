"""What is refused, and why: never zero for what cannot be differentiated, never a formula without a value."""

from __future__ import annotations

import pytest

import matcalc

REFUSED = [
    ("det(x*x')", "x", "x: n", "can never be inverted"),
]


@pytest.mark.parametrize(("problem", "wrt", "declare", "reason"), REFUSED)
def test_refused_with_its_reason(problem: str, wrt: str, declare: str, reason: str) -> None:
    with pytest.raises(matcalc.CannotDerive, match=reason):
        matcalc.derive(problem, wrt=wrt, declare=declare)


def test_zero_only_where_the_variable_does_not_occur() -> None:
    d = matcalc.derive("norm2(A*y)^2", wrt="x", declare="x: n")
    assert str(d.answer) == "zeros(n)"
    assert any(s.rule == "does-not-occur" for s in d.steps)
    assert str(matcalc.derive("x'*y - y'*x", wrt="x").answer) == "zeros(n)"
