"""Scans on a local Spark cluster of two executors."""

import os
import shutil
import sys

import numpy
import pyarrow
import pytest

import attn_tui

pytest.importorskip("pyspark", reason="PySpark is not installed")
if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
    pytest.skip("Spark needs Java, which is not here", allow_module_level=True)

import attn_tui.spark  # noqa: E402

ROWS = [(at, f"Where is the book that you bought {at} years ago?", f"Où est le livre acheté il y a {at} ans ?") for at in range(20)]


@pytest.fixture(scope="module")
def spark():
    from pyspark.sql import SparkSession

    # Executors would take the system's Python.
    os.environ["PYSPARK_PYTHON"] = sys.executable
    session = (
        SparkSession.builder.master("local-cluster[2,1,512]")
        .config("spark.ui.enabled", "false")
        .config("spark.executor.memory", "512m")
        .config("spark.sql.shuffle.partitions", "2")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


def test_rows_equal_those_of_one_machine(spark):
    df = spark.createDataFrame(ROWS, ["row", "en", "fr"]).repartition(4)
    found = attn_tui.spark.scan(df, model="demo", columns={"source": "en", "target": "fr", "id": "row"})
    found = found.toArrow().sort_by([(name, "ascending") for name in ("sentence", "kind", "layer", "head")])
    pairs = [(source, target) for _, source, target in ROWS]
    wanted = attn_tui.Model.open("demo").scan(pairs)["heads"]
    wanted = wanted.sort_by([(name, "ascending") for name in ("sentence", "kind", "layer", "head")])
    assert found.column_names == wanted.column_names and found.num_rows == wanted.num_rows
    for name in wanted.column_names:
        if pyarrow.types.is_floating(wanted[name].type):
            numpy.testing.assert_allclose(found[name].to_numpy(), wanted[name].to_numpy(), atol=1e-5, rtol=1e-5)
        else:
            assert found[name].to_pylist() == wanted[name].to_pylist()
