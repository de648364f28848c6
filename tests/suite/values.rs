//! Value-weighted attention, ALTI and ALTI+ agree with transformers with hooks
//! (`tests/fixtures/make_values.py`).

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use attn_tui::analysis::alti::{alti, alti_plus};
use attn_tui::axis::{AxisItem, Sequence};
use attn_tui::capture::{Ablator, Capture, MapWeights, Recorder, SiteValues};
use attn_tui::files::{ModelFile, ModelFiles};
use attn_tui::matrix::Matrix;
use attn_tui::model::{EncoderInput, Model};
use attn_tui::nn::Hook;
use attn_tui::progress::Unwatched;
use attn_tui::site::{Ablation, Head, Kind, Site};
use candle_core::{Device, Tensor};
use safetensors::SafeTensors;

/// Fixtures with layer norm after the sum, layer norm before, RMS norm before, and norms on both sides.
const MODELS: [&str; 5] = ["bart", "marian", "blenderbot", "t5", "t5gemma"];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

struct Reference {
    tensors: HashMap<String, Vec<f32>>,
    source: Vec<u32>,
    fed: Vec<u32>,
}

fn reference(name: &str) -> Reference {
    let bytes = std::fs::read(fixtures().join(format!("values/{name}.safetensors"))).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let metadata = header.metadata().clone().unwrap();
    let ids = |key: &str| serde_json::from_str(&metadata[key]).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let floats = |data: &[u8]| data.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    Reference {
        tensors: tensors.iter().map(|(name, view)| (name.to_string(), floats(view.data()))).collect(),
        source: ids("source_ids"),
        fed: ids("decoder_input_ids"),
    }
}

fn tokens(ids: &[u32]) -> Vec<AxisItem> {
    ids.iter().map(|&id| AxisItem::token(id, id.to_string(), false)).collect()
}

/// Runs a model on the texts of its reference.
fn pass(name: &str, reference: &Reference, hook: &mut dyn Hook) {
    let files = std::fs::read_dir(fixtures().join("models").join(name).join("model")).unwrap().map(|entry| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), ModelFile::Path(entry.path()))
    });
    let files = ModelFiles::new(name, None, files);
    let model = Model::load(&files, &Device::Cpu, &Unwatched).unwrap();
    let encoded = model.encode(EncoderInput::Ids(&reference.source), hook, &mut |_| Ok(())).unwrap();
    model.decode(&reference.fed, 1, &encoded, None, hook, &mut |_| Ok(())).unwrap();
}

fn run(name: &str, reference: &Reference, ablations: Vec<Ablation>) -> Capture {
    let mut recorder = Recorder::new(Ablator::new(ablations)).with_values(true);
    pass(name, reference, &mut recorder);
    let (maps, values) = recorder.finish();
    Capture {
        model: name.into(),
        model_type: String::new(),
        architecture: Default::default(),
        source: Sequence { text: String::new(), items: tokens(&reference.source) },
        target: Sequence { text: String::new(), items: tokens(&reference.fed) },
        decoder_input: tokens(&reference.fed),
        predictions: Vec::new(),
        logits: None,
        maps,
        values,
        weights: MapWeights::Attention,
        media: None,
        picture: None,
        int8_target: false,
        beams: Vec::new(),
        session: None,
        sampled: None,
        sound: None,
        alignment_heads: Vec::new(),
        notes: Vec::new(),
    }
}

fn assert_near(ours: &[f32], theirs: &[f32], what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (at, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        let gap = (ours - theirs).abs() / theirs.abs().max(1.0);
        assert!(gap <= 1e-5, "{what}[{at}]: {ours}, transformers gives {theirs}");
    }
}

#[test]
fn norms_and_contributions_agree_with_transformers() {
    for name in MODELS {
        let reference = reference(name);
        let capture = run(name, &reference, Vec::new());
        let value_weighted = capture.value_weighted().unwrap();
        for (&site, SiteValues { norms, contributions, .. }) in &capture.values {
            let theirs = &reference.tensors[&format!("contributions.{site}")];
            assert_near(contributions.as_slice(), theirs, &format!("{name} contributions.{site}"));
            let (queries, keys) = capture.shape(site.kind);
            let theirs = reference.tensors[&format!("weighted.{site}")].chunks(queries * keys);
            assert_eq!(theirs.len(), capture.heads(site));
            for (head, theirs) in theirs.enumerate() {
                let map = capture.map(site.head(head)).unwrap();
                let raw = Matrix::from_fn(queries, keys, |i, j| map.row(i)[j] * norms.row(head)[j]);
                assert_near(raw.as_slice(), theirs, &format!("{name} {site}.{head}"));
                let scaled = value_weighted.map(site.head(head)).unwrap();
                for (row, theirs) in theirs.chunks(keys).enumerate() {
                    let sum: f32 = theirs.iter().sum();
                    let theirs: Vec<_> = theirs.iter().map(|weight| weight / sum).collect();
                    assert_near(scaled.row(row), &theirs, &format!("{name} {site}.{head} scaled"));
                }
            }
        }
        let sites = capture.maps.sites().count();
        assert_eq!(capture.values.len(), sites, "{name}");
    }
}

#[test]
fn rollouts_agree_with_transformers() {
    for name in MODELS {
        let reference = reference(name);
        let capture = run(name, &reference, Vec::new());
        let [encoder, own, cross] = Kind::ALL.map(|kind| capture.contributions(kind).unwrap());
        let encoder = alti(&encoder).unwrap();
        let near = |ours: &Matrix, key: &str| assert_near(ours.as_slice(), &reference.tensors[key], key);
        near(&encoder, "alti.encoder");
        near(&alti(&own).unwrap(), "alti.decoder");
        let both = alti_plus(&encoder, &own, &cross).unwrap();
        near(&both.source, "plus.source");
        near(&both.prefix, "plus.prefix");
        for (row, share) in both.source_shares().into_iter().enumerate() {
            let sum = share + both.prefix.row(row).iter().sum::<f32>();
            assert!((sum - 1.0).abs() < 1e-5, "{name}, row {row} sums to {sum}");
        }
    }
}

#[test]
fn ablated_parts_contribute_nothing() {
    let reference = reference("bart");
    let site = Site::new(Kind::Cross, 1);
    let capture = run("bart", &reference, vec![Ablation::Site(site)]);
    let contributions = &capture.site_values(site).unwrap().contributions;
    for row in 0..contributions.rows() {
        let (residual, keys) = contributions.row(row).split_last().unwrap();
        assert_eq!(*residual, 1.0);
        assert!(keys.iter().all(|&share| share == 0.0));
    }
    let one = run("bart", &reference, vec![Ablation::Head(Head::new(Kind::Encoder, 0, 0))]);
    assert_ne!(one.contributions(Kind::Encoder).unwrap(), capture.contributions(Kind::Encoder).unwrap());
}

#[test]
fn values_are_recorded_only_on_request() {
    let reference = reference("t5");
    let mut capture = run("t5", &reference, Vec::new());
    capture.values.clear();
    let error = capture.value_weighted().unwrap_err();
    assert!(error.hint().unwrap().contains("--values"), "{error}");
    assert!(capture.contributions(Kind::Cross).is_err());
}

/// The vectors that the heads of each site read, as the network computes them.
#[derive(Default)]
struct ReadVectors(HashMap<Site, Tensor>);

impl Hook for ReadVectors {
    fn wants(&self, _: Site) -> bool {
        true
    }

    fn z(&mut self, site: Site, z: Tensor) -> attn_tui::error::Result<Tensor> {
        self.0.insert(site, z.clone());
        Ok(z)
    }
}

#[test]
fn heads_read_the_weighted_sum_of_the_kept_values() {
    for name in MODELS {
        let reference = reference(name);
        let capture = run(name, &reference, Vec::new());
        let mut read = ReadVectors::default();
        pass(name, &reference, &mut read);
        for head in capture.all_heads() {
            let (map, values) = (capture.map(head).unwrap(), capture.site_values(head.site).unwrap());
            let z = read.0[&head.site].get(head.head).unwrap().to_vec2::<f32>().unwrap();
            for (row, z) in z.iter().enumerate() {
                let mut sum = [0.0f32; 3];
                for (key, weight) in map.row(row).iter().enumerate() {
                    let value = values.beginning(head.head, key).unwrap();
                    sum.iter_mut().zip(value).for_each(|(sum, value)| *sum += weight * value);
                }
                assert_near(&sum, &z[..3], &format!("{name} {head}, row {row}"));
            }
        }
    }
}
