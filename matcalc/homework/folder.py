"""A folder of answers graded in one go: processes side by side, a limit on time and memory for each answer.

Invariants: every file gets a row, whatever is in it; an answer that is ended costs its own time only; the rows are in
the order of the files' names and do not depend on how many processes there are.
"""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue
from threading import Lock, Thread, Timer
from time import perf_counter
from typing import Any

from matcalc.errors import MatcalcError

__all__ = ["SUFFIXES", "Grade", "Grading", "grade_folder"]

SUFFIXES = {".txt": "auto", ".mc": "auto", ".ans": "auto", "": "auto", ".md": "auto", ".tex": "latex", ".py": "numpy"}
LARGEST_FILE = 200_000  # bytes
STARTING = 120.0  # seconds that a process may need until it is ready
COLUMNS = ("file", "status", "equal_up_to", "line", "kind", "message", "seconds")


@dataclass(frozen=True, slots=True)
class Grade:
    """One row: a file and the verdict on it, as data."""

    name: str
    verdict: Mapping[str, Any]
    seconds: float

    @property
    def status(self) -> str:
        return str(self.verdict["status"])

    @property
    def finding(self) -> Mapping[str, Any] | None:
        """The first finding."""
        found = self.verdict.get("diagnosis") or []
        return found[0] if found else None

    @property
    def message(self) -> str:
        """What is said in the table: the first finding, else why nothing is."""
        if self.finding is not None:
            return str(self.finding["message"])
        text = str(self.verdict.get("message") or "")
        return text.partition("\n")[0].removeprefix("error: ")

    def row(self) -> dict[str, Any]:
        """The row of the CSV file."""
        kind = self.finding["kind"] if self.finding is not None else ""
        up_to, line = (self.verdict.get(k) or "" for k in ("equal_up_to", "line"))
        values = (self.name, self.status, up_to, line, kind, self.message, f"{self.seconds:.2f}")
        return dict(zip(COLUMNS, values, strict=True))


@dataclass(slots=True)
class Grading:
    """What is graded and how."""

    problem: str
    declare: Sequence[str] = ()
    wrt: Sequence[str] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    timeout: float = 10.0  # seconds for each answer
    memory: int = 2_000  # megabytes for each process
    jobs: int = 0  # processes; 0: one for each processor
    form: str = "auto"
    progress: Callable[[int, int], None] | None = None

    @property
    def processes(self) -> int:
        return self.jobs if self.jobs > 0 else os.cpu_count() or 1


def answers_in(path: Path) -> list[Path]:
    """The files of a folder that are answers, in the order of their names; a file is a folder of one."""
    if path.is_file():
        return [path]
    return sorted(
        p for p in path.rglob("*") if p.is_file() and p.suffix.lower() in SUFFIXES and not p.name.startswith(".")
    )


def grade_folder(path: Path, grading: Grading) -> list[Grade]:
    """Grade every file. Raises MatcalcError for a problem that cannot be read."""
    files = answers_in(path)
    if not files:
        raise MatcalcError(
            f"there are no answers in {path}", hint=f"files that end in {', '.join(k for k in SUFFIXES if k)}"
        )
    tasks: Queue[int] = Queue()
    for i in range(len(files)):
        tasks.put(i)
    names = [str(f.relative_to(path)) if path.is_dir() else f.name for f in files]
    pool = _Pool(grading, files, names, tasks)
    threads = [Thread(target=pool.work, daemon=True) for _ in range(min(grading.processes, len(files)))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if pool.failure is not None:
        raise pool.failure
    return [pool.grades[i] for i in range(len(files))]


@dataclass(slots=True)
class _Pool:
    """Threads that each watch one process."""

    grading: Grading
    files: Sequence[Path]
    names: Sequence[str]
    tasks: Queue[int]
    grades: dict[int, Grade] = field(default_factory=dict)
    failure: MatcalcError | None = None
    lock: Lock = field(default_factory=Lock)

    def work(self) -> None:
        """Take tasks until there are none."""
        process: _Process | None = None
        try:
            while self.failure is None:
                try:
                    i = self.tasks.get_nowait()
                except Empty:
                    return
                text, reason = _read(self.files[i])
                if reason:
                    self._done(i, {"status": "unreadable", "message": reason}, 0.0)
                    continue
                if process is None or not process.alive:
                    process = _Process(self.grading)
                start = perf_counter()
                verdict = process.ask(text, self._form(self.files[i]))
                self._done(i, verdict, perf_counter() - start)
        except MatcalcError as error:
            self.failure = error
        finally:
            if process is not None:
                process.end()

    def _form(self, path: Path) -> str:
        return self.grading.form if self.grading.form != "auto" else SUFFIXES.get(path.suffix.lower(), "auto")

    def _done(self, i: int, verdict: Mapping[str, Any], seconds: float) -> None:
        with self.lock:
            self.grades[i] = Grade(self.names[i], verdict, seconds)
            if self.grading.progress is not None:
                self.grading.progress(len(self.grades), len(self.files))


def _read(path: Path) -> tuple[str, str]:
    """The text of a file, and why there is none."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            return "", f"the file is too large (at most {LARGEST_FILE} bytes)"
        return path.read_text(encoding="utf-8-sig"), ""
    except UnicodeDecodeError:
        return "", "the file is not UTF-8 text"
    except OSError as error:
        return "", f"the file cannot be read: {error.strerror}"


class _Process:
    """One grading process, started when it is made."""

    def __init__(self, grading: Grading) -> None:
        self.grading = grading
        self.process = subprocess.Popen(
            [sys.executable, "-m", "matcalc.homework.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            env={
                **os.environ,
                "OPENBLAS_NUM_THREADS": "1",
                "OMP_NUM_THREADS": "1",
                "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
            },
        )
        first = {
            "problem": grading.problem,
            "declare": list(grading.declare),
            "wrt": list(grading.wrt),
            "options": dict(grading.options),
            "memory": grading.memory,
        }
        reply = self._exchange(first, STARTING)
        if reply is None or "error" in reply:
            self.end()
            text = "the grading process could not be started" if reply is None else str(reply["error"])
            raise MatcalcError(text.removeprefix("error: "))

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def ask(self, text: str, form: str) -> Mapping[str, Any]:
        """The verdict on an answer; undecided where it took too long."""
        start = perf_counter()
        reply = self._exchange({"text": text, "form": form}, self.grading.timeout)
        if reply is not None:
            verdict: Mapping[str, Any] = reply["verdict"]
            return verdict
        self.end()
        late = perf_counter() - start >= self.grading.timeout * 0.95
        reason = (
            f"the answer took longer than {self.grading.timeout:g} seconds"
            if late
            else "the answer could not be graded"
        )
        return {"status": "undecided", "message": reason, "answer": text}

    def _exchange(self, request: Mapping[str, Any], seconds: float) -> dict[str, Any] | None:
        """Send a line and wait for one; None where the process has ended or was ended."""
        assert self.process.stdin is not None and self.process.stdout is not None
        timer = Timer(seconds, self.process.kill)
        timer.start()
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except OSError:
            line = ""
        finally:
            timer.cancel()
        found: dict[str, Any] | None = json.loads(line) if line.endswith("\n") else None
        return found

    def end(self) -> None:
        """End the process and take it off the list of the system."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    continue
        self.process.kill()
        self.process.wait()


# -------------------------------------------------------------------------------------- results
def as_csv(grades: Sequence[Grade]) -> str:
    """The table as CSV."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(g.row() for g in grades)
    return out.getvalue()


def as_json(grades: Sequence[Grade], grading: Grading) -> str:
    """Everything as JSON."""
    rows = [{"file": g.name, "seconds": round(g.seconds, 3), **g.verdict} for g in grades]
    whole = {"problem": grading.problem, "wrt": list(grading.wrt), "counts": counts(grades), "answers": rows}
    return json.dumps(whole, ensure_ascii=False, indent=2) + "\n"


def counts(grades: Sequence[Grade]) -> dict[str, int]:
    """How many answers of each status."""
    return {s: sum(g.status == s for g in grades) for s in ("correct", "wrong", "undecided", "unreadable")}


def table(grades: Sequence[Grade], width: int = 100) -> str:
    """The table for a person."""
    name = max([len(g.name) for g in grades] + [4])
    lines = [f"{'file':{name}}  {'verdict':10}  what"]
    for g in grades:
        kind = f"{g.finding['kind']}: " if g.finding is not None else ""
        up_to = f"up to {g.verdict['equal_up_to']}" if g.verdict.get("equal_up_to") else ""
        what = (kind + g.message) or up_to
        line = f"{g.name:{name}}  {g.status:10}  {what}"
        lines.append(line.rstrip() if len(line) <= width else line[: width - 3] + "...")
    told = ", ".join(f"{k} {s}" for s, k in counts(grades).items() if k)
    return "\n".join([*lines, "", f"{len(grades)} answers: {told}"])
