"""Scans on a local Ray cluster of two nodes."""

import os
import signal
import threading
import time
from pathlib import Path

import numpy
import pyarrow
import pytest

import attn_tui

ray = pytest.importorskip("ray", reason="Ray is not installed")
import ray.cluster_utils  # noqa: E402
import ray.data  # noqa: E402

import attn_tui.ray  # noqa: E402

WORDS = ["book", "house", "car", "dog", "garden", "letter"]
ROWS = pyarrow.table(
    {
        "row": [f"s{at}" for at in range(60)],
        "en": [f"Where is the {WORDS[at % 6]} that you bought {at} years ago?" for at in range(60)],
        "fr": [f"Où est le livre que tu as acheté il y a {at} ans ?" for at in range(60)],
    }
)
COLUMNS = {"source": "en", "target": "fr", "id": "row"}


@pytest.fixture(scope="module")
def cluster():
    cluster = ray.cluster_utils.Cluster()
    nodes = [cluster.add_node(num_cpus=2, object_store_memory=100 << 20, include_dashboard=False) for _ in range(2)]
    ray.init(address=cluster.address, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield nodes
    ray.shutdown()
    cluster.shutdown()


def workers(nodes):
    """Processes of the cluster that hold a model."""
    raylets = {str(process.process.pid) for node in nodes for group in node.all_processes.values() for process in group}
    found = []
    for folder in Path("/proc").iterdir():
        try:
            title, status = (folder / "cmdline").read_bytes(), (folder / "stat").read_text()
        except OSError:
            continue
        if b"MapWorker" in title and status.rsplit(")", 1)[1].split()[1] in raylets:
            found.append(int(folder.name))
    return found


def expected(table):
    """The table of the same rows measured by this process."""
    found = attn_tui.Model.open("demo").scan(ROWS, source="en", target="fr")[table]
    return found.set_column(0, "sentence", ROWS["row"].take(found["sentence"]))


def assert_same(found, wanted):
    """Compares tables whose rows may stand in any order."""
    order = [(name, "ascending") for name in ("sentence", "kind", "layer", "head", "rank") if name in wanted.column_names]
    found, wanted = found.sort_by(order), wanted.sort_by(order)
    assert found.column_names == wanted.column_names
    assert found.num_rows == wanted.num_rows
    for name in wanted.column_names:
        if pyarrow.types.is_floating(wanted[name].type):
            numpy.testing.assert_allclose(
                found[name].to_numpy(), wanted[name].to_numpy(), atol=1e-5, rtol=1e-5, err_msg=name
            )
        else:
            assert found[name].to_pylist() == wanted[name].to_pylist(), name


def collected(dataset):
    return pyarrow.concat_tables(ray.get(dataset.to_arrow_refs()), promote_options="default")


def test_rows_equal_those_of_one_machine_though_a_worker_is_killed(cluster):
    heads = attn_tui.ray.scan(
        ray.data.from_arrow(ROWS).repartition(12), model="demo", columns=COLUMNS, batch_size=5, concurrency=2, num_cpus=1
    )
    killed = []

    def kill_one():
        end = time.monotonic() + 60
        while not killed and time.monotonic() < end:
            time.sleep(0.05)
            both = workers(cluster)
            if len(both) == 2:
                # Both have begun.
                time.sleep(0.5)
                os.kill(both[0], signal.SIGKILL)
                killed.append(both[0])

    killer = threading.Thread(target=kill_one)
    killer.start()
    found = collected(heads)
    killer.join()
    assert killed, "no worker was there to be killed"
    assert_same(found, expected("heads"))


def test_links_to_parquet_without_ids(cluster, tmp_path):
    links = attn_tui.ray.scan(
        ray.data.from_arrow(ROWS.slice(0, 8)), model="demo", columns={"source": "en", "target": "fr"}, table="links"
    )
    links.write_parquet(str(tmp_path / "links"))
    import pyarrow.parquet

    found = pyarrow.parquet.read_table(tmp_path / "links")
    assert found.column_names[0] == "source" and set(found["source"].to_pylist()) <= set(ROWS["en"].to_pylist())
    assert found.num_rows > 0


def test_wrong_names_are_told(cluster):
    with pytest.raises(ValueError, match="table: 'rows' is not one of"):
        attn_tui.ray.scan(ray.data.from_arrow(ROWS), model="demo", table="rows")
    scanned = attn_tui.ray.scan(ray.data.from_arrow(ROWS), model="demo", columns={"source": "english"})
    with pytest.raises(Exception, match="there is no column 'english'"):
        scanned.take_all()
