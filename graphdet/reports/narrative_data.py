"""What a language model said of a ring, sentence by sentence, with the facts that each cites."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Sentence:
    """A sentence that was kept, its ids put back, and the facts it cites."""

    text: str
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class Narrative:
    """What a language model wrote: what was kept, how many sentences were dropped, and the facts that are cited."""

    model: str
    endpoint: str
    sentences: tuple[Sentence, ...]
    n_dropped: int
    facts: Mapping[str, str]
