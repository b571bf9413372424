"""A folder of trained models: what each was made of, how good it was, and which one is in use.

    DIR/ID/           a model's files, as `train` wrote them; ID is the start of their digest
    DIR/history.jsonl what was ever done, one canonical entry a line, chained as in graphdet.audit; only added to
    DIR/index.json    what holds now, for people and programs; always made again from the history

The history is the truth. One writer at a time holds DIR/.lock; one that is killed leaves at most a copy that nothing
names, a last line without its line feed, or an index that is behind, and the next writer mends all three.
"""

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from graphdet.audit import AuditLog, Draft, Entry, Head, chained, digest, iso_utc, shown_of, utc_now, verify
from graphdet.errors import GraphdetError, UsageError
from graphdet.files import explain_os_error, make_folder, write_json
from graphdet.lab.journal import append_line, locked, whole_lines
from graphdet.learn.digests import model_digest

REGISTRY_FORMAT = 1
CHAMPION, CHALLENGER = "champion", "challenger"
HISTORY, INDEX = "history.jsonl", "index.json"
ID_LENGTH = 12
ADD, MEASURE, ALIAS, PROMOTE, ROLLBACK = "add", "measure", "alias", "promote", "rollback"
_ALIAS = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_INCOMING = ".incoming"


@dataclass(frozen=True)
class Measurement:
    """Metrics of one test part: `test` is its digest, `of` says for people what it was."""

    test: str
    of: str
    metrics: Mapping[str, Mapping[str, float | None]]


@dataclass(frozen=True)
class ModelRecord:
    """A registered model.

    digest: of its files. about: what it was made of, as its card says. parent: the id that was champion when it came.
    measured: the last measurement of each test part.
    """

    id: str
    digest: str
    created_at: str
    who: str
    about: Mapping[str, Any]
    parent: str | None
    measured: Mapping[str, Measurement] = field(default_factory=dict)


@dataclass(frozen=True)
class Shelf:
    """What holds: models by id, in the order they came; aliases; champions that rollback goes back to, the last one
    the nearest (None: there was none)."""

    models: Mapping[str, ModelRecord]
    aliases: Mapping[str, str]
    before: tuple[str | None, ...]
    log: AuditLog

    def find(self, name: str) -> ModelRecord:
        """The model of an alias, an id or the unique start of a digest.

        Raises:
            UsageError: there is none, or there are several.
        """
        if name in self.aliases:
            return self.models[self.aliases[name]]
        found = [one for one in self.models.values() if name and one.digest.startswith(name.lower())]
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError(f"{len(found)} models begin with {name!r}: {', '.join(one.id for one in found)}")
        have = ", ".join([*self.aliases, *self.models]) or "none yet"
        raise UsageError(f"there is no model {name!r}; there are: {have}")


class Registry:
    """The models of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self) -> Shelf:
        """What holds now.

        Raises:
            UsageError: the folder holds no models.
            GraphdetError: the history cannot be read, or was changed.
        """
        if not (self.folder / HISTORY).is_file():
            raise UsageError(
                f"{self.folder} holds no models (no {HISTORY}); add one with graphdet models add MODEL "
                f"--models {self.folder}"
            )
        return self._replayed(self._lines())

    def add(
        self, model: Path, about: Mapping[str, Any], who: str, note: str = ""
    ) -> tuple[ModelRecord, bool]:
        """Copy a model in and register it; one that is there already is left as it is.

        Returns the record, and whether it is new.

        Raises:
            UsageError: there is no model in the folder `model`.
            GraphdetError: the files cannot be copied.
        """
        found = model_digest(model)
        if found is None:
            raise UsageError(f"there is no model in {model}; train one with graphdet train --model {model}")
        with self._writing() as shelf:
            known = next((one for one in shelf.models.values() if one.digest == found), None)
            if known is not None:
                return known, False
            name = found[:ID_LENGTH]
            if name in shelf.models:
                raise GraphdetError(f"another model of {self.folder} has the id {name}")
            self._copy(model, name, found)
            parent = shelf.aliases.get(CHAMPION)
            after = {"digest": found, "about": dict(about), "parent": parent, "note": note}
            return self._append(shelf, Draft(who, ADD, "model", name, None, after)).models[name], True

    def measure(self, name: str, measured: Measurement, who: str) -> ModelRecord:
        """Note how good a model is on a test part; of the same part the last one counts."""
        with self._writing() as shelf:
            record = shelf.find(name)
            draft = Draft(who, MEASURE, "model", record.id, None, asdict(measured))
            return self._append(shelf, draft).models[record.id]

    def alias(self, alias: str, name: str | None, who: str, note: str = "") -> ModelRecord | None:
        """Give a model an alias, which leaves the one that had it; None takes the alias away.

        Raises:
            UsageError: the alias is no word, that of the champion, or of nothing.
        """
        if alias == CHAMPION:
            raise UsageError(
                "the champion changes by graphdet models promote and rollback, which can be undone"
            )
        _check_alias(alias)
        with self._writing() as shelf:
            record = shelf.find(name) if name is not None else None
            if alias in shelf.models:
                raise UsageError(f"{alias} is a model's id; choose another alias")
            if record is None and alias not in shelf.aliases:
                raise UsageError(
                    f"there is no alias {alias!r}; there are: {', '.join(shelf.aliases) or 'none'}"
                )
            after = {"id": record.id if record else None, "note": note}
            self._append(shelf, Draft(who, ALIAS, "alias", alias, {"id": shelf.aliases.get(alias)}, after))
            return record

    def promote(self, name: str, who: str, note: str = "") -> tuple[ModelRecord, str | None]:
        """Make a model champion; returns it and the id of the one before.

        Raises:
            UsageError: it is champion already.
        """
        with self._writing() as shelf:
            record = shelf.find(name)
            before = shelf.aliases.get(CHAMPION)
            if before == record.id:
                raise UsageError(f"{record.id} is champion already")
            self._verified(record)
            after = {"id": record.id, "note": note}
            self._append(shelf, Draft(who, PROMOTE, "alias", CHAMPION, {"id": before}, after))
            return record, before

    def rollback(self, who: str, note: str = "") -> tuple[ModelRecord, str]:
        """Undo the last promotion that stands; returns the champion now and the id that was it until now.

        Raises:
            UsageError: there was no champion before.
        """
        with self._writing() as shelf:
            now = shelf.aliases.get(CHAMPION)
            target = shelf.before[-1] if shelf.before else None
            if now is None or target is None:
                raise UsageError(f"{self.folder} had no champion before, so there is nothing to go back to")
            record = shelf.models[target]
            self._verified(record)
            after = {"id": target, "note": note}
            self._append(shelf, Draft(who, ROLLBACK, "alias", CHAMPION, {"id": now}, after))
            return record, now

    def path(self, name: str) -> Path:
        """The folder of a model's files, checked against its digest.

        Raises:
            GraphdetError: files were changed or are missing.
        """
        return self._verified(self.read().find(name))

    def _verified(self, record: ModelRecord) -> Path:
        folder = self.folder / record.id
        if model_digest(folder) != record.digest:
            raise GraphdetError(
                f"the files in {folder} are not those that were registered: somebody changed or removed them. Restore "
                "them from a backup, or train and add the model again"
            )
        return folder

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Shelf]:
        """Hold the lock, mend what a killed writer left, and give what holds."""
        make_folder(self.folder)
        try:
            with locked(self.folder):
                for left in self.folder.glob(f"{_INCOMING}-*"):
                    shutil.rmtree(left, ignore_errors=True)
                shelf = self._replayed(self._lines(mend=True))
                yield shelf
        except OSError as error:
            raise explain_os_error(error, Path(error.filename or self.folder)) from error

    def _copy(self, model: Path, name: str, wanted: str) -> None:
        """Copy the files whole, or not at all."""
        incoming = self.folder / f"{_INCOMING}-{os.getpid()}"
        incoming.mkdir()
        for path in sorted(model.glob("*")):
            if path.is_file():
                shutil.copyfile(path, incoming / path.name)
        if model_digest(incoming) != wanted:
            shutil.rmtree(incoming)
            raise GraphdetError(f"{model} changed while it was copied; nothing was added")
        shutil.rmtree(
            self.folder / name, ignore_errors=True
        )  # of a writer that was killed before it was registered
        incoming.rename(self.folder / name)

    def _lines(self, mend: bool = False) -> list[str]:
        """Whole lines of the history; `mend` cuts off what a killed writer left without its line feed."""
        path = self.folder / HISTORY
        try:
            return whole_lines(path, mend=mend)
        except OSError as error:
            raise GraphdetError(f"{path} cannot be read: {error.strerror}") from error

    def _append(self, shelf: Shelf, draft: Draft) -> Shelf:
        entries, _ = chained([draft], shelf.log.head or Head(), iso_utc(utc_now()))
        append_line(self.folder / HISTORY, entries[0].entry)
        after = self._replayed(self._lines())
        write_json(self.folder / INDEX, index_of(after))
        return after

    def _replayed(self, lines: list[str]) -> Shelf:
        entries = []
        for place, line in enumerate(lines):
            try:
                document = json.loads(line)
            except ValueError:
                document = {}
            entries.append(Entry(place + 1, line, digest(line), shown_of(document)))
        log = AuditLog(tuple(entries), Head(len(entries), entries[-1].hash) if entries else None)
        faults = verify(log)
        if faults:
            at = f"line {faults[0].seq}" if faults[0].seq is not None else "it"
            raise GraphdetError(
                f"{self.folder / HISTORY} was changed: {at}: {faults[0].what}; restore it from a backup"
            )
        return _state(log)


def resolve(model: Path) -> Path:
    """The folder that --model names: a folder, or NAME@DIR for a model of a registry, such as champion@models.

    Raises:
        UsageError: there is no such model.
        GraphdetError: its files are not those that were registered.
    """
    name, at, folder = str(model).partition("@")
    if model.exists() or not at or not name or "/" in name:
        return model
    return Registry(Path(folder)).path(name)


def index_of(shelf: Shelf) -> dict[str, Any]:
    """The document of index.json."""
    head = shelf.log.head or Head()
    return {
        "format": REGISTRY_FORMAT,
        "aliases": dict(shelf.aliases),
        "models": {name: asdict(record) for name, record in shelf.models.items()},
        "history": {"entries": head.count, "hash": head.hash},
    }


def _state(log: AuditLog) -> Shelf:
    """Replay the history."""
    models: dict[str, ModelRecord] = {}
    aliases: dict[str, str] = {}
    before: list[str | None] = []
    for entry in log.entries:
        document = entry.document()
        what, subject, after = document["what"], document["subject"], document["after"]
        if what == ADD:
            models[subject] = ModelRecord(
                subject, after["digest"], document["at"], document["who"], after["about"], after["parent"]
            )
        elif what == MEASURE:
            old = models[subject]
            models[subject] = replace(old, measured={**old.measured, after["test"]: Measurement(**after)})
        elif what == ROLLBACK:
            aliases[CHAMPION] = after["id"]
            before.pop()
        elif what == PROMOTE:
            before.append(aliases.get(CHAMPION))
            aliases[CHAMPION] = after["id"]
            if aliases.get(CHALLENGER) == after["id"]:
                del aliases[CHALLENGER]
        elif after["id"] is None:
            aliases.pop(subject, None)
        else:
            aliases[subject] = after["id"]
    return Shelf(models, aliases, tuple(before), log)


def _check_alias(alias: str) -> None:
    if not _ALIAS.fullmatch(alias) or re.fullmatch("[0-9a-fA-F]+", alias):
        raise UsageError(
            f"{alias!r} is no alias: letters, digits, _, . and -, from a letter on, and not only the digits and a to f "
            "that ids are made of"
        )
