"""True answers are never called wrong, wrong ones never correct: answers that agree on one side of a kink, at positive
entries, for one size, up to a part in a thousand; and right ones in forms that are far away."""

from __future__ import annotations

import pytest

import matcalc

# the problem, the variable, the answer, the verdicts that are fair
ANSWERS = [
    # agree only at positive entries
    ("x : n; c : n; c'*abs(x)", "x", "c", "wrong"),
    ("x : n; sum(abs(x).*x)", "x", "2*x", "wrong"),
    ("x : n; sum(abs(x).*x)", "x", "2*abs(x)", "correct"),
    ("x : n; sum(sqrt(x.^2))", "x", "ones(n)", "wrong"),
    ("x : n; sum(sqrt(x.^2))", "x", "x./sqrt(x.^2)", "correct"),
    ("x : n; sum(sqrt(x.^2))", "x", "sign(x)", "correct"),
    ("x : n positive; sum(sqrt(x.^2))", "x", "ones(n)", "correct"),
    ("c : scalar; x : n; sqrt(c^2)*norm2(x)^2", "x", "2*c*x", "wrong"),
    ("c : scalar positive; x : n; sqrt(c^2)*norm2(x)^2", "x", "2*c*x", "correct"),
    # square only
    ("A : m×n; x : n; norm2(A*x)^2", "x", "2*A*A*x", "wrong"),
    ("A : m×n; X : n×m; tr(A*X)", "X", "A", "wrong"),
    # kink side
    ("x : n; c : n; c'*relu(x)", "x", "c.*(x > 0)", "correct"),
    ("x : n; c : n; c'*relu(x)", "x", "c", "wrong"),
    ("x : n; c : n; c'*relu(x)", "x", "c.*(x >= 0)", "correct"),
    ("x : n; c : n; c'*max(x, 0.1*x)", "x", "c.*(0.1 + 0.9*(x > 0))", "correct"),
    ("x : n; c : n; c'*max(x, 0.1*x)", "x", "c.*(x > 0)", "wrong"),
    ("X : m×n; y : m; w : n; sum(max(0, 1 - y.*(X*w)))", "w", "-X'*(y.*(y.*(X*w) > 1))", "wrong"),
    # n = 2 only
    ("X : n×n invertible; det(X)", "X", "tr(X)*eye(n) - X'", "wrong"),
    ("X : 2×2 invertible; det(X)", "X", "tr(X)*eye(2) - X'", "correct"),
    ("x : n; (x'*x)^2/2", "x", "(x'*x)*x*2/2*n/2", "wrong"),
    # factors near one
    ("x : n; x'*x", "x", "2.002*x", "wrong"),
    ("x : n; x'*x", "x", "2.0004*x", "wrong"),
    ("x : n; x'*x", "x", "2.00000001*x", "undecided"),
    ("x : n; x'*x", "x", "2.00001*x", "undecided"),
    ("x : n; x'*x", "x", "2.0000000000001*x", "correct"),
    ("A : m×n; x : n; sum(sin(A*x))", "x", "A'*(cos(A*x) + 1e-3*x)", "unreadable"),
    ("A : m×n; x : n; sum(sin(A*x))", "x", "A'*cos(A*x) + 0.0005*x", "wrong"),
    ("x : n; norm2(x)^2", "x", "2*x + 0*x", "correct"),
    # equal forms far away
    ("A : m×n; lambda : scalar positive; b : m; x : n; norm2(A*x - b)^2/2 + lambda/2*norm2(x)^2", "x", "(A'*A + lambda*eye(n))*(x - A'*inv(A*A' + lambda*eye(m))*b)", "correct"),
    ("A : m×n; lambda : scalar positive; b : m; x : n; norm2(A*x - b)^2/2 + lambda/2*norm2(x)^2", "x", "(A'*A + lambda*eye(n))*(x - inv(A'*A + lambda*eye(n))*A'*b)", "correct"),
    ("x : n; log(sum(exp(x)))", "x", "exp(x - log(sum(exp(x)))*ones(n))", "correct"),
    ("x : n; sum(log(1 + exp(x)))", "x", "(1 + tanh(x/2))/2", "correct"),
    ("x : n; sum(tanh(x))", "x", "1./cosh(x).^2", "correct"),
    ("x : n; sum(tanh(x))", "x", "4*sigmoid(2*x).*sigmoid(-2*x)", "correct"),
    ("x : n; sum(sin(x).^2)", "x", "sin(2*x)", "correct"),
    ("X : n×n; tr(X*X')", "X", "X + X", "correct"),
    ("X : n×n invertible; logdet(X)", "X", "(inv(X'*X)*X')'", "correct"),
    ("X : m×n; logdet(X'*X)", "X", "2*pinv(X)'", "correct|unreadable"),
    # batch-norm: zero backward
    ("x : m; mu = sum(x)/m; xh = (x - mu*ones(m))/sqrt(sum((x - mu*ones(m)).^2)/m); L = loss(xh)", "x", "zeros(m)", "wrong"),
    ("x : m; mu = sum(x)/m; xh = (x - mu*ones(m))/sqrt(sum((x - mu*ones(m)).^2)/m); sum(xh)", "x", "zeros(m)", "correct"),
    # opaque
    ("f : elementwise; x : n; c : n; c'*f(x)", "x", "c.*f'(x)", "correct"),
    ("f : elementwise; x : n; c : n; c'*f(x)", "x", "c.*f(x)", "wrong"),
    ("f : elementwise; x : n; c : n; c'*f(x)", "x", "c.*(1 - f(x).^2)", "wrong"),
    ("loss : function; W : m×n; x : n; loss(W*x)", "W", "grad(loss, W*x)*x'", "correct"),
    # symmetric samples hide
    ("A : n×n; x : n; x'*A*x", "x", "2*A*x", "wrong"),
    ("S : n×n symmetric; x : n; x'*S*x", "x", "2*S'*x", "correct"),
    ("S : n×n posdef; x : n; x'*inv(S)*x", "x", "(inv(S) + inv(S)')*x", "correct"),
    ("D : n×n diagonal; x : n; x'*D*x", "x", "2*diag(D).*x", "correct"),
    ("Q : n×n orthogonal; x : n; b : n; norm2(Q*x - b)^2", "x", "2*(x - Q'*b)", "correct"),
    ("Q : n×n; x : n; b : n; norm2(Q*x - b)^2", "x", "2*(x - Q'*b)", "wrong"),
    # mean vs sum / 1x1
    ("x : 1; y : 1; x'*y", "x", "y'", "correct"),
    ("X : 1×n; c : n; X*c", "X", "c", "correct"),
    ("X : 1×n; c : n; X*c", "X", "c'", "correct"),
    ("a : scalar; x : n; a*norm2(x)^2", "a", "x'*x", "correct"),
    ("a : scalar; x : n; a*norm2(x)^2", "a", "norm2(x)^2*a/a", "correct"),
    ("a : scalar; x : n; a*norm2(x)^2", "a", "a", "wrong"),
    # answers undefined half the domain
    ("a : scalar; a^3", "a", "3*exp(2*log(a))", "correct|undecided"),
    ("a : scalar; a^3", "a", "3*a^2*log(a)/log(a)", "correct|undecided"),
    ("a : scalar; x : n; norm2(x)^2", "x", "2*x*sqrt(a)/sqrt(a)", "correct|undecided"),
    ("x : n; sum(x)", "x", "x./x", "correct"),
    # large magnitudes
    ("x : n; sum(exp(50*x))", "x", "50*exp(50*x)", "correct"),
    ("x : n; sum(exp(50*x))", "x", "51*exp(50*x)", "wrong"),
    ("x : n; c : n; c'*x + 1e-9*x'*x", "x", "c", "undecided|wrong"),
]  # fmt: skip


@pytest.mark.parametrize(("problem", "wrt", "answer", "fair"), ANSWERS, ids=lambda v: str(v)[:40])
def test_the_verdict_is_fair(problem: str, wrt: str, answer: str, fair: str) -> None:
    verdict = matcalc.check(problem, wrt, answer)
    assert verdict.status in fair.split("|"), verdict
