//! Control flow: edges, dominance, loops, liveness. Facts about blocks, none about values' meaning.

mod dom;
mod edges;
mod live;
mod loops;

#[cfg(test)]
mod tests;

pub use dom::{DomTree, PostDomTree};
pub use edges::Cfg;
pub use live::Liveness;
pub use loops::{LoopData, LoopForest, LoopId};
