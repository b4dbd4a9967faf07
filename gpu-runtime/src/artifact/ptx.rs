//! PTX, which is text.

use super::{kernels_fit, Judgement};
use shadow_mem::Manifest;

/// A kernel of a PTX module.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Entry {
    name: String,
    /// Size of each parameter in bytes; `None` where it is not understood.
    params: Vec<Option<u64>>,
}

/// The target that PTX was made for, `sm_90`; an error when the text is no PTX.
pub fn target(text: &str) -> Result<&str, String> {
    text.lines()
        .find_map(|l| l.trim().strip_prefix(".target"))
        .map(|r| r.trim().split([',', ' ']).next().unwrap_or(""))
        .ok_or_else(|| "it is neither PTX nor cubin: it has no `.target` line".into())
}

/// Refuses PTX that ends in the middle, and PTX whose kernels are not those of the manifests.
pub fn check(text: &str, manifests: &[Manifest]) -> Judgement {
    let code = without_remarks(text)?;
    let entries = entries(&code)?;
    kernels_fit(manifests, entries.iter().map(|e| e.name.as_str()), |m| {
        let entry = entries.iter().find(|e| e.name == m.symbol).expect("was found by its name");
        if entry.params.len() != m.params.len() {
            let (want, got) = (m.params.len(), entry.params.len());
            return Err(format!("the manifest has {want} parameters, the code {got}"));
        }
        for (i, (got, want)) in entry.params.iter().zip(&m.params).enumerate() {
            if got.is_some_and(|got| got != want.bytes) {
                let got = got.unwrap_or(0);
                let (name, want) = (&want.name, want.bytes);
                return Err(format!(
                    "parameter {i} (`{name}`) has {want} bytes in the manifest, {got} in the code"
                ));
            }
        }
        Ok(())
    })
}

/// The text without comments and without what stands in quotes; an error when something that was opened is not closed.
fn without_remarks(text: &str) -> Result<String, String> {
    let cut = |what: &str| format!("it is cut off: {what} is not closed");
    let (mut out, mut depth, mut rest) = (String::with_capacity(text.len()), 0i64, text);
    while let Some(c) = rest.chars().next() {
        let skip = match c {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").ok_or_else(|| cut("a comment"))? + 2,
            '"' => rest[1..].find('"').ok_or_else(|| cut("a text in quotes"))? + 2,
            c => {
                depth += match c {
                    '{' | '(' => 1,
                    '}' | ')' => -1,
                    _ => 0,
                };
                out.push(c);
                c.len_utf8()
            }
        };
        rest = &rest[skip..];
    }
    match depth {
        0 => Ok(out),
        _ => Err(cut("a bracket")),
    }
}

fn entries(code: &str) -> Result<Vec<Entry>, String> {
    let mut all = Vec::new();
    for rest in code.split(".entry").skip(1) {
        let cut = || "it is cut off: a kernel has no body".to_string();
        let end = rest.find(['(', '{']).ok_or_else(cut)?;
        let name = rest[..end].trim().to_string();
        let (list, behind) = match rest[end..].strip_prefix('(') {
            Some(list) => list.split_once(')').ok_or_else(cut)?,
            None => ("", &rest[end..]),
        };
        if !behind.contains('{') {
            return Err(cut());
        }
        let params = list.split(',').filter(|p| !p.trim().is_empty()).map(size).collect();
        all.push(Entry { name, params });
    }
    Ok(all)
}

/// Bytes of a parameter: `.param .u64 .ptr .global .align 4 name`, `.param .align 8 .b8 name[24]`.
fn size(param: &str) -> Option<u64> {
    let word = param.split_whitespace().find(|w| {
        let digits = w.trim_start_matches(['.', 'b', 'u', 's', 'f']);
        w.starts_with('.') && w.len() > digits.len() + 1 && matches!(digits, "8" | "16" | "32" | "64" | "128")
    })?;
    let bits: u64 = word.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().ok()?;
    let many = match param.split_once('[') {
        Some((_, n)) => n.trim_end().trim_end_matches(']').trim().parse().ok()?,
        None => 1,
    };
    (bits / 8).checked_mul(many)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "//\n.version 7.8\n.target sm_80, debug\n.file 1 \"a } ( file\"\n\
        .visible .entry one(\n\t.param .u64 .ptr .global .align 4 one_param_0, // a } here\n\
        \t.param .align 8 .b8 one_param_1[24],\n\t.param .f32 one_param_2\n)\n{ ret; /* ( */ }\n\
        .entry none()\n{ ret; }\n.entry bare { ret; }\n";

    // Catches sizes that are read from the wrong word, and brackets in comments and texts that count.
    #[test]
    fn parameters_are_read() {
        let all = entries(&without_remarks(TEXT).unwrap()).unwrap();
        let read: Vec<_> = all.iter().map(|e| (e.name.as_str(), e.params.clone())).collect();
        let one = vec![Some(8), Some(24), Some(4)];
        assert_eq!(read, [("one", one), ("none", vec![]), ("bare", vec![])]);
        assert_eq!(target(TEXT).unwrap(), "sm_80");
    }

    // Catches a text that lost its end and is taken for a whole one: at no place inside a kernel is that possible.
    #[test]
    fn cuts_are_seen() {
        let first = TEXT.find("one(").unwrap() + 4;
        let last = TEXT.find("*/ }").unwrap() + 4;
        for n in (first..last).filter(|&n| TEXT.is_char_boundary(n)) {
            let read = without_remarks(&TEXT[..n]).and_then(|code| entries(&code));
            assert!(read.is_err(), "{}", &TEXT[..n]);
        }
    }
}
