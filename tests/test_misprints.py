"""The misprint finder on whole documents: right ones have no misprints, and one that is planted is found in its line.

The documents lie in ``data/documents``: Markdown, HTML and TeX on different subjects, in the notation of different
authors.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from matcalc.homework.document import Report, check_document

HERE = Path(__file__).parent / "data" / "documents"
DOCUMENTS = sorted(p.name for p in HERE.iterdir())

# How many lines are understood at least: fine, not just taken for a definition.
FINE = {
    "attention.md": 4,
    "batchnorm.md": 4,
    "cheatsheet.md": 13,
    "factorization.html": 2,
    "gaussian.tex": 3,
    "gp.tex": 2,
    "kalman.md": 2,
    "lagrange.md": 2,
    "layers.tex": 4,
    "logistic.html": 5,
    "lora.md": 4,
    "network.md": 5,
    "newton.md": 2,
    "pca.md": 3,
    "regression.md": 3,
    "ridge.md": 4,
    "rnn.tex": 6,
    "rowlayout.md": 6,
    "softmaxreg.html": 5,
    "vae.md": 3,
}

# A document, what is written in it, what is written instead, the kinds of the finding, what the correction contains.
PLANTED: list[tuple[str, str, str, str]] = [
    ("attention.md", r"P^\top G, \q", r"P G, \q", "transpose"),
    ("attention.md", r"= G V^\top", r"= V G^\top", "transpose"),
    ("attention.md", r"\frac{1}{\sqrt{d}} D K", r"\sqrt{d} D K", "factor"),
    ("attention.md", r"D^\top Q", r"D Q", "transpose"),
    ("attention.md", r"\frac{1}{\sqrt{d}} D^\top Q", r"D^\top Q", "factor"),
    ("batchnorm.md", r"\hat{x}^T g \\", r"x^T g \\", "wrong-point"),
    ("batchnorm.md", r"- \frac{1}{m} \hat{x} \hat{x}^T g", r"+ \frac{1}{m} \hat{x} \hat{x}^T g", "sign"),
    ("batchnorm.md", r" - \frac{1}{m} \hat{x} \hat{x}^T g", "", "missing-term"),
    ("batchnorm.md", r"\frac{\gamma}{s} \left", r"\gamma s \left", "factor"),
    ("batchnorm.md", r"{\partial \hat{x}} &= \gamma g", r"{\partial \hat{x}} &= g", "factor"),
    ("cheatsheet.md", r"= X^{-T}", r"= X^{-1}", "transpose"),
    ("cheatsheet.md", r"X(A + A^T)", r"(A + A^T)X", "order"),
    ("cheatsheet.md", r"= -X^{-T} A^T B^T X^{-T}", r"= X^{-T} A^T B^T X^{-T}", "sign"),
    ("cheatsheet.md", r"\frac{x}{\|x\|_2}", r"\frac{2x}{\|x\|_2}", "factor"),
    ("cheatsheet.md", r"= -X^{-1}\,dX\,X^{-1}", r"= X^{-1}\,dX\,X^{-1}", "sign"),
    ("factorization.html", r"(M \odot E) V + \lambda U", r"(M \odot E) V - \lambda U", "sign"),
    ("factorization.html", r"(M \odot E) V + \lambda U", r"(M \odot E)^T V + \lambda U", "transpose"),
    ("factorization.html", r"(M \odot E)^T U + \lambda V", r"(M \odot E)^T U", "missing-term"),
    ("factorization.html", r"(M \odot E)^T U + \lambda V", r"(M E)^T U + \lambda V", "hadamard"),
    ("factorization.html", r"(M \odot E) V + \lambda U", r"(M \odot E) V + 2 \lambda U", "factor"),
    ("gaussian.tex", r"&= \sum_{n=1}^N \Sigma\inv (x_n - \mu)", r"&= -\sum_{n=1}^N \Sigma\inv (x_n - \mu)", "sign"),
    ("gaussian.tex", r"x_n - N\mu", r"x_n - \mu", "factor"),
    ("gaussian.tex", r"+ \frac{1}{2} \Sigma\inv S", r"- \frac{1}{2} \Sigma\inv S", "sign"),
    ("gaussian.tex", r"-\frac{N}{2} \Sigma\inv +", r"-N \Sigma\inv +", "factor"),
    ("gaussian.tex", r"\Sigma\inv S \Sigma\inv .", r"\Sigma\inv S .", "factor"),
    ("kalman.md", r"P H^T K^T + K (H", r"P H K^T + K (H", "transpose"),
    ("kalman.md", r"- K H P - P", r"- K H P + P", "sign"),
    ("kalman.md", r"-2 P H^T + 2 K S", r"-2 P H^T + K S", "factor"),
    ("kalman.md", r"-2 P H^T + 2 K S", r"-2 H P + 2 K S", "transpose"),
    ("lagrange.md", r"A^T (Ax - b) + C^T \nu", r"A^T (Ax - b) + C \nu", "transpose"),
    ("lagrange.md", r"= Cx - d $$", r"= Cx $$", "missing-term"),
    ("layers.tex", r"(W^{(l+1)})^T \delta^{(l+1)}", r"W^{(l+1)} \delta^{(l+1)}", "transpose"),
    ("layers.tex", r"(W^{(l+1)})^T \delta^{(l+1)}", r"(W^{(l)})^T \delta^{(l+1)}", "other"),
    ("layers.tex", r"\odot f'(z^{(l)})", r"\odot f'(z^{(l+1)})", "other"),
    ("layers.tex", r"\delta^{(l)} (a^{(l-1)})^T", r"\delta^{(l)} (a^{(l)})^T", "other"),
    ("lora.md", r"G^\top X A^\top", r"G^\top X A", "transpose"),
    ("lora.md", r"B^\top G^\top X", r"B G^\top X", "transpose"),
    ("lora.md", r"G (W + BA)", r"G (W - BA)", "sign"),
    ("logistic.html", r"\partial z} &= p - y", r"\partial z} &= y - p", "sign"),
    ("logistic.html", r"&= X^T (p - y)", r"&= X (p - y)", "transpose"),
    (
        "logistic.html",
        r"X^T \operatorname{diag}(p \odot (1 - p)) X",
        r"-X^T \operatorname{diag}(p \odot (1 - p)) X",
        "sign",
    ),
    ("logistic.html", r"\sigma(t)(1 - \sigma(t))", r"\sigma(t)(1 + \sigma(t))", "sign"),
    ("network.md", r"{\partial z_2} &= p - y", r"{\partial z_2} &= y - p", "sign"),
    ("network.md", r"(p - y) h^T", r"(p - y) x^T", "wrong-point"),
    ("network.md", r"{\partial h} &= W_2^T (p - y)", r"{\partial h} &= W_2 (p - y)", "transpose"),
    ("network.md", r"{\partial z_1} &= W_2^T (p - y) \odot", r"{\partial z_1} &= W_1^T (p - y) \odot", "other"),
    ("pca.md", r"- 2 \operatorname{tr}(X^T W W^T X)", r"+ 2 \operatorname{tr}(X^T W W^T X)", "sign"),
    ("pca.md", r"- 2 \operatorname{tr}(X^T W W^T X)", r"- \operatorname{tr}(X^T W W^T X)", "factor"),
    ("pca.md", r"R X^T W + X R^T W", r"R X^T W + X R W", "transpose"),
    ("pca.md", r"R X^T W + X R^T W", r"R X^T W", "missing-term"),
    ("pca.md", r"-2 \left( R X", r"2 \left( R X", "sign"),
    ("pca.md", r"dE = -2 \op", r"dE = -\op", "factor"),
    ("newton.md", r"A^T D (A x - b) + \mu x", r"A^T (A x - b) + \mu x", "factor"),
    ("newton.md", r"= A^T D A + \mu I $$", r"= A^T D A - \mu I $$", "sign"),
    ("regression.md", r"= \frac{1}{N} \sum_{i=1}^N (w", r"= \frac{1}{2N} \sum_{i=1}^N (w", "factor"),
    ("regression.md", r"\sum_{i=1}^N x_i x_i^T", r"\sum_{i=1}^N x_i^T x_i", "transpose"),
    ("ridge.md", r"2 X^\top X w - 2 X^\top y + 2 \lambda w", r"2 X^\top X w - 2 X^\top y + \lambda w", "factor"),
    ("ridge.md", r"2 X^\top X w - 2 X^\top y + 2 \lambda w", r"2 X^\top X w + 2 X^\top y + 2 \lambda w", "sign"),
    ("ridge.md", r"2 X^\top (X w - y)", r"2 X (X w - y)", "transpose"),
    ("ridge.md", r"2 X^\top (X w - y) + 2 \lambda w", r"2 X^\top (X w - y)", "missing-term"),
    ("ridge.md", r"+ y^\top y + \lambda w", r"- y^\top y + \lambda w", "sign"),
    ("ridge.md", r"2 X^\top X + 2 \lambda I", r"2 X^\top X + \lambda I", "factor"),
    ("rnn.tex", r"(1 - \bh_t^2) \odot", r"(1 + \bh_t^2) \odot", "sign"),
    ("rowlayout.md", r"= (a - t)^T $$", r"= (t - a)^T $$", "sign"),
    ("rowlayout.md", r"\operatorname{diag}(1 - a \odot a) W", r"\operatorname{diag}(1 - a \odot a) W^T", "transpose"),
    ("softmaxreg.html", r"\operatorname{diag}(p) - p p^T", r"\operatorname{diag}(p) + p p^T", "sign"),
    ("vae.md", r"\nabla_\lambda K &= \frac12 \left( e", r"\nabla_\lambda K &= \left( e", "factor"),
    ("rnn.tex", r"W^T \delta_t", r"W \delta_t", "transpose"),
    ("rnn.tex", r"U^T \delta_t", r"W^T \delta_t", "other"),
    ("rnn.tex", r"\sum_{t=1}^T \delta_t \bh_{t-1}^T", r"-\sum_{t=1}^T \delta_t \bh_{t-1}^T", "sign"),
    ("rnn.tex", r"\sum_{t=1}^T \delta_t \bh_{t-1}^T", r"\sum_{t=1}^T \delta_t \bh_t^T", "other"),
    ("rnn.tex", r"\sum_{t=1}^T \delta_t \bx_t^T", r"\sum_{t=1}^T \bx_t \delta_t^T", "transpose"),
    ("rnn.tex", r"(1 - \bh_t^2) \odot", r"(1 - \bh_{t-1}^2) \odot", "other"),
]


# A right update of a listing is fine, a wrong one is found: what g stands for behind it says so.
LISTING = r"""The network is
$$ z^{(l)} = W^{(l)} a^{(l-1)} + b^{(l)}, \qquad a^{(l)} = \operatorname{ReLU}(z^{(l)}) $$
Backwards, for $l = L, \dots, 1$, with row gradients:
$$ \frac{\partial J}{\partial b^{(l)}} = g $$
$$ g = g W^{(l)} $$
$$ g = g \operatorname{diag}(\mathbb{1}[z^{(l-1)} > 0]) $$
"""


def report(text: str, name: str) -> Report:
    return check_document(text, name)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_right_document_has_no_misprints(name: str) -> None:
    found = report((HERE / name).read_text(), name)
    assert [(f.number, f.message) for f in found.wrong] == []
    assert sum(f.mark == "fine" for f in found.lines) >= FINE[name]


@pytest.mark.parametrize(("name", "right", "wrong", "kind"), PLANTED, ids=[f"{p[0]}-{p[2]}" for p in PLANTED])
def test_a_planted_misprint_is_found(name: str, right: str, wrong: str, kind: str) -> None:
    text = (HERE / name).read_text()
    assert text.count(right) == 1
    line = text[: text.index(right)].count("\n") + 1
    found = report(text.replace(right, wrong), name)
    assert [f.number for f in found.wrong][:1] == [line], [(f.number, f.mark, f.message) for f in found.lines]
    assert all(f.correction for f in found.wrong)


def test_the_updates_of_a_listing_lead_to_the_next_gradient() -> None:
    found = report(LISTING, "notes.md")
    assert [f.mark for f in found.lines if f.number in (5, 6)] == ["fine", "fine"]
    wrong = report(LISTING.replace("z^{(l-1)} > 0", "z^{(l)} > 0"), "notes.md").wrong
    assert [(f.number, f.correction) for f in wrong] == [(6, "g*diag(step(z[l - 1]))")]
    wrong = report(LISTING.replace("g = g W^{(l)}", "g = g W^{(l-1)}"), "notes.md").wrong
    assert [(f.number, f.correction) for f in wrong] == [(5, "g*W[l]")]


def test_sums_of_vectors_are_no_sums_of_entries() -> None:
    text = r"""Let $x$ be an input and $t$ a target.
$$\begin{aligned}
f(W) &= \frac{1}{2} \sum_n \|t_n - W^T x_n\|^2 \\
\nabla f &= -\sum_n x_n (t_n - W^T x_n)^T \\
 &= -X^T (T - X W)
\end{aligned}$$"""
    assert [f.mark for f in report(text, "notes.md").lines] == ["definition", "fine", "fine"]
    wrong = report(text.replace("-X^T (T - X W)", "-X^T (T - X^T W)"), "notes.md").wrong
    assert [(f.number, f.correction) for f in wrong] == [(5, "-X'*(T - X*W)")]


def test_an_equation_that_is_set_is_no_misprint() -> None:
    """Of the normal equations nothing is wrong because they do not hold for every x."""
    text = "With $A^T A x = A^T b$ and $x^T (A x - b) = x^T b$ we go on, but $(A B)^T = A^T B^T$ is wrong."
    assert [f.correction for f in report(text, "notes.md").wrong] == ["B'*A'"]


def test_derivatives_by_entries_are_not_called_wrong() -> None:
    text = r"If $y = f(U), U = G(X)$, then $\frac{\partial y}{\partial x_{ij}} = \operatorname{tr}\left("
    text += r"\left(\frac{\partial y}{\partial U}\right)^T \frac{\partial U}{\partial x_{ij}}\right)$"
    assert report(text, "notes.md").wrong == ()


def test_a_letter_may_be_a_size_in_one_chapter_and_a_vector_in_another() -> None:
    text = r"""
Let $X \in \mathbb{R}^{n\times p}$, $y \in \mathbb{R}^n$ and $w \in \mathbb{R}^p$.
With $p = \sigma(Xw)$ and $L = -\sum_i y_i \log p_i + (1-y_i)\log(1-p_i)$ we have
$$\nabla_w L = X^\top (p - y).$$
$$\nabla^2_w L = X^\top \operatorname{diag}(p \odot (1-p)) X.$$
$$\nabla_w L = X^\top (y - p).$$
"""
    marks = [line.mark for line in check_document(text).lines if line.mark != "definition"]
    assert marks == ["fine", "fine", "wrong"]
