"""A contact sheet of images by class as PNG, and the HTML page of a data set."""

import base64
import html
import io
from collections.abc import Sequence

import numpy as np

LEAST_SIDE, GAP, CAPTION = 48, 4, 90  # pixels: smallest side of an image, gap between images, space for the class name
STYLE = """body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 70em; padding: 0 1em; }
pre { background: #f4f4f4; padding: 1em; overflow-x: auto; line-height: 1.25; } th { text-align: left; padding-right: 1.5em; }
img { image-rendering: pixelated; max-width: 100%; } @media (prefers-color-scheme: dark) { body { background: #181818; color: #ddd; }
pre { background: #262626; } }"""


def sheet_png(pictures: Sequence[tuple[str, np.ndarray]]) -> bytes:
    """Draw uint8 images (1 or 3, height, width), one row per caption."""
    from PIL import Image, ImageDraw

    rows: dict[str, list[np.ndarray]] = {}
    for caption, image in pictures:
        rows.setdefault(caption, []).append(image)
    _, height, width = pictures[0][1].shape
    scale = max(1, -(-LEAST_SIDE // max(height, width)))
    height, width = height * scale, width * scale
    most = max(map(len, rows.values()))
    sheet = Image.new("RGB", (CAPTION + most * (width + GAP), len(rows) * (height + GAP)), "white")
    draw = ImageDraw.Draw(sheet)
    for y, (caption, images) in enumerate(rows.items()):
        top = y * (height + GAP)
        draw.text((2, top + height // 2 - 6), caption[:14], fill="black")
        for x, image in enumerate(images):
            pixels = np.repeat(image, 3, 0) if image.shape[0] == 1 else image
            tile = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
            sheet.paste(tile.resize((width, height), Image.Resampling.NEAREST), (CAPTION + x * (width + GAP), top))
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()


def page(title: str, facts: Sequence[tuple[str, str]], lines: Sequence[str], pictures: Sequence[tuple[str, np.ndarray]]) -> str:
    """A self-contained HTML page: facts, images by class, and the lines that the terminal shows."""
    rows = "\n".join(f"<tr><th>{html.escape(name)}</th><td>{html.escape(text)}</td></tr>" for name, text in facts)
    image = f'<p><img alt="samples" src="data:image/png;base64,{base64.b64encode(sheet_png(pictures)).decode()}"></p>' if pictures else ""
    text = f"<pre>{html.escape(chr(10).join(lines))}</pre>" if lines else ""
    name = html.escape(title)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{name}</title>\n<style>{STYLE}</style></head>\n'
        f"<body><h1>{name}</h1>\n<table>\n{rows}\n</table>\n{image}\n{text}\n</body></html>\n"
    )
