"""Scans on a local Ray cluster of two nodes."""

import os

import pyarrow
import pyarrow.parquet
import pytest
from conftest import assert_same_rows, snippets

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


def dies_in_its_second_batch(armed):
    """Returns what every worker process does first. The process that finds the file `armed` in its second batch removes it,
    and kills itself."""

    def prepare():
        import os
        import signal

        from attn_tui import _batches

        scan_batch, batches = _batches.scan_batch, []

        def scan_or_die(*arguments):
            batches.append(len(batches))
            if len(batches) > 1:
                try:
                    os.unlink(armed)
                except FileNotFoundError:
                    pass
                else:
                    os.kill(os.getpid(), signal.SIGKILL)
            return scan_batch(*arguments)

        _batches.scan_batch = scan_or_die

    return prepare


@pytest.fixture(scope="module")
def armed(tmp_path_factory):
    """A file that does not exist; once it does, a worker dies."""
    return tmp_path_factory.mktemp("ray") / "armed"


def two_nodes(tries=4):
    """Starts a cluster. Ray gives each node half a minute to start, which may be too little on a busy machine."""
    cluster = ray.cluster_utils.Cluster()
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=2, object_store_memory=100 << 20, include_dashboard=False)
    except Exception:
        cluster.shutdown()
        if tries == 1:
            raise
        return two_nodes(tries - 1)
    return cluster


@pytest.fixture(scope="module")
def cluster(armed):
    # Ray ends workers where others leave little memory.
    os.environ |= {"RAY_memory_monitor_refresh_ms": "0", "RAY_USAGE_STATS_ENABLED": "0"}
    cluster = two_nodes()
    prepare = dies_in_its_second_batch(str(armed))
    ray.init(address=cluster.address, log_to_driver=False, runtime_env={"worker_process_setup_hook": prepare})
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def expected(table, rows=ROWS):
    """The table of the same rows measured by this process."""
    found = attn_tui.Model.open("demo").scan(rows, source="en", target="fr")[table]
    return found.set_column(0, "sentence", rows["row"].take(found["sentence"]))


def collected(dataset):
    return pyarrow.concat_tables(ray.get(dataset.to_arrow_refs()), promote_options="default")


def test_rows_equal_those_of_one_machine_though_a_worker_is_killed(cluster, armed):
    assert len([node for node in ray.nodes() if node["Alive"]]) == 2
    blocks = [ROWS.slice(start, 5) for start in range(0, 60, 5)]
    heads = attn_tui.ray.scan(
        ray.data.from_arrow(blocks), model="demo", columns=COLUMNS, batch_size=5, concurrency=2, num_cpus=1
    )
    armed.touch()
    found = collected(heads)
    assert not armed.exists(), "no worker was killed"
    assert_same_rows(found, expected("heads"))


def test_links_to_parquet_without_ids(cluster, tmp_path):
    links = attn_tui.ray.scan(
        ray.data.from_arrow(ROWS.slice(0, 8)), model="demo", columns={"source": "en", "target": "fr"}, table="links"
    )
    links.write_parquet(str(tmp_path / "links"))
    found = pyarrow.parquet.read_table(tmp_path / "links")
    assert found.column_names[0] == "source" and set(found["source"].to_pylist()) <= set(ROWS["en"].to_pylist())
    assert found.num_rows > 0


def test_the_snippets_of_the_documentation(cluster, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pyarrow.parquet.write_table(ROWS.slice(0, 8), "sentences.parquet")
    [snippet] = [code for code in snippets("docs/how-to/python.md") if "attn_tui.ray" in code]
    # Workers have folders of their own.
    exec(snippet.replace('parquet("', f'parquet("{tmp_path}/'), {})
    assert_same_rows(pyarrow.parquet.read_table(tmp_path / "heads"), expected("heads", ROWS.slice(0, 8)))


def test_wrong_names_are_told(cluster):
    with pytest.raises(ValueError, match="table: 'rows' is not one of"):
        attn_tui.ray.scan(ray.data.from_arrow(ROWS), model="demo", table="rows")
    scanned = attn_tui.ray.scan(ray.data.from_arrow(ROWS), model="demo", columns={"source": "english"})
    with pytest.raises(Exception, match="there is no column 'english'"):
        scanned.take_all()
