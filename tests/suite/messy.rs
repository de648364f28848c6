//! Variations of repositories that occur on the hub: other tensor names, missing or different fields. Each
//! gives the same numbers as the fixture that it is made from.

use std::collections::BTreeMap;

use attn_tui::files::{ModelFile, ModelFiles};
use attn_tui::model::Model;
use attn_tui::progress::Unwatched;
use candle_core::Device;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Value, json};

use crate::parity;

/// A tensor's type, shape and bytes.
#[derive(Clone)]
struct Stored(Dtype, Vec<usize>, Vec<u8>);

/// A repository that can be changed.
struct Repository {
    fixture: &'static str,
    config: Value,
    tensors: BTreeMap<String, Stored>,
}

impl Repository {
    fn of(fixture: &'static str) -> Self {
        let files = parity::files(fixture);
        let bytes = files.need("model.safetensors").unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let tensors = tensors.iter().map(|(name, view)| {
            (name.to_string(), Stored(view.dtype(), view.shape().to_vec(), view.data().to_vec()))
        });
        let config = files.json("config.json").unwrap().unwrap();
        Self { fixture, tensors: tensors.collect(), config }
    }

    /// Renames every tensor by `to`.
    fn renamed(mut self, to: impl Fn(&str) -> String) -> Self {
        self.tensors = self.tensors.into_iter().map(|(name, tensor)| (to(&name), tensor)).collect();
        self
    }

    /// Moves the tensor `from` to the names `to`.
    fn tied(mut self, from: &str, to: &[&str]) -> Self {
        let tensor = self.tensors.remove(from).unwrap_or_else(|| panic!("{} lacks {from}", self.fixture));
        self.tensors.extend(to.iter().map(|name| (name.to_string(), tensor.clone())));
        self
    }

    fn without(mut self, name: &str) -> Self {
        assert!(self.tensors.remove(name).is_some(), "{} lacks {name}", self.fixture);
        self
    }

    fn zeros(mut self, name: &str, shape: &[usize]) -> Self {
        let bytes = vec![0; 4 * shape.iter().product::<usize>()];
        self.tensors.insert(name.into(), Stored(Dtype::F32, shape.to_vec(), bytes));
        self
    }

    fn lacking(mut self, fields: &[&str]) -> Self {
        for field in fields {
            let config = self.config.as_object_mut().unwrap();
            assert!(config.remove(*field).is_some(), "{} lacks {field}", self.fixture);
        }
        self
    }

    fn saying(mut self, field: &str, value: Value) -> Self {
        self.config[field] = value;
        self
    }

    fn load(&self) -> attn_tui::error::Result<Model> {
        let views = self.tensors.iter().map(|(name, Stored(dtype, shape, bytes))| {
            (name.clone(), TensorView::new(*dtype, shape.clone(), bytes).unwrap())
        });
        let weights = safetensors::serialize(views, None).unwrap();
        let config = serde_json::to_vec(&self.config).unwrap();
        let file = |bytes: Vec<u8>| ModelFile::Static(Vec::leak(bytes));
        let files =
            [("model.safetensors".to_string(), file(weights)), ("config.json".to_string(), file(config))];
        let files = ModelFiles::new(self.fixture, None, files);
        Model::load(&files, &Device::Cpu, &Unwatched)
    }

    /// Loads the model and compares its maps and logits with the fixture's.
    fn check(&self, what: &str) {
        let model = self.load().unwrap_or_else(|error| panic!("{} {what}: {error}", self.fixture));
        let off = parity::compare(&model, &parity::shortest(self.fixture)).unwrap();
        assert!(off.is_empty(), "{} {what}:\n{off}", self.fixture);
    }
}

const SOME: [&str; 10] = [
    "bart",
    "t5",
    "marian",
    "m2m_100",
    "led",
    "fsmt",
    "prophetnet",
    "pegasus_x",
    "encoder-decoder-bert-bert",
    "t5gemma2",
];

#[test]
fn tensor_names_may_have_a_prefix() {
    for fixture in SOME {
        for prefix in ["module.", "model.", "module.model.", "base_model.model."] {
            let all = Repository::of(fixture).renamed(|name| format!("{prefix}{name}"));
            all.check(&format!("under {prefix}"));
        }
    }
}

#[test]
fn models_without_a_head_lack_the_outer_prefix() {
    for (fixture, outer) in
        [("bart", "model."), ("m2m_100", "model."), ("led", "led."), ("prophetnet", "prophetnet.")]
    {
        let bare = |name: &str| name.strip_prefix(outer).unwrap_or(name).to_string();
        Repository::of(fixture).renamed(bare).check("without its outer name");
    }
}

#[test]
fn tied_weights_may_have_any_of_their_names() {
    let bart =
        ["model.shared.weight", "model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight"];
    for fixture in ["bart", "mbart", "pegasus", "m2m_100", "blenderbot"] {
        for name in bart.into_iter().chain(["lm_head.weight"]) {
            Repository::of(fixture).tied(bart[0], &[name]).check(name);
        }
        Repository::of(fixture).tied(bart[0], &bart).check("under all names");
    }
    let t5 =
        ["shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight"];
    for fixture in ["t5", "umt5"] {
        let own_head = Repository::of(fixture).tensors.contains_key("lm_head.weight");
        for name in t5.into_iter().filter(|name| !(own_head && *name == "lm_head.weight")) {
            Repository::of(fixture).tied(t5[0], &[name]).check(name);
        }
    }
}

/// Returns the largest difference between the outputs of two repositories.
fn difference(one: &Repository, other: &Repository) -> f32 {
    let reference = parity::shortest(one.fixture);
    let [one, other] = [one, other].map(|repository| {
        let found = parity::outputs(&repository.load().unwrap(), &reference).unwrap();
        found.into_values().flat_map(|(_, values)| values).collect::<Vec<_>>()
    });
    assert_eq!(one.len(), other.len());
    one.iter().zip(&other).fold(0.0, |most, (a, b)| most.max((a - b).abs()))
}

#[test]
fn computed_positions_may_be_stored_or_not() {
    for fixture in ["marian", "pegasus"] {
        let [encoder, decoder] =
            ["encoder", "decoder"].map(|side| format!("model.{side}.embed_positions.weight"));
        let bare = Repository::of(fixture).without(&encoder).without(&decoder);
        let mut stored = Repository::of(fixture);
        for name in [encoder, decoder] {
            let Stored(_, shape, bytes) = stored.tensors.get_mut(&name).unwrap();
            let (width, half) = (shape[1], shape[1] / 2);
            let value = |at: usize| {
                let (position, column) = ((at / width) as f64, at % width);
                let angle = position / 10000f64.powf(2.0 * (column % half) as f64 / width as f64);
                (if column < half { angle.sin() } else { angle.cos() }) as f32
            };
            *bytes = (0..shape[0] * width).flat_map(|at| value(at).to_le_bytes()).collect();
        }
        assert!(difference(&bare, &stored) < 1e-5, "{fixture}");
    }
}

#[test]
fn a_zero_bias_may_be_absent() {
    for fixture in ["bart", "t5", "m2m_100", "led"] {
        let mut without = Repository::of(fixture);
        let vocabulary = without.config["vocab_size"].as_u64().unwrap() as usize;
        without.tensors.remove("final_logits_bias");
        let with = Repository::of(fixture).zeros("final_logits_bias", &[1, vocabulary]);
        assert!(difference(&without, &with) < 1e-6, "{fixture}");
    }
}

#[test]
fn old_config_files_lack_fields() {
    Repository::of("t5")
        .lacking(&["relative_attention_max_distance", "relative_attention_num_buckets", "feed_forward_proj"])
        .check("as old as T5");
    Repository::of("bart").lacking(&["scale_embedding", "activation_function"]).check("as old as BART");
    Repository::of("prophetnet").lacking(&["ngram", "num_buckets"]).check("without its streams");
}

#[test]
fn the_number_type_is_that_of_the_tensors() {
    for fixture in SOME {
        let wrong = Repository::of(fixture).saying("torch_dtype", json!("float16"));
        wrong.saying("dtype", json!("bfloat16")).check("with a wrong number type");
    }
}
