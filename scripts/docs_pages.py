"""Writes the pages of the documentation that are made from the code: `python -m scripts.docs_pages FOLDER`.

The reference says what the commands, the config, the tables and the library say of themselves, and the tutorials are
the notebooks of `examples/`, executed. Both are made whenever the site is built, so they cannot be out of date.
"""

import dataclasses
import inspect
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

import graphdet
from graphdet import config, schema
from graphdet.api import Evaluation, Findings, Ring, Simulation
from graphdet.cli.main import app
from graphdet.config import reader
from graphdet.shipped_files import shipped_folder

ROOT = Path(__file__).resolve().parent.parent
TABLES = {
    "suspects.csv": ("every user once, the most suspicious first", schema.SUSPECT_COLUMNS),
    "rings.csv": ("every finding that is flagged", schema.RING_COLUMNS),
    "ring_members.csv": ("who is in which of them", schema.LISTED_MEMBER_COLUMNS),
    "ring_items.csv": ("what they act on", schema.RING_ITEM_COLUMNS),
    "leads.csv": ("what was found and is not flagged, and what held it back", schema.LEAD_COLUMNS),
}


def main() -> None:
    """Write all pages below the folder that is named on the command line, or below docs/."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs"
    write_reference(folder)
    for path in sorted((ROOT / "examples").glob("*.ipynb")):
        notebook(path, folder / "tutorials")


def write_reference(folder: Path) -> None:
    """Write the pages of the reference below a folder."""
    pages = {
        "commands": commands(),
        "config": config_page(),
        "tables": tables(),
        "library": library(),
        "queries": cypher(),
    }
    (folder / "reference").mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        (folder / "reference" / f"{name}.md").write_text(text, encoding="utf-8")


def commands() -> str:
    """The reference of the command line: every command with its arguments and options."""
    top = typer.main.get_command(app)
    parts = ["# Commands", "", top.help or "", "", top.epilog or "", ""]
    for path, command in _commands(top, ("graphdet",)):
        parts += [f"## {' '.join(path)}", "", *_described(command), ""]
    return "\n".join(parts)


def _commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command below one, with the words that call it; typer brings a click of its own, hence Any."""
    children = getattr(command, "commands", None)
    if children is None:
        yield path, command
    else:
        for name, child in children.items():
            yield from _commands(child, (*path, name))


def _described(command: Any) -> Iterator[str]:
    """What a command says of itself: its text, its arguments and its options as a table."""
    yield inspect.cleandoc(command.help or "")
    rows = []
    for parameter in command.params:
        if getattr(parameter, "hidden", False) or parameter.name == "help":
            continue
        names = [*parameter.opts, *parameter.secondary_opts]
        shown = " / ".join(names) if names[0].startswith("-") else parameter.name.upper()
        plain = parameter.default is None or parameter.default is False or callable(parameter.default)
        needed = "required" if parameter.required else "" if plain else f"`{parameter.default}`"
        said = parameter.help or ""
        rows.append(f"| `{shown}` | {_cell(said)} | {needed} |")
    if rows:
        yield "\n| argument or option | what it does | default |\n|---|---|---|\n" + "\n".join(rows)


def _cell(text: str) -> str:
    """A text as one cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def config_page() -> str:
    """The reference of the config: an example with a comment for each key, what each must hold, and what ships."""
    doc = inspect.getdoc(config) or ""
    parts = ["# The config", "", "```toml", doc.partition("\n\n")[2].strip(), "```", ""]
    for table, keys in reader._KEYS.items():
        parts += [f"## [{table}]", "", "| key | holds |", "|---|---|"]
        parts += [
            f"| {f'`{key}`' if key else 'any name'} | {_cell(kind)} |" for key, (_, kind) in keys.items()
        ]
        parts.append("")
    parts += ["## Configs that ship", ""]
    for name in config.shipped_configs():
        text = (shipped_folder("configs") / f"{name}.toml").read_text(encoding="utf-8")
        parts += [f"### {name}", "", "```toml", text.strip(), "```", ""]
    return "\n".join(parts)


def tables() -> str:
    """The reference of the tables that a run writes, with the words of the schema."""
    source = inspect.getsource(schema)
    said = dict(re.findall(r'^(?:    |\w+ = )"(\w+)",?  # (.+)$', source, re.MULTILINE))
    parts = ["# Tables", "", "What `graphdet run` writes beside the report. Times are ISO 8601 in UTC.", ""]
    for name, (what, columns) in TABLES.items():
        parts += [f"## {name}", "", f"{what[0].upper()}{what[1:]}.", "", "| column | |", "|---|---|"]
        parts += [f"| `{column}` | {_cell(said.get(column, ''))} |" for column in columns]
        parts.append("")
    parts += ["`kind` is one of " + ", ".join(f"`{kind}`" for kind in schema.RING_KINDS) + ".", ""]
    return "\n".join(parts)


def library() -> str:
    """The reference of the library: signatures and docstrings."""
    parts = ["# Library", "", inspect.getdoc(graphdet) or "", ""]
    for name in ("run", "open", "simulate", "evaluate"):
        parts += _documented(f"graphdet.{name}", getattr(graphdet, name))
    for kind in (Findings, Ring, Simulation, Evaluation):
        parts += [f"## {kind.__name__}", "", *_docstring(kind), ""]
        fields = {f.name for f in dataclasses.fields(kind)} if dataclasses.is_dataclass(kind) else set()
        for name, member in vars(kind).items():
            if name.startswith("_") or name in fields or not (inspect.getdoc(member) or ""):
                continue
            parts += _documented(f"{kind.__name__}.{name}", member, "###")
    return "\n".join(parts)


def _documented(name: str, thing: object, level: str = "##") -> list[str]:
    signature = str(inspect.signature(thing)) if inspect.isfunction(thing) else ""
    signature = signature.replace("self, ", "").replace("(self)", "()")
    return [f"{level} {name}", "", *([f"```python\n{name}{signature}\n```", ""] if signature else []),
            *_docstring(thing), ""]  # fmt: skip


def _docstring(thing: object) -> list[str]:
    """A docstring as Markdown: sections become headings in bold, what is indented below them and examples stay so."""
    parts: list[str] = []
    for block in re.split(r"\n\n", inspect.getdoc(thing) or ""):
        head, _, rest = block.partition("\n")
        if head in ("Args:", "Returns:", "Raises:", "Yields:"):
            parts += [f"**{head[:-1]}**", "", "```text", inspect.cleandoc("\n" + rest), "```", ""]
        elif block.lstrip().startswith(">>>") or block.startswith("    "):
            parts += ["```python", inspect.cleandoc("\n" + block), "```", ""]
        else:
            parts += [block, ""]
    return parts


def cypher() -> str:
    """The reference of the saved queries: title, parameters and the statement."""
    parts = [
        "# Saved queries",
        "",
        "Each runs on both stores with `graphdet query NAME`, and as it stands here in Neo4j Browser.",
        "",
    ]
    paths = shipped_folder("cypher").glob("browser/*.cypher")
    for path in sorted(paths, key=lambda p: p.read_text(encoding="utf-8")):
        first, _, rest = path.read_text(encoding="utf-8").partition("\n")
        parts += [
            f"## {path.stem}",
            "",
            first.removeprefix("// ")[3:],
            "",
            "```cypher",
            rest.strip(),
            "```",
            "",
        ]
    return "\n".join(parts)


def notebook(path: Path, folder: Path) -> Any:
    """Execute a notebook and write it with its outputs as a page; pictures become files beside it.

    Returns:
        The executed notebook, an nbformat.NotebookNode.
    """
    import nbformat
    from nbclient import NotebookClient
    from nbconvert import MarkdownExporter

    folder.mkdir(parents=True, exist_ok=True)
    made = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    with tempfile.TemporaryDirectory(prefix="graphdet-notebook-") as scratch:
        where = {"metadata": {"path": scratch}}
        NotebookClient(made, timeout=600, kernel_name="python3", resources=where).execute()
    text, resources = MarkdownExporter().from_notebook_node(made)  # type: ignore[no-untyped-call]
    for name, data in resources["outputs"].items():
        (folder / f"{path.stem}-{name}").write_bytes(data)
        text = text.replace(f"({name})", f"({path.stem}-{name})")
    # The tables of pandas bring a style of their own, which the site has already.
    text = re.sub(r"<style scoped>.*?</style>", "", text, flags=re.DOTALL)
    text = text.replace(' border="1" class="dataframe"', "")
    text = re.sub(r"`(\w+)\.ipynb`", r"[\1](\1.md)", text)
    (folder / f"{path.stem}.md").write_text(text, encoding="utf-8")
    return made


if __name__ == "__main__":
    main()
