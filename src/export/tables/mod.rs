//! Tables of analyses, as commands print them and the Python module returns them.

mod heads;
mod knockout;
mod links;
mod rollout;

pub use heads::{HEAD_COLUMNS, ROLE_COLUMNS, add_roles, head_cells, head_table};
pub use knockout::effect_table;
pub use links::{LINK_COLUMNS, link_table};
pub use rollout::{share_table, stack_table};
