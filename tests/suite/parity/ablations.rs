//! Heads and links are switched off the same way on every path through the network.

use attn_tui::capture::{Ablator, Recorder};
use attn_tui::model::EncoderInput;
use attn_tui::nn::{Hook, NoHook, read};
use attn_tui::site::{Ablation, Head, Kind, Site};
use candle_core::Tensor;

use super::{Result, fixtures, load, on};

/// Ablates through whole tensors, step by step, without the fast path.
struct Stepwise(Ablator);

impl Hook for Stepwise {
    fn wants(&self, site: Site) -> bool {
        self.0.wants(site)
    }

    fn scores(&mut self, site: Site, past: usize, scores: Tensor) -> Result<Tensor> {
        self.0.scores(site, past, scores)
    }

    fn z(&mut self, site: Site, z: Tensor) -> Result<Tensor> {
        self.0.z(site, z)
    }
}

#[test]
fn heads_and_links_are_switched_off_on_the_fast_path_as_step_by_step() {
    for name in
        ["t5", "bart", "longt5-tglobal", "t5gemma", "pegasus_x", "bigbird_pegasus", "mvp-prompt", "t5gemma2"]
    {
        if !fixtures().contains(&name.to_string()) {
            continue;
        }
        let model = load(name).unwrap();
        let source: Vec<u32> = (0..70).map(|i| 5 + i % 20).collect();
        let off = vec![
            Ablation::Head(Head::new(Kind::Encoder, 0, 1)),
            Ablation::Head(Head::new(Kind::Decoder, 1, 0)),
            Ablation::Site(Site::new(Kind::Cross, 0)),
            Ablation::Link { head: Head::new(Kind::Encoder, 0, 0), query: 50, key: 48 },
            Ablation::Link { head: Head::new(Kind::Decoder, 0, 1), query: 0, key: 0 },
            Ablation::Link { head: Head::new(Kind::Decoder, 0, 1), query: 7, key: 3 },
            Ablation::Link { head: Head::new(Kind::Cross, 1, 0), query: 19, key: 69 },
        ];
        let logits = |hook: &mut dyn Hook| {
            let encoded = model.encode(EncoderInput::Ids(&source), hook, &mut on).unwrap();
            let states = model.decode(&source[..20], 1, &encoded, None, hook, &mut on).unwrap();
            model.logits(&states).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        let whole = logits(&mut NoHook);
        let stepwise = logits(&mut Stepwise(Ablator::new(off.clone())));
        let mut recorder = Recorder::new(Ablator::new(off.clone()));
        for (what, fast) in [("alone", logits(&mut Ablator::new(off))), ("recorded", logits(&mut recorder))] {
            let far = |other: &[f32]| fast.iter().zip(other).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(far(&stepwise) < 1e-4, "{name} {what}: off by {}", far(&stepwise));
            assert!(far(&whole) > 1e-2, "{name} {what}: nothing is off");
        }
        let maps = recorder.finish().0;
        let weight = |site: Site, query: usize, key: usize| {
            let map = maps.map(site.head(usize::from(site.kind == Kind::Decoder))).unwrap();
            (map.get(query, key).unwrap(), map.row(query).iter().sum::<f32>())
        };
        for (site, query, key) in [
            (Site::new(Kind::Encoder, 0), 50, 48),
            (Site::new(Kind::Decoder, 0), 7, 3),
            (Site::new(Kind::Cross, 1), 19, 69),
        ] {
            let (weight, sum) = weight(site, query, key);
            assert!(weight == 0.0 && sum > 0.1, "{name} {site}: {weight} in a row of {sum}");
        }
        assert_eq!(weight(Site::new(Kind::Decoder, 0), 0, 0), (0.0, 0.0), "{name}: a row without keys");
    }
}

#[test]
fn links_are_switched_off_token_by_token_as_all_at_once() {
    for name in ["t5", "bart", "t5gemma"] {
        if !fixtures().contains(&name.to_string()) {
            continue;
        }
        let model = load(name).unwrap();
        let (source, target): (Vec<u32>, Vec<u32>) =
            ((0..12).map(|i| 5 + i).collect(), (0..8).map(|i| 6 + i).collect());
        let link = |kind, query, key| Ablation::Link { head: Head::new(kind, 0, 0), query, key };
        let off = vec![link(Kind::Cross, 5, 3), link(Kind::Cross, 0, 1), link(Kind::Decoder, 4, 2)];
        let mut hook = Ablator::new(off);
        let encoded = model.encode(EncoderInput::Ids(&source), &mut hook, &mut on).unwrap();
        let logits = |states| read(&model.logits(&states).unwrap(), <[f32]>::to_vec).unwrap();
        let whole = logits(model.decode(&target, 1, &encoded, None, &mut hook, &mut on).unwrap());
        let untouched = logits(model.decode(&target, 1, &encoded, None, &mut NoHook, &mut on).unwrap());
        let mut cache = model.cache();
        for (row, (expected, before)) in
            whole.chunks(whole.len() / 8).zip(untouched.chunks(whole.len() / 8)).enumerate()
        {
            let step = [target[row]];
            let states = model.decode(&step, 1, &encoded, Some(&mut cache), &mut hook, &mut on).unwrap();
            let far = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            let off = far(&logits(states), expected);
            assert!(off < 1e-4, "{name} row {row}: off by {off}");
            assert!(row != 5 || far(expected, before) > 1e-4, "{name}: the link makes no difference");
        }
    }
}
