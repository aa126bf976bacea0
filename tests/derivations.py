"""Whole derivations as an examiner would mark them: the text, a letter for every line, the first wrong line and the kinds
that its first finding may have.

The letters: d definition, m remark, r right, w wrong, f follows from a wrong line, a right again, u unreadable.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Marked:
    """A derivation and its marks. ``marks``, ``kinds``: alternatives are parted by bars."""

    name: str
    text: str
    marks: str
    line: int | None = None
    kinds: str = ""
    options: dict[str, Any] = field(default_factory=dict)


DERIVATIONS: list[Marked] = []


def d(name: str, text: str, marks: str, line: int | None = None, kinds: str = "", **options: Any) -> None:
    DERIVATIONS.append(Marked(name, text, marks, line, kinds, options))


d(
    "ls-10",
    """f = norm2(A*x - b)^2
let r = A*x - b
f = r'*r
d(f) = dr'*r + r'*dr
 = 2*r'*dr
dr = A*dx
d(f) = 2*r'*A*dx
 = (2*A'*r)'*dx
grad(f, x) = 2*A'*r
 = 2*A'*(A*x - b)
 = 2*A'*A*x - 2*A'*b
hess(f, x) = 2*A'*A""",
    "ddrrrrrrrrrr",
)
d(
    "ls-10-mid",
    """f = norm2(A*x - b)^2
let r = A*x - b
f = r'*r
d(f) = 2*r'*dr
dr = A'*dx
d(f) = 2*r'*A*dx
grad(f, x) = 2*A'*r
 = 2*A'*(A*x - b)""",
    "ddrrwrrr",
    5,
    "transpose",
)
d(
    "ridge-forgot",
    """f = norm2(A*x - b)^2 + lambda*norm2(x)^2
d(f) = 2*(A*x - b)'*A*dx + 2*lambda*x'*dx
 = (2*A'*(A*x - b) + 2*lambda*x)'*dx
grad(f, x) = 2*A'*(A*x - b)
 = 2*A'*A*x - 2*A'*b""",
    "drrwf",
    4,
    "missing-term",
)
d(
    "trace-chain",
    """f = tr(X'*A*X)
d(f) = tr(dX'*A*X) + tr(X'*A*dX)
 = tr(X'*A'*dX) + tr(X'*A*dX)
 = tr(X'*(A' + A)*dX)
grad(f, X) = (A + A')*X""",
    "drrrr",
    declare="A : n×n; X : n×m",
)
d(
    "trace-chain-wrong",
    """f = tr(X'*A*X)
d(f) = tr(dX'*A*X) + tr(X'*A*dX)
 = tr(X'*A*dX) + tr(X'*A*dX)
 = 2*tr(X'*A*dX)
grad(f, X) = 2*A'*X""",
    "drwff",
    3,
    "transpose|symmetric",
    declare="A : n×n; X : n×m",
)
d(
    "logdet",
    """f = logdet(X) + tr(A*X)
d(f) = tr(inv(X)*dX) + tr(A*dX)
 = tr((inv(X) + A)*dX)
grad(f, X) = inv(X)' + A'
 = (inv(X) + A)'""",
    "drrrr",
    declare="A : n×n; X : n×n invertible",
)
d(
    "logdet-w",
    """f = logdet(X) + tr(A*X)
d(f) = tr(inv(X)*dX) + tr(A*dX)
grad(f, X) = inv(X) + A
 = inv(X) + A'""",
    "drww",
    3,
    "transpose",
    declare="A : n×n; X : n×n invertible",
)
d(
    "inv-differential",
    """Y = inv(X)
X*Y = I
dX*Y + X*dY = 0
dY = -inv(X)*dX*inv(X)""",
    "drrr",
    declare="X : n×n invertible",
)
d(
    "inv-differential-w",
    """Y = inv(X)
dY = -inv(X)*dX
f = tr(A*Y)
d(f) = -tr(A*inv(X)*dX)
grad(f, X) = -(A*inv(X))'""",
    "dwdff",
    2,
    "factor|missing-path|other",
    declare="X : n×n invertible; A : n×n",
)
d(
    "sigmoid-layer",
    """s = W*x + b
h = sigmoid(s)
L = loss(h)
grad(L, s) = grad(L, h).*h.*(1 - h)
grad(L, W) = grad(L, s)*x'
grad(L, b) = grad(L, s)
grad(L, x) = W'*grad(L, s)""",
    "dddrrrr",
    declare="W : m×n; x : n; b : m",
)
d(
    "sigmoid-layer-w",
    """s = W*x + b
h = sigmoid(s)
L = loss(h)
grad(L, s) = grad(L, h).*s.*(1 - s)
grad(L, W) = (grad(L, h).*s.*(1 - s))*x'
grad(L, b) = grad(L, h).*s.*(1 - s)
grad(L, x) = W'*(grad(L, h).*h.*(1 - h))""",
    "dddwffa|dddwffr",
    4,
    "wrong-point",
    declare="W : m×n; x : n; b : m",
)
d(
    "softmax-ce",
    """z = W*x
p = softmax(z)
L = -y'*log(p)
grad(L, p) = -y./p
jac(p, z) = diag(p) - p*p'
grad(L, z) = jac(p, z)'*grad(L, p)
 = (diag(p) - p*p')*(-y./p)
 = -y + p*(y'*ones(k))
grad(L, W) = (p*sum(y) - y)*x'""",
    "dddrrrrrr",
    declare="W : k×d; x : d; y : k",
)
d(
    "softmax-ce-w",
    """z = W*x
p = softmax(z)
L = -y'*log(p)
grad(L, p) = -y./p
jac(p, z) = diag(p)
grad(L, z) = -diag(p)*(y./p)
 = -y
grad(L, W) = -y*x'""",
    "dddrwfff|dddrwwff",
    5,
    "missing-term|missing-path",
    declare="W : k×d; x : d; y : k",
)
d(
    "bn",
    """mu = sum(x)/m
v = sum((x - mu*ones(m)).^2)/m
xh = (x - mu*ones(m))/sqrt(v + eps)
L = loss(xh)
grad(L, v) = -1/2*(v + eps)^(-3/2)*(x - mu*ones(m))'*grad(L, xh)
grad(L, x) = (grad(L, xh) - mean(grad(L, xh))*ones(m) - xh*mean(grad(L, xh).*xh))/sqrt(v + eps)""",
    "ddddrr",
    declare="x : m; eps : scalar positive",
)
d(
    "mf",
    """f = normF(X - U*V')^2
d(f) = 2*tr((X - U*V')'*(-dU*V'))
 = -2*tr(V'*(X - U*V')'*dU)
grad(f, U) = -2*(X - U*V')*V
d(f) = -2*tr((X - U*V')'*U*dV')
grad(f, V) = -2*(X - U*V')'*U""",
    "drrrrr",
    declare="X : m×n; U : m×k; V : n×k",
)
d(
    "mf-w",
    """f = normF(X - U*V')^2
d(f) = 2*tr((X - U*V')'*(-dU*V'))
 = -2*tr(V'*(X - U*V')'*dU)
grad(f, U) = -2*(X - U*V')'*V
d(f) = -2*tr((X - U*V')'*U*dV')
grad(f, V) = -2*(X - U*V')'*U""",
    "drrwrr",
    4,
    "transpose",
    declare="X : m×n; U : m×k; V : n×k",
)
d(
    "rayleigh",
    """f = (x'*A*x)/(x'*x)
N = x'*A*x
D = x'*x
grad(N, x) = 2*A*x
grad(D, x) = 2*x
grad(f, x) = (D*grad(N, x) - N*grad(D, x))/D^2
 = (2*D*A*x - 2*N*x)/D^2
 = 2/D*(A*x - f*x)""",
    "dddrrrrr",
    declare="A : n×n symmetric; x : n",
)
d(
    "rayleigh-w",
    """f = (x'*A*x)/(x'*x)
N = x'*A*x
D = x'*x
grad(N, x) = 2*A*x
grad(D, x) = 2*x
grad(f, x) = (D*grad(N, x) + N*grad(D, x))/D^2
 = (2*D*A*x + 2*N*x)/D^2
 = 2/D*(A*x + f*x)""",
    "dddrrwff",
    6,
    "sign",
    declare="A : n×n symmetric; x : n",
)
d(
    "logistic",
    """z = X*w
p = sigmoid(z)
L = sum(log(1 + exp(-y.*z)))
grad(L, z) = -y.*sigmoid(-y.*z)
grad(L, w) = X'*grad(L, z)
 = -X'*(y.*sigmoid(-y.*(X*w)))
 = -X'*(y./(1 + exp(y.*(X*w))))""",
    "dddrrrr",
    declare="X : m×n; y : m; w : n",
)
d(
    "logistic-w",
    """z = X*w
L = sum(log(1 + exp(-y.*z)))
grad(L, z) = -y.*sigmoid(y.*z)
grad(L, w) = X'*grad(L, z)
 = -X'*(y.*sigmoid(y.*(X*w)))
 = -X'*(y./(1 + exp(-y.*(X*w))))""",
    "ddwrff|ddwrwf",
    3,
    "sign|other|factor",
    declare="X : m×n; y : m; w : n",
)
d(
    "mahal",
    """f = (x - mu)'*inv(S)*(x - mu)
u = x - mu
f = u'*inv(S)*u
grad(f, u) = 2*inv(S)*u
grad(f, mu) = -grad(f, u)
 = -2*inv(S)*(x - mu)
grad(f, S) = -inv(S)*u*u'*inv(S)""",
    "ddrrrrr",
    declare="S : n×n symmetric posdef; x : n; mu : n",
)
d(
    "normal-equations",
    """f = norm2(A*x - b)^2
grad(f, x) = 2*A'*(A*x - b)
2*A'*(A*x - b) = 0
A'*A*x = A'*b
x = inv(A'*A)*A'*b""",
    "drmmr",
)
d(
    "gram",
    """f = logdet(X'*X)
G = X'*X
d(f) = tr(inv(G)*dG)
dG = dX'*X + X'*dX
d(f) = tr(inv(G)*(dX'*X + X'*dX))
 = 2*tr(inv(G)*X'*dX)
grad(f, X) = 2*X*inv(G)
 = 2*X*inv(X'*X)""",
    "ddrrrrrr",
    declare="X : m×n",
)
d(
    "gram-w",
    """f = logdet(X'*X)
G = X'*X
d(f) = tr(inv(G)*dG)
dG = 2*X'*dX
d(f) = 2*tr(inv(G)*X'*dX)
grad(f, X) = 2*X*inv(G)""",
    "ddrwrr",
    4,
    "other|symmetric|missing-term|transpose|factor",
    declare="X : m×n",
)
d(
    "latex-1",
    r"""\begin{align}
f(x) &= \tfrac12 x^\top Q x - c^\top x \\
\mathrm{d}f &= \tfrac12 (\mathrm{d}x^\top Q x + x^\top Q \,\mathrm{d}x) - c^\top \mathrm{d}x \\
&= (Qx - c)^\top \mathrm{d}x \\
\nabla_x f &= Qx - c
\end{align}""",
    "drrr",
    declare="Q : n×n symmetric; c : n; x : n",
)
d(
    "latex-2",
    r"""\begin{align*}
L &= \|XW - Y\|_F^2 + \lambda \|W\|_F^2 \\
\nabla_W L &= 2X^\top (XW - Y) + \lambda W \\
&= 2(X^\top X + \tfrac{\lambda}{2} I) W - 2X^\top Y
\end{align*}""",
    "dwf",
    3,
    "factor",
    declare="X : n×d; W : d×k; Y : n×k; lambda : scalar",
)
d(
    "latex-3",
    r"""Let $s = Wx + b$ and $h = \phi(s)$. Then
$$\frac{\partial L}{\partial s} = \frac{\partial L}{\partial h} \odot \phi'(s)$$
and
$$\frac{\partial L}{\partial W} = \frac{\partial L}{\partial s} x^\top$$
$$\frac{\partial L}{\partial b} = \frac{\partial L}{\partial s}$$""",
    "mrmrmrmrr",
    declare="W : m×n; x : n; b : m; phi : elementwise",
    problem="s = W*x + b; h = phi(s); L = loss(h)",
    wrt=["W", "b"],
)
d(
    "rnn-2",
    """h1 = tanh(W*h0 + U*x1)
h2 = tanh(W*h1 + U*x2)
L = loss(h2)
d2 = grad(L, h2).*(1 - h2.^2)
d1 = (W'*d2).*(1 - h1.^2)
grad(L, W) = d2*h1' + d1*h0'
grad(L, U) = d2*x2' + d1*x1'""",
    "dddddrr",
    declare="W : h×h; U : h×d; x1 : d; x2 : d; h0 : h",
)
d(
    "rnn-2-w",
    """h1 = tanh(W*h0 + U*x1)
h2 = tanh(W*h1 + U*x2)
L = loss(h2)
d2 = grad(L, h2).*(1 - h2.^2)
d1 = (W*d2).*(1 - h1.^2)
grad(L, W) = d2*h1' + d1*h0'
grad(L, U) = d2*x2' + d1*x1'""",
    "dddddww",
    6,
    "transpose|symmetric",
    declare="W : h×h; U : h×d; x1 : d; x2 : d; h0 : h",
)
d(
    "words",
    """Let r = A*x - b.
Then f = r'*r
Hence d(f) = 2*r'*dr
 where dr = A*dx
so that d(f) = 2*r'*A*dx
Therefore grad(f, x) = 2*A'*r""",
    "ddrrrr",
)
d(
    "numbered",
    """(1) f = x'*A*x
(2) d(f) = dx'*A*x + x'*A*dx
(3)  = x'*(A' + A)*dx
(4) grad(f, x) = (A + A')*x""",
    "drrr",
    declare="A : n×n; x : n",
)
d(
    "first-wrong-then-right",
    """f = x'*A*x + b'*x
grad(f, x) = 2*A*x + b
 = (A + A')*x + b""",
    "dwa",
    2,
    "symmetric",
    declare="A : n×n; x : n; b : n",
)
d(
    "jac-chain",
    """u = B*x
v = tanh(u)
y = A*v
jac(u, x) = B
jac(v, u) = diag(1 - v.^2)
jac(y, v) = A
jac(y, x) = jac(y, v)*jac(v, u)*jac(u, x)
 = A*diag(1 - v.^2)*B""",
    "dddrrrrr",
    declare="A : k×m; B : m×n; x : n",
)
d(
    "jac-chain-w",
    """u = B*x
v = tanh(u)
y = A*v
jac(u, x) = B
jac(v, u) = diag(1 - v)
jac(y, x) = A*diag(1 - v)*B""",
    "dddrwf",
    5,
    "other",
    declare="A : k×m; B : m×n; x : n",
)
d(
    "sum-examples",
    """f = sum(n in 1..N, (y[n] - w'*x[n])^2)
grad(f, w) = sum(n in 1..N, 2*(y[n] - w'*x[n])*(-x[n]))
 = -2*sum(n in 1..N, y[n]*x[n]) + 2*sum(n in 1..N, x[n]*x[n]')*w
 = 2*sum(n in 1..N, x[n]*(w'*x[n] - y[n]))""",
    "drrr",
    declare="x[n] : d; y[n] : scalar; w : d",
)
d(
    "sum-examples-w",
    """f = sum(n in 1..N, (y[n] - w'*x[n])^2)
grad(f, w) = sum(n in 1..N, 2*(y[n] - w'*x[n])*x[n])
 = 2*sum(n in 1..N, y[n]*x[n]) - 2*sum(n in 1..N, x[n]*x[n]')*w""",
    "dwf",
    2,
    "sign",
    declare="x[n] : d; y[n] : scalar; w : d",
)
d(
    "vec-kron",
    """Y = A*X*B
vec(Y) = kron(B', A)*vec(X)
jac(Y, X) = kron(B', A)""",
    "drr",
    declare="A : m×n; X : n×p; B : p×q",
)
d(
    "vec-kron-w",
    """Y = A*X*B
vec(Y) = kron(B, A)*vec(X)
jac(Y, X) = kron(B, A)""",
    "dwf",
    2,
    "transpose",
    declare="A : m×n; X : n×p; B : p×p",
)
d(
    "two-wrong",
    """f = norm2(A*x - b)^2 + c'*x
d(f) = 2*(A*x - b)'*A*dx - c'*dx
grad(f, x) = 2*A*(A*x - b) - c
 = 2*A'*(A*x - b) + c""",
    "dwwa",
    2,
    "sign",
)
d(
    "det",
    """f = det(X)
d(f) = det(X)*tr(inv(X)*dX)
grad(f, X) = det(X)*inv(X)'
g = log(f)
grad(g, X) = 1/f*grad(f, X)
 = inv(X)'""",
    "drrdrr",
    declare="X : n×n invertible",
)
d(
    "det-neg",
    """f = det(X)^2
d(f) = 2*det(X)*det(X)*tr(inv(X)*dX)
grad(f, X) = 2*det(X)*inv(X)'
 = 2*det(X)^2*inv(X)'""",
    "drwa",
    3,
    "factor",
    declare="X : n×n invertible",
)
d(
    "hess",
    """f = log(sum(exp(x)))
p = softmax(x)
grad(f, x) = p
hess(f, x) = jac(p, x)
 = diag(p) - p*p'""",
    "ddrrr",
    declare="x : n",
)
d(
    "remark",
    """f = tr(A*X)
Note that tr(A*X) = tr(X*A).
The gradient is
grad(f, X) = A'""",
    "drmr",
    declare="A : n×m; X : m×n",
)
d(
    "define-late",
    """f = g'*g
grad(f, x) = 2*A'*g
where g = A*x - b""",
    "drd",
)
d(
    "continuation-inline",
    "f = x'*A*x = tr(A*x*x'); grad(f, x) = A*x + A'*x = (A + A')*x",
    "rr",
    declare="A : n×n; x : n",
)
d("equal-chain-one-line", "grad(norm2(A*x)^2, x) = 2*A'*A*x = 2*(A*x)'*A", "r")
d(
    "logreg-hess",
    """p = sigmoid(X*w)
L = -y'*log(p) - (1 - y)'*log(1 - p)
grad(L, p) = -y./p + (1 - y)./(1 - p)
jac(p, w) = diag(p.*(1 - p))*X
grad(L, w) = jac(p, w)'*grad(L, p)
 = X'*(p.*(1 - p).*(-y./p + (1 - y)./(1 - p)))
 = X'*(-y.*(1 - p) + (1 - y).*p)
 = X'*(p - y)
hess(L, w) = X'*jac(p, w)
 = X'*diag(p.*(1 - p))*X""",
    "ddrrrrrrrr",
    declare="X : m×n; y : m; w : n",
)
d(
    "logreg-hess-w",
    """p = sigmoid(X*w)
L = -y'*log(p) - (1 - y)'*log(1 - p)
grad(L, p) = -y./p + (1 - y)./(1 - p)
jac(p, w) = diag(p)*X
grad(L, w) = jac(p, w)'*grad(L, p)
 = X'*(p - y)
hess(L, w) = X'*diag(p)*X""",
    "ddrwrrf|ddrwrrw",
    4,
    "other|factor",
    declare="X : m×n; y : m; w : n",
)
d(
    "backprop",
    """z1 = W1*x + b1
a1 = tanh(z1)
z2 = W2*a1 + b2
L = norm2(z2 - y)^2/2
delta2 = grad(L, z2) = z2 - y
delta1 = grad(L, z1) = (W2'*delta2).*(1 - a1.^2)
grad(L, W2) = delta2*a1'
grad(L, b2) = delta2
grad(L, W1) = delta1*x'
grad(L, b1) = delta1""",
    "ddddrrrrrr",
    declare="W1 : p×d; W2 : k×p; x : d; b1 : p; b2 : k; y : k",
)
d(
    "backprop-w",
    """z1 = W1*x + b1
a1 = tanh(z1)
z2 = W2*a1 + b2
L = norm2(z2 - y)^2/2
grad(L, z2) = z2 - y
grad(L, a1) = W2*grad(L, z2)
grad(L, z1) = grad(L, a1).*(1 - a1.^2)
grad(L, W1) = grad(L, z1)*x'""",
    "ddddrwrr",
    6,
    "transpose",
    declare="W1 : p×d; W2 : k×p; x : d; b1 : p; b2 : k; y : k",
)
d(
    "differential-product",
    """F = X'*A*X
dF = dX'*A*X + X'*A*dX""",
    "dr",
    declare="A : m×m; X : m×n",
)
d(
    "differential-product-w",
    """F = X'*A*X
dF = 2*X'*A*dX""",
    "dw",
    2,
    "missing-term|symmetric|transpose|other|factor",
    declare="A : m×m; X : m×n",
)
d(
    "quotient",
    """f = (a'*x)/norm2(x)
d(f) = a'*dx/norm2(x) - (a'*x)*d(norm2(x))/norm2(x)^2
d(norm2(x)) = x'*dx/norm2(x)
d(f) = (a/norm2(x) - (a'*x)*x/norm2(x)^3)'*dx
grad(f, x) = a/norm2(x) - (a'*x)*x/norm2(x)^3""",
    "drrrr",
    declare="a : n; x : n",
)
d(
    "quotient-w",
    """f = (a'*x)/norm2(x)
d(norm2(x)) = 2*x'*dx/norm2(x)
d(f) = a'*dx/norm2(x) - 2*(a'*x)*x'*dx/norm2(x)^3
grad(f, x) = a/norm2(x) - 2*(a'*x)*x/norm2(x)^3""",
    "dwff|dwwf",
    2,
    "factor",
    declare="a : n; x : n",
)
d(
    "gaussian",
    """l = -n/2*logdet(S) - 1/2*tr(inv(S)*C)
d(l) = -n/2*tr(inv(S)*dS) + 1/2*tr(inv(S)*dS*inv(S)*C)
 = 1/2*tr((inv(S)*C*inv(S) - n*inv(S))*dS)
grad(l, S) = 1/2*(inv(S)*C*inv(S) - n*inv(S))
1/2*(inv(S)*C*inv(S) - n*inv(S)) = 0
S = C/n""",
    "drrrmr",
    declare="S : p×p symmetric posdef; C : p×p symmetric; n : scalar",
)
d(
    "gaussian-w",
    """l = -n/2*logdet(S) - 1/2*tr(inv(S)*C)
grad(l, S) = 1/2*(inv(S)*C*inv(S) - n*inv(S))
grad(l, S) = 0
S = C""",
    "drmw",
    4,
    "other",
    declare="S : p×p symmetric posdef; C : p×p symmetric; n : scalar",
)
d(
    "ridge-solution",
    """f = norm2(A*x - b)^2 + lambda*norm2(x)^2
grad(f, x) = 2*A'*(A*x - b) + 2*lambda*x
grad(f, x) = 0
(A'*A + lambda*eye(n))*x = A'*b
x = inv(A'*A + lambda*eye(n))*A'*b""",
    "drmmr",
    declare="A : m×n; x : n; b : m; lambda : scalar positive",
)
d(
    "ridge-solution-w",
    """f = norm2(A*x - b)^2 + lambda*norm2(x)^2
grad(f, x) = 2*A'*(A*x - b) + 2*lambda*x
grad(f, x) = 0
x = inv(A'*A - lambda*eye(n))*A'*b""",
    "drmw",
    4,
    None,
    declare="A : m×n; x : n; b : m; lambda : scalar positive",
)
d(
    "latex-chain",
    r"""$$f(w) = \sum_{i=1}^{m} (x_i^\top w - y_i)^2$$
$$\nabla f(w) = 2 \sum_{i=1}^{m} (x_i^\top w - y_i) x_i$$""",
    "dr",
    declare="x[i] : n; y[i] : scalar; w : n",
)
d(
    "latex-matrix",
    r"""\begin{align*}
f(X) &= \operatorname{tr}(A X B X^\top) \\
df &= \operatorname{tr}(A \, dX \, B X^\top) + \operatorname{tr}(A X B \, dX^\top) \\
&= \operatorname{tr}(B X^\top A \, dX) + \operatorname{tr}(B^\top X^\top A^\top dX) \\
\frac{\partial f}{\partial X} &= A^\top X B^\top + A X B
\end{align*}""",
    "drrr",
    declare="A : m×m; B : n×n; X : m×n",
)
d(
    "latex-matrix-w",
    r"""\begin{align*}
f(X) &= \operatorname{tr}(A X B X^\top) \\
df &= \operatorname{tr}(A \, dX \, B X^\top) + \operatorname{tr}(A X B \, dX^\top) \\
&= \operatorname{tr}(B X^\top A \, dX) + \operatorname{tr}(B X^\top A dX) \\
\frac{\partial f}{\partial X} &= 2 A^\top X B^\top
\end{align*}""",
    "drwf",
    4,
    "transpose|symmetric",
    declare="A : m×m; B : n×n; X : m×n",
)
d(
    "latex-words",
    r"""Let $r = Ax - b$, where $A \in \mathbb{R}^{m \times n}$. Then $f = \|r\|_2^2$ and so
\begin{equation}
\nabla_x f = 2 A^\top r = 2A^\top(Ax - b).
\end{equation}""",
    "mdmmmdmr",
)
d(
    "latex-bn",
    r"""\begin{align}
\mu &= \frac{1}{m}\mathbf{1}^\top x \\
c &= x - \mu \mathbf{1} \\
L &= \|c\|^2 \\
\nabla_c L &= 2c \\
\nabla_x L &= 2c - \frac{2}{m}\mathbf{1}\mathbf{1}^\top c
\end{align}""",
    "dddrr",
    declare="x : m",
)
d(
    "vjp",
    """y = A*x
z = exp(y)
f = c'*z
grad(f, z) = c
grad(f, y) = c.*z
grad(f, x) = A'*(c.*z)
 = A'*(c.*exp(A*x))""",
    "dddrrrr",
    declare="A : m×n; x : n; c : m",
)
d(
    "vjp-w",
    """y = A*x
z = exp(y)
f = c'*z
grad(f, z) = c
grad(f, y) = c
grad(f, x) = A'*c""",
    "dddrwf",
    5,
    "factor",
    declare="A : m×n; x : n; c : m",
)
d(
    "two-vars",
    """f = normF(X - U*V)^2
grad(f, U) = -2*(X - U*V)*V'
grad(f, V) = -2*U'*(X - U*V)
U = X*V'*inv(V*V')""",
    "drrm",
    declare="X : m×n; U : m×k; V : k×n",
)
d(
    "inverse-product",
    """d(inv(X)) = -inv(X)*dX*inv(X)
f = a'*inv(X)*b
d(f) = -a'*inv(X)*dX*inv(X)*b
 = -tr(inv(X)*b*a'*inv(X)*dX)
grad(f, X) = -(inv(X)*b*a'*inv(X))'
 = -inv(X)'*a*b'*inv(X)'""",
    "rdrrrr",
    declare="a : n; b : n; X : n×n invertible",
)
d(
    "inverse-product-w",
    """d(inv(X)) = -inv(X)*dX*inv(X)
f = a'*inv(X)*b
d(f) = -a'*inv(X)*dX*inv(X)*b
 = -tr(inv(X)*a*b'*inv(X)*dX)
grad(f, X) = -(inv(X)*a*b'*inv(X))'
 = -inv(X)'*b*a'*inv(X)'""",
    "rdrwff",
    4,
    "order|transpose|other",
    declare="a : n; b : n; X : n×n invertible",
)
d(
    "hadamard",
    """f = sum(A.*X.*X)
d(f) = sum(A.*dX.*X + A.*X.*dX)
 = 2*tr((A.*X)'*dX)
grad(f, X) = 2*A.*X""",
    "drrr",
    declare="A : m×n; X : m×n",
)
d(
    "sum-index",
    """f = sum(i in 1..N, (w'*x[i] - y[i])^2)/N
e[i] = w'*x[i] - y[i]
grad(f, w) = 2/N*sum(i in 1..N, e[i]*x[i])""",
    "ddr",
    declare="x[i] : d; y[i] : scalar; w : d",
)
d(
    "recurrence-def",
    """h[0] = h0
h[t] = tanh(W*h[t-1] + U*x[t]) for t in 1..T
L = loss(h[T])
grad(L, h[T-1]) = W'*(grad(L, h[T]).*(1 - h[T].^2))""",
    "dddr",
    declare="W : k×k; U : k×d; x[t] : d; h0 : k",
)
d(
    "comment",
    """# least squares
f = norm2(A*x - b)^2   # objective
grad(f, x) = 2*A'*(A*x - b)   # by the chain rule""",
    "dr",
)
d(
    "approx",
    """f = norm2(A*x - b)^2
grad(f, x) := 2*A'*(A*x - b)
 == 2*A'*A*x - 2*A'*b""",
    "drr",
)
d(
    "deriv-quot",
    """f = a'*exp(B*x)
u = B*x
df/du = a.*exp(u)
df/dx = B'*(df/du)
 = B'*(a.*exp(B*x))""",
    "ddrrr",
    declare="a : m; B : m×n; x : n",
)
d("no-problem-bad", """grad(norm2(A*x - b)^2, x) = A'*(A*x - b)""", "w", 1, "factor")
d(
    "wrong-then-two-follow-then-right",
    """L = loss(Y)
Y = X*W
grad(L, W) = grad(L, Y)'*X
grad(L, X) = grad(L, Y)*W'
grad(L, W) = X'*grad(L, Y)""",
    "ddwrr",
    3,
    "transpose",
    declare="X : m×d; W : d×k",
)
d(
    "numeric-dims",
    """f = x'*x
grad(f, x) = 2*x
hess(f, x) = 2*eye(3)""",
    "drr",
    declare="x : 3",
)
d(
    "recurrence-for2",
    """h[0] = h0
for t in 1..T:
    h[t] = tanh(W*h[t-1] + U*x[t])
L = sum(t in 1..T, norm2(h[t] - y[t])^2)
delta[T+1] = 0
delta[t] = (1 - h[t].^2).*(2*(h[t] - y[t]) + W'*delta[t+1]) for t in T..1
grad(L, W) = sum(t in 1..T, delta[t]*h[t-1]')
grad(L, U) = sum(t in 1..T, delta[t]*x[t]')
grad(L, U) = sum(t in 1..T, x[t]*delta[t]')""",
    "dmddddrrw",
    9,
    "transpose",
    declare="W : k×k; U : k×d; x[t] : d; y[t] : k; h0 : k",
)
d(
    "recurrence-members",
    """h[0] = h0
for t in 1..T:
    h[t] = tanh(W*h[t-1] + U*x[t])
L = loss(h[T])
grad(L, h[T]) = grad(loss, h[T])
grad(L, h[T-1]) = W'*(grad(L, h[T]).*(1 - h[T].^2))
grad(L, h[t]) = W'*(grad(L, h[t+1]).*(1 - h[t+1].^2))
grad(L, h[t]) = W*(grad(L, h[t+1]).*(1 - h[t+1].^2))""",
    "dmddrrrw",
    8,
    "transpose",
    declare="W : k×k; U : k×d; x[t] : d; h0 : k",
)
d(
    "long-bn",
    """mu = mean(X, rows)
Xc = X - ones(m)*mu'
v = mean(Xc.^2, rows)
s = 1./sqrt(v + eps)
Xh = Xc.*(ones(m)*s')
Y = Xh.*(ones(m)*gamma') + ones(m)*beta'
L = loss(Y)
grad(L, beta) = sum(grad(L, Y), rows)
grad(L, gamma) = sum(grad(L, Y).*Xh, rows)
grad(L, Xh) = grad(L, Y).*(ones(m)*gamma')
grad(L, Xc) = grad(L, Xh).*(ones(m)*s') - Xc.*(ones(m)*(s.^3.*sum(grad(L, Xh).*Xc, rows))')/m
grad(L, X) = grad(L, Xc) - ones(m)*mean(grad(L, Xc), rows)'""",
    "dddddddrrrrr",
    declare="X : m×d; gamma : d; beta : d; eps : scalar positive",
)
d(
    "long-bn-w",
    """mu = mean(X, rows)
Xc = X - ones(m)*mu'
v = mean(Xc.^2, rows)
s = 1./sqrt(v + eps)
Xh = Xc.*(ones(m)*s')
Y = Xh.*(ones(m)*gamma') + ones(m)*beta'
L = loss(Y)
grad(L, beta) = sum(grad(L, Y), rows)
grad(L, gamma) = sum(grad(L, Y).*Xh, cols)
grad(L, Xh) = grad(L, Y).*(ones(m)*gamma')
grad(L, Xc) = grad(L, Xh).*(ones(m)*s')
grad(L, X) = grad(L, Xc) - ones(m)*mean(grad(L, Xc), rows)'""",
    "dddddddrwrwr",
    9,
    "reduction",
    declare="X : m×d; gamma : d; beta : d; eps : scalar positive",
)
d(
    "lstm-cell",
    """i = sigmoid(Wi*x + Ui*h)
g = tanh(Wg*x + Ug*h)
c = f.*c0 + i.*g
L = loss(c)
grad(L, i) = grad(L, c).*g
grad(L, g) = grad(L, c).*i
grad(L, Wi) = (grad(L, i).*i.*(1 - i))*x'
grad(L, Wg) = (grad(L, g).*(1 - g.^2))*x'
grad(L, f) = grad(L, c).*c0
grad(L, h) = Ui'*(grad(L, i).*i.*(1 - i)) + Ug'*(grad(L, g).*(1 - g.^2))""",
    "ddddrrrrrr",
    declare="Wi : k×d; Ui : k×k; Wg : k×d; Ug : k×k; x : d; h : k; f : k; c0 : k",
)
d(
    "lstm-cell-w",
    """i = sigmoid(Wi*x + Ui*h)
g = tanh(Wg*x + Ug*h)
c = f.*c0 + i.*g
L = loss(c)
grad(L, i) = grad(L, c).*i
grad(L, g) = grad(L, c).*i
grad(L, Wi) = (grad(L, i).*i.*(1 - i))*x'
grad(L, h) = Ui'*(grad(L, i).*i.*(1 - i))""",
    "ddddwrrw",
    5,
    "other|wrong-point",
    declare="Wi : k×d; Ui : k×k; Wg : k×d; Ug : k×k; x : d; h : k; f : k; c0 : k",
)
d(
    "attention",
    """s = K*q/sqrt(d)
a = softmax(s)
o = V'*a
L = loss(o)
grad(L, a) = V*grad(L, o)
jac(a, s) = diag(a) - a*a'
grad(L, s) = a.*(grad(L, a) - (a'*grad(L, a))*ones(n))
grad(L, q) = K'*grad(L, s)/sqrt(d)
grad(L, V) = a*grad(L, o)'
grad(L, K) = grad(L, s)*q'/sqrt(d)""",
    "ddddrrrrrr",
    declare="K : n×d; q : d; V : n×e",
)
d(
    "attention-w",
    """s = K*q/sqrt(d)
a = softmax(s)
o = V'*a
L = loss(o)
grad(L, a) = V*grad(L, o)
grad(L, s) = a.*grad(L, a)
grad(L, q) = K'*grad(L, s)
grad(L, V) = grad(L, o)*a'""",
    "ddddrwww",
    6,
    "other|missing-term|missing-path",
    declare="K : n×d; q : d; V : n×e",
)
d(
    "kl-gauss",
    """f = 1/2*(tr(inv(S)*C) + (m - u)'*inv(S)*(m - u) - k + logdet(S) - logdet(C))
grad(f, m) = inv(S)*(m - u)
grad(f, u) = -inv(S)*(m - u)
grad(f, C) = 1/2*(inv(S) - inv(C))
grad(f, S) = 1/2*(inv(S) - inv(S)*C*inv(S) - inv(S)*(m - u)*(m - u)'*inv(S))""",
    "drrrr",
    declare="S : n×n symmetric posdef; C : n×n symmetric posdef; m : n; u : n; k : scalar",
)
d(
    "kl-gauss-w",
    """f = 1/2*(tr(inv(S)*C) + (m - u)'*inv(S)*(m - u) - k + logdet(S) - logdet(C))
grad(f, m) = inv(S)*(m - u)/2
grad(f, u) = -inv(S)*(m - u)
grad(f, C) = 1/2*(inv(S) - C)
grad(f, S) = 1/2*(inv(S) + inv(S)*C*inv(S) - inv(S)*(m - u)*(m - u)'*inv(S))""",
    "dwrww",
    2,
    "factor",
    declare="S : n×n symmetric posdef; C : n×n symmetric posdef; m : n; u : n; k : scalar",
)
d(
    "woodbury",
    """M = A + U*V'
N = inv(A) - inv(A)*U*inv(eye(k) + V'*inv(A)*U)*V'*inv(A)
inv(M) = N
inv(M)*U = inv(A)*U*inv(eye(k) + V'*inv(A)*U)""",
    "ddrr",
    declare="A : n×n invertible; U : n×k; V : n×k",
)
d(
    "woodbury-w",
    """M = A + U*V'
inv(M) = inv(A) - inv(A)*U*inv(eye(k) + V'*inv(A)*U)*V'
det(M) = det(A)*det(eye(k) + V'*inv(A)*U)""",
    "dwr",
    2,
    "factor|other|missing-path",
    declare="A : n×n invertible; U : n×k; V : n×k",
)
d(
    "trace-identities",
    """tr(A*B) = tr(B*A) = tr(A'*B') = vec(A')'*vec(B)
normF(A)^2 = tr(A'*A) = sum(A.*A) = vec(A)'*vec(A)
vec(A*X*B) = kron(B', A)*vec(X)
det(A*B) = det(A)*det(B)
tr(A*B) = tr(A)*tr(B)
inv(A + B) = inv(A) + inv(B)""",
    "rrrrww",
    5,
    "",
    declare="A : n×n; B : n×n; X : n×n",
)
d(
    "newton",
    """f = sum(exp(A*x)) - b'*x
g = grad(f, x) = A'*exp(A*x) - b
H = hess(f, x) = A'*diag(exp(A*x))*A
p = -inv(H)*g""",
    "drrd",
    declare="A : m×n; x : n; b : n",
)
d(
    "sgd",
    """L = norm2(X*w - y)^2/m
g = 2/m*X'*(X*w - y)
grad(L, w) = g
w_new = w - eta*g""",
    "ddrd",
    declare="X : m×n; w : n; y : m; eta : scalar",
)
d(
    "mixed-latex-text",
    r"""f(x) = \|Ax - b\|^2
\nabla f = 2A^T(Ax - b)
= 2A^TAx - 2A^Tb""",
    "drr",
)
d(
    "eqn-numbers",
    """f = tr(X*A) + logdet(X)    (1)
grad(f, X) = A' + inv(X)'    (2)""",
    "dr",
    declare="A : n×n; X : n×n invertible",
)
d(
    "arrow",
    """f = x'*A*x
=> grad(f, x) = (A + A')*x
=> hess(f, x) = A + A'""",
    "drr",
    declare="A : n×n; x : n",
)
d(
    "partial",
    """L = loss(h)
h = W*x
dL/dh = G
dL/dW = G*x'
dL/dx = W'*G""",
    "dddrr",
    declare="W : m×n; x : n",
)
d(
    "partial-w",
    """L = loss(h)
h = W*x
dL/dW = x*(dL/dh)'
dL/dx = (dL/dh)'*W""",
    "ddwr",
    3,
    "transpose",
    declare="W : m×n; x : n",
)
d(
    "sum-by-parts",
    """f = sum(i in 1..N, log(1 + exp(-y[i]*(w'*x[i])))) + lambda/2*norm2(w)^2
grad(f, w) = sum(i in 1..N, -y[i]*sigmoid(-y[i]*(w'*x[i]))*x[i]) + lambda*w
hess(f, w) = sum(i in 1..N, y[i]^2*sigmoid(y[i]*(w'*x[i]))*sigmoid(-y[i]*(w'*x[i]))*x[i]*x[i]') + lambda*eye(d)""",
    "drr",
    declare="x[i] : d; y[i] : scalar; w : d; lambda : scalar",
)
d(
    "sum-by-parts-w",
    """f = sum(i in 1..N, log(1 + exp(-y[i]*(w'*x[i])))) + lambda/2*norm2(w)^2
grad(f, w) = sum(i in 1..N, -y[i]*sigmoid(-y[i]*(w'*x[i]))*x[i])
hess(f, w) = sum(i in 1..N, y[i]^2*sigmoid(y[i]*(w'*x[i]))*sigmoid(-y[i]*(w'*x[i]))*x[i]*x[i]')""",
    "dwf",
    2,
    "missing-term",
    declare="x[i] : d; y[i] : scalar; w : d; lambda : scalar",
)
d(
    "latex-long",
    r"""\begin{align}
L &= -\sum_{k} y_k \log p_k = -y^\top \log p \\
p &= \operatorname{softmax}(z) \\
z &= W x \\
\frac{\partial L}{\partial z} &= p - y \\
\frac{\partial L}{\partial W} &= (p - y) x^\top \\
\frac{\partial L}{\partial x} &= W^\top (p - y)
\end{align}""",
    "rddrrr",
    declare="W : k×d; x : d; y : k stochastic",
)
d(
    "latex-matrix-deriv",
    r"""\begin{align*}
\mathrm{d} \log|X| &= \operatorname{tr}(X^{-1} \mathrm{d}X) \\
\frac{\partial \log|X|}{\partial X} &= X^{-\top}
\end{align*}""",
    "rr",
    declare="X : n×n invertible",
)
d(
    "latex-matrix-deriv-w",
    r"""\begin{align*}
\mathrm{d} \log|X| &= \operatorname{tr}(X^{-1} \mathrm{d}X) \\
\frac{\partial \log|X|}{\partial X} &= X^{-1}
\end{align*}""",
    "rw",
    3,
    "transpose",
    declare="X : n×n invertible",
)
d(
    "given-problem-latex",
    r"""\nabla_W L = X^\top (P - Y)/m
= \frac{1}{m}X^\top P - \frac1m X^\top Y""",
    "rr",
    problem="X : m×d; W : d×k; Y : m×k stochastic; P = softmax(X*W, rowwise); L = -sum(Y.*log(P))/m",
    wrt="W",
)
