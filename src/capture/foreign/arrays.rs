//! Captures from arrays of many names and shapes, as people save attention maps from Python.
//!
//! | name | shape |
//! |---|---|
//! | `encoder.N`, `decoder_attentions.N`, `cross_attn_N`, `decoder.layers.N.encoder_attn`, or `N` in a tuple | `[queries, keys]`, `[heads, queries, keys]`, `[sequences, heads, queries, keys]` |
//! | the same without `N`, or any name of a single array | `[queries, keys]`, `[heads, queries, keys]`, `[layers, heads, queries, keys]`, `[layers, sequences, heads, queries, keys]` |
//! | `cross_attentions.STEP.N`, or all steps in one array | one query a step, as `generate()` returns them |
//!
//! The kind is read from the name. If the name has none, square causal maps are the decoder's, other square
//! maps the encoder's, and all others cross-attention.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use safetensors::tensor::{Dtype, SafeTensors};

use super::array::NamedArray;
use super::layout::{self, LayerMaps, Sequences};
use crate::capture::assemble::assemble;
use crate::capture::axes::list;
use crate::capture::tensors::{Parsed, check_weights, whole_numbers, width};
use crate::capture::{Capture, MapStore, ReadOptions, SiteMaps, padding};
use crate::site::{Kind, Site};

/// The arrays of a file, and what else it holds.
#[derive(Default)]
pub struct ArrayFile<'a> {
    /// Arrays of floats.
    pub arrays: Vec<NamedArray<'a>>,
    /// Texts, and lists as JSON, by the names of the capture file's metadata.
    pub fields: HashMap<String, String>,
    /// Labels of the rows and of the columns, for a file of one map.
    pub labels: Option<[Vec<String>; 2]>,
}

impl ArrayFile<'_> {
    /// Returns true if the arrays are the weights of a model.
    pub fn holds_weights(&self) -> bool {
        let is_map = |array: &NamedArray| array.shape.len() > 1 && is_map_name(&array.name);
        !self.arrays.iter().any(is_map) && self.arrays.iter().any(|array| array.name.ends_with(".weight"))
    }
}

/// The arrays of a safetensors file. Lists of whole numbers become fields.
pub fn of_safetensors<'a>(tensors: &SafeTensors<'a>, fields: &HashMap<String, String>) -> ArrayFile<'a> {
    let mut file = ArrayFile { fields: fields.clone(), ..ArrayFile::default() };
    for (name, view) in tensors.iter() {
        let shape = view.shape().to_vec();
        match (view.dtype(), width(view.dtype())) {
            (Dtype::I64 | Dtype::I32, _) => {
                let width = if view.dtype() == Dtype::I64 { 8 } else { 4 };
                file.fields.insert(name.into(), whole_numbers(view.data(), width));
            }
            (dtype, Some(_)) => {
                let data = Cow::Borrowed(view.data());
                file.arrays.push(NamedArray { name: name.into(), dtype, shape, data });
            }
            _ => {}
        }
    }
    file
}

/// The capture that a file of arrays stands for. `sentence` chooses a sequence of a batch.
///
/// # Errors
/// There are no maps, their layout is unknown or ambiguous, or they are not weights.
pub fn capture(mut file: ArrayFile, sentence: usize, options: &ReadOptions) -> Parsed<Capture> {
    let mut sequences = Sequences::new(sentence, list(&file.fields, "beam_indices")?);
    let mut maps = MapStore::within(options.memory);
    let mut notes = Vec::new();
    let mut steps = false;
    for (name, members) in groups(&file.arrays)? {
        let group = layout::read(&name.spelt(), &members, &mut sequences)?;
        steps |= group.steps;
        let kind = match (name.kind, options.kind) {
            (Some(kind), _) => kind,
            (None, Some(kind)) => kind,
            (None, None) => {
                let kind = kind_of(&group.layers, group.same_keys, &file);
                if let [(_, first), ..] = group.layers.as_slice() {
                    let (queries, keys) = (first.queries, first.keys);
                    notes.push(format!(
                        "{} names no kind: {} of {queries} x {keys} read as {kind} attention (--kind overrides)",
                        name.spelt(),
                        group.axes
                    ));
                }
                kind
            }
        };
        for (layer, LayerMaps { heads, queries, keys, values }) in group.layers {
            let site = Site::new(kind, layer);
            if kind != Kind::Cross && queries != keys {
                return Err(format!(
                    "{} holds maps of {queries} x {keys}; those of {kind} self-attention are square",
                    name.spelt()
                ));
            }
            if maps.site(site).is_some() {
                return Err(format!("{site} is there twice, the second time as {}", name.spelt()));
            }
            check_weights(&name.spelt(), &values, 0, queries, keys)?;
            maps.insert(site, SiteMaps::new(heads, queries, keys, values));
        }
    }
    notes.extend(sequences.note()?);
    label(&mut file, &maps);
    choose_logits(&mut file.arrays, sentence);
    let find = |name: &str| file.arrays.iter().find(|array| array.name == name).and_then(NamedArray::view);
    let capture = assemble(maps, &find, &file.fields, notes)?;
    Ok(padding::settle(capture, options.trim_padding, steps))
}

/// Keeps the logits of one sequence of a batch.
fn choose_logits(arrays: &mut [NamedArray], sentence: usize) {
    let Some(logits) = arrays.iter_mut().find(|array| array.name == "logits") else { return };
    if let [sequences, rows, vocabulary] = logits.shape[..]
        && sequences > 1
        && sentence < sequences
    {
        let size = logits.data.len() / sequences;
        let chosen = logits.data.get(sentence * size..(sentence + 1) * size).unwrap_or_default().to_vec();
        logits.shape = vec![rows, vocabulary];
        logits.data = Cow::Owned(chosen);
    }
}

/// Writes the labels of a single map into the fields of its kind.
fn label(file: &mut ArrayFile, maps: &MapStore) {
    let (Some([rows, columns]), Some((site, _))) = (file.labels.take(), maps.sites().next()) else { return };
    let (queries, keys) = match site.kind {
        Kind::Encoder => ("source_tokens", "source_tokens"),
        Kind::Decoder => ("decoder_input_tokens", "decoder_input_tokens"),
        Kind::Cross => ("target_tokens", "source_tokens"),
    };
    for (name, labels) in [(queries, rows), (keys, columns)] {
        file.fields.insert(name.into(), serde_json::Value::from(labels).to_string());
    }
}

/// Tells the kind of maps that have no name.
fn kind_of(layers: &[(usize, LayerMaps)], same_keys: bool, file: &ArrayFile) -> Kind {
    let square = layers.iter().all(|(_, maps)| maps.queries == maps.keys);
    let of_two_texts = match &file.labels {
        Some([rows, columns]) => rows != columns,
        None => {
            let [source, target] = ["source_tokens", "target_tokens"].map(|name| file.fields.get(name));
            source.is_some() && target.is_some() && source != target
        }
    };
    // generate() returns one query a step: the decoder's keys grow, the source's stay.
    if !square || of_two_texts || same_keys {
        Kind::Cross
    } else if layers.iter().all(|(_, maps)| maps.is_causal()) {
        Kind::Decoder
    } else {
        Kind::Encoder
    }
}

/// Returns true if maps may have this name, and it is not one of the capture file's own.
pub fn names_other_maps(name: &str) -> bool {
    let parsed = ArrayName::parse(name);
    let own = parsed.kind.is_some_and(|kind| parsed.group == kind.name()) && parsed.indices.len() == 1;
    !own && is_map_name(name)
}

/// Returns true if a name says that it is of attention maps.
pub fn is_map_name(name: &str) -> bool {
    let lower = name.to_lowercase();
    let other = ["logits", "mask", "hidden", "embed", "token", "values.", "contributions.", "_ids"];
    let part = [".weight", ".bias", ".query", ".key", ".beside", ".entries", ".columns", ".offsets"];
    if other.iter().any(|word| lower.contains(word)) || part.iter().any(|end| lower.ends_with(end)) {
        return false;
    }
    let ArrayName { kind, group, indices } = ArrayName::parse(&lower);
    ["att", "align", "cross"].iter().any(|word| lower.contains(word))
        || lower.starts_with("arr_")
        || (group.is_empty() && indices.len() < 3)
        || (kind.is_some_and(|kind| group == kind.name()))
        || ["map", "maps", "layer", "layers", "weights"].contains(&group.as_str())
}

/// The maps of one name, with the numbers in their names: layer, or step and layer.
type Members<'f, 'a> = Vec<(Vec<usize>, &'f NamedArray<'a>)>;

/// Collects arrays that are maps by the names that they share.
fn groups<'f, 'a>(arrays: &'f [NamedArray<'a>]) -> Parsed<Vec<(ArrayName, Members<'f, 'a>)>> {
    let named = |wanted: &dyn Fn(&NamedArray) -> bool| {
        arrays.iter().filter(|array| array.shape.len() > 1 && wanted(array)).collect::<Vec<_>>()
    };
    let mut maps = named(&|array| is_map_name(&array.name));
    if maps.is_empty() {
        maps = named(&|array| !array.name.starts_with("logits"));
    }
    if maps.is_empty() {
        let names: Vec<_> = arrays.iter().take(8).map(|array| array.name.as_str()).collect();
        let found = if names.is_empty() { String::new() } else { format!("; it has {}", names.join(", ")) };
        return Err(format!(
            "there are no attention maps in it: none is named encoder.N, decoder.N or cross.N, or \
             cross_attentions and the like{found}"
        ));
    }
    let mut groups: BTreeMap<(Option<Kind>, String), Members> = BTreeMap::new();
    for array in maps {
        let name = ArrayName::parse(&array.name);
        groups.entry((name.kind, name.group)).or_default().push((name.indices, array));
    }
    let unnamed = groups.remove(&(None, "arr".into())).unwrap_or_default();
    let mut found: Vec<_> = groups
        .into_iter()
        .map(|((kind, group), members)| (ArrayName { kind, group, indices: Vec::new() }, members))
        .collect();
    found.extend(numpy_unnamed(unnamed)?);
    Ok(found)
}

/// Interprets `arr_0`, `arr_1`, ..., NumPy's names for arrays without one: a single array, the layers of one
/// kind if they have the same shape, or else arrays of different kinds.
fn numpy_unnamed<'f, 'a>(members: Members<'f, 'a>) -> Parsed<Vec<(ArrayName, Members<'f, 'a>)>> {
    let name = |group: &str| ArrayName { kind: None, group: group.into(), indices: Vec::new() };
    let single = |array: &'f NamedArray<'a>| (name(&array.name), vec![(Vec::new(), array)]);
    let Some(&(_, first)) = members.first() else { return Ok(Vec::new()) };
    let alike = members.iter().all(|(_, array)| array.shape == first.shape);
    if members.len() == 1 || !alike {
        return Ok(members.into_iter().map(|(_, array)| single(array)).collect());
    }
    if first.shape.len() > 3 && first.shape.first() != Some(&1) {
        return Err(format!(
            "arr_0, arr_1, ... of shape {:?} may be layers or kinds: name them, as in \
             numpy.savez(file, cross_attentions=...)",
            first.shape
        ));
    }
    Ok(vec![(name("arr"), members)])
}

/// A name taken apart.
struct ArrayName {
    kind: Option<Kind>,
    /// The name without its numbers.
    group: String,
    /// The layer, or the step and the layer.
    indices: Vec<usize>,
}

impl ArrayName {
    fn parse(name: &str) -> Self {
        let parts: Vec<&str> = name.split(['.', '/', '[', ']']).filter(|part| !part.is_empty()).collect();
        let number = |part: &&str| part.parse::<usize>().ok();
        let trailing = parts.iter().rev().map_while(number).count();
        let (mut words, numbers) = {
            let (words, numbers) = parts.split_at(parts.len() - trailing);
            (words.to_vec(), numbers.iter().filter_map(number).collect::<Vec<_>>())
        };
        let mut indices = numbers;
        if indices.is_empty() {
            if let Some((stem, layer)) = words.last().and_then(|word| word.rsplit_once('_'))
                && let Ok(layer) = layer.parse()
            {
                indices.push(layer);
                if let Some(last) = words.last_mut() {
                    *last = stem;
                }
            } else if let Some(at) = words.iter().position(|word| number(word).is_some()) {
                indices.extend(number(&words.remove(at)));
            } else if let Some(last) = words.last_mut() {
                // `layer0`, `attn11`
                let stem = last.trim_end_matches(|end: char| end.is_ascii_digit());
                if let (false, Ok(layer)) = (stem.is_empty(), last[stem.len()..].parse()) {
                    indices.push(layer);
                    *last = stem;
                }
            }
        }
        let group = words.join(".");
        Self { kind: kind_in(&group.to_lowercase()), group, indices }
    }

    /// The name for messages.
    fn spelt(&self) -> String {
        match (self.group.as_str(), self.kind) {
            ("", _) => "the file".into(),
            (group, _) => group.into(),
        }
    }
}

/// The kind that a name says.
fn kind_in(name: &str) -> Option<Kind> {
    let has = |word: &str| name.contains(word);
    let first = name.split(['.', '_']).next().unwrap_or_default();
    let between = ["cross", "encdec", "enc_dec", "encoder_decoder", "src_att"];
    if between.iter().any(|word| has(word)) || (has("decoder") && has("encoder_att")) {
        Some(Kind::Cross)
    } else if has("decoder") || first == "dec" {
        Some(Kind::Decoder)
    } else if has("encoder") || first == "enc" {
        Some(Kind::Encoder)
    } else {
        None
    }
}
