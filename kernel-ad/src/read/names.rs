//! Names of kernels as people write them: `saxpy` for `_Z5saxpyifPKfPf`.

use cpp_demangle::{DemangleOptions, Symbol};

/// The name in the source language, without parameters: `ns::scale<float>`.
pub(super) fn source_name(symbol: &str) -> String {
    // Only Itanium-mangled names; the demangler's recursion is bounded by itself, the input's length here.
    if !symbol.starts_with("_Z") || symbol.len() > 4096 {
        return symbol.to_string();
    }
    let options = DemangleOptions::new().no_params().no_return_type();
    Symbol::new(symbol).ok().and_then(|s| s.demangle(&options).ok()).unwrap_or_else(|| symbol.to_string())
}

/// The name without namespaces and template arguments.
pub(super) fn base_name(source: &str) -> &str {
    let source = source.split('<').next().unwrap_or(source);
    source.rsplit("::").next().unwrap_or(source)
}

/// Names of `all` that are close to `name`, nearest first.
pub(super) fn similar<'a>(name: &str, all: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut near: Vec<(usize, &str)> = all.map(|n| (distance(name, base_name(n)), n)).collect();
    near.sort();
    near.into_iter().filter(|(d, _)| *d <= name.len().max(3) / 2).map(|(_, n)| n).take(3).collect()
}

/// Edit distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
