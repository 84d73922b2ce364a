"""The time to read a table into NumPy, beside DuckDB alone: python -m tests.benchmarks.reading

It makes a table of 336,776 flights with 19 columns, and reads it with one thread. The first figures are CPU seconds. With --large, it reads
a file of 700 MB and prints the anonymous memory that this takes.
"""

import argparse
import csv
import os
import random
import tempfile
import threading
import time
from pathlib import Path

import duckdb

from netc.table.reading import number_sql, open_table, quoted

ROWS, COPIES = 336_776, 22
NAMES = (
    "year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time", "arr_delay", "carrier", "flight",
    "tailnum", "origin", "dest", "air_time", "distance", "hour", "minute", "time_hour",
)  # fmt: skip
TEXTS = ("carrier", "tailnum", "origin", "dest", "time_hour")


def write(path: Path) -> None:
    """Write the table."""
    draw = random.Random(1)
    codes = ["".join(draw.choices("ABCDEFGHIJ", k=3)) for _ in range(105)]
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(NAMES)
        for _ in range(ROWS):
            month, day, hour, minute = draw.randrange(1, 13), draw.randrange(1, 29), draw.randrange(5, 24), draw.randrange(60)
            times = ["NA"] * 4 if draw.random() < 0.025 else [hour * 100 + minute, draw.randrange(-20, 200), draw.randrange(2400), 30]
            tail = [
                draw.choice(codes)[:2],
                draw.randrange(6000),
                f"N{draw.randrange(4000):05d}",
                draw.choice(codes[:3]),
                draw.choice(codes),
            ]
            writer.writerow([2013, month, day, times[0], hour * 100, times[1], times[2], 1200, times[3], *tail, draw.randrange(600), 1000,
                             hour, minute, f"2013-{month:02d}-{day:02d} {hour:02d}:00:00"])  # fmt: skip


def read(path: Path) -> tuple[int, float, float]:
    """Read all columns. Returns the number of rows, and the CPU seconds to open the table and to read it."""
    start, rows = time.process_time(), 0
    with open_table(str(path)) as table:
        opened = time.process_time()
        select = {c.name: quoted(c.name) if c.name in TEXTS else number_sql(c, table.dialect) for c in table.columns}
        for chunk in table.chunks(select):
            rows += len(chunk["year"])
    return rows, opened - start, time.process_time() - opened


def alone(path: Path) -> float:
    """The CPU seconds of DuckDB to read all columns."""
    with duckdb.connect(config={"threads": 1}) as connection:
        start = time.process_time()
        connection.execute(f"select * from read_csv('{path}', nullstr='NA')").fetchnumpy()
        return time.process_time() - start


def anonymous() -> int:
    """The anonymous memory of this process in megabytes."""
    return next(int(line.split()[1]) >> 10 for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))


def large(path: Path) -> None:
    """Read a table that is larger than the memory that DuckDB may use."""
    header, _, body = path.read_text().partition("\n")
    wide = path.with_name("large.csv")
    with wide.open("w") as file:
        file.write(header + "\n")
        for _ in range(COPIES):
            file.write(body)
    peak, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            peak[0] = max(peak[0], anonymous())

    watcher = threading.Thread(target=watch)
    watcher.start()
    rows, opened, found = read(wide)
    done.set()
    watcher.join()
    print(f"{rows:,} rows, {wide.stat().st_size >> 20} MB: opened in {opened:.1f} s, read in {found:.1f} s, at most {peak[0]} MB of memory")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "flights.csv"
        write(path)
        for _ in range(3):
            (rows, opened, found), other = read(path), alone(path)
            ours = opened + found
            print(f"{rows:,} rows: opened in {opened:.2f} s, read in {found:.2f} s; DuckDB {other:.2f} s; {ours / other:.2f} times")
        if arguments.large:
            large(path)


if __name__ == "__main__":
    main()
