"""Pieces of a page, escaped: tables, figures, notes."""

from collections.abc import Iterable, Sequence

from markupsafe import Markup


def paragraph(text: str, *values: object) -> Markup:
    """A paragraph; `values` fill the braces of `text`."""
    return Markup("<p>" + text + "</p>").format(*values)


def table(head: Sequence[object], rows: Iterable[Sequence[object]], numbers: bool = True) -> Markup:
    """A table in a box that scrolls; `numbers` sets all columns but the first flush right."""
    cells = Markup("").join(Markup("<th>{}</th>").format(c) for c in head)
    body = Markup("").join(Markup("<tr>{}</tr>").format(Markup("").join(Markup("<td>{}</td>").format(c) for c in row)) for row in rows)
    kind = ' class="numbers"' if numbers else ""
    form = Markup("<div class='wide'><table{}>{}<tbody>{}</tbody></table></div>")
    return form.format(Markup(kind), Markup("<thead><tr>{}</tr></thead>").format(cells) if head else "", body)


def figure(picture: Markup, caption: str = "") -> Markup:
    """A picture with words below it, in a box that scrolls where the page is narrower than it."""
    words = Markup("<figcaption>{}</figcaption>").format(caption) if caption else Markup("")
    return Markup("<figure><div class='wide'>{}</div>{}</figure>").format(picture, words)


def row(*parts: Markup) -> Markup:
    """Pieces beside each other, below each other where the page is narrow."""
    return Markup("<div class='row'>{}</div>").format(Markup("").join(parts))


def charts(*figures: Markup) -> Markup:
    """Charts in two columns where there is room."""
    return Markup("<div class='charts'>{}</div>").format(Markup("").join(figures))


def details(summary: str, content: Markup) -> Markup:
    """What is opened by a click."""
    return Markup("<details><summary>{}</summary>{}</details>").format(summary, content)


def listing(text: str) -> Markup:
    """Text as it stands."""
    return Markup("<pre>{}</pre>").format(text)


def seconds(value: float) -> str:
    """A time as people read it: 0.8 s, 1 min 15 s, 2 h 3 min."""
    if value < 10:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {whole % 60} s"
