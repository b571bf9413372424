"""Progress on stderr: bars on a terminal, plain lines elsewhere."""

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import TaskID

    from graphdet.progress import Progress


class Lines:
    """One line as a stage begins: the seconds so far and its name."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def start(self, stage: str, total: int | None = None) -> None:
        """Write the line."""
        print(f"{time.monotonic() - self._began:7.1f} s  {stage}", file=sys.stderr, flush=True)

    def advance(self, steps: int = 1) -> None:
        """Say nothing."""

    def done(self) -> None:
        """Say nothing."""


class Bars:
    """A bar per stage on a terminal; stages may be nested."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        self._bars: RichProgress = RichProgress(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
        )
        self._open: list[TaskID] = []

    def start(self, stage: str, total: int | None = None) -> None:
        """Open a bar; a moving one when the total is unknown."""
        if not self._open:
            self._bars.start()
        self._open.append(self._bars.add_task(stage, total=total))

    def advance(self, steps: int = 1) -> None:
        """Move the innermost bar."""
        if self._open:
            self._bars.advance(self._open[-1], steps)

    def done(self) -> None:
        """Fill and close the innermost bar."""
        if not self._open:
            return
        task = self._open.pop()
        made = self._bars.tasks[self._bars.task_ids.index(task)]
        full = made.total or max(made.completed, 1)
        self._bars.update(task, total=full, completed=full)
        if not self._open:
            self._bars.stop()
            for (
                shown
            ) in self._bars.task_ids:  # they stay on the screen; the next stage must not draw them again
                self._bars.remove_task(shown)

    def stop(self) -> None:
        """Leave the terminal as it was, wherever the work stopped."""
        self._bars.stop()


def make_progress() -> "Progress":
    """Choose bars or lines by what stderr is."""
    if not sys.stderr.isatty() or not sys.stderr.encoding.lower().startswith("utf"):
        return Lines()  # bars are drawn with signs that a smaller encoding lacks
    import atexit

    bars = Bars()
    atexit.register(bars.stop)  # an error or Ctrl-C in a stage must not leave the cursor hidden
    return bars
