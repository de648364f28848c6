//! Head metrics, links and aggregation: pure functions of matrices.
