"""The cases that fit data frames, in Polars with two threads (POLARS_MAX_THREADS)."""

import polars as pl
from serve import serve

COLUMNS = [
    f"{sensor}.{axis}"
    for sensor, axes in [
        ("attitude", ["roll", "pitch", "yaw"]),
        ("gravity", "xyz"),
        ("rotationRate", "xyz"),
        ("userAcceleration", "xyz"),
    ]
    for axis in axes
]


def hashed(start, stop):
    """Rows start to stop with their hash; 32-bit products wrap around, a shift is a division."""
    frame = pl.LazyFrame().select(row=pl.int_range(start, stop, dtype=pl.Int64))
    x = pl.col("x")
    return (
        frame.with_columns(x=pl.col("row").cast(pl.UInt32))
        .with_columns(x=(x ^ (x // 65536)) * pl.lit(2246822507, pl.UInt32))
        .with_columns(x=(x ^ (x // 8192)) * pl.lit(3266489909, pl.UInt32))
        .select("row", hash=x ^ (x // 65536))
    )


def map_filter_sum(rows):
    frame = pl.LazyFrame().select(y=2 * pl.int_range(0, int(rows), dtype=pl.Int64) + 1)
    return frame.filter(pl.col("y") % 3 == 0).sum().collect().row(0)


def reduce_by_key(rows, keys):
    frame = hashed(0, int(rows)).select(key=pl.col("hash") % int(keys), value=pl.col("row") & 63)
    totals = frame.group_by("key").agg(total=pl.col("value").sum())
    return totals.select((pl.col("key").cast(pl.Int64) * (pl.col("total") % 1009)).sum()).collect().row(0)


def sort_by(rows):
    frame = hashed(0, int(rows)).select(value=pl.col("hash") / 4294967296.0).sort("value")
    value = pl.col("value")
    place = pl.int_range(pl.len()).cast(pl.Float64)
    return frame.select(pl.len(), value.sum().alias("sum"), (value * place).sum().alias("placed")).collect().row(0)


def join(rows):
    rows = int(rows)
    left, right = (
        hashed(start, start + rows).select(key=(pl.col("hash") % rows).cast(pl.Int64), row="row") for start in (0, rows)
    )
    pairs = left.join(right, on="key")
    return pairs.select(((pl.col("row") * pl.col("row_right") + pl.col("key")) % 65521).sum()).collect().row(0)


def csv(directory):
    schema = {"": pl.Int64, **{name: pl.Float64 for name in COLUMNS}}
    frame = pl.scan_csv(f"{directory}/*/*.csv", schema=schema, glob=True)
    return frame.select(pl.col(name).sum() for name in COLUMNS).collect().row(0)


serve(
    {
        "map-filter-sum": map_filter_sum,
        "reduceByKey": reduce_by_key,
        "sortBy": sort_by,
        "join": join,
        "csv": csv,
    }
)
