//! Devices that models run on.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Device that a model runs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Device {
    /// The processor.
    #[default]
    Cpu,
    /// The first NVIDIA GPU (feature `cuda`).
    Cuda,
    /// Apple's GPU (feature `metal`).
    Metal,
}

impl Device {
    /// All devices.
    pub const ALL: [Self; 3] = [Self::Cpu, Self::Cuda, Self::Metal];

    /// Name in options, settings and saved sessions.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Metal => "metal",
        }
    }
}

impl FromStr for Device {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let device = Self::ALL.into_iter().find(|device| device.name() == name);
        device.ok_or_else(|| format!("'{name}' is not cpu, cuda or metal"))
    }
}
