"""Rules as data: the format and its errors, the truth of every bundled rule, and what their mutants come to."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from matcalc.errors import MatcalcError, RuleError
from matcalc.language.functions import FUNCTIONS
from matcalc.language.terms import subterms
from matcalc.numeric.rulecheck import TRIALS
from matcalc.rewriting.mutants import mutants
from matcalc.rewriting.rules import CONDITIONS, KINDS, IllShaped, Rule, load, parse_rules, read_statements, rule_book
from matcalc.trust import ENOUGH, Report, is_needed, surviving_mutants, verify, verify_file, with_checked

BOOK = rule_book()
TRUE = [s.id for s in BOOK.statements if not s.false]
FALSE = [s.id for s in BOOK.statements if s.false]
TRUE_MUTANTS = Path(__file__).parent / "data" / "true_mutants.txt"

# What the calculus relies on by name.
NEEDED = """
d-constant d-add d-neg d-product d-left d-right d-hadamard d-hadamard-left d-quotient d-quotient-constant d-reciprocal
d-hquotient d-hquotient-constant d-hreciprocal d-power-scalar d-power-exponent d-hpower d-transpose d-inverse d-det
d-logdet d-trace d-sum d-diag d-diagvec d-vec d-unvec d-kron d-inner d-norm1 d-norm2 d-normF d-norm2-square
d-normF-square d-softmax d-logsumexp d-log-det d-function d-call d-grad power-product
adjoint-add adjoint-neg adjoint-left adjoint-right adjoint-scale adjoint-scalar adjoint-divide adjoint-hadamard
adjoint-hdivide adjoint-transpose adjoint-trace adjoint-sum adjoint-diag adjoint-diagvec adjoint-vec adjoint-unvec
adjoint-inner adjoint-kron-left adjoint-kron-right inner-trace inner-vector inner-scalar
linear-transform-left linear-transform-right
transpose-transpose transpose-product transpose-sum transpose-inverse transpose-symmetric trace-cyclic trace-transpose
trace-sum trace-scale inverse-product inverse-inverse inverse-cancel det-product det-inverse det-transpose
logdet-product log-det factor-left factor-right factor-scalar factor-hadamard hadamard-diag-left hadamard-outer
diag-vector sum-ones norm2-square normF-square softmax-definition logsumexp-definition sigmoid-definition collect-terms
"""


# ------------------------------------------------------------------------------------ the bundled book
def test_every_rule_named_elsewhere_is_there() -> None:
    assert [id for id in NEEDED.split() if id not in BOOK or BOOK.statement(id).false] == []


def test_every_rule_has_a_sentence_and_every_true_rule_a_source() -> None:
    assert [s.id for s in BOOK.statements if not s.say] == []
    assert [s.id for s in BOOK.statements if not s.false and not s.source] == []


def test_every_file_begins_by_saying_what_it_holds() -> None:
    for file in sorted((Path(__file__).parent.parent / "rules").glob("*.rules")):
        assert file.read_text(encoding="utf-8").startswith("# "), file.name
    assert len(BOOK.groups) == len(list((Path(__file__).parent.parent / "rules").glob("*.rules")))


@pytest.mark.parametrize("group", BOOK.groups)
def test_every_rule_is_tested_and_every_false_rule_is_shown_false(group: str) -> None:
    refused = [r.render() for r in verify(BOOK.group(group)) if not r.ok]
    assert refused == [], "\n" + "\n".join(refused)


def test_a_tested_rule_has_enough_samples_at_different_sizes() -> None:
    assert TRIALS >= ENOUGH >= 20
    assert all(r.samples >= ENOUGH for r in verify(BOOK[id] for id in ("d-product", "adjoint-left", "log-product")))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_elementwise_function_has_its_differential(name: str) -> None:
    rule = BOOK[f"d-{name}"]
    assert [(s.op, s.data) for s in subterms(rule.lhs)][:2] == [("d", None), ("fn", (name, 0))]
    assert rule.lhs.args[0].args[0].op == "sym"


def test_every_condition_is_used_or_at_least_understood() -> None:
    text = "".join(f"r-{name}: A = A    if {name}(A)\n" for name in CONDITIONS)
    assert [r.conditions[0].name for r in parse_rules("matrix A\n" + text, "t.rules")] == list(CONDITIONS)


def test_rules_are_the_same_each_time_they_are_read() -> None:
    again = load(Path(__file__).parent.parent / "rules" / "trace.rules")
    assert [(r.id, r.lhs, r.rhs, r.conditions) for r in again] == [
        (r.id, r.lhs, r.rhs, r.conditions) for r in BOOK.group("trace")
    ]


def canonical(rule: Rule) -> frozenset[tuple[str, str]]:
    """Both directions of the identity, metavariables and sizes numbered in order of appearance."""
    sides = (str(rule.lhs), str(rule.rhs))
    out = []
    for one, other in (sides, sides[::-1]):
        names: dict[str, str] = {}
        for word in re.findall(r"\w+", one):
            if word in rule.metavars or word in rule.functions or re.fullmatch(r"n\d+", word):
                names.setdefault(word, f"<{len(names)}>")
        out.append(tuple("".join(names.get(w, w) for w in re.split(r"(\w+)", side)) for side in (one, other)))
    return frozenset(out)  # type: ignore[arg-type]


def test_no_two_rules_say_the_same() -> None:
    seen: dict[object, str] = {}
    double = []
    for rule in BOOK:
        if rule.group == "mistakes":  # told in one direction: what is meant and what is written
            continue
        key = (canonical(rule), tuple(sorted(rule.metavars.values())), tuple(c.name for c in rule.conditions))
        if key in seen:
            double.append((seen[key], rule.id))
        seen[key] = rule.id
    assert double == []


# ------------------------------------------------------------------------------------------- mutants
def listed_mutants() -> dict[tuple[str, str], str]:
    """The reviewed list: (rule, mutant's right side) -> why it is true."""
    out: dict[tuple[str, str], str] = {}
    reason = ""
    for line in TRUE_MUTANTS.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            reason = line.removeprefix("## ")
        elif line and not line.startswith("#"):
            rule, _, mutant = line.partition(": ")
            assert reason and (rule, mutant) not in out, line
            out[rule, mutant] = reason
    return out


def test_every_mutant_of_every_rule_is_refused_or_reviewed() -> None:
    alive: set[tuple[str, str]] = set()
    by_shape = by_value = 0
    for id in TRUE:
        found, shape, value = surviving_mutants(BOOK[id])
        alive |= {(id, str(m.term)) for m in found}
        by_shape, by_value = by_shape + shape, by_value + value
    reviewed = set(listed_mutants())
    assert sorted(alive - reviewed) == [], "true, or wrongly accepted: review them"
    assert sorted(reviewed - alive) == [], "on the list, but refused or not made any more"
    assert by_shape > 1000 and by_value > 1000


def test_mutants_are_edits_of_the_right_side() -> None:
    rule = BOOK["d-inverse"]
    made = {str(m.term) for m in mutants(rule.rhs) if m.term is not None}
    assert "inv(X)*d(X)*inv(X)" in made  # sign
    assert "-d(X)*inv(X)*inv(X)" in made  # swap
    assert "-inv(X)'*d(X)*inv(X)" in made  # transpose
    assert "-X*d(X)*inv(X)" in made  # inverse dropped
    assert "-d(X)*inv(X)" in made  # factor dropped
    assert "2*(-inv(X)*d(X)*inv(X))" in made  # factor 2
    assert any(m.term is None for m in mutants(BOOK["d-left"].rhs))  # a transpose that does not fit
    assert rule.rhs not in {m.term for m in mutants(rule.rhs)}


# --------------------------------------------------------------------------------- what is refused
def report(text: str, tmp_path: Path) -> Report:
    file = tmp_path / "user.rules"
    file.write_text(text, encoding="utf-8")
    return verify_file(file)[-1]


@pytest.mark.parametrize(
    "rule",
    [
        "matrix A B\nr: inv(A + B) = inv(A) + inv(B)",
        "square S T\nr: det(S + T) = det(S) + det(T)",
        "square S T\nr: tr(S*T) = tr(S)*tr(T)",
        "square S T\nr: S*T = T*S",
        "square S T\nr: (S*T)' = S'*T'",
        "vector x y\nr: norm2(x + y) = norm2(x) + norm2(y)",
        "vector x\nscalar c\nr: norm2(c*x) = c*norm2(x)",  # true for positive c
        "matrix X\nr: sqrt(X.^2) = X",  # true for positive entries
        "matrix X Y\nr: log(X.*Y) = log(X) + log(Y)",  # true for positive entries
        "matrix X\nr: relu(X) = X",  # true for positive entries
        "matrix A X\nr: d(A*X) = A*d(X)",  # true where A is constant
        "scalar s t\nr: log(s*t) = log(s) + log(t)",  # true for positive numbers
        "scalar s c\nr: log(s^c) = c*log(s)",  # fails for even powers of negative numbers
        "square S\nr: S' = S",
        "matrix A B\nr: tr(A*B) = tr(A)*tr(B)",  # ill-shaped, and false for square matrices too
        "matrix A B\nr: tr(A*B) = tr(A'*B)",
        "matrix A B\nr: A*B = B*A",
        "matrix A\nr: A' = A",
    ],
)
def test_a_false_rule_is_refused_with_its_counterexample(rule: str, tmp_path: Path) -> None:
    found = report(rule, tmp_path)
    assert found.status == "refuted"
    assert found.counterexample is not None
    assert "left side  = " in found.render() and "right side = " in found.render()
    assert max(found.counterexample.sizes.values(), default=1) <= 4
    assert found.as_dict()["counterexample"]["values"].keys() == found.counterexample.values.keys()


@pytest.mark.parametrize(
    "rule",
    [
        "matrix A B\nr: inv(A*B) = inv(B)*inv(A)",  # rectangular factors are legal on the left
        "matrix A B\nr: det(A*B) = det(A)*det(B)",
        "matrix A B X\nr: inv(A*B) - inv(A*B) + X = inv(B)*inv(A) - inv(B)*inv(A) + X",
        "vector x\nr: x*x' = x'*x",
        "matrix A\nr: logdet(A'*A) = 2*logdet(A)",
    ],
)
def test_a_right_side_that_is_more_special_is_ill_shaped(rule: str, tmp_path: Path) -> None:
    found = report(rule, tmp_path)
    assert found.status == "ill-shaped", found.render()
    assert ("square(A)" in found.message) == ("matrix" in rule)
    with pytest.raises(IllShaped):
        load(tmp_path / "user.rules")


@pytest.mark.parametrize(
    ("rule", "condition"),
    [
        ("matrix A\nr: A'' = A    if symmetric(A)", "symmetric(A)"),
        ("matrix A\nr: d(tr(A)) = tr(d(A))    if constant(A)", "constant(A)"),
        ("matrix A B\nr: tr(A*B) = tr(B*A)    if square(A)", "square(A)"),
        ("scalar c s\nr: exp(c)*exp(s) = exp(c + s)    if positive(c)", "positive(c)"),
        ("square A B\nr: inv(A*B) = inv(B)*inv(A)    if invertible(B)", "invertible(B)"),
    ],
)
def test_a_needless_condition_is_reported(rule: str, condition: str, tmp_path: Path) -> None:
    found = report(rule, tmp_path)
    assert found.status == "needless-condition" and condition in found.message


def test_a_rule_without_samples_is_undecided(tmp_path: Path) -> None:
    assert report("matrix X\nr: log(-exp(X)) = X", tmp_path).status == "undecided"


def test_every_sign_pattern_of_the_scalars_is_sampled() -> None:
    from matcalc.trust import samples_of

    rule = parse_rules("scalar a b c\nr: a*b*c = c*b*a", "t.rules")[0]
    seen = {tuple(np.sign(float(s.point.values[n][0, 0])) for n in "abc") for s in samples_of(rule)}
    assert len(seen) == 8


def test_samples_have_different_sizes_and_both_signs() -> None:
    from matcalc.trust import samples_of

    for s in samples_of(BOOK["d-product"]):
        assert len(set(s.point.sizes.values())) == len(s.point.sizes)
    entries = np.concatenate([s.point.values["A"].ravel() for s in samples_of(BOOK["d-product"])])
    assert entries.min() < 0 < entries.max()


def test_a_false_line_that_holds_is_reported(tmp_path: Path) -> None:
    assert report("matrix A B\nfalse r: A + B = B + A", tmp_path).status == "not-shown-false"


def test_conditions_of_bundled_rules_are_needed() -> None:
    for id in TRUE:
        rule = BOOK[id]
        assert [str(c) for c in rule.conditions if not is_needed(rule, c)] == [], id


def test_verification_is_deterministic(tmp_path: Path) -> None:
    text = "matrix A B\nr: inv(A + B) = inv(A) + inv(B)"
    assert report(text, tmp_path).render() == report(text, tmp_path).render()


# ------------------------------------------------------------------------------------- user's rules
def test_a_checked_file_joins_the_book(tmp_path: Path) -> None:
    file = tmp_path / "mine.rules"
    file.write_text("vector u v\nmine: sum(u.*v) = v'*u\n    say  as a scalar product\n", encoding="utf-8")
    book = with_checked(BOOK, file)
    assert book["mine"].say == "as a scalar product" and "mine" not in BOOK
    assert book["mine"].group == "mine" and book["d-product"] is BOOK["d-product"]


def test_a_false_file_does_not_join_the_book(tmp_path: Path) -> None:
    file = tmp_path / "mine.rules"
    file.write_text("square S T\nmine: S*T = T*S\n", encoding="utf-8")
    with pytest.raises(RuleError, match="left side"):
        with_checked(BOOK, file)


def test_an_id_of_the_book_cannot_be_taken(tmp_path: Path) -> None:
    file = tmp_path / "mine.rules"
    file.write_text("matrix A\nd-add: A'' = A\n", encoding="utf-8")
    with pytest.raises(RuleError, match=r"the id 'd-add' is taken: rules/differential.rules:\d+"):
        BOOK.with_user(file)


def test_an_unknown_rule_is_met_with_the_nearest() -> None:
    with pytest.raises(RuleError) as e:
        BOOK["trace-cycle"]
    assert "trace-cyclic" in e.value.hint
    assert BOOK.get("trace-cycle") is None
    with pytest.raises(RuleError):
        BOOK.group("traces")


# ------------------------------------------------------------------------------- errors of the format
@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("matrix A\nr: A = A\n   sya  no", "t.rules:3: 'sya' is not a tag", "say"),
        ("matrix A\nr: A' = A  if symetric(A)", "t.rules:2: 'symetric' is not a condition", "symmetric"),
        ("matrx A\nr: A = A", "t.rules:1: 'matrx' is not a kind", "matrix"),
        ("matrix A\nr: A'' = A\nr: A = A", "t.rules:3: the id 'r' is taken: t.rules:2", ""),
        ("matrix A\nr: A'' = A if square(B)", "t.rules:2: 'B' in square(B) is not declared", ""),
        ("matrix A\nfunction f\nr: d(f(A)) = d(f(A)) if square(f)", "'f' in square(f) is not declared", ""),
        ("matrix A\nfalsch r: A = A", "a rule is written", "false"),
        ("matrix A\nr: A'' = A\n   say a\n   say b", "t.rules:4: 'say' is said twice", ""),
        ("   say a", "t.rules:1: 'say' stands before the first rule", ""),
        ("matrix A\nr: A'' = A\n   say", "t.rules:3: 'say' says nothing", ""),
        ("matrix A\nr: A'' A", "a rule states one equation", ""),
        ("matrix A\nr: A = A = A", "a rule states one equation", ""),
        ("matrix A\nr: A = A if", "", ""),
        ("matrix A\nr: A = A if square(A) symmetric(A)", "a comma is missing", ""),
        ("matrix A\nr: A = A if square(A), square(A)", "is said twice", ""),
        ("matrix A\nr: A = A if square", "conditions are written", ""),
        ("matrix A\nscalar A", "t.rules:2: 'A' is declared already as matrix", ""),
        ("matrix", "t.rules:1: 'matrix' declares no name", ""),
        ("matrix A-B", "t.rules:1: 'A-B' is not a name", ""),
        ("matrix A\nr!: A = A", "'r!' is not an id", ""),
        ("matrix A\nr: A = B", "t.rules:2: r:", ""),
        ("matrix A B\nr: A = A + B - B", "B is on the right side only", ""),
        ("vector x\nsize k\nr: x'*x = x'*x + tr(eye(k))", "the size k is on the right side only", ""),
        ("matrix A B\nr: A'' = A  if symmetric(B)", "speaks of a name that is not in the rule", ""),
        ("matrix A\nr: (A' = A", "t.rules:2: r:", ""),
        ("matrix A\nr: A'' = tanhh(A)", "t.rules:2: r:", "tanh"),
        ("function u ->\n", "function u -> m", ""),
    ],
)
def test_errors_name_the_line_and_the_likely_repair(text: str, message: str, hint: str) -> None:
    with pytest.raises(MatcalcError) as e:
        parse_rules(text, "t.rules")
    assert isinstance(e.value, RuleError)
    assert message in e.value.message and hint in e.value.hint
    assert "^" in e.value.render()


def test_hostile_files_end_in_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="cannot be read"):
        load(tmp_path / "nowhere.rules")
    (tmp_path / "bytes.rules").write_bytes(b"\xff\xfe\x00r: A = A")
    with pytest.raises(RuleError, match="cannot be read"):
        load(tmp_path / "bytes.rules")
    for text in ("\x00\x01", "r: " + "(" * 10000, "matrix A\nr: " + "A+" * 5000 + "A = A\n", "x" * 100000, ":" * 1000):
        with pytest.raises(RuleError):
            parse_rules(text, "t.rules")


def test_kinds_and_comments_and_metavariables() -> None:
    text = """
    # a comment
matrix A B   # another
scalar c
tangent H
function f
function u -> m
elementwise g
size m n
r-1: c*(A + B) = c*A + c*B   # a third
    say     multiplied out
    source  none
r-2: inner(A, H') = inner(A', H)
"""
    first, second = parse_rules(text, "dir/mine.rules")
    assert first.metavars == {"A": "matrix", "B": "matrix", "c": "scalar"} and first.functions == ()
    assert (first.say, first.source) == ("multiplied out", "none")
    assert (first.where, first.group) == ("dir/mine.rules:10", "mine")
    assert second.metavars == {"A": "matrix", "H": "tangent"}
    assert str(first) == "c*(A + B) = c*A + c*B"
    assert set(KINDS) >= {"matrix", "scalar", "tangent", "function", "elementwise", "size"}
    assert len(read_statements(text, "x")) == 2


# ------------------------------------------------------------------------------------------- pages
@pytest.mark.parametrize("group", BOOK.groups)
def test_every_rule_has_a_page_with_an_example(group: str) -> None:
    from matcalc.rulepages import explain, page

    for rule in BOOK.group(group):
        text = page(rule)
        assert text.startswith(rule.id) and rule.where in text
        assert ("counterexample" if rule.false else "in numbers") in text, text
        assert explain(rule)["example"]["numbers"], rule.id


def test_a_page_reads_like_this() -> None:
    from matcalc.rulepages import page

    assert page(BOOK["d-inverse"]).splitlines()[:10] == [
        "d-inverse",
        "  d(inv(X)) = -inv(X)*d(X)*inv(X)",
        "  differential of an inverse (from X*inv(X) = I)",
        "",
        "  X : m×m   a square matrix",
        "  source: Magnus & Neudecker, ch. 8; Matrix Cookbook, sec. 2",
        f"  stated in {BOOK['d-inverse'].where}",
        "",
        "example",
        "  d(inv(W*Z)) = -inv(W*Z)*d(W*Z)*inv(W*Z)",
    ]


def test_the_list_names_every_rule_once() -> None:
    from matcalc.rulepages import catalogue, listing

    lines = [line.split()[0] for line in listing(BOOK).splitlines() if line.startswith("  ")]
    assert lines == [s.id for s in BOOK.statements] == [entry["id"] for entry in catalogue(BOOK)]
