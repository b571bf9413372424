"""What comes with the package: lessons and a judge of rings, from planted logs and from real worlds with known rings.

Made by `scripts/ship_ring_judge.py`. The lessons are the evidence of blocks, sixteen numbers each; no row of any log.
"""

from functools import cache
from pathlib import Path

from graphdet.judge.examples import Lessons
from graphdet.judge.model import RingJudge

SHIPPED_FOLDER = Path(__file__).parent
LESSONS = "ring_lessons.safetensors"


@cache
def shipped_lessons() -> Lessons:
    """What the shipped judge learned from, for logs that adapt it."""
    return Lessons.load(SHIPPED_FOLDER / LESSONS)


def shipped_judge() -> RingJudge:
    """The judge of logs that nobody trained on."""
    return RingJudge.load(SHIPPED_FOLDER)
