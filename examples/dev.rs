use attn_tui::capture::*;
use attn_tui::engine::ModelInfo;
use attn_tui::site::*;
use attn_tui::token::*;
use std::sync::Arc;
pub fn open() -> Result<(ModelInfo, Arc<Capture>), Box<dyn std::error::Error>> {
    let bytes = std::fs::read(
        std::env::var("CAP").unwrap_or("/work/shared/demo-model/reference/sentence-1.safetensors".into()),
    )?;
    let (_, meta) = safetensors::SafeTensors::read_metadata(&bytes)?;
    let m = meta.metadata().clone().unwrap();
    let st = safetensors::SafeTensors::deserialize(&bytes)?;
    let toks = |k: &str| -> Vec<Token> {
        let v: Vec<String> = serde_json::from_str(&m[k]).unwrap();
        v.into_iter()
            .map(|p| Token { id: 0, special: p.starts_with('<') || p.ends_with("s>"), piece: p })
            .collect()
    };
    let mut maps = MapStore::default();
    for name in st.names() {
        let Some((k, l)) = name.split_once('.') else { continue };
        let t = st.tensor(name)?;
        let s = t.shape().to_vec();
        let d: Vec<f32> = t.data().chunks(4).map(|c| f32::from_le_bytes([c[0], c[1], c[2], c[3]])).collect();
        maps.insert(Site::new(k.parse()?, l.parse()?), SiteMaps::new(s[0], s[1], s[2], d));
    }
    let target = toks("target_tokens");
    let mut input = vec![Token { id: 0, piece: "<pad>".into(), special: true }];
    input.extend(target[..target.len() - 1].iter().cloned());
    let predictions = target
        .iter()
        .map(|t| Prediction { probability: 0.83, candidates: vec![(t.clone(), 0.83)] })
        .collect();
    Ok((
        ModelInfo {
            name: "demo".into(),
            model_type: "marian".into(),
            layers: (3, 3),
            heads: (6, 6),
            ..Default::default()
        },
        Arc::new(Capture {
            model: "demo".into(),
            model_type: "marian".into(),
            source: Sequence { text: m["source"].clone(), tokens: toks("source_tokens") },
            target: Sequence { text: m["target"].clone(), tokens: target },
            decoder_input: input,
            predictions,
            logits: None,
            maps,
        }),
    ))
}
