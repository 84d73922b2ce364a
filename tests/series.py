"""Tables that are series in time, for tests: two shops, a row a day, a price that is known ahead, and gaps."""

from pathlib import Path

import numpy as np

DAYS, WEEK = 160, 7


def shop(seed: int) -> list[tuple[str, float | None, float]]:
    """Day, visitors (None for a gap) and price."""
    rng = np.random.default_rng(seed)
    price = 1 + rng.integers(0, 2, DAYS)
    visitors = 20 + 5 * seed + 8 * np.sin(2 * np.pi * np.arange(DAYS) / WEEK) - 6 * price + 0.3 * rng.normal(size=DAYS)
    days = [str(np.datetime64("2024-01-01") + np.timedelta64(k, "D")) for k in range(DAYS)]
    return [(day, None if k == 40 else float(v), float(p)) for k, (day, v, p) in enumerate(zip(days, visitors, price, strict=True))]


def write_series(path: Path, ahead: int = 0, shuffled: bool = False) -> Path:
    """Write both shops, without the visitors of the last `ahead` days and without one day of the second shop."""
    rows = ["day,shop,visitors,price"]
    for seed, name in enumerate(["north", "south"]):
        for k, (day, visitors, price) in enumerate(shop(seed)):
            if (seed, k) != (1, 100):
                seen = visitors is not None and k < DAYS - ahead
                rows.append(f"{day},{name},{f'{visitors:.3f}' if seen else ''},{price:g}")
    body = rows[1:]
    if shuffled:
        np.random.default_rng(0).shuffle(body)
    path.write_text("\n".join([rows[0], *body]) + "\n")
    return path


NET = """\
name: shops
licence: unknown
dataset_licence: unknown
layers:
  - Table: {source: shops.csv, label: visitors, columns: {day: {type: date, parts: [weekday]}, visitors: number, price: number},
      series: {time: day, group: shop, steps: 14, horizon: 3, known: [price]}, split: {test: 0.2}, batch_size: 32,
      top: [data, label, past, ahead]}
  - Relative: {bottom: past, top: relative}
  - Flatten: {bottom: relative, top: recent}
  - Encode: {bottom: ahead, pieces: 2}
  - Flatten: {top: next}
  - Concat: {bottom: [recent, next], top: all}
  - InnerProduct: {num_output: 3, weight_filler: xavier}
  - Relative: {bottom: [ip1, past], inverse: true, top: forecast}
  - Relative: {bottom: [label, past], top: target}
  - EuclideanLoss: {bottom: [ip1, target], top: loss}
  - R2: {bottom: [forecast, label]}
solver: {type: Adam, base_lr: 0.01, momentum: 0.9, max_iter: 120, display: 60}
"""


def write_net(folder: Path) -> Path:
    """Write the shops and a net that forecasts their visitors."""
    write_series(folder / "shops.csv")
    (folder / "shops.yaml").write_text(NET)
    return folder / "shops.yaml"
