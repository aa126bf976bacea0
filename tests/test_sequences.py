"""Models over time and depth as people write them: the boundary values, the recurrences and the gradients of textbooks.

Every program is certified at several lengths; the lines below are those of a book, in its order.
"""

from __future__ import annotations

import re

import pytest

import matcalc
from matcalc.calculus.derive import replayed

MODELS: dict[str, tuple[str, tuple[str, ...]]] = {
    "an encoder and a decoder": (
        "h[0] = h0\nfor t in 1..S:\n    h[t] = tanh(W*h[t-1] + U*x[t])\ng[0] = h[S]\nfor t in 1..T:\n"
        "    g[t] = tanh(V*g[t-1])\nL = sum(t in 1..T, loss(R*g[t], y[t]))\nderive L wrt W, V, h0",
        (
            "delta_zg[T+1] = 0",
            "delta_zg[t] = (ones(m) - g[t].^2).*(R'*grad_1(loss)(R*g[t], y[t]) + V'*delta_zg[t+1]) for t = T, ..., 1",
            "delta_zh[S] = (ones(m) - h[S].^2).*(V'*delta_zg[1])",
            "delta_zh[t] = (ones(m) - h[t].^2).*(W'*delta_zh[t+1]) for t = S-1, ..., 1",
            "grad(L, V) = sum(t in 1..T, delta_zg[t]*g[t-1]')",
            "grad(L, h0) = W'*delta_zh[1]",
        ),
    ),
    "an Elman network with softmax": (
        "h[0] = zeros(m)\ny[t] : k stochastic\nfor t in 1..T:\n    h[t] = sigmoid(W*x[t] + U*h[t-1] + b)\n"
        "    p[t] = softmax(V*h[t] + c)\nL = -sum(t in 1..T, y[t]'*log(p[t]))\nderive L wrt W, U, V, b, c",
        (
            "delta_zp[t] = p[t] - y[t] for t = T, ..., 1",
            "delta_zh[T+1] = 0",
            "delta_zh[t] = h[t].*(ones(m) - h[t]).*(U'*delta_zh[t+1] + V'*delta_zp[t]) for t = T, ..., 1",
            "grad(L, U) = sum(t in 1..T, delta_zh[t]*h[t-1]')",
            "grad(L, c) = sum(t in 1..T, delta_zp[t])",
        ),
    ),
    "a Jordan network": (
        "y[0] = y0\nfor t in 1..T:\n    h[t] = tanh(W*x[t] + U*y[t-1])\n    y[t] = sigmoid(V*h[t])\n"
        "L = sum(t in 1..T, norm2(y[t] - d[t])^2)/2\nderive L wrt U, V",
        ("delta_zh[T+1] = 0", "grad(L, U) = sum(t in 1..T, delta_zh[t]*y[t-1]')"),
    ),
    "a highway network": (
        "x[0] = x0\nfor l in 1..K:\n    t[l] = sigmoid(A[l]*x[l-1])\n"
        "    x[l] = t[l].*tanh(B[l]*x[l-1]) + (1 - t[l]).*x[l-1]\nL = loss(x[K])\nderive L wrt A, B",
        (
            "delta_x[K] = grad(L, x[K])",
            "delta_zt[l] = t[l].*(ones(n) - t[l]).*delta_x[l].*(tanh(zx[l]) - x[l-1])",
            "grad(L, A[l]) = delta_zt[l]*x[l-1]' for l = 1, ..., K",
        ),
    ),
    "the costs of a linear system": (
        "Q : n×n symmetric; R : m×m symmetric; x[0] = x0\nfor t in 0..T-1:\n    x[t+1] = A*x[t] + B*u[t]\n"
        "J = sum(t in 0..T-1, x[t]'*Q*x[t] + u[t]'*R*u[t]) + x[T]'*Q*x[T]\nderive J wrt u, A, x0",
        (
            "delta[T] = 2*Q*x[T]",
            "delta[t] = A'*delta[t+1] + 2*Q*x[t] for t = T-1, ..., 1",
            "grad(J, u[t]) = B'*delta[t+1] + 2*R*u[t] for t = 0, ..., T-1",
            "grad(J, A) = sum(t in 1..T, delta[t]*x[t-1]')",
        ),
    ),
    "a smoother": (
        "Q : n×n symmetric; R : p×p symmetric\nJ = norm2(x[0] - m)^2/2 + sum(t in 1..T, (x[t] - A*x[t-1])'*Q*(x[t] - A*x[t-1]))/2"
        " + sum(t in 1..T, (y[t] - C*x[t])'*R*(y[t] - C*x[t]))/2\nderive J wrt x",
        (
            "grad(J, x[i]) = A'*Q*(A*x[i] - x[i+1]) + C'*R*(C*x[i] - y[i]) + Q*(x[i] - A*x[i-1]) for i = 1, ..., T-1",
            "grad(J, x[T]) = C'*R*(C*x[T] - y[T]) + Q*(x[T] - A*x[T-1])",
        ),
    ),
    "an echo state network": (
        "alpha : scalar; h[0] = zeros(m)\nfor t in 1..T:\n    h[t] = (1 - alpha)*h[t-1] + alpha*tanh(W*h[t-1] + V*x[t])\n"
        "L = sum(t in 1..T, norm2(R*h[t] - y[t])^2)\nderive L wrt R, alpha",
        (
            "grad(L, R) = 2*sum(t in 1..T, (R*h[t] - y[t])*h[t]')",
            "grad(L, alpha) = sum(t in 1..T, delta[t]'*tanh(z[t]) - delta[t]'*h[t-1])",
        ),
    ),
    "an autoregression of the second order": (
        "a, b, x0, x1 : scalar; y[t] : scalar; x[0] = x0; x[1] = x1\nfor t in 2..T:\n    x[t] = a*x[t-1] + b*x[t-2]\n"
        "L = sum(t in 0..T, (x[t] - y[t])^2)/2\nderive L wrt a, b, x0",
        (
            "delta[T+1] = 0",
            "delta[T+2] = 0",
            "delta[t] = x[t] - y[t] + a*delta[t+1] + b*delta[t+2] for t = T, ..., 2",
            "grad(L, b) = sum(t in 2..T, delta[t]*x[t-2])",
        ),
    ),
    "discounted returns": (
        "gamma : scalar; s[0] = s0\nfor t in 1..T:\n    s[t] = tanh(A*s[t-1] + B*u[t])\n"
        "J = sum(t in 1..T, gamma^t*(c'*s[t]))\nderive J wrt A, u, c",
        (
            "delta[t] = (ones(m) - s[t].^2).*(gamma^t*c + A'*delta[t+1]) for t = T, ..., 1",
            "grad(J, u[t]) = B'*delta[t] for t = 1, ..., T",
            "grad(J, c) = sum(t in 1..T, gamma^t*s[t])",
        ),
    ),
    "momentum, unrolled": (
        "A : n×n symmetric; mu : scalar; x[0] = x0; v[0] = zeros(n)\nfor k in 1..K:\n    v[k] = mu*v[k-1] - eta*(A*x[k-1] - b)\n"
        "    x[k] = x[k-1] + v[k]\nL = norm2(x[K] - z)^2/2\nderive L wrt eta, mu",
        (
            "delta_x[K] = x[K] - z",
            "delta_v[k] = mu*delta_v[k+1] + delta_x[k]",
            "grad(L, eta) = -sum(k in 1..K, delta_v[k]'*(A*x[k-1] - b))",
            "grad(L, mu) = sum(k in 1..K, delta_v[k]'*v[k-1])",
        ),
    ),
    "two directions": (
        "f[0] = f0\nfor t in 1..T:\n    f[t] = tanh(A*f[t-1] + B*x[t])\ng[T+1] = g1\nfor t in T..1 down:\n"
        "    g[t] = tanh(C*g[t+1] + D*x[t])\nL = sum(t in 1..T, loss(P*f[t] + Q*g[t], y[t]))\nderive L wrt C, x",
        (
            "delta_zg[0] = 0",
            "grad(L, C) = sum(t in 1..T, delta_zg[t]*g[t+1]')",
            "grad(L, x[t]) = B'*delta_zf[t] + D'*delta_zg[t] for t = 1, ..., T",
        ),
    ),
    "a graph network": (
        "A : n×n symmetric; H[0] = X\nfor l in 1..K:\n    H[l] = relu(A*H[l-1]*W[l])\nL = loss(H[K])\nderive L wrt W, X",
        (
            "delta[l] = step(z[l]).*(A*delta[l+1]*W[l+1]') for l = K-1, ..., 1",
            "grad(L, W[l]) = H[l-1]'*A*delta[l] for l = 1, ..., K",
        ),
    ),
    "residual layers with layer normalization": (
        "x[0] = x0\nfor i in 1..k:\n    u[i] = (x[i-1] - mean(x[i-1]))/sqrt(var(x[i-1]) + eps)\n"
        "    x[i] = x[i-1] + A[i]*relu(B[i]*u[i])\nL = loss(x[k])\nderive L wrt A, B, x0",
        ("delta_x[k] = grad(L, x[k])", "grad(L, B[i]) = delta_zx[i]*u[i]' for i = 1, ..., k"),
    ),
    "normalized scores as a family": (
        "eps : scalar positive; s[i] : m; mu = sum(i in 1..n, s[i])/n; v = sum(i in 1..n, (s[i] - mu).^2)/n\n"
        "for i in 1..n:\n    shat[i] = (s[i] - mu)./sqrt(v + eps)\nJ = sum(i in 1..n, loss(shat[i]))\nderive J wrt s",
        (
            "delta_v = sum(i in 1..n, delta_shat[i].*(mu - s[i])./z[i].^(3/2))/2",
            "grad(J, s[i]) = delta_shat[i]./sqrt(z[i]) + 2/n*(delta_v.*(s[i] - mu)) - sum(j in 1..n, delta_shat[j]./sqrt(z[j]))/n"
            " for i = 1, ..., n",
        ),
    ),
    "attention over the states of an encoder": (
        "h[0] = h0\nfor t in 1..S:\n    h[t] = tanh(W*h[t-1] + U*x[t])\nZ = sum(t in 1..S, exp(q'*h[t]))\n"
        "c = sum(t in 1..S, exp(q'*h[t])*h[t])/Z\nL = loss(V*c)\nderive L wrt V, W",
        ("delta_c = V'*grad(loss, V*c)", "delta_z[S+1] = 0",
            "delta_z[t] = exp(h[t]'*q)/Z*((ones(m) - h[t].^2).*((h[t]'*delta_c - c'*delta_c)*q + delta_c))"
            " + (W'*delta_z[t+1]).*(ones(m) - h[t].^2) for t = S, ..., 1", "grad(L, V) = grad(loss, V*c)*c'"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_derived_as_a_book_does(name: str) -> None:
    program, lines = MODELS[name]
    d = matcalc.derive(program)
    assert d.certificate.status == "verified" and replayed(d)
    assert all(len(lengths) >= 2 for lengths in d.certificate.lengths.values())
    told = iter([re.sub(r" {2,}", " ", line).strip() for line in d.report("text", steps="none").splitlines()])
    for line in lines:
        assert line in told, f"not told, or not in this order: {line}\n{d.report('text', steps='none')}"
