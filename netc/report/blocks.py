"""Images and series as text: half blocks in colour, a ramp of characters without colour, and sparklines."""

from collections.abc import Sequence

import numpy as np

from netc.report.sparkline import drawn

RAMP = " .:-=+*#%@"
MOST_WIDTH = 32  # characters; wider images are scaled down


def picture(image: np.ndarray, colour: bool) -> list[str]:
    """Convert a uint8 image (1 or 3, height, width) to lines of text. A character is one pixel wide and two pixels high."""
    pixels = _fitted(image)
    upper, lower = pixels[0::2].astype(int), pixels[1::2].astype(int)
    if not colour:
        dark = (upper + lower).mean(2) / 2
        return ["".join(RAMP[int(v * len(RAMP) / 256)] for v in row) for row in dark]
    return ["".join(map(_block, *rows)) + "\x1b[0m" for rows in zip(upper, lower, strict=True)]


def side_by_side(pictures: Sequence[tuple[str, Sequence[str]]], widths: Sequence[int], total: int) -> list[str]:
    """Lay out captioned images, `widths` characters wide, in rows of at most `total` characters."""
    out: list[str] = []
    at = 0
    while at < len(pictures):
        end, used = at + 1, widths[at]
        while end < len(pictures) and used + 2 + widths[end] <= total:
            used, end = used + 2 + widths[end], end + 1
        row = list(zip(pictures[at:end], widths[at:end], strict=True))
        out.append("  ".join(caption[:width].ljust(width) for (caption, _), width in row))
        for k in range(max(len(lines) for (_, lines), _ in row)):
            out.append("  ".join(lines[k] if k < len(lines) else " " * width for (_, lines), width in row))
        out, at = [*out, ""], end
    return out


def sparkline(values: Sequence[float] | np.ndarray, width: int = 60) -> str:
    """Draw numbers as a curve of at most `width` characters. Longer series are averaged."""
    return drawn(np.asarray(values, np.float64).reshape(-1).tolist(), width)


def histogram(values: np.ndarray, bins: int = 12) -> str:
    """Draw a histogram from the smallest to the largest value as a sparkline. NaN and infinite values are skipped."""
    counts, _ = np.histogram(values[np.isfinite(values)], bins)
    return sparkline(counts)


def _block(upper: np.ndarray, lower: np.ndarray) -> str:
    (r, g, b), (s, h, c) = upper, lower
    return f"\x1b[38;2;{r};{g};{b};48;2;{s};{h};{c}m▀"


def _fitted(image: np.ndarray) -> np.ndarray:
    """Resize to (height, width, 3) with an even height and at most MOST_WIDTH columns."""
    from PIL import Image

    pixels = np.repeat(image, 3, 0) if image.shape[0] == 1 else image
    resized = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    scale = min(1.0, MOST_WIDTH / resized.width)
    width, height = max(1, round(resized.width * scale)), max(2, round(resized.height * scale / 2) * 2)
    if (width, height) != resized.size:
        resized = resized.resize((width, height), Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR)
    return np.asarray(resized)
