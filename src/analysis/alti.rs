//! ALTI: contributions of every layer, rolled out through the model (aggregation of layer-wise
//! token-to-token interactions).

use super::merge::{CrossRollout, common_shape, descend, product};
use crate::error::{Error, Result};
use crate::matrix::Matrix;

/// ALTI: the product of every layer's contributions, the last layer's on the left (Ferrando et al. 2022,
/// "Measuring the Mixing of Contextual Information in the Transformer"). `layers` are `[n, n]`, rows
/// summing to 1, the first layer first; so is the result, whose cell (i, j) says how much of position `i`
/// above the last layer comes from input `j`.
///
/// # Errors
/// [`Error::Usage`] when there is no layer, or the maps are not square and equal in size.
pub fn alti(layers: &[Matrix]) -> Result<Matrix> {
    let (rows, cols) = common_shape(layers)?;
    let (Some((first, rest)), true) = (layers.split_first(), rows == cols) else {
        return Err(Error::Usage("ALTI needs square contributions of self-attention".into()));
    };
    Ok(rest.iter().fold(first.clone(), |below, layer| product(layer, &below)))
}

/// ALTI+ (Ferrando et al. 2022, "Towards Opening the Black Box of Neural Machine Translation: Source and
/// Target Interpretations of the Transformer", section 3): with `r_l` the residual share of the cross block
/// in each row, `S_l = diag(r_l) own_l`, `Rsrc_l = S_l Rsrc_{l-1} + cross_l R_enc`, `Rtgt_l = S_l
/// Rtgt_{l-1}`, from `Rsrc_0 = 0`, `Rtgt_0 = I`. `encoder` is the encoder's [`alti`], `[source, source]`;
/// `own` are the decoder's contributions, `[target, target]`, `cross` those of its cross blocks, `[target,
/// source + 1]`, whose last column is `r_l`.
///
/// # Errors
/// [`Error::Usage`] when the layers are none or unequal in number, or shapes do not fit.
pub fn alti_plus(encoder: &Matrix, own: &[Matrix], cross: &[Matrix]) -> Result<CrossRollout> {
    let source = encoder.rows();
    if cross.iter().any(|layer| layer.cols() != source + 1) {
        return Err(Error::Usage(
            "ALTI+ needs contributions of the source tokens and of the residual".into(),
        ));
    }
    let self_parts = own.iter().zip(cross).map(|(own, cross)| {
        Matrix::from_fn(own.rows(), own.cols(), |i, j| {
            cross.get(i, source).unwrap_or_default() * own.get(i, j).unwrap_or_default()
        })
    });
    let cross_parts = cross
        .iter()
        .map(|cross| Matrix::from_fn(cross.rows(), source, |i, j| cross.get(i, j).unwrap_or_default()));
    descend(encoder, &self_parts.collect::<Vec<_>>(), &cross_parts.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_share_out_between_source_and_prefix() {
        let encoder = alti(&[Matrix::new(2, 2, vec![0.5, 0.5, 0.0, 1.0])]).unwrap();
        let own = Matrix::new(2, 2, vec![1.0, 0.0, 0.25, 0.75]);
        let cross = Matrix::new(2, 3, vec![0.2, 0.2, 0.6, 0.0, 0.5, 0.5]);
        let both = alti_plus(&encoder, std::slice::from_ref(&own), &[cross]).unwrap();
        let near = |a: &Matrix, b: &[f32]| a.as_slice().iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(near(&both.source, &[0.1, 0.3, 0.0, 0.5]));
        assert!(near(&both.prefix, &[0.6, 0.0, 0.125, 0.375]));
        assert!(alti_plus(&encoder, std::slice::from_ref(&own), std::slice::from_ref(&own)).is_err());
        assert!(alti(&[]).is_err());
    }
}
