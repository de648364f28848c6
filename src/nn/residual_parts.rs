//! Parts of the residual stream: how much the output of each block adds along a direction of the stream above
//! it, with the scales of norms held fixed.

use candle_core::{Device, Tensor};

use super::{AttentionTrace, FfnTrace, Linear, Norm, ResidualAdd, host};
use crate::error::Result;
use crate::site::Site;

/// A direction of the residual stream in each row, `[rows, d_model]`, with what constants add to the sum of
/// the parts along it, `[rows]`.
#[derive(Clone, Debug)]
pub struct Directions {
    /// `[rows, d_model]`
    pub vectors: Vec<f32>,
    /// Sum of the biases above along the direction.
    pub bias: Vec<f32>,
}

impl Directions {
    /// Returns the parts of `states`, `[rows, d_model]` on any device.
    pub fn parts_of(&self, states: &Tensor) -> Result<Vec<f32>> {
        let states = host(states)?;
        Ok(dots(&self.vectors, &states, self.bias.len()))
    }

    /// Moves the directions from the output of a norm to its input; `rates` are those of the rows that went
    /// through it.
    pub fn through_norm(&mut self, norm: &Norm, rates: &[f32]) -> Result<()> {
        if let Some(bias) = norm.bias()? {
            self.add_bias(&bias);
        }
        norm.transposed_linear_part(&mut self.vectors, rates)
    }

    fn add_bias(&mut self, bias: &[f32]) {
        for (sum, direction) in self.bias.iter_mut().zip(self.vectors.chunks(bias.len().max(1))) {
            *sum += dot(direction, bias);
        }
    }
}

/// The output of a block as it was added to the residual stream.
#[derive(Debug)]
pub struct ResidualPart {
    output: BlockOutput,
    norm: Option<BlockNorm>,
}

/// Output of a block before it was added.
#[derive(Debug)]
enum BlockOutput {
    /// The heads' `z` at each site, `[heads, rows, head_dim]`, and the output projection of all of it.
    Heads { read: Vec<(Site, Tensor)>, projection: Linear },
    /// The output of a feed-forward block, `[1, rows, d_model]`.
    Ffn(Tensor),
}

/// The norm between a block and the residual stream above it.
#[derive(Debug)]
struct BlockNorm {
    norm: Norm,
    /// True if the residual stream below goes through the norm, too.
    after_sum: bool,
    rates: Vec<f32>,
}

/// Sums of a block's parts along a direction.
#[derive(Clone, Debug, PartialEq)]
pub enum PartSums {
    /// Each head at each site, `[heads, rows]`.
    Heads(Vec<(Site, Vec<Vec<f32>>)>),
    /// A feed-forward block, `[rows]`.
    Ffn(Vec<f32>),
}

impl ResidualPart {
    /// Keeps an attention block, of which each head has `read` that of `z` at each site.
    pub fn attention(trace: &AttentionTrace, read: Vec<(Site, Tensor)>) -> Result<Self> {
        let norm = BlockNorm::new(trace.residual_add, [trace.residual, trace.attention])?;
        Ok(Self { output: BlockOutput::Heads { read, projection: trace.output.clone() }, norm })
    }

    /// Keeps a feed-forward block.
    pub fn ffn(trace: &FfnTrace) -> Result<Self> {
        let norm = BlockNorm::new(trace.residual_add, [trace.residual, trace.output])?;
        Ok(Self { output: BlockOutput::Ffn(trace.output.clone()), norm })
    }

    /// Moves directions from above the block to below it, and returns how much the block adds along them.
    pub fn descend(&self, directions: &mut Directions) -> Result<PartSums> {
        match &self.norm {
            None => self.add_up(directions),
            Some(BlockNorm { norm, after_sum: true, rates }) => {
                directions.through_norm(norm, rates)?;
                self.add_up(directions)
            }
            Some(BlockNorm { norm, rates, .. }) => {
                let mut inside = directions.clone();
                inside.through_norm(norm, rates)?;
                let sums = self.add_up(&mut inside)?;
                directions.bias = inside.bias;
                Ok(sums)
            }
        }
    }

    fn add_up(&self, directions: &mut Directions) -> Result<PartSums> {
        let rows = directions.bias.len();
        match &self.output {
            BlockOutput::Ffn(output) => Ok(PartSums::Ffn(directions.parts_of(output)?)),
            BlockOutput::Heads { read, projection } => {
                if let Some(bias) = projection.bias_values()? {
                    directions.add_bias(&bias);
                }
                let matrix = projection.matrix()?.to_device(&Device::Cpu)?;
                let width = matrix.dim(0)?;
                let vectors = Tensor::from_slice(&directions.vectors, (rows, width), &Device::Cpu)?;
                // Directions of what the heads read: `[rows, heads * head_dim]`.
                let inner = host(&vectors.matmul(&matrix)?)?;
                let by_site = read.iter().map(|(site, z)| {
                    let (heads, _, head_dim) = z.dims3()?;
                    let z = host(z)?;
                    let one = |head: usize, row: usize| {
                        let direction = &inner[(row * heads + head) * head_dim..][..head_dim];
                        dot(direction, &z[(head * rows + row) * head_dim..][..head_dim])
                    };
                    let sums = (0..heads).map(|head| (0..rows).map(|row| one(head, row)).collect());
                    Ok((*site, sums.collect()))
                });
                Ok(PartSums::Heads(by_site.collect::<Result<_>>()?))
            }
        }
    }
}

impl BlockNorm {
    /// Keeps the norm of a block with its rates on `residual` and `output`, if there is one.
    fn new(add: ResidualAdd, [residual, output]: [&Tensor; 2]) -> Result<Option<Self>> {
        let rates = add.rates(&host(residual)?, &host(output)?)?;
        Ok(match add {
            ResidualAdd::Plain => None,
            ResidualAdd::PostNorm(norm) => Some(Self { norm: norm.clone(), after_sum: true, rates }),
            ResidualAdd::NormedOutput(norm) => Some(Self { norm: norm.clone(), after_sum: false, rates }),
        })
    }
}

fn dots(a: &[f32], b: &[f32], rows: usize) -> Vec<f32> {
    let width = a.len().checked_div(rows).unwrap_or_default().max(1);
    a.chunks(width).zip(b.chunks(width)).map(|(a, b)| dot(a, b)).collect()
}

/// Sums in f64, since the parts of a logit may be far larger than their sum.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>() as f32
}
