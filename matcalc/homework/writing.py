"""How a correction is written: with a factor put in or taken out, or transposed, as a person writes it."""

from __future__ import annotations

from fractions import Fraction

from matcalc.errors import MatcalcError
from matcalc.homework.form_building import build, shape_of
from matcalc.homework.forms import Form, call, form_of
from matcalc.language import terms
from matcalc.language.selections import unit_of
from matcalc.language.terms import Term

__all__ = ["about_factor", "is_number", "multiplied", "turned"]

ONE = terms.number(1)
MINUS_ONE = terms.neg(ONE)


def about_factor(c: Term, what: str) -> tuple[str, str]:
    """The kind of a finding about a factor by which something must be multiplied, and what to say."""
    if c is MINUS_ONE:
        return "sign", f"{what} has the wrong sign"
    bare = c.args[0] if c.op == "neg" else c
    sign = " and the sign is wrong" if c.op == "neg" else ""
    if bare.op == "div" and bare.args[0] is ONE:
        return "factor", f"there is a factor {bare.args[1]} too many in {what}{sign}"
    unit = unit_of(bare)
    if unit is not None:  # the whole stands where a row or a column of it is meant
        return "other", f"only {'row' if bare.op == 'transpose' else 'column'} {unit.data[0]} of {what} is meant{sign}"
    return "factor", f"the factor {bare} is missing in {what}{sign}"


def multiplied(c: Term, form: Form) -> Form:
    """The form with a factor, written with the numbers together."""
    if c.op == "neg":
        inner = multiplied(c.args[0], form)
        return inner.args[0] if inner.op == "neg" else call("neg", inner)
    if c is ONE:
        return form
    if form.op == "neg":
        return call("neg", multiplied(c, form.args[0]))
    if form.op == "div" and form.args[1] == form_of(c):
        return form.args[0]
    if form.op == "mul":
        first, rest = form.args[0], form.args[1:]
        merged = _numbers(c, first)
        if merged is not None:
            return call("mul", *rest) if merged is ONE else call("mul", form_of(merged), *rest)
    if c.op == "div" and c.args[0] is ONE:
        divisor = form_of(c.args[1])
        if form.op == "mul" and divisor in form.args:
            i = form.args.index(divisor)
            return call("mul", *form.args[:i], *form.args[i + 1 :])
        return call("div", form, divisor)
    return call("mul", form_of(c), form)


def _numbers(c: Term, first: Form) -> Term | None:
    """The product of two numbers, where both are."""
    if c.op not in ("num", "div") or first.op not in ("leaf", "div"):
        return None
    try:
        t = build(first)
    except MatcalcError:
        return None
    a, b = _rational(c), _rational(t)
    return None if a is None or b is None else terms.number(a * b)


def _rational(t: Term) -> Fraction | None:
    if t.op == "num":
        return Fraction(t.data)
    if t.op == "div" and t.args[0].op == t.args[1].op == "num":
        return Fraction(t.args[0].data) / Fraction(t.args[1].data)
    return None


def turned(form: Form) -> Form:
    """The transpose of a form: ``H'*G`` for ``G'*H``."""
    if form.op == "transpose":
        return form.args[0]
    if form.op in ("add", "had"):
        return call(form.op, *(turned(a) for a in form.args))
    if form.op in ("neg", "div"):
        return call(form.op, turned(form.args[0]), *form.args[1:])
    if form.op == "mul":
        numbers = [a for a in form.args if is_number(a)]
        return call("mul", *numbers, *(turned(a) for a in reversed(form.args) if not is_number(a)))
    return form if is_number(form) else call("transpose", form)


def is_number(form: Form) -> bool:
    """Whether a form is known to be a scalar."""
    shape = shape_of(form)
    return shape is not None and shape.is_scalar
