"""What the tests of both stores' audit logs share."""

import subprocess
import sys

from graphdet.audit import AuditLog, Draft, verify
from graphdet.ports import Store

N_PROCESSES, N_TIMES = 3, 5


def filled(store: Store) -> AuditLog:
    """A log of four entries, two of them verdicts."""
    after = {"verdict": "guilty", "reason": "other", "note": "a note", "found": {}}
    for ix in range(4):
        what = "verdict" if ix % 2 == 0 else "report"
        store.append_audit([Draft("Ann", what, "ring", f"R{ix}", None, after)])
    return store.audit()


def note_from_many_processes(url: str) -> None:
    """Let several processes note things at the same time, and wait for them."""
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.store.audit_client", url, f"process {ix}", str(N_TIMES)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for ix in range(N_PROCESSES)
    ]
    for process in running:
        _, stderr = process.communicate(timeout=240)
        assert process.returncode == 0, stderr


def check_notes(log: AuditLog, n_before: int = 0) -> None:
    """Every note of every process is there once, in its process's order, and the chain is whole."""
    assert verify(log) == []
    documents = [entry.document() for entry in log.entries][n_before:]
    assert len(documents) == 2 * N_PROCESSES * N_TIMES
    for ix in range(N_PROCESSES):
        name = f"process {ix}"
        mine = [each["subject"] for each in documents if each["who"] == name and each["subject"] != "2"]
        assert mine == [f"{name} {k}" for k in range(N_TIMES)]
