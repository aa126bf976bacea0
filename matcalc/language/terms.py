"""Terms: immutable, interned, well-shaped. Equality is ``is``.

Constructors change nothing but association: nested sums, products and Hadamard products become flat; nothing is
reordered, folded or multiplied out.  A product keeps a nested factor that is a scalar by itself (``(x'*y)*z``) where
writing it flat would not chain.

Invariants: an ill-shaped term cannot be built (:class:`~matcalc.errors.ShapeError`); ``num`` holds no negative number
(negative numbers are ``neg``) and only finite decimals (other fractions are ``div``); ``free`` are the names of the
symbols and families in the term, ``varies`` those of them that stand outside constant copies ``stop(...)``; ``tangent``
says whether a differential occurs in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from fractions import Fraction
from typing import Any, ClassVar, TypeVar
from weakref import WeakValueDictionary

from matcalc.errors import ShapeError
from matcalc.language.dims import ONE, SCALAR, Dim, IndexedName, Shape, dim
from matcalc.language.ops import OPS, Op

EMPTY: frozenset[str] = frozenset()
Value = TypeVar("Value")


class Term:
    """A node of an expression. Build with the functions of this module, never directly."""

    __slots__ = ("__weakref__", "args", "data", "depth", "free", "op", "shape", "size", "tangent", "varies")

    op: str
    args: tuple[Term, ...]
    data: Any
    shape: Shape
    free: frozenset[str]
    varies: frozenset[str]
    tangent: bool
    depth: int
    size: int  # number of nodes, as a tree

    _table: ClassVar[WeakValueDictionary[Any, Term]] = WeakValueDictionary()

    @property
    def row(self) -> Op:
        """The operation's row in the table."""
        return OPS[self.op]

    @property
    def is_scalar(self) -> bool:
        return self.shape.is_scalar

    def __str__(self) -> str:
        from matcalc.language.printing import text

        return text(self)

    def __repr__(self) -> str:
        return f"<{self} : {self.shape}>"

    def unicode(self) -> str:
        """The term in Unicode notation, e.g. ``2·Aᵀ·(A·x − b)``."""
        from matcalc.language.printing import unicode

        return unicode(self)

    def latex(self) -> str:
        """The term in LaTeX, without delimiters."""
        from matcalc.language.printing import latex

        return latex(self)

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"

    def __reduce__(self) -> tuple[Callable[..., Term], tuple[Any, ...]]:
        return (_node, (self.op, self.args, self.data, self.shape))


def _node(op: str, args: tuple[Term, ...], data: Any, shape: Shape) -> Term:
    key = (op, args, data, shape)
    found = Term._table.get(key)
    if found is not None:
        return found
    self = object.__new__(Term)
    self.op, self.args, self.data, self.shape = op, args, data, shape
    if op == "sym":
        self.free = frozenset((data,))
    elif op == "elem":
        self.free = frozenset((data[0],))
    else:
        largest = max((a.free for a in args), key=len, default=EMPTY)  # one set is shared where it holds all names
        self.free = largest if all(a.free <= largest for a in args) else EMPTY.union(*(a.free for a in args))
    if op == "stop":
        self.varies = EMPTY
    elif all(a.varies is a.free for a in args):
        self.varies = self.free
    else:
        self.varies = EMPTY.union(*(a.varies for a in args))
    self.tangent = op == "d" or any(a.tangent for a in args)
    self.depth = 1 + max((a.depth for a in args), default=0)
    self.size = 1 + sum(a.size for a in args)
    Term._table[key] = self
    return self


def make(op: str, *args: Term, data: Any = None) -> Term:
    """The term ``op(args)``, flat where the operation is associative. Raises ShapeError where it does not fit."""
    row = OPS[op]
    if row.associative:
        args = _flat_product(args) if op == "mul" else _flat(op, args)
        if len(args) == 1:
            return args[0]
    if row.arity is not None and len(args) != row.arity:
        raise ShapeError(f"{op} takes {row.arity} argument(s), not {len(args)}")
    return _node(op, args, data, row.shape(data, [a.shape for a in args]))


def _flat(op: str, args: tuple[Term, ...]) -> tuple[Term, ...]:
    if not any(a.op == op for a in args):
        return args
    out: list[Term] = []
    for a in args:
        out.extend(a.args if a.op == op else (a,))
    return tuple(out)


def _flat_product(args: tuple[Term, ...]) -> tuple[Term, ...]:
    """Splice nested products where the flat chain still fits; a purely scalar product always does."""
    if not any(a.op == "mul" for a in args):
        return args
    out: list[Term] = []
    before: Dim | None = None  # columns of the chain so far
    for i, a in enumerate(args):
        splice = a.op == "mul"
        if splice and a.is_scalar and not all(f.is_scalar for f in a.args):
            after = next((b.shape.rows for b in args[i + 1 :] if not b.is_scalar), None)
            splice = (before is None or before is ONE) and (after is None or after is ONE)
        out.extend(a.args if splice else (a,))
        if splice:
            inner = [f for f in a.args if not f.is_scalar]
            before = inner[-1].shape.cols if inner else before
        elif not a.is_scalar:
            before = a.shape.cols
    return tuple(out)


# --------------------------------------------------------------------- leaves
def symbol(name: str, rows: Dim | int | str = 1, cols: Dim | int | str = 1) -> Term:
    return _node("sym", (), name, Shape(dim(rows), dim(cols)))


def element(family: str, index: Dim | int | str, shape: Shape) -> Term:
    """The member ``family[index]``; ``shape`` is the family's shape at that index."""
    return _node("elem", (), (family, dim(index)), shape)


def number(value: int | Fraction) -> Term:
    """An exact number: ``-1/2`` is the term ``-(1/2)``."""
    q = Fraction(value)
    if q < 0:
        return neg(number(-q))
    if q.denominator == 1:
        return _node("num", (), q, SCALAR)
    return div(number(q.numerator), number(q.denominator))


def decimal(value: Fraction) -> Term:
    """A decimal literal, kept as it was written. The value must be a finite decimal, not negative."""
    return _node("num", (), value, SCALAR)


def constant(name: str) -> Term:
    """``pi`` or ``e``."""
    return _node("const", (), name, SCALAR)


def size(d: Dim | int | str) -> Term:
    """A size as a number: the term ``n - 1`` for the size n - 1."""
    d = dim(d)
    parts: list[Term] = []
    for mono, c in d.coefficients:
        factors = [_node("size", (), dim(a), SCALAR) for a in mono]
        if abs(c) != 1 or not factors:
            factors.insert(0, number(abs(c)))
        part = mul(*factors)
        parts.append(neg(part) if c < 0 else part)
    return add(*parts) if parts else number(0)


def eye(n: Dim | int | str) -> Term:
    """The identity of the given size; the number 1 for size 1."""
    n = dim(n)
    return number(1) if n is ONE else make("eye", data=n)


def ones(rows: Dim | int | str, cols: Dim | int | str = 1) -> Term:
    """All ones; the number 1 for 1×1."""
    key = (dim(rows), dim(cols))
    return number(1) if key == (ONE, ONE) else make("ones", data=key)


def zeros(rows: Dim | int | str, cols: Dim | int | str = 1) -> Term:
    """All zeros; the number 0 for 1×1."""
    key = (dim(rows), dim(cols))
    return number(0) if key == (ONE, ONE) else make("zeros", data=key)


def unit(index: Dim | int | str, n: Dim | int | str) -> Term:
    """The column of length n that is 1 at the index and 0 elsewhere; the number 1 for length 1."""
    n = dim(n)
    return number(1) if n is ONE else make("unit", data=(dim(index), n))


def commutation(rows: Dim | int | str, cols: Dim | int | str) -> Term:
    """The commutation matrix K with ``K*vec(X) = vec(X')`` for X of the given shape."""
    return make("commutation", data=(dim(rows), dim(cols)))


# ------------------------------------------------------------------ operations
def add(*terms: Term) -> Term:
    return make("add", *terms)


def neg(t: Term) -> Term:
    return make("neg", t)


def sub(a: Term, b: Term) -> Term:
    return add(a, neg(b))


def mul(*terms: Term) -> Term:
    return make("mul", *terms)


def div(a: Term, b: Term) -> Term:
    return make("div", a, b)


def had(*terms: Term) -> Term:
    """Entrywise product. Scalars among the factors multiply as scalars: ``2.*x`` is ``2*x``."""
    if any(t.is_scalar for t in terms):
        scalars = [t for t in terms if t.is_scalar]
        rest = [t for t in terms if not t.is_scalar]
        return mul(*scalars, had(*rest)) if rest else mul(*scalars)
    return make("had", *terms)


def hdiv(a: Term, b: Term) -> Term:
    """Entrywise quotient; ``X./c`` with a scalar c is ``X/c``."""
    return div(a, b) if b.is_scalar else make("hdiv", a, b)


def power(a: Term, b: Term | int) -> Term:
    return make("pow", a, number(b) if isinstance(b, int) else b)


def hpower(a: Term, b: Term | int) -> Term:
    """Entrywise power; of a scalar it is the power."""
    b = number(b) if isinstance(b, int) else b
    return make("pow" if a.is_scalar else "hpow", a, b)


def transpose(t: Term) -> Term:
    return make("transpose", t)


def inner(g: Term, h: Term) -> Term:
    """The inner product ``tr(g'*h)``."""
    return make("inner", g, h)


def fn(name: str, t: Term, order: int = 0) -> Term:
    """An elementwise function, or its derivative of the given order, applied to a term."""
    return make("fn", t, data=(name, order))


def differential(t: Term) -> Term:
    return make("d", t)


# -------------------------------------------------------------------- traversal
def subterms(*roots: Term) -> Iterator[Term]:
    """Every distinct subterm of some terms, each term before what is in it. Iterative: depth is no limit."""
    stack = list(dict.fromkeys(roots))[::-1]
    seen = set(roots)
    while stack:
        node = stack.pop()
        yield node
        for a in reversed(node.args):
            if a not in seen:
                seen.add(a)
                stack.append(a)


def size_names(t: Term) -> list[str]:
    """The names in the sizes of a term and of everything below it, in order of first appearance; no bound indices."""
    out: dict[str, None] = {}
    for s in subterms(t):
        data = s.data if isinstance(s.data, tuple) else (s.data,)
        for d in (*s.shape, *data):
            if isinstance(d, Dim):
                out.update(dict.fromkeys(n for n in d.names() if not n.startswith("#")))
    return list(out)


def rebuild(t: Term, args: Iterable[Term]) -> Term:
    """The same operation on other arguments."""
    new = tuple(args)
    return t if new == t.args else make(t.op, *new, data=t.data)


def bottom_up(t: Term, visit: Callable[[Term, list[Value]], Value], done: MutableMapping[Term, Value]) -> Value:
    """The value of a term from the values of its arguments. Iterative; every distinct subterm is visited once.

    ``done`` has the values known before and keeps the new ones.
    """
    stack = [t]
    while stack:
        node = stack[-1]
        if node in done:
            stack.pop()
            continue
        todo = [a for a in node.args if a not in done]
        if todo:
            stack.extend(todo)
            continue
        done[node] = visit(node, [done[a] for a in node.args])
        stack.pop()
    return done[t]


def replace(t: Term, table: Mapping[Term, Term]) -> Term:
    """The term with whole subterms replaced, outermost first."""
    return bottom_up(t, rebuild, dict(table))


Path = tuple[int, ...]


def at(t: Term, path: Path) -> Term:
    """The subterm at a path of argument positions."""
    for i in path:
        t = t.args[i]
    return t


def put(t: Term, path: Path, new: Term) -> Term:
    """The term with the subterm at a path replaced."""
    if not path:
        return new
    i = path[0]
    return rebuild(t, (*t.args[:i], put(t.args[i], path[1:], new), *t.args[i + 1 :]))


def index_name(a: IndexedName | str) -> str:
    return a if isinstance(a, str) else a.name
