//! Stages of a stack as data: layers that attend within windows of patches, and patches that merge from stage
//! to stage (Liu et al. 2021, Swin Transformer).

use crate::nn::WindowGrid;

/// Stages of a stack, and the grid of patches that enters the first one.
#[derive(Clone, Debug)]
pub struct StagesSpec {
    /// The stages, the first one first.
    pub stages: Vec<StageSpec>,
    /// Rows and columns of patches.
    pub grid: [usize; 2],
    /// Patches along each side of a window.
    pub window: usize,
    /// Name of the position bias by offset, within a layer.
    pub bias: &'static str,
}

/// Layers of the same width.
#[derive(Clone, Copy, Debug)]
pub struct StageSpec {
    /// Width of the hidden states.
    pub d_model: usize,
    /// Number of layers.
    pub layers: usize,
    /// Heads in a layer.
    pub heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Width of the feed-forward block.
    pub ffn_dim: usize,
    /// Prefix of its layers; `{}` stands for their number within the stage.
    pub layer: &'static str,
    /// Merging of 2 x 2 patches into one, twice as wide, after the last layer; all stages but the last have it.
    pub merging: Option<MergingNames>,
}

/// Tensor names of a merging.
#[derive(Clone, Copy, Debug)]
pub struct MergingNames {
    /// Norm of the joined states of the patches.
    pub norm: &'static str,
    /// Map to the width of the next stage, without a bias.
    pub map: &'static str,
}

/// The place of a layer in the stages.
#[derive(Clone, Copy, Debug)]
pub struct LayerPlace<'a> {
    /// Its stage.
    pub stage: &'a StageSpec,
    /// Number within the stage.
    pub layer: usize,
    /// Windows of the layer.
    pub windows: WindowGrid,
}

impl StagesSpec {
    /// Returns the place of layer `index` of the stack; `None` if the stages have fewer layers.
    pub fn place(&self, index: usize) -> Option<LayerPlace<'_>> {
        let mut layer = index;
        let mut patches = self.grid;
        for (at, stage) in self.stages.iter().enumerate() {
            if layer < stage.layers {
                // A grid that is no larger than a window is one window, and is not shifted.
                let least = patches[0].min(patches[1]);
                let side = self.window.min(least);
                let shift = if layer % 2 == 1 && least > self.window { self.window / 2 } else { 0 };
                let merged = 1 << (self.stages.len() - 1 - at);
                return Some(LayerPlace {
                    stage,
                    layer,
                    windows: WindowGrid { patches, side, shift, merged },
                });
            }
            layer -= stage.layers;
            patches = patches.map(|side| side.div_ceil(2));
        }
        None
    }
}
