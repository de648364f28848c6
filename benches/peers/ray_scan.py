"""Times a scan on Ray, two workers of one thread each, beside the same scan in one process of two threads.

    .venv/bin/python benches/peers/ray_scan.py --model FOLDER [--count 8000] [--rounds 3]

The environment has the Python package of attn-tui (built with `--release`), ray and pyarrow. Start-up is left out: each
time is that of `count` pairs minus that of two batches.
"""

import argparse
import json
import statistics
import time

import attn_tui
import attn_tui.ray
import ray
import ray.data
from scan import sentences

BATCH = 256
THREADS = 2


def pairs(count):
    """Pairs as rows."""
    return [{"source": source, "target": target} for source, target in zip(sentences(count), sentences(count, 1))]


def on_ray(model, rows):
    """Seconds of the scan on Ray."""
    dataset = ray.data.from_items(rows, override_num_blocks=max(2, len(rows) // BATCH)).materialize()
    start = time.perf_counter()
    columns = {"source": "source", "target": "target"}
    scanned = attn_tui.ray.scan(
        dataset, model=model, columns=columns, batch_size=BATCH, concurrency=THREADS, num_cpus=1
    )
    scanned.materialize()
    return time.perf_counter() - start


def in_one_process(model, rows):
    """Seconds of the scan in this process."""
    start = time.perf_counter()
    opened = attn_tui.Model.open(model, threads=THREADS)
    for first in range(0, len(rows), BATCH):
        opened.scan(rows[first : first + BATCH])
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--count", type=int, default=8000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    ray.init(num_cpus=THREADS, include_dashboard=False, log_to_driver=False)
    rows, few = pairs(arguments.count), pairs(2 * BATCH)
    found = []
    for _ in range(arguments.rounds):
        one, many = (
            scan(arguments.model, rows) - scan(arguments.model, few) for scan in (in_one_process, on_ray)
        )
        found.append((one, many))
    one, many = (statistics.median(column) for column in zip(*found))
    ratio = statistics.median(one / many for one, many in found)
    print(json.dumps({"one_process_s": one, "ray_s": many, "ratio": ratio}, indent=1))


if __name__ == "__main__":
    main()
