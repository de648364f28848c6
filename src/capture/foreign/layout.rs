//! Axes of arrays of attention maps: layers, steps of generation, sequences of a batch or beams, heads.

use std::collections::BTreeMap;

use super::array::NamedArray;
use crate::capture::axes::MAX_ITEMS;
use crate::capture::tensors::Parsed;
use crate::site::MAX_LAYERS;

/// The maps of one layer, `[heads, queries, keys]`.
pub struct LayerMaps {
    /// Number of heads.
    pub heads: usize,
    /// Number of queries.
    pub queries: usize,
    /// Number of keys.
    pub keys: usize,
    /// The weights.
    pub values: Vec<f32>,
}

impl LayerMaps {
    /// Returns true if no query attends to a key after its own position.
    pub fn is_causal(&self) -> bool {
        let rows = self.values.chunks(self.keys.max(1)).enumerate();
        rows.into_iter().all(|(row, weights)| {
            weights.iter().skip(row % self.queries.max(1) + 1).all(|&weight| weight == 0.0)
        })
    }
}

/// The maps of one kind.
pub struct LayerStack {
    /// Layers by number.
    pub layers: Vec<(usize, LayerMaps)>,
    /// True if each query was a step of its own.
    pub steps: bool,
    /// True if each query was a step of its own, with the same keys.
    pub same_keys: bool,
    /// The axes in words, for a note.
    pub axes: &'static str,
}

/// The sequence that is taken of a batch or of beams.
pub struct Sequences {
    wanted: usize,
    /// Beam of each step of the best sequence, -1 after its end.
    beams: Option<Vec<i64>>,
    /// Largest number of sequences seen.
    count: usize,
    steps: bool,
}

impl Sequences {
    /// Takes sequence `wanted`; `beams` holds the beam of each step, if the file says so.
    pub fn new(wanted: usize, beams: Option<Vec<i64>>) -> Self {
        Self { wanted, beams, count: 1, steps: false }
    }

    /// Chooses one of `count` sequences; `None` if the chosen one has ended before `step`.
    fn choose(&mut self, count: usize, step: Option<usize>) -> Parsed<Option<usize>> {
        self.count = self.count.max(count);
        self.steps |= step.is_some();
        if let (Some(step), Some(beams)) = (step, self.beams.as_ref().filter(|_| self.wanted == 0)) {
            let beam = beams.get(step).and_then(|&beam| usize::try_from(beam).ok());
            return match beam {
                Some(beam) if count > 1 && beam >= count => {
                    Err(format!("beam_indices names beam {beam} of {count}"))
                }
                Some(beam) => Ok(Some(if count > 1 { beam } else { 0 })),
                None => Ok(None),
            };
        }
        match self.wanted {
            _ if count == 1 => Ok(Some(0)),
            wanted if wanted < count => Ok(Some(wanted)),
            wanted => Err(format!("it has sequences 0 to {}, not {wanted}", count - 1)),
        }
    }

    /// Says which sequence was taken, if there are several.
    ///
    /// # Errors
    /// There is only one, and another was wanted.
    pub fn note(&self) -> Parsed<Option<String>> {
        let Self { wanted, count, .. } = self;
        if *count == 1 {
            return if *wanted == 0 {
                Ok(None)
            } else {
                Err(format!("it has one sequence, number 0, not {wanted}"))
            };
        }
        Ok(Some(match (self.steps, &self.beams) {
            (true, Some(_)) if *wanted == 0 => {
                format!("the best of {count} beams is shown, by beam_indices")
            }
            (true, _) => format!(
                "beam {wanted} of {count} is shown at every step (FILE@N shows beam N). Beams change places: for \
                 the maps of one text, save beam_indices, too, or run the text as labels"
            ),
            (false, _) => {
                format!("beam or sequence {wanted} of {count} is shown (FILE@N shows number N, from 0)")
            }
        }))
    }
}

/// Maps `[heads, queries, keys]` that lie together in an array.
struct Block<'f, 'a> {
    array: &'f NamedArray<'a>,
    start: usize,
    heads: usize,
    queries: usize,
    keys: usize,
}

/// Reads the maps of one name. Each member has the numbers of its name and an array.
///
/// # Errors
/// Shapes that no layout has, or that do not fit together.
pub fn read(
    name: &str,
    members: &[(Vec<usize>, &NamedArray<'_>)],
    sequences: &mut Sequences,
) -> Parsed<LayerStack> {
    let mut blocks: BTreeMap<usize, BTreeMap<usize, Block>> = BTreeMap::new();
    let (mut steps, mut axes) = (false, "maps");
    for (indices, array) in members {
        if array.shape.contains(&0) {
            return Err(format!("{} is empty: its shape is {:?}", array.spelt(), array.shape));
        }
        let layout = ArrayAxes::of(indices, array)?;
        steps |= layout.steps;
        axes = layout.axes;
        for (layer, step, block) in layout.blocks(array, sequences)? {
            if blocks.entry(layer).or_default().insert(step, block).is_some() {
                return Err(format!("{name} has layer {layer} twice"));
            }
        }
    }
    let nested = members.iter().any(|(indices, _)| indices.len() == 2);
    let one_query = |blocks: &BTreeMap<usize, Block>| blocks.range(1..).all(|(_, block)| block.queries == 1);
    if nested && !blocks.values().all(one_query) {
        return Err(format!(
            "{name} is a list of lists of maps with several queries: sentences or kinds. Save one list, or a dict \
             with cross_attentions and the like"
        ));
    }
    let same_keys = steps
        && blocks.values().all(|blocks| {
            let mut keys = blocks.values().map(|block| block.keys);
            let first = keys.next();
            keys.all(|keys| Some(keys) == first)
        });
    let layers = blocks
        .into_iter()
        .map(|(layer, steps)| Ok((layer, join(name, steps.into_values().collect())?)))
        .collect::<Parsed<Vec<_>>>()?;
    if layers.is_empty() {
        return Err(format!("{name} has no maps"));
    }
    Ok(LayerStack { layers, steps, same_keys, axes })
}

/// Joins the steps of a layer: queries one below the other, shorter rows filled with zeros.
fn join(name: &str, blocks: Vec<Block>) -> Parsed<LayerMaps> {
    let heads = blocks.first().map_or(0, |block| block.heads);
    if blocks.iter().any(|block| block.heads != heads) {
        return Err(format!("{name} has steps with different numbers of heads"));
    }
    let queries: usize = blocks.iter().map(|block| block.queries).sum();
    let keys = blocks.iter().map(|block| block.keys).max().unwrap_or(0);
    let held: usize = blocks.iter().map(|block| block.heads * block.queries * block.keys).sum();
    let size = heads.checked_mul(queries).and_then(|rows| rows.checked_mul(keys));
    let Some(size) = size.filter(|&size| size / 4 <= held.saturating_add(1024)) else {
        return Err(format!("{name} has steps of very different lengths"));
    };
    let mut values = vec![0.0; size];
    let mut first = 0;
    for block in &blocks {
        let found = block.array.values(block.start, heads * block.queries * block.keys);
        for (at, row) in found.chunks(block.keys).enumerate() {
            let (head, query) = (at / block.queries, at % block.queries);
            let start = (head * queries + first + query) * keys;
            if let Some(to) = values.get_mut(start..start + row.len()) {
                to.copy_from_slice(row);
            }
        }
        first += block.queries;
    }
    Ok(LayerMaps { heads, queries, keys, values })
}

/// The meaning of an array's axes. Axes that it lacks have length 1.
struct ArrayAxes {
    step: usize,
    layer: usize,
    /// Numbers of steps, layers and sequences, then heads, queries and keys.
    shape: [usize; 6],
    steps: bool,
    /// True if the array has an axis of sequences.
    sequences: bool,
    axes: &'static str,
}

impl ArrayAxes {
    fn of(indices: &[usize], array: &NamedArray) -> Parsed<Self> {
        let one = |layer: usize, shape: [usize; 6], axes: &'static str| Self {
            step: 0,
            layer,
            shape,
            steps: false,
            sequences: false,
            axes,
        };
        Ok(match (indices, array.shape.as_slice()) {
            ([] | [_], &[queries, keys]) => {
                one(first(indices), [1, 1, 1, 1, queries, keys], "[queries, keys]")
            }
            ([] | [_], &[heads, queries, keys]) => {
                one(first(indices), [1, 1, 1, heads, queries, keys], "[heads, queries, keys]")
            }
            ([], &[layers, heads, queries, keys]) => {
                one(0, [1, layers, 1, heads, queries, keys], "[layers, heads, queries, keys]")
            }
            (&[layer], &[sequences, heads, queries, keys]) => Self {
                sequences: true,
                ..one(layer, [1, 1, sequences, heads, queries, keys], "[sequences, heads, queries, keys]")
            },
            ([], &[steps, layers, heads, 1, keys]) if steps > 1 && layers > 1 => Self {
                steps: true,
                ..one(0, [steps, layers, 1, heads, 1, keys], "[steps, layers, heads, 1, keys]")
            },
            ([], &[layers, sequences, heads, queries, keys]) => Self {
                sequences: true,
                ..one(
                    0,
                    [1, layers, sequences, heads, queries, keys],
                    "[layers, sequences, heads, queries, keys]",
                )
            },
            ([], &[steps, layers, sequences, heads, 1, keys]) => Self {
                steps: true,
                sequences: true,
                ..one(
                    0,
                    [steps, layers, sequences, heads, 1, keys],
                    "[steps, layers, sequences, heads, 1, keys]",
                )
            },
            (&[step], &[layers, sequences, heads, 1, keys]) => Self {
                step,
                steps: true,
                sequences: true,
                ..one(
                    0,
                    [1, layers, sequences, heads, 1, keys],
                    "steps of [layers, sequences, heads, 1, keys]",
                )
            },
            (&[step, layer], &[heads, queries, keys]) => Self {
                step,
                steps: true,
                ..one(layer, [1, 1, 1, heads, queries, keys], "steps of [heads, queries, keys]")
            },
            (&[step, layer], &[sequences, heads, queries, keys]) => Self {
                step,
                steps: true,
                sequences: true,
                ..one(
                    layer,
                    [1, 1, sequences, heads, queries, keys],
                    "steps of [sequences, heads, queries, keys]",
                )
            },
            (_, shape) => {
                return Err(format!(
                    "{} has shape {shape:?}; maps are [heads, queries, keys], all layers together \
                     [layers, heads, queries, keys]",
                    array.spelt()
                ));
            }
        })
    }

    /// The maps of the chosen sequence with their layers and steps.
    fn blocks<'f, 'a>(
        &self,
        array: &'f NamedArray<'a>,
        chosen: &mut Sequences,
    ) -> Parsed<Vec<(usize, usize, Block<'f, 'a>)>> {
        let [steps, layers, sequences, heads, queries, keys] = self.shape;
        let size = heads * queries * keys;
        if layers > MAX_LAYERS {
            return Err(format!(
                "{}: no more than {MAX_LAYERS} layers are read, not {layers}",
                array.spelt()
            ));
        }
        if steps.saturating_mul(layers) > MAX_ITEMS {
            return Err(format!("{}: no more than {MAX_ITEMS} steps of all layers are read", array.spelt()));
        }
        let mut blocks = Vec::new();
        for step in 0..steps {
            let at_step = self.steps.then_some(self.step + step);
            // Without an axis of sequences there is nothing to choose, except where beams end.
            let count = if self.sequences { sequences } else { 1 };
            let Some(sequence) = chosen.choose(count, at_step)? else { continue };
            for layer in 0..layers {
                let start = ((step * layers + layer) * sequences + sequence) * size;
                let block = Block { array, start, heads, queries, keys };
                blocks.push((self.layer + layer, self.step + step, block));
            }
        }
        Ok(blocks)
    }
}

fn first(indices: &[usize]) -> usize {
    indices.first().copied().unwrap_or(0)
}
