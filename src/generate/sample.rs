//! Sampling: temperature, top-k and top-p, and random draws.

use attn_tui_kernels::softmax::{log_sum_exp, normaliser};

use super::config::Sampling;

/// Divides the next token's scores by the temperature, then sets those outside the `top_k` largest, and
/// outside the smallest set with a probability of `top_p`, to minus infinity. At least `keep` scores remain.
pub(super) fn restrict(scores: &mut [f32], sampling: &Sampling, keep: usize) {
    if sampling.temperature != 1.0 {
        scores.iter_mut().for_each(|score| *score /= sampling.temperature);
    }
    if sampling.top_k > 0 && sampling.top_k.max(keep) < scores.len() {
        let mut sorted = scores.to_vec();
        let (_, least, _) =
            sorted.select_nth_unstable_by(sampling.top_k.max(keep) - 1, |a, b| b.total_cmp(a));
        let least = *least;
        scores.iter_mut().filter(|score| **score < least).for_each(|score| *score = f32::NEG_INFINITY);
    }
    if sampling.top_p < 1.0 {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
        let (max, sum) = normaliser(scores);
        let mut share = 0.0;
        for &token in &order[..order.len().saturating_sub(keep)] {
            share += (scores[token] - max).exp() / sum;
            if share > 1.0 - sampling.top_p {
                break;
            }
            scores[token] = f32::NEG_INFINITY;
        }
    }
}

/// Log-probabilities, at temperature 1, of the tokens that may follow a text.
pub(super) struct LogProbabilities {
    temperature: f32,
    normaliser: f32,
}

impl LogProbabilities {
    /// Normalises scores that [`restrict`] has divided by the temperature of `sampling`.
    pub fn new(scores: &[f32], sampling: Option<&Sampling>) -> Self {
        let temperature = sampling.map_or(1.0, |sampling| sampling.temperature);
        let scores: Vec<f32> = scores.iter().map(|score| score * temperature).collect();
        Self { temperature, normaliser: log_sum_exp(&scores) }
    }

    /// Returns the log-probability of the token with this score, in nats.
    pub fn of(&self, score: f32) -> f32 {
        score * self.temperature - self.normaliser
    }
}

/// Random number generator (SplitMix64, Steele et al. 2014).
pub(super) struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns one of 2^52 equally likely numbers between 0 and 1, both excluded.
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        ((bits >> 12) as f64 + 0.5) / (1u64 << 52) as f64
    }

    /// Returns Gumbel noise. The largest of scores with such noise is a sample from their softmax; the `n`
    /// largest are samples without replacement (Vieira 2014).
    pub fn gumbel(&mut self) -> f32 {
        -(-self.uniform().ln()).ln() as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Sampling = Sampling { temperature: 1.0, top_k: 0, top_p: 1.0, seed: 0 };

    fn left(sampling: Sampling, keep: usize) -> Vec<usize> {
        let mut scores = [0.1f32, 0.4, 0.2, 0.05, 0.25].map(f32::ln);
        restrict(&mut scores, &sampling, keep);
        (0..5).filter(|&i| scores[i].is_finite()).collect()
    }

    #[test]
    fn the_likeliest_tokens_stay() {
        assert_eq!(left(ALL, 1), [0, 1, 2, 3, 4]);
        assert_eq!(left(Sampling { top_k: 2, ..ALL }, 1), [1, 4]);
        assert_eq!(left(Sampling { top_k: 2, ..ALL }, 3), [1, 2, 4]);
        assert_eq!(left(Sampling { top_p: 0.6, ..ALL }, 1), [1, 4]);
        assert_eq!(left(Sampling { top_p: 0.0, ..ALL }, 1), [1]);
        assert_eq!(left(Sampling { top_p: 0.0, ..ALL }, 2), [1, 4]);
    }

    #[test]
    fn draws_follow_the_scores_and_the_seed() {
        let scores = [0.1f32, 0.6, 0.3].map(f32::ln);
        let mut random = Random::new(7);
        let mut counts = [0; 3];
        for _ in 0..20_000 {
            let noisy = scores.map(|score| score + random.gumbel());
            let largest = noisy.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            counts[noisy.iter().position(|score| *score == largest).unwrap()] += 1;
        }
        for (count, expected) in counts.into_iter().zip([2000, 12_000, 6000]) {
            assert!(i32::abs(count - expected) < 400, "{counts:?}");
        }
        let draw = |seed| {
            let mut random = Random::new(seed);
            [(); 8].map(|()| random.uniform())
        };
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
    }
}
