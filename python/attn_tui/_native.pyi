from collections.abc import Iterator
from os import PathLike
from typing import Any, Literal, TypeAlias

import numpy
import numpy.typing

# A pyarrow.Table where pyarrow is installed, otherwise a dict of columns.
Table: TypeAlias = Any
Array: TypeAlias = numpy.typing.NDArray[numpy.float32]
Kind: TypeAlias = Literal["encoder", "decoder", "cross"]

VERSION: str

def run_command(words: list[str]) -> int: ...

class MapBuffer:
    @property
    def __array_interface__(self) -> dict[str, Any]: ...

class Model:
    """An open encoder-decoder model. It may be used by several threads at once."""

    @staticmethod
    def open(
        model: str | PathLike[str],
        *,
        revision: str | None = None,
        device: Literal["cpu", "cuda", "metal"] = "cpu",
        threads: int | None = None,
        memory: int | None = None,
        offline: bool = False,
        tokenizer: str | None = None,
    ) -> Model:
        """Opens a model: a hub id, a folder, or a built-in one such as "demo". Missing files are fetched.

        revision: branch, tag or commit. threads: the physical cores by default. memory: most bytes of maps that a
        capture keeps; others are computed when they are asked for. offline: stay off the network. tokenizer: id or
        folder whose tokenizer is used in place of the model's own.
        """

    def capture(
        self,
        source: str | None = None,
        target: str | None = None,
        *,
        audio: str | PathLike[str] | None = None,
        image: str | PathLike[str] | None = None,
        src_lang: str | None = None,
        tgt_lang: str | None = None,
        beams: int | None = None,
        max_new_tokens: int | None = None,
        seed: int = 0,
        logits: bool = False,
        values: bool = False,
    ) -> Capture:
        """Runs the model on a source and records the maps of every layer and head.

        The target is generated unless it is given. audio, image: file of the recording or picture that a model of speech
        or vision reads in place of a source. logits: keep the logits. values: keep what ALTI needs.
        """

    def scan(
        self,
        rows: Any,
        *,
        source: str = "source",
        target: str = "target",
        src_lang: str | None = None,
        tgt_lang: str | None = None,
        beams: int | None = None,
        max_new_tokens: int | None = None,
        seed: int = 0,
        far: float = ...,
        links: int = 3,
        min_distance: float | None = None,
        min_weight: float | None = None,
        source_share: bool = False,
        maps: bool = False,
    ) -> dict[str, Table]:
        """Measures many sentences, several at a time: the tables "sentences", "heads", "links" and "maps" of
        `attn-tui scan`, all in memory.

        rows: texts, pairs of texts, or mappings with the columns source and target; also an Arrow table, a data frame of
        pandas or Polars, a Ray or Hugging Face dataset. Targets that are not given are generated. Rows that cannot be run have a
        reason in the column "error" of "sentences". links, min_distance, min_weight: the far links that are kept of each
        head and sentence. source_share: measure the share of the source by ALTI. maps: keep the maps.
        """

    @property
    def name(self) -> str:
        """Hub id, name of the folder, or name of the built-in model."""
    @property
    def model_type(self) -> str:
        """Type of the model in its config.json."""
    @property
    def layers(self) -> tuple[int, int]:
        """Number of layers of encoder and decoder."""
    @property
    def heads(self) -> tuple[int, int]:
        """Number of heads of a layer of encoder and decoder."""
    @property
    def parameters(self) -> int:
        """Number of parameters."""
    @property
    def languages(self) -> list[str]:
        """Languages of a multilingual model."""
    @property
    def notes(self) -> list[str]:
        """Notes on the model, such as settings that are not followed."""
    @property
    def threads(self) -> int:
        """Number of threads."""

class Capture:
    """The record of one forward pass: tokens and the maps of all heads.

    A mapping from the names of sites, such as "cross.2", to arrays [heads, queries, keys]; the name of a head, such as
    "cross.2.4", gives [queries, keys]. Arrays of maps in memory are read-only views of it, without a copy. Maps that
    are not kept, as those of long texts, are computed each time that they are asked for.
    """

    @staticmethod
    def open(
        path: str | PathLike[str],
        *,
        kind: Kind | None = None,
        memory: int | None = None,
        trim_padding: bool = False,
        threads: int | None = None,
    ) -> Capture:
        """Opens a capture file, or a file with attention maps in another form.

        kind: kind of maps whose file names none. memory: most bytes of maps that are read into memory.
        """

    @staticmethod
    def from_transformers(
        outputs: Any,
        tokenizer: Any = None,
        *,
        source_ids: Any = None,
        target_ids: Any = None,
        decoder_input_ids: Any = None,
        sequence: int = 0,
        model: str = "",
        kind: Kind | None = None,
        trim_padding: bool = True,
        threads: int | None = None,
    ) -> Capture:
        """Makes a capture of what a transformers model returns with output_attentions=True.

        outputs: that of a forward pass, or of generate() with return_dict_in_generate=True. The ids are those that the
        model was run on; generated ones are taken from the outputs. sequence: number of the sequence of a batch.
        """

    def save(
        self, path: str | PathLike[str], *, force: bool = False, dtype: Literal["f32", "f16"] = "f32"
    ) -> None:
        """Writes a capture file, which `Capture.open` and every command read."""

    def __getitem__(self, name: str) -> Array: ...
    def __contains__(self, name: str) -> bool: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[str]: ...
    def keys(self) -> list[str]:
        """Returns the names of all sites."""
    @property
    def model(self) -> str:
        """Model that the capture comes from."""
    @property
    def model_type(self) -> str:
        """Type of that model."""
    @property
    def source(self) -> str:
        """Text of the source."""
    @property
    def target(self) -> str:
        """Text of the target, given or generated."""
    @property
    def source_tokens(self) -> list[str]:
        """Tokens of the source, as the vocabulary spells them."""
    @property
    def target_tokens(self) -> list[str]:
        """Tokens that the decoder predicts, one for each row."""
    @property
    def decoder_input_tokens(self) -> list[str]:
        """Tokens that the decoder is fed, the start token first."""
    @property
    def source_ids(self) -> list[int]:
        """Ids of the source's tokens."""
    @property
    def target_ids(self) -> list[int]:
        """Ids of the target's tokens."""
    @property
    def logits(self) -> Array | None:
        """Logits [target, vocabulary], if the capture kept them."""
    @property
    def notes(self) -> list[str]:
        """Notes on how a file was read."""

    def heads(
        self, *, kind: Kind | None = None, layer: int | None = None, head: int | None = None, far: float = ...
    ) -> Table:
        """Tabulates the metrics of heads, as `attn-tui heads --columns all` does.

        far: distance in tokens beyond which a key counts as far.
        """

    def links(
        self,
        *,
        kind: Kind | None = None,
        layer: int | None = None,
        head: int | None = None,
        queries: str = "",
        keys: str = "",
        min_distance: float | None = None,
        min_weight: float = 0.0,
        top: int = 20,
        special: bool = False,
        punctuation: bool = False,
        sinks: bool = False,
    ) -> Table:
        """Tabulates the strongest links, as `attn-tui links` does.

        queries, keys: words or positions that the links begin and end at. min_distance: 5 by default, 0 between given
        words. special, punctuation, sinks: keep links to special tokens, from and to punctuation, to sinks.
        """

    def align(
        self,
        *,
        layer: int | None = None,
        head: int | None = None,
        merge: Literal["mean", "max"] = "mean",
        convention: Literal["predicts", "fed"] = "predicts",
        tokens: bool = False,
    ) -> Table:
        """Aligns words by cross-attention: a row for each pair, with numbers and texts of both words.

        layer: the last by default. head: all, merged, by default. convention: the row that stands for a target token,
        the one that predicts it or the one that is fed it. tokens: align tokens instead of words.
        """

    def rollout(
        self,
        *,
        kind: Kind | None = None,
        method: Literal["rollout", "alti"] = "rollout",
        residual: float | None = None,
    ) -> Table:
        """Tabulates the shares of attention traced through all layers, as `attn-tui rollout` does."""

    def rollout_map(
        self,
        *,
        kind: Kind | None = None,
        method: Literal["rollout", "alti"] = "rollout",
        residual: float | None = None,
    ) -> Array:
        """Returns the map of attention traced through all layers, [queries, keys]."""

    def knockout(
        self,
        *,
        kind: Kind | None = None,
        layer: int | None = None,
        head: int | None = None,
        by: Literal["head", "layer"] = "head",
        top: int | None = None,
    ) -> Table:
        """Tabulates what the target's predictions lose with each head, or each layer, switched off, the most first.

        The capture must come from `Model.capture`.
        """

    def to_html(
        self,
        *,
        kind: Kind | None = None,
        layer: int | None = None,
        head: int | None = None,
        dark: bool = False,
    ) -> str:
        """Returns a page of its own with the selected maps, to be explored in a browser."""

    def _repr_html_(self) -> str: ...
