//! Runs candle_transformers' T5 for run.py: `candle-peer FOLDER`, then a line of JSON a pass on standard
//! input, `{"source": [ids], "target": [decoder input ids]}` for a pass over both, or `{"source": [ids],
//! "new": N}` to generate N tokens greedily; its milliseconds come back as a line.
//!
//! Its decoder scores the vocabulary for the last row alone, and hands out no attention.

use std::io::BufRead;
use std::path::Path;
use std::time::Instant;

use candle_core::{DType, Device, IndexOp, Result, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::t5::{Config, T5ForConditionalGeneration};
use serde_json::Value;

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("a model's folder is needed")?;
    let [mut whole, mut stepwise] = [load(&folder, false)?, load(&folder, true)?];
    for line in std::io::stdin().lock().lines() {
        let asked: Value = serde_json::from_str(&line?)?;
        let source = ids(&asked["source"])?;
        let start = Instant::now();
        match asked["new"].as_u64() {
            Some(count) => generate(&mut stepwise, &source, count)?,
            None => drop(whole.forward(&source, &ids(&asked["target"])?)?),
        }
        println!("{:.3}", start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(())
}

fn load(folder: &str, cached: bool) -> std::result::Result<T5ForConditionalGeneration, Box<dyn std::error::Error>> {
    let folder = Path::new(folder);
    let mut config: Config = serde_json::from_slice(&std::fs::read(folder.join("config.json"))?)?;
    config.use_cache = cached;
    let files = [folder.join("model.safetensors")];
    // SAFETY: nobody changes the file meanwhile.
    let weights = unsafe { VarBuilder::from_mmaped_safetensors(&files, DType::F32, &Device::Cpu)? };
    Ok(T5ForConditionalGeneration::load(weights, &config)?)
}

fn ids(value: &Value) -> Result<Tensor> {
    let ids: Vec<u32> = value.as_array().into_iter().flatten().filter_map(|id| Some(id.as_u64()? as u32)).collect();
    Tensor::new(ids, &Device::Cpu)?.unsqueeze(0)
}

fn generate(model: &mut T5ForConditionalGeneration, source: &Tensor, count: u64) -> Result<()> {
    model.clear_kv_cache();
    let encoded = model.encode(source)?;
    let mut next = 0u32;
    for _ in 0..count {
        let scores = model.decode(&Tensor::new(&[[next]], &Device::Cpu)?, &encoded)?;
        next = scores.i(0)?.argmax(0)?.to_scalar()?;
    }
    Ok(())
}
