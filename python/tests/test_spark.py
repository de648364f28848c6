"""Scans on a local Spark cluster of two executors."""

import os
import shutil
import sys

import pytest
from conftest import assert_same_rows, snippets

import attn_tui

pytest.importorskip("pyspark", reason="PySpark is not installed")
if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
    pytest.skip("Spark needs Java, which is not here", allow_module_level=True)

import attn_tui.spark  # noqa: E402

ROWS = [(at, f"Where is the book that you bought {at} years ago?", f"Où est le livre acheté il y a {at} ans ?") for at in range(20)]
COLUMNS = {"source": "en", "target": "fr", "id": "row"}


@pytest.fixture(scope="module")
def spark():
    from pyspark.sql import SparkSession

    # Executors would take the system's Python.
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    session = (
        SparkSession.builder.master("local-cluster[2,1,512]")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.executor.memory", "512m")
        .config("spark.sql.shuffle.partitions", "2")
        # Two rows in a batch, so that the tasks of few rows have several.
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "2")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


def expected():
    """The table of heads of the same rows measured by this process."""
    return attn_tui.Model.open("demo").scan([(source, target) for _, source, target in ROWS])["heads"]


def loses_its_executor(armed):
    """Returns a function of batches that passes them on. In its second batch the process that finds the file `armed` removes
    it, and kills the executor that it belongs to."""

    def stat(pid):
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()

    def passed(batches):
        for at, batch in enumerate(batches):
            if at == 1:
                try:
                    os.unlink(armed)
                except FileNotFoundError:
                    pass
                else:
                    # The parent is the process that starts Python workers, and its parent the executor.
                    executor = int(stat(os.getppid())[1])
                    with open(f"/proc/{executor}/cmdline") as file:
                        assert "ExecutorBackend" in file.read()
                    os.kill(executor, 9)
            yield batch

    return passed


def test_rows_equal_those_of_one_machine_though_an_executor_is_killed(spark, tmp_path):
    armed = tmp_path / "armed"
    armed.touch()
    df = spark.createDataFrame(ROWS, ["row", "en", "fr"]).repartition(4)
    df = df.mapInArrow(loses_its_executor(str(armed)), df.schema)
    found = attn_tui.spark.scan(df, model="demo", columns=COLUMNS).toArrow()
    assert not armed.exists(), "no executor was killed"
    assert_same_rows(found, expected())


def test_the_snippets_of_the_documentation(spark, tmp_path, monkeypatch):
    path = tmp_path / "sentences.parquet"
    spark.createDataFrame(ROWS, ["row", "en", "fr"]).write.parquet(str(path))
    [snippet] = [code for code in snippets("docs/how-to/python.md") if "attn_tui.spark" in code]
    names = {"spark": spark}
    exec(snippet.replace("sentences.parquet", str(path)), names)
    assert_same_rows(names["heads"].toArrow(), expected())
