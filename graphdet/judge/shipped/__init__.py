"""What comes with the package: lessons and a judge of rings, from generated logs and one that is free to share.

Made by `scripts/ship_ring_judge.py`. The lessons are the evidence of blocks, thirteen numbers each; no row of any log.
"""

from functools import cache
from pathlib import Path

from graphdet.judge.examples import Lessons
from graphdet.judge.model import RingJudge

SHIPPED_FOLDER = Path(__file__).parent
LESSONS = "ring_lessons.safetensors"


@cache
def shipped_lessons() -> Lessons:
    """The lessons of other logs, for logs that have too few natural groups to learn from alone."""
    return Lessons.load(SHIPPED_FOLDER / LESSONS)


def shipped_judge() -> RingJudge:
    """The judge of logs that nobody trained on."""
    return RingJudge.load(SHIPPED_FOLDER)
