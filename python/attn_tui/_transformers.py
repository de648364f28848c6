"""Outputs of transformers models as a file in memory, which the reader of capture files then checks."""

from __future__ import annotations

import json
from typing import Any, Iterable

import numpy

from ._errors import UsageError

# Names in the file by the names of the outputs. Decoder-only and encoder-only models have `attentions`, whose kind the
# reader tells from the maps.
KINDS = ("encoder_attentions", "decoder_attentions", "cross_attentions", "attentions")


def safetensors(
    outputs: Any,
    tokenizer: Any,
    source_ids: Any,
    target_ids: Any,
    decoder_input_ids: Any,
    sequence: int,
    model: str,
) -> bytes:
    """Returns maps, ids, tokens and texts in the safetensors format.

    `outputs` is what `model(..., output_attentions=True)` returns, or `generate(..., output_attentions=True,
    return_dict_in_generate=True)`, or a mapping with the same names. Arrays may be of any library that NumPy reads.
    """
    maps: dict[str, numpy.ndarray] = {}
    for kind in KINDS:
        maps.update(arrays(kind, get(outputs, kind)))
    rows_of = [get(outputs, name) for name in ("decoder_attentions", "cross_attentions")]
    steps = next((value for value in rows_of if value is not None), None)
    generated = is_nested(steps)
    if steps is not None and not generated:
        maps.update(arrays("logits", get(outputs, "logits")))

    source = ids_of(source_ids, sequence)
    target, fed = ids_of(target_ids, sequence), ids_of(decoder_input_ids, sequence)
    sequences = ids_of(get(outputs, "sequences"), sequence)
    beams = ids_of(get(outputs, "beam_indices"), sequence)
    if generated and sequences is not None and target is None:
        taken = len(steps) if beams is None else min(len(steps), sum(beam >= 0 for beam in beams))
        # The first step has a row for each token of the decoder's prompt.
        rows = taken - 1 + queries_of(steps[0])
        # The first token is the one that generation started from.
        target, fed = sequences[1 : rows + 1], sequences[:rows]
    fields: dict[str, Any] = {"model": model}
    if beams is not None and generated:
        fields["beam_indices"] = beams
    pad = getattr(tokenizer, "pad_token_id", None)
    for side, ids in (("source", source), ("target", target), ("decoder_input", fed)):
        if ids is None:
            continue
        # Labels that no loss is computed for are -100.
        ids = [(pad or 0) if id < 0 else id for id in ids]
        fields[f"{side}_ids"] = ids
        if tokenizer is not None:
            fields[f"{side}_tokens"] = list(tokenizer.convert_ids_to_tokens(ids))
            if side != "decoder_input":
                fields[side] = tokenizer.decode(ids, skip_special_tokens=True)
    if tokenizer is not None:
        fields["special_ids"] = [int(id) for id in tokenizer.all_special_ids]
    return encode(maps, fields)


def get(outputs: Any, name: str) -> Any:
    """Returns an output by name; None if there is none."""
    value = getattr(outputs, name, None)
    if value is None and hasattr(outputs, "get"):
        value = outputs.get(name)
    return value


def is_nested(value: Any) -> bool:
    """Returns True for steps of layers, as `generate` returns them."""
    return isinstance(value, (tuple, list)) and len(value) > 0 and isinstance(value[0], (tuple, list))


def queries_of(step: Any) -> int:
    """Returns the number of queries of a step's maps; some of its layers may have none."""
    layer = next((layer for layer in step if layer is not None), None)
    return 1 if layer is None else numpy.shape(layer)[-2]


def arrays(name: str, value: Any) -> Iterable[tuple[str, numpy.ndarray]]:
    """Yields the arrays of an output: one, or those of its layers, or of its steps and layers."""
    if value is None:
        return
    if isinstance(value, (tuple, list)):
        for at, part in enumerate(value):
            yield from arrays(f"{name}.{at}", part)
    else:
        yield name, array(value)


def array(value: Any) -> numpy.ndarray:
    """Returns numbers as a float32 array in row-major order."""
    if hasattr(value, "detach"):
        # A PyTorch tensor; NumPy does not know bfloat16.
        value = value.detach().to("cpu").float()
    return numpy.ascontiguousarray(value, dtype="<f4")


def ids_of(ids: Any, sequence: int) -> list[int] | None:
    """Returns the ids of a sequence: of a list of ids, or of one sequence of a batch."""
    if ids is None:
        return None
    if hasattr(ids, "detach"):
        ids = ids.detach().to("cpu")
    ids = numpy.asarray(ids)
    if ids.ndim == 2 and len(ids) == 1:
        ids = ids[0]
    elif ids.ndim == 2:
        if not 0 <= sequence < len(ids):
            raise UsageError(f"the ids have sequences 0 to {len(ids) - 1}, not {sequence}")
        ids = ids[sequence]
    if ids.ndim != 1:
        raise UsageError(f"ids of a sequence are a list, and those of a batch a list of lists: the shape is {ids.shape}")
    return [int(id) for id in ids]


def encode(arrays: dict[str, numpy.ndarray], fields: dict[str, Any]) -> bytes:
    """Returns a safetensors file: the length of its header, the header, and the arrays."""
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
    header: dict[str, Any] = {"__metadata__": texts}
    end = 0
    for name, values in arrays.items():
        header[name] = {"dtype": "F32", "shape": values.shape, "data_offsets": [end, end + values.nbytes]}
        end += values.nbytes
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    return b"".join([len(head).to_bytes(8, "little"), head, *(values.tobytes() for values in arrays.values())])
