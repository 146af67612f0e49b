"""The cases that fit Ray Data, on two CPUs; batches are NumPy arrays."""

import logging

import numpy as np
import ray
from serve import serve

ray.init(num_cpus=2, include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False)
context = ray.data.DataContext.get_current()
context.enable_progress_bars = False
# Ray's defaults are for clusters: 200 reduce tasks, a block a processor and more.
BLOCKS = 4
context.default_hash_shuffle_parallelism = BLOCKS
logging.getLogger("ray.data").setLevel(logging.ERROR)


def hash_of(row):
    x = row.astype(np.uint32)
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    x = (x ^ (x >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return x ^ (x >> np.uint32(16))


def rows_of(rows):
    return ray.data.range(int(rows), override_num_blocks=BLOCKS)


def total(dataset, column):
    """Adds up a column block by block, then over the blocks."""
    return dataset.map_batches(lambda batch: {"total": batch[column].sum(keepdims=True)}, batch_size=None).sum("total")


def map_filter_sum(rows):
    def mapped(batch):
        y = 2 * batch["id"] + 1
        return {"y": y[y % 3 == 0]}

    return [total(rows_of(rows).map_batches(mapped, batch_size=None), "y")]


def reduce_by_key(rows, keys):
    def pairs(batch):
        return {"key": (hash_of(batch["id"]) % int(keys)).astype(np.int64), "value": batch["id"] & 63}

    def checked(batch):
        return {"check": batch["key"] * (batch["sum(value)"] % 1009)}

    sums = rows_of(rows).map_batches(pairs, batch_size=None).groupby("key").sum("value")
    return [total(sums.map_batches(checked, batch_size=None), "check")]


def sort_by(rows):
    def values(batch):
        return {"value": hash_of(batch["id"]) / 4294967296.0}

    def placed(batch):
        value = batch["value"]
        return {
            "count": np.array([len(value)]),
            "sum": value.sum(keepdims=True),
            "placed": (value * np.arange(len(value))).sum(keepdims=True),
        }

    ordered = rows_of(rows).map_batches(values, batch_size=None).sort("value")
    count = sum_ = place = 0.0
    for part in ordered.map_batches(placed, batch_size=None).take_all():
        place += part["placed"] + count * part["sum"]
        sum_ += part["sum"]
        count += part["count"]
    return [count, sum_, place]


def join(rows):
    rows = int(rows)

    def side(start, name):
        def keyed(batch):
            row = batch["id"] + start
            return {"key": (hash_of(row) % rows).astype(np.int64), name: row}

        return rows_of(rows).map_batches(keyed, batch_size=None)

    def checked(batch):
        return {"check": (batch["a"] * batch["b"] + batch["key"]) % 65521}

    pairs = side(0, "a").join(side(rows, "b"), join_type="inner", num_partitions=BLOCKS, on=("key",))
    return [total(pairs.map_batches(checked, batch_size=None), "check")]


def csv(directory):
    def sums(batch):
        return {name: values.sum(keepdims=True) for name, values in batch.items() if name}

    parts = ray.data.read_csv(directory, override_num_blocks=2 * BLOCKS).map_batches(sums, batch_size=None).take_all()
    return [sum(part[name] for part in parts) for name in parts[0]]


serve(
    {
        "map-filter-sum": map_filter_sum,
        "reduceByKey": reduce_by_key,
        "sortBy": sort_by,
        "join": join,
        "csv": csv,
    }
)
