"""A number added to a vector or matrix: no statement of the language, but a habit of hands and programs.

The sum is read as if the number were added to every entry, to see what was meant: where that reading is right, the
answer is not called wrong.

Invariant: only sums are changed, and only those that do not fit.
"""

from __future__ import annotations

from matcalc.errors import MatcalcError
from matcalc.homework.form_building import build
from matcalc.homework.forms import Form, call, leaf, with_args
from matcalc.homework.read import Answer, Piece, inlined
from matcalc.language import terms
from matcalc.language.dims import Shape
from matcalc.language.terms import Term

__all__ = ["spread_answer"]


def spread_answer(answer: Answer) -> Answer | None:
    """The answer with its numbers spread over the entries they are added to; None where that does not make it fit."""
    table: dict[str, Form] = {}
    whole: Form | None = None
    for piece in answer.pieces:
        whole = _spread(inlined(piece.form, table), answer)
        if piece.name is not None:
            table[piece.name] = whole
    if whole is None:
        return None
    try:
        term = answer.context.written_out(build(whole, answer.reader()))
    except MatcalcError:
        return None
    return Answer(answer.text, (Piece(None, whole, term),), answer.context, term, None, answer.shape, answer.notes)


def _shape(form: Form, answer: Answer) -> Shape | None:
    try:
        return build(form, answer.reader()).shape
    except MatcalcError:
        return None


def _spread(form: Form, answer: Answer) -> Form:
    if not form.args:
        return form
    args = tuple(_spread(a, answer) for a in form.args)
    if form.op == "add":
        shapes = [_shape(a, answer) for a in args]
        wide = next((s for s in shapes if s is not None and not s.is_scalar), None)
        if wide is not None:
            args = tuple(
                _spread_number(a, wide) if s is not None and s.is_scalar else a
                for a, s in zip(args, shapes, strict=True)
            )
    return form if args == form.args else with_args(form, args, form.data)


def _spread_number(form: Form, over: Shape) -> Form:
    if form.op == "neg":
        return call("neg", _spread_number(form.args[0], over))
    ones: Term = terms.ones(over.rows) if over.is_vector else terms.ones(over.rows, over.cols)
    return call("mul", form, leaf(ones))
