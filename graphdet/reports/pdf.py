"""A page as PDF, by WeasyPrint, which is the optional extra `pdf`; nothing is fetched.

WeasyPrint draws inline SVG by the styles inside it and knows no custom properties there, so each picture gets the
figures' style with the colours of paper filled in.
"""

import re
from functools import cache
from pathlib import Path
from typing import Any

from graphdet.errors import GraphdetError
from graphdet.files import replacing
from graphdet.reports.html import template_text

MISSING = (
    "PDF needs WeasyPrint, the optional extra pdf: pip install 'graphdet[pdf]' (and Pango, which Debian has as "
    "libpango-1.0-0 and libpangoft2-1.0-0). Without it, print the HTML page from a browser"
)
PAPER_PX = (660, 10_000)  # across A4, less its margins; a picture may be as high as it is
_VARIABLE = re.compile(r"var\((--\w+)\)")
_SCRIPT = re.compile(r"<script>.*?</script>", re.DOTALL)
_PICTURE = re.compile(r"<svg ([^>]*)>")
_SIZE = re.compile(r'viewBox="0 0 (\d+) (\d+)"')


def write_pdf(path: Path, page: str, largest: tuple[int, int] = PAPER_PX) -> Path:
    """Write a page of this package (HTML text) as PDF, A4; `largest`: CSS pixels a picture may be wide and high.

    Raises:
        GraphdetError: WeasyPrint or Pango is not there, or the file cannot be written.
    """
    try:
        import weasyprint
    except (ImportError, OSError) as error:  # OSError: WeasyPrint is there, Pango is not
        raise GraphdetError(MISSING) from error
    document = weasyprint.HTML(string=for_paper(page, largest), base_url=None, url_fetcher=_nothing)
    with replacing(path) as temporary:
        temporary.write_bytes(document.write_pdf())
    return path


def _nothing(url: str, *_: Any, **__: Any) -> dict[str, Any]:
    """Fetch nothing: a page holds all it needs."""
    raise ValueError(f"a report fetches nothing, and not {url[:60]}")


@cache
def _colours() -> dict[str, str]:
    """The custom properties as the first rule of tokens.css has them: light."""
    rule = template_text("tokens.css").partition("}")[0]
    return dict(re.findall(r"(--\w+):\s*([^;]+);", rule))


@cache
def _figure_style() -> str:
    """The figures' style as WeasyPrint can read it inside a picture."""
    style = _VARIABLE.sub(lambda found: _colours()[found.group(1)], template_text("figures.css"))
    return style.replace("svg ", "")


def for_paper(page: str, largest: tuple[int, int]) -> str:
    """Take the script out, and give every picture its style and a size that fits the paper."""
    style = f"<style>{_figure_style()}</style>"

    def picture(found: re.Match[str]) -> str:
        size = _SIZE.search(found.group(1))
        if size is None:
            return found.group()
        wide, high = int(size.group(1)), int(size.group(2))
        room = min(largest[0], largest[1] * wide // high) if wide > 100 else wide  # legends keep their size
        return f'<svg {found.group(1)} width="{room}" height="{room * high / wide:.0f}">{style}'

    return _PICTURE.sub(picture, _SCRIPT.sub("", page))
