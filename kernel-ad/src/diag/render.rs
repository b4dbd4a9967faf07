//! Diagnostics for people (with an excerpt of the source, coloured on a terminal) and for programs (JSON).

use super::{Diagnostic, Diagnostics, Family, Place};
use serde_json::{json, Value};
use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;

/// Whether to use colours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Colour {
    /// ANSI escapes.
    On,
    /// Plain text.
    Off,
}

/// Colours where standard error is a terminal and `NO_COLOR` is not set.
pub fn stderr_colour() -> Colour {
    use std::io::IsTerminal;
    match std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        true => Colour::On,
        false => Colour::Off,
    }
}

/// All diagnostics as text, with excerpts of those source files that can be read.
pub fn render(all: &Diagnostics, colour: Colour) -> String {
    let mut sources = Sources::default();
    let mut out = String::new();
    for (i, d) in all.0.iter().enumerate() {
        if i > 0 {
            out.push('\n');
        }
        one(d, colour, &mut sources, &mut out);
    }
    out
}

/// All diagnostics as a JSON array.
pub fn to_json(all: &Diagnostics) -> Value {
    let place = |p: &Place| {
        let inlined: Vec<_> =
            p.inlined_at.iter().map(|(f, l, c)| json!({ "file": f, "line": l, "col": c })).collect();
        json!({ "file": p.file, "line": p.line, "col": p.col, "function": p.function, "inlined_at": inlined })
    };
    all.0
        .iter()
        .map(|d| {
            json!({
                "code": d.code.to_string(),
                "family": format!("{:?}", d.code.family()).to_lowercase(),
                "message": d.message,
                "place": d.place.as_ref().map(place),
                "because": d.because,
                "ir": d.ir,
                "help": d.help,
            })
        })
        .collect()
}

#[derive(Default)]
struct Sources(HashMap<String, Option<Vec<String>>>);

impl Sources {
    /// The line at a place, when its file can be read and is text.
    fn line(&mut self, p: &Place) -> Option<&str> {
        let read = |file: &str| {
            let text = std::fs::read_to_string(Path::new(file)).ok()?;
            Some(text.lines().map(str::to_string).collect())
        };
        let lines = self.0.entry(p.file.clone()).or_insert_with(|| read(&p.file)).as_ref()?;
        lines.get((p.line as usize).checked_sub(1)?).map(String::as_str)
    }
}

fn one(d: &Diagnostic, colour: Colour, sources: &mut Sources, out: &mut String) {
    let paint = |code: &str, text: &str| match colour {
        Colour::On => format!("\x1b[{code}m{text}\x1b[0m"),
        Colour::Off => text.to_string(),
    };
    let _ = writeln!(
        out,
        "{}{}",
        paint("1;31", &format!("error[{}]", d.code)),
        paint("1", &format!(": {}", d.message))
    );
    if let Some(p) = &d.place {
        let _ = write!(out, "  {} {}", paint("34", "-->"), p.file);
        if p.line > 0 {
            let _ = write!(out, ":{}", p.line);
        }
        if p.line > 0 && p.col > 0 {
            let _ = write!(out, ":{}", p.col);
        }
        if let Some(name) = &p.function {
            let _ = write!(out, ", in `{name}`");
        }
        for (file, line, col) in &p.inlined_at {
            let _ = write!(out, ", inlined at {file}:{line}:{col}");
        }
        out.push('\n');
        if let Some(line) = sources.line(p) {
            let (indent, marks) = marks(line, p.col);
            let n = p.line.to_string();
            let bar = paint("34", "|");
            let _ =
                writeln!(out, "   {bar} {} {bar} {}", paint("34", &n), line.replace('\t', " ").trim_end());
            if !marks.is_empty() {
                let pad = " ".repeat(n.len() + 3 + indent);
                let _ = writeln!(out, "   {bar} {pad}{}", paint("1;31", &marks));
            }
        }
    }
    let mut note = |what: &str, text: &str| {
        let text = text.replace('\n', "\n     ");
        let _ = writeln!(out, "   {} {}: {text}", paint("34", "="), paint("1", what));
    };
    d.because.iter().for_each(|b| note("because", b));
    d.ir.iter().for_each(|ir| note("ir", ir));
    d.help.iter().for_each(|h| note("help", h));
    if d.code.family() == Family::Internal {
        note(
            "note",
            "this is a bug in kernel-ad; please report it with the module (llvm-reduce makes it small)",
        );
    }
}

/// How far to indent, and the carets: under the word at a column, or one character.
fn marks(line: &str, col: u32) -> (usize, String) {
    let Some(start) = (col as usize).checked_sub(1) else { return (0, String::new()) };
    let word = line.chars().skip(start).take_while(|c| c.is_alphanumeric() || *c == '_').count();
    match line.chars().count() {
        n if start >= n => (0, String::new()),
        _ => (start, "^".repeat(word.max(1))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Code;

    fn sample(file: &str) -> Diagnostics {
        let mut d =
            Diagnostic::new(Code::AtomicNoRule, "no adjoint rule for `atomicrmw fmax` on active memory")
                .because("`x` is dup (param 0) -> %16 -> %m -> `y`")
                .ir("%17 = atomicrmw fmax ptr addrspace(3) %m, float %16 monotonic")
                .help("mark `m` inactive, or register a rule for `atomicrmw fmax`");
        d.place = Some(Place {
            file: file.into(),
            line: 2,
            col: 5,
            function: Some("row_max".into()),
            inlined_at: vec![("softmax.cu".into(), 63, 5)],
        });
        d.into()
    }

    /// Catches carets under the wrong word, a lost part, and an excerpt of another line.
    #[test]
    fn a_diagnostic_shows_the_source() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("softmax.cu");
        std::fs::write(&file, "void f() {\n    atomicMax(&m, x[i]);\n}\n").unwrap();
        let text = render(&sample(file.to_str().unwrap()), Colour::Off);
        let lines: Vec<_> = text.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "   | 2 |     atomicMax(&m, x[i]);",
                "   |         ^^^^^^^^^",
                "   = because: `x` is dup (param 0) -> %16 -> %m -> `y`",
                "   = ir: %17 = atomicrmw fmax ptr addrspace(3) %m, float %16 monotonic",
                "   = help: mark `m` inactive, or register a rule for `atomicrmw fmax`",
            ]
        );
    }

    /// Catches a panic or an invented excerpt when the file is not there or is shorter than the place says.
    #[test]
    fn a_missing_source_is_no_trouble() {
        let text = render(&sample("/nowhere/softmax.cu"), Colour::Off);
        assert_eq!(
            text.lines().nth(1).unwrap(),
            "  --> /nowhere/softmax.cu:2:5, in `row_max`, inlined at softmax.cu:63:5"
        );
        assert_eq!(text.lines().nth(2).unwrap().trim_start().chars().next(), Some('='));
        assert!(!text.contains('\x1b'));
        assert!(render(&sample("x"), Colour::On).contains('\x1b'));
    }

    /// Catches a field that programs rely on going missing.
    #[test]
    fn json_has_all_parts() {
        let v = to_json(&sample("softmax.cu"));
        assert_eq!(v[0]["code"], "KAD0107");
        assert_eq!(v[0]["family"], "unsupported");
        assert_eq!(v[0]["place"]["line"], 2);
        assert_eq!(v[0]["place"]["inlined_at"][0]["line"], 63);
        assert!(v[0]["because"][0].as_str().unwrap().starts_with("`x` is dup"));
    }
}
