"""Reads a scan's folder with pyarrow and checks that its tables belong together.

    python tests/read_scan.py FOLDER
"""

import json
import pathlib
import sys

import pyarrow as pa
import pyarrow.parquet as pq


def read(folder: pathlib.Path) -> dict:
    """Returns the manifest and the tables of a scan, after checking them."""
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["schema"] == "attn-tui scan 1", manifest["schema"]
    tables = {name: pq.read_table(folder / name) for name in manifest["tables"]}
    for name, table in tables.items():
        assert table.column_names == manifest["tables"][name], name
    sentences, heads, links = tables["sentences"], tables["heads"], tables["links"]
    assert sentences.schema.field("source").type == pa.string()
    assert sentences.schema.field("source_tokens").type == pa.list_(pa.field("element", pa.string(), nullable=False))
    assert heads.schema.field("entropy").type == pa.float32()
    assert heads.schema.field("offset").type == pa.int64()
    rows = sentences.to_pylist()
    assert len({row["sentence"] for row in rows}) == len(rows), "a sentence stands twice"
    measured = {row["sentence"]: row for row in rows if row["error"] is None}
    assert {row["sentence"] for row in heads.select(["sentence"]).to_pylist()} == set(measured)
    for row in measured.values():
        assert len(row["source_ids"]) == len(row["source_tokens"]) and row["log_probability"] <= 0
        assert len(row["target_tokens"]) == len(row["decoder_tokens"])
    for link in links.to_pylist():
        row = measured[link["sentence"]]
        queries = row["source_tokens"] if link["kind"] == "encoder" else row["decoder_tokens"]
        keys = row["decoder_tokens"] if link["kind"] == "decoder" else row["source_tokens"]
        assert link["query"] < len(queries) and link["key"] < len(keys)
        assert link["query_token"] in queries[link["query"]] or not queries[link["query"]].isascii()
        assert link["key_token"] in keys[link["key"]] or not keys[link["key"]].isascii()
        assert 0 < link["weight"] <= 1 and link["distance"] >= manifest["options"]["min_distance"]
    return {"manifest": manifest, **tables}


if __name__ == "__main__":
    found = read(pathlib.Path(sys.argv[1]))
    print({name: table.num_rows for name, table in found.items() if name != "manifest"})
