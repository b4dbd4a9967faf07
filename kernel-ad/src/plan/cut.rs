//! Minimum cut with capacities on nodes: what to save so that everything needed can be computed from it.

use std::collections::VecDeque;

/// A flow network over numbered nodes.
#[derive(Clone, Debug, Default)]
pub struct Network {
    edges: Vec<(usize, u64)>,
    out: Vec<Vec<usize>>,
}

/// More than any sum of real capacities.
pub const INFINITE: u64 = u64::MAX / 4;

const SOURCE: usize = 0;
const SINK: usize = 1;

impl Network {
    /// An empty network.
    pub fn new() -> Network {
        Network { edges: Vec::new(), out: vec![Vec::new(); 2] }
    }

    /// A node that costs `capacity` to cut. Gives its number.
    pub fn node(&mut self, capacity: u64) -> usize {
        let n = (self.out.len() - 2) / 2;
        self.out.push(Vec::new());
        self.out.push(Vec::new());
        self.edge(enter(n), leave(n), capacity);
        n
    }

    /// `to` can be computed from `from` (and the others like it).
    pub fn feeds(&mut self, from: usize, to: usize) {
        self.edge(leave(from), enter(to), INFINITE);
    }

    /// The node cannot be computed.
    pub fn is_given(&mut self, n: usize) {
        self.edge(SOURCE, enter(n), INFINITE);
    }

    /// The node is needed.
    pub fn is_needed(&mut self, n: usize) {
        self.edge(leave(n), SINK, INFINITE);
    }

    fn edge(&mut self, from: usize, to: usize, capacity: u64) {
        self.out[from].push(self.edges.len());
        self.edges.push((to, capacity));
        self.out[to].push(self.edges.len());
        self.edges.push((from, 0));
    }

    /// The nodes of a minimum cut, as near to the sink as possible; `None` when no finite cut exists.
    pub fn min_cut(mut self) -> Option<Vec<usize>> {
        let mut total = 0u64;
        while let Some(level) = self.levels() {
            let mut next = vec![0usize; self.out.len()];
            loop {
                let pushed = self.push(&level, &mut next);
                if pushed == 0 {
                    break;
                }
                total = total.saturating_add(pushed);
                if total >= INFINITE {
                    return None;
                }
            }
        }
        // What still reaches the sink in the residual network lies behind the cut.
        let mut reaches = vec![false; self.out.len()];
        reaches[SINK] = true;
        let mut work = vec![SINK];
        while let Some(n) = work.pop() {
            for &e in &self.out[n] {
                let (to, _) = self.edges[e];
                if self.edges[e ^ 1].1 > 0 && !reaches[to] {
                    reaches[to] = true;
                    work.push(to);
                }
            }
        }
        let nodes = (self.out.len() - 2) / 2;
        Some((0..nodes).filter(|&n| !reaches[enter(n)] && reaches[leave(n)]).collect())
    }

    fn levels(&self) -> Option<Vec<u32>> {
        let mut level = vec![u32::MAX; self.out.len()];
        level[SOURCE] = 0;
        let mut queue = VecDeque::from([SOURCE]);
        while let Some(n) = queue.pop_front() {
            for &e in &self.out[n] {
                let (to, c) = self.edges[e];
                if c > 0 && level[to] == u32::MAX {
                    level[to] = level[n] + 1;
                    queue.push_back(to);
                }
            }
        }
        (level[SINK] != u32::MAX).then_some(level)
    }

    /// Pushes along one path of the level graph (without recursion: chains can be long).
    fn push(&mut self, level: &[u32], next: &mut [usize]) -> u64 {
        let mut path: Vec<usize> = Vec::new();
        let mut at = SOURCE;
        loop {
            if at == SINK {
                let flow = path.iter().map(|&e| self.edges[e].1).min().unwrap_or(0);
                for &e in &path {
                    self.edges[e].1 -= flow;
                    self.edges[e ^ 1].1 += flow;
                }
                return flow;
            }
            let mut step = None;
            while next[at] < self.out[at].len() {
                let e = self.out[at][next[at]];
                let (to, c) = self.edges[e];
                if c > 0 && level[to] == level[at] + 1 {
                    step = Some((e, to));
                    break;
                }
                next[at] += 1;
            }
            match step {
                Some((e, to)) => {
                    path.push(e);
                    at = to;
                }
                None => {
                    let Some(e) = path.pop() else { return 0 };
                    at = self.edges[e ^ 1].0;
                    next[at] += 1;
                }
            }
        }
    }
}

fn enter(n: usize) -> usize {
    2 + 2 * n
}

fn leave(n: usize) -> usize {
    3 + 2 * n
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a cut that pays for every use instead of for the one value that all uses come from.
    #[test]
    fn shared_leaf_is_cheaper_than_its_uses() {
        let mut n = Network::new();
        let leaf = n.node(4);
        n.is_given(leaf);
        let uses: Vec<usize> = (0..3).map(|_| n.node(4)).collect();
        for &u in &uses {
            n.feeds(leaf, u);
            n.is_needed(u);
        }
        assert_eq!(n.min_cut(), Some(vec![leaf]));
    }

    /// Catches a cut that saves all leaves of one narrow result.
    #[test]
    fn narrow_result_is_cheaper_than_its_leaves() {
        let mut n = Network::new();
        let sum = n.node(4);
        n.is_needed(sum);
        for _ in 0..3 {
            let leaf = n.node(4);
            n.is_given(leaf);
            n.feeds(leaf, sum);
        }
        assert_eq!(n.min_cut(), Some(vec![sum]));
    }

    /// Catches a cut through something that cannot be saved.
    #[test]
    fn infinite_path_has_no_cut() {
        let mut n = Network::new();
        let a = n.node(INFINITE);
        n.is_given(a);
        n.is_needed(a);
        assert_eq!(n.min_cut(), None);
    }
}
