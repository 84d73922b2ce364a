"""Escaped HTML elements: paragraphs, tables, figures."""

from collections.abc import Iterable, Sequence

from markupsafe import Markup


def paragraph(text: str, *values: object) -> Markup:
    """A paragraph; `values` fill the braces of `text`."""
    return Markup("<p>" + text + "</p>").format(*values)


def table(head: Sequence[object], rows: Iterable[Sequence[object]], numbers: bool = True) -> Markup:
    """A table in a box that scrolls. `numbers` aligns all columns but the first to the right."""
    cells = Markup("").join(Markup("<th>{}</th>").format(c) for c in head)
    body = Markup("").join(Markup("<tr>{}</tr>").format(Markup("").join(Markup("<td>{}</td>").format(c) for c in row)) for row in rows)
    kind = ' class="numbers"' if numbers else ""
    form = Markup("<div class='wide'><table{}>{}<tbody>{}</tbody></table></div>")
    return form.format(Markup(kind), Markup("<thead><tr>{}</tr></thead>").format(cells) if head else "", body)


def figure(picture: Markup, caption: str = "") -> Markup:
    """An image with a caption, in a box that scrolls on narrow pages."""
    text = Markup("<figcaption>{}</figcaption>").format(caption) if caption else Markup("")
    return Markup("<figure><div class='wide'>{}</div>{}</figure>").format(picture, text)


def row(*parts: Markup) -> Markup:
    """Elements in a row; on narrow pages, one below the other."""
    return Markup("<div class='row'>{}</div>").format(Markup("").join(parts))


def charts(*figures: Markup) -> Markup:
    """Charts in two columns; on narrow pages, in one."""
    return Markup("<div class='charts'>{}</div>").format(Markup("").join(figures))


def details(summary: str, content: Markup) -> Markup:
    """Content that opens with a click on `summary`."""
    return Markup("<details><summary>{}</summary>{}</details>").format(summary, content)


def listing(text: str) -> Markup:
    """Preformatted text."""
    return Markup("<pre>{}</pre>").format(text)


def seconds(value: float) -> str:
    """Format a duration: 0.8 s, 1 min 15 s, 2 h 3 min."""
    if value < 10:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {whole % 60} s"
