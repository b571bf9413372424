"""A ring told by a language model: the numbered facts that it gets, and which of its sentences are kept.

What leaves this machine are the facts alone, with placeholders (M1, T1 …) for every id; they are turned back here.
What comes back is a hostile text until each sentence is checked: it must cite facts that were sent, and every number,
time and placeholder in it must stand in a fact it cites. Whether it reasons well no program can check, so the page says
so.
"""

import re
import secrets
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from graphdet.reports.answers import answers, how_sure
from graphdet.reports.pseudonyms import Pseudonyms, hide_ring
from graphdet.reports.ring_data import Narrative, RingData, Sentence
from graphdet.reports.run_facts import RunFacts

MOST_SENTENCES = 20
MOST_CHARACTERS = 500  # of a sentence
MOST_FACTS = 60
INSTRUCTIONS = (
    "You write for an analyst who must decide on a group of accounts in a behaviour log. You get numbered facts. "
    "Write at most ten plain sentences: what the group did, why it may be coordinated, what speaks against that, how "
    "sure this is. One sentence per line. End every sentence with the facts it rests on in square brackets, like [E3] "
    "or [E3, E7]. Use no number, time or name that is not in a fact you cite; write numbers as they stand there, with "
    "their units. M1, T1 and the like stand for accounts and items. Judge nobody, give no advice, and write no links "
    "and no markup."
)
_PREFIX = {"u": "M", "i": "T", "s": "S", "x": "D", "e": "V"}
_PSEUDONYM = re.compile(r"(?<![\w-])([uisxe])-[a-z2-7]{20}(?![\w-])")
_PLACEHOLDER = re.compile(r"(?<!\w)[MTSDV]\d+(?!\w)")
_CITED = re.compile(r"\[\s*(E\d+(?:\s*[,;]\s*E\d+)*)\s*\]")
_SENTENCES = re.compile(r"(?<=[.!?])((?:\s*\[\s*E\d+(?:\s*[,;]\s*E\d+)*\s*\])*)\s+(?=[^\s\[])")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}|\d{1,2}:\d{2}(?::\d{2})?")
_UNIT = {
    "%": "%", "percent": "%", "ms": "ms", "s": "s", "sec": "s", "second": "s", "min": "min", "minute": "min", "h": "h",
    "hour": "h", "d": "d", "day": "d", "week": "week", "month": "month", "year": "year", "nat": "nat", "x": "×",
    "×": "×", "time": "×",
}  # fmt: skip
_NUMBER = re.compile(
    r"(?<![\w.])(\d+(?:,\d{3})*(?:\.\d+)?(?:e[-+]?\d+)?)(?:[\s-]*(%|×|[a-z]+))?", re.IGNORECASE
)
_WORDS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_SMALL = {word: float(n) for n, word in enumerate(_WORDS, 2)}
_LARGE = re.compile(
    r"\b(?:thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|"
    r"ninety|hundreds?|thousands?|millions?|billions?|dozens?|half|halves|twice|thrice|double|triple|quarters?|thirds?)\b",
    re.IGNORECASE,
)
_PLAIN_WORD = re.compile(r"[A-Za-z][A-Za-z_-]{0,19}")
_LINK = re.compile(r"://|www\.|\bjavascript:|\bdata:", re.IGNORECASE)


@dataclass(frozen=True)
class FactSheet:
    """The facts that are sent, by E1 … in their order, and what each placeholder in them stands for."""

    facts: Mapping[str, str]
    names: Mapping[str, str]

    def named(self, text: str) -> str:
        """Put the ids back in place of the placeholders."""
        return _PLACEHOLDER.sub(lambda found: self.names.get(found.group(), found.group()), text)


def fact_sheet(ring: RingData, facts: RunFacts | None = None) -> FactSheet:
    """The facts of a ring without any id of it; a fact in which one is left after all is not sent."""
    hidden = hide_ring(_plain_actions(ring), Pseudonyms(secrets.token_bytes(32)))
    known = _raw_names(ring, hidden)
    lines = [line for answer in answers(hidden, facts or RunFacts()) for line in answer.lines]
    lines += [f"For it: {reason.text}" for reason in hidden.reasons if reason.code != "sentence"]
    lines += [f"Why it is not flagged: {reason.text}" for reason in hidden.held_back]
    lines += [f"Against it: {reason.text}" for reason in hidden.against]
    lines += how_sure(hidden)
    if hidden.would_change is not None:
        lines.append(str(hidden.would_change["text"]))
    leak = _any_of(known.values())
    sent: dict[str, str] = {}
    place_of: dict[str, str] = {}

    def placeholder(found: re.Match[str]) -> str:
        prefix = _PREFIX[found[1]]
        n = sum(name.startswith(prefix) for name in place_of.values())
        return place_of.setdefault(found.group(), f"{prefix}{n + 1}")

    for line in dict.fromkeys(lines):
        text = _PSEUDONYM.sub(placeholder, line)
        if leak is None or not leak.search(text):
            sent[f"E{len(sent) + 1}"] = text
        if len(sent) == MOST_FACTS:
            break
    return FactSheet(sent, {place: known.get(name, "another") for name, place in place_of.items()})


def _plain_actions(ring: RingData) -> RingData:
    """Actions are words of the log: such as are no plain words are numbered."""
    odd = [action for action in ring.actions if not _PLAIN_WORD.fullmatch(action)]
    name = {action: f"other-action-{'abcdefghijklmnopqrstuvwxyz'[n % 26]}" for n, action in enumerate(odd)}
    return replace(ring, acts=[replace(act, action=name.get(act.action, act.action)) for act in ring.acts])


def _raw_names(ring: RingData, hidden: RingData) -> dict[str, str]:
    """Pseudonym → id, of all that a ring names."""
    pairs = [(mine.user_id, its.user_id) for mine, its in zip(hidden.members, ring.members, strict=True)]
    pairs += [(mine.item_id, its.item_id) for mine, its in zip(hidden.items, ring.items, strict=True)]
    pairs += [(mine.entity_id, its.entity_id) for mine, its in zip(hidden.shared, ring.shared, strict=True)]
    pairs += [
        (mine.session_id, its.session_id) for mine, its in zip(hidden.sittings, ring.sittings, strict=True)
    ]
    named = {f"name {place}": item.name for place, item in enumerate(ring.items) if item.name}
    return dict(pairs) | named


def _any_of(names: Iterable[str]) -> re.Pattern[str] | None:
    """A pattern for names that can be told from counts: not short numbers, not single letters."""
    telling = [name for name in names if len(name) >= (5 if name.isdigit() else 2)]
    telling = sorted(set(telling), key=len, reverse=True)
    return re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, telling)) + r")(?!\w)") if telling else None


def messages(sheet: FactSheet) -> list[dict[str, str]]:
    """What is sent to the model."""
    facts = "\n".join(f"[{key}] {text}" for key, text in sheet.facts.items())
    return [{"role": "system", "content": INSTRUCTIONS}, {"role": "user", "content": f"Facts:\n{facts}"}]


def read_narrative(text: str, sheet: FactSheet, model: str, endpoint: str) -> Narrative:
    """Keep the sentences of an answer that hold to the facts they cite."""
    found = split_sentences(text)
    kept = []
    for sentence in found[:MOST_SENTENCES]:
        cited = tuple(dict.fromkeys(re.findall(r"E\d+", " ".join(_CITED.findall(sentence)))))
        words = " ".join(_CITED.sub("", sentence).split()).replace(" .", ".")
        if holds(words, [sheet.facts.get(key) for key in cited]):
            kept.append(Sentence(sheet.named(words), cited))
    cited_facts = {key for sentence in kept for key in sentence.evidence}
    facts = {key: sheet.named(fact) for key, fact in sheet.facts.items() if key in cited_facts}
    return Narrative(model, endpoint, tuple(kept), len(found) - len(kept), facts)


def split_sentences(text: str) -> list[str]:
    """Split an answer into sentences, each with the citations that follow it.

    >>> split_sentences("Ten accounts. [E1] They rush [E2].\\n- So much. [E3][E4]")
    ['Ten accounts. [E1]', 'They rush [E2].', 'So much. [E3][E4]']
    """
    found = []
    for line in text.splitlines():
        parts = _SENTENCES.split(line.strip())
        for sentence, cites in zip(parts[::2], [*parts[1::2], ""], strict=True):
            whole = re.sub(r"^(?:[-*•]+|\d+[.)])\s+", "", (sentence + cites).strip())
            if whole:
                found.append(whole)
    return found


def holds(words: str, cited: Sequence[str | None]) -> bool:
    """Whether a sentence may be shown: it cites facts that exist, and all it counts and names stands in them.

    >>> holds("Half of 12 acts fell within 3 min of M2.", ["Half of the 12 acts are within 3 min of M2."])
    True
    >>> holds("12 acts.", ["13 acts."]), holds("3 h.", ["3 min."]), holds("So it is.", []), holds("So.", [None])
    (False, False, False, False)
    """
    if not cited or any(fact is None for fact in cited):
        return False
    if not re.search(r"[A-Za-z]{2}", words) or len(words) > MOST_CHARACTERS or _LINK.search(words):
        return False
    if any(not c.isascii() and unicodedata.numeric(c, None) is not None for c in words):
        return False  # other digits than ours, and fractions, cannot be checked
    known = " ".join(fact for fact in cited if fact is not None)
    if set(_PLACEHOLDER.findall(words)) - set(_PLACEHOLDER.findall(known)):
        return False
    words, known = _PLACEHOLDER.sub("", words), _PLACEHOLDER.sub("", known)
    moments = _DATE.findall(known)
    if any(not any(mine.startswith(its) for mine in moments) for its in _DATE.findall(words)):
        return False
    words, known = _DATE.sub("", words), _DATE.sub("", known)
    if {word.lower() for word in _LARGE.findall(words)} - {word.lower() for word in _LARGE.findall(known)}:
        return False
    return not re.search(r"\d", _NUMBER.sub("", words)) and not _numbers(words) - _numbers(known)


def _numbers(text: str) -> set[tuple[float, str]]:
    """The numbers in a text with their units, those up to twelve in words too."""
    found = set()
    for number, unit in _NUMBER.findall(text):
        word = unit.lower()
        found.add((float(number.replace(",", "")), _UNIT.get(word) or _UNIT.get(word.rstrip("s"), "")))
    for word in re.findall(r"[A-Za-z]+", text):
        if word.lower() in _SMALL:
            found.add((_SMALL[word.lower()], ""))
    return found
