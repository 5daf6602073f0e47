"""A self-contained HTML page: text, tables and charts in one file that opens without a network."""

from collections.abc import Sequence
from html import escape

STYLE = """
:root { --ink: #1b1f24; --paper: #ffffff; --faint: #d9dde2; --soft: #59636e; --bad: #b3261e; --good: #1a7f37;
  --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #cc79a7; --c4: #6b4e00; --c5: #56b4e9; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #14181d; --faint: #3a424b; --soft: #9aa5b1;
  --bad: #ff8a80; --good: #5bd17c;
  --c0: #3d8bff; --c1: #ff7f3f; --c2: #16b88a; --c3: #e08fc0; --c4: #f0e442; --c5: #a5dcff; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 auto;
  max-width: 960px; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.5rem; margin: 0 0 .5rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p { margin: .4rem 0; } .soft { color: var(--soft); }
.banner { border-left: 6px solid var(--soft); padding: .5rem 1rem; font-weight: 600; }
.banner.good { border-color: var(--good); } .banner.bad { border-color: var(--bad); }
table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--faint);
  vertical-align: top; }
td:last-child { overflow-wrap: anywhere; } td:first-child, th { white-space: nowrap; }
.wide { overflow-x: auto; } a { color: var(--c0); }
svg { display: block; width: 100%; height: auto; }
@media screen { svg { min-width: 640px; } }
svg .label { font: 12px system-ui, sans-serif; fill: var(--soft); stroke: var(--paper); stroke-width: 3px;
  stroke-linejoin: round; paint-order: stroke; }
svg .small { font-size: 9px; stroke: none; } svg .strong { fill: var(--ink); }
svg .axis { stroke: var(--soft); } svg .grid { stroke: var(--faint); }
svg .line { fill: none; stroke-width: 2; stroke-linejoin: round; } svg .dashed { stroke-dasharray: 5 3; }
svg .level { stroke: var(--bad); stroke-dasharray: 6 4; stroke-width: 1.5; }
svg .mark { stroke: var(--soft); stroke-dasharray: 2 3; } svg .flag { fill: var(--soft); }
svg .bar, svg .cell { stroke: var(--paper); stroke-width: .5; }
svg .whisker { fill: none; stroke: var(--ink); stroke-width: 1.2; } svg .frame { fill: none; stroke: var(--faint); }
.fill0 { fill: var(--c0); } .fill1 { fill: var(--c1); } .fill2 { fill: var(--c2); }
.fill3 { fill: var(--c3); } .fill4 { fill: var(--c4); } .fill5 { fill: var(--c5); }
.stroke0 { stroke: var(--c0); } .stroke1 { stroke: var(--c1); } .stroke2 { stroke: var(--c2); }
.stroke3 { stroke: var(--c3); } .stroke4 { stroke: var(--c4); } .stroke5 { stroke: var(--c5); }
details > summary { cursor: pointer; }
""".strip()


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def page(title: str, parts: Sequence[str]) -> str:
    """A whole page.

    Args:
        title: its heading.
        parts: HTML, in order.
    """
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    body = "\n".join([f"<h1>{escape(title)}</h1>", *map(_scrolling, parts)])
    return (
        f'<!doctype html>\n<html lang="en">\n<head>{head}<title>{escape(title)}</title>\n'
        f"<style>\n{STYLE}\n</style></head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def banner(text: str, *, good: bool | None = None) -> str:
    """The one line that counts; green or red where it is a verdict."""
    verdict = {True: " good", False: " bad", None: ""}[good]
    return f'<p class="banner{verdict}">{escape(text)}</p>'


def section(heading: str, *parts: str) -> str:
    """A heading with HTML below it."""
    return "\n".join([f"<section><h2>{escape(heading)}</h2>", *map(_scrolling, parts), "</section>"])


def paragraph(text: str) -> str:
    """A few sentences."""
    return f'<p class="soft">{escape(text)}</p>'


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table of text, or of HTML such as links; a header that says nothing is left out."""
    cells = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    head = f"<thead><tr>{cells}</tr></thead>" if any(header) else ""
    body = "\n".join(f"<tr>{''.join(f'<td>{_cell(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table>{head}<tbody>\n{body}\n</tbody></table>"


def folded(summary: str, content: str) -> str:
    """HTML that is shown when its line is opened."""
    return f"<details><summary>{escape(summary)}</summary>\n{_scrolling(content)}\n</details>"


def link(text: str, address: str) -> Html:
    """A link to a file beside the page."""
    return Html(f'<a href="{escape(address)}">{escape(text)}</a>')


def _scrolling(part: str) -> str:
    """A drawing or a table, which may be wider than a phone, is moved sideways by itself; the page stays in place."""
    return f'<div class="wide">{part}</div>' if part.startswith(("<svg", "<table")) else part


def _cell(cell: object) -> str:
    return cell if isinstance(cell, Html) else escape(str(cell))
