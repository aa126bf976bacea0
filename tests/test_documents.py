"""Documents: where their formulas are, on which lines the chains of equalities stand, and what is passed over."""

from __future__ import annotations

import time

import pytest

from matcalc.errors import ParseError
from matcalc.interop.documents import chains, formulas, kind_of
from matcalc.interop.latex_names import known_of
from matcalc.language.dims import SCALAR, shape

MARKDOWN = r"""# Notes

We minimise $f(x) = \norm{Ax - b}^2$ where $\newcommand{\norm}[1]{\|#1\|} r = Ax - b$.
The book costs $5, the other one $6.

$$
\begin{aligned}
\nabla f &= 2A^T(Ax - b) \\
         &= 2A^Tr
\end{aligned}
$$

$$= 2A^TAx - 2A^Tb$$

```python
x = "$not a formula$"
```

Inline code `$y = 1$` and an escaped \$z = 2\$ are passed over, \(u = v\) and
\[
s = Wx + b
\]
are not.

```math
p = \operatorname{softmax}(s)
```
"""

HTML = r"""<html><head><style>p { content: "$a = 1$" }</style></head><body>
<!-- $b = 2$ -->
<p>Let <script type="math/tex">y = Wx</script> be the output,</p>
<script type="math/tex; mode=display">
\begin{align*}
L & = \|y\|^2 \\
  & = x^TW^TWx
\end{align*}
</script>
<pre>$c = 3$</pre> <script>var d = "$e = 4$";</script>
and $$\begin{aligned} g &amp;= 2W^TWx \\ m &lt; n \end{aligned}$$
</body></html>
"""

TEX = r"""\documentclass{article}
\newcommand{\T}{^{\mathsf T}}
\DeclareMathOperator{\trace}{tr} % $ a comment $
\begin{document}
The trace \( \trace(A\T X) = c \) % $k = 1$
\begin{equation}
  G = A
\end{equation}
\begin{verbatim}
$n = 2$
\end{verbatim}
\begin{align}
  a &= b + {} \\
    &\quad c \\
  d &= e
\end{align}
and $ q = r $.
\end{document}
"""


def told(text: str, kind: str | None = None) -> list[tuple[tuple[int, ...], str]]:
    out = []
    for found in chains(text, kind):  # type: ignore[arg-type]
        sides = " ".join(f"{s.relation} {s.text}".strip() for s in found.chain.sides)
        out.append((found.lines, sides))
    return out


def test_markdown() -> None:
    assert kind_of(MARKDOWN) == "markdown"
    assert told(MARKDOWN) == [
        ((3, 3), "f(x) = norm2(A*x - b)^2"),
        ((3, 3), "r = A*x - b"),
        ((8, 8, 9), "grad(f) = 2*A'*(A*x - b) = 2*A'*r"),
        ((13,), "= 2*A'*A*x - 2*A'*b"),
        ((19, 19), "u = v"),
        ((21, 21), "s = W*x + b"),
        ((26, 26), "p = softmax(s)"),
    ]
    assert [c.chain.continues for c in chains(MARKDOWN)] == [False, False, False, True, False, False, False]
    assert [c.formula for c in chains(MARKDOWN)] == list(range(7))


def test_html() -> None:
    assert kind_of(HTML) == "html"
    assert told(HTML) == [
        ((3, 3), "y = W*x"),
        ((6, 6, 7), "L = norm2(y)^2 = x'*W'*W*x"),
        ((11, 11), "g = 2*W'*W*x"),
        ((11, 11), "m le n"),
    ]


def test_tex() -> None:
    assert kind_of(TEX) == "tex"
    assert told(TEX) == [
        ((5, 5), "tr(A'*X) = c"),
        ((7, 7), "G = A"),
        ((13, 13), "a = b + c"),
        ((15, 15), "d = e"),
        ((17, 17), "q = r"),
    ]


@pytest.mark.parametrize(
    ("text", "name", "kind"),
    [
        ("", "notes.md", "markdown"),
        ("", "a/b.HTML", "html"),
        ("", "paper.tex", "tex"),
        (r"\documentclass{article}", "", "tex"),
        ("<div>x</div>", "", "html"),
        ("<script type='math/tex'>x</script>", "post.md", "html"),
        ("text", "", "markdown"),
    ],
)
def test_kinds(text: str, name: str, kind: str) -> None:
    assert kind_of(text, name) == kind


def test_places_are_those_of_the_document() -> None:
    text = "one\n\n$a = \\foo$ and $A = B)$\n"
    first, second = chains(text, "markdown")
    for chain, blamed, message in ((first, r"\foo", "not known"), (second, ")", "closes nothing")):
        error = chain.chain.sides[1].error
        assert error is not None and message in error.message
        assert error.span is not None and text[slice(*error.span)] == blamed
    assert "$a = \\foo$" in (first.chain.sides[1].error or ParseError("")).render()


def test_a_formula_that_falls_apart_hides_nothing() -> None:
    text = "$x = \\text{open$ and $y = z$"
    bad, good = chains(text, "markdown")
    assert bad.chain.sides[0].error is not None and bad.chain.sides[0].tree is None
    assert [s.text for s in good.chain.sides] == ["y", "z"]


def test_what_the_document_tells_of_its_letters_holds_everywhere() -> None:
    text = r"$h_t = W h_{t-1}$ then $x_t$, and $\sum_{i=1}^m a_i = c$, $\sum_i b_i = c$, $l_k = 1$"
    assert [t for _, t in told(text)] == [
        "h[t] = W*h[t - 1]",
        "x[t]",
        "sum(i in 1..m, a[i]) = c",
        "sum(i in 1..m, b[i]) = c",
        "l_k = 1",
    ]


def test_known_names() -> None:
    known = known_of({"f": shape("n", "n"), "W1": shape("m", "n"), "c": SCALAR})
    (found,) = chains(r"$W_1 f(x + y) = c$", "markdown", known)
    assert [s.text for s in found.chain.sides] == ["W1*f*(x + y)", "c"]


def test_unclosed_marks_are_passed_over() -> None:
    for text in (
        "$x = y",
        "$$x = y",
        r"\[x = y",
        r"\(x = y",
        r"\begin{align}x = y",
        "<script type='math/tex'>",
        "```math\n",
    ):
        assert [s.text for c in chains(text, "markdown") for s in c.chain.sides] in ([], ["x", "y"])
    assert [c.lines for c in chains("$x = y\n\n$z = w$", "markdown")] == [(3, 3)]


HOSTILE = {
    "dollars": "$" * 300_000,
    "spaced dollars": "$ " * 150_000,
    "brackets": r"\[" * 150_000,
    "environments": r"\begin{align}" * 20_000,
    "ticks": "`" * 300_000,
    "fences": "```x\n" * 60_000,
    "comments": "<!--" * 75_000,
    "scripts": "<script>" * 30_000,
    "tags": "<" * 300_000,
    "definitions": r"\newcommand{\a}{" * 20_000,
    "one": "$" + "x+" * 150_000 + "$",
    "display": "$$" + "x=" * 150_000 + "$$",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_documents_end_soon(text: str) -> None:
    begun = time.process_time()
    for kind in ("markdown", "html", "tex"):
        chains(text, kind)  # type: ignore[arg-type]
    assert time.process_time() - begun < 4


def test_a_document_may_be_too_long() -> None:
    with pytest.raises(ParseError, match="too long"):
        formulas("x" * 2_000_001, "markdown")
