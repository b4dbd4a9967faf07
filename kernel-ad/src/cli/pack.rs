//! `kernel-ad pack`: cases with all that they need, for machines without clang.

use super::args::PackArgs;
use super::Outcome;
use crate::case::Case;
use crate::check::load_module;
use crate::diag::{Code, Diagnostic, Result};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

pub fn run(a: &PackArgs) -> Result<Outcome> {
    let options = a.source.options();
    let mut packed = Packed { dir: a.out.clone(), taken: HashMap::new() };
    std::fs::create_dir_all(&a.out).map_err(|e| cannot("write", &a.out, e))?;
    for path in &a.cases {
        let text = std::fs::read_to_string(path).map_err(|e| cannot("read", path, e))?;
        // Read as a case first, so that what is wrong with it is said as everywhere.
        let case = Case::load(path)?;
        let mut table: Table = text.parse().map_err(|e: toml::de::Error| {
            Diagnostic::new(Code::BadCase, format!("{}: {}", path.display(), e.message()))
        })?;
        let key = format!("{}@{}", case.module.display(), case.arch.as_deref().unwrap_or(""));
        // Most cases share their module with others; it is compiled once.
        let bitcode = || Ok(load_module(&case, &options)?.bitcode().to_vec());
        let module = packed.file(&key, &case.module.with_extension("bc"), bitcode)?;
        table.insert("module".into(), Value::String(module));
        table.remove("arch");
        table.iter_mut().try_for_each(|(key, v)| packed.data(key, v, path))?;
        packed.case(path, &table)?;
    }
    Ok(Outcome::Done)
}

fn cannot(what: &str, path: &Path, e: std::io::Error) -> Diagnostic {
    Diagnostic::new(Code::FileUnreadable, format!("cannot {what} {}: {e}", path.display()))
}

struct Packed {
    dir: PathBuf,
    /// Names in the folder, by what lies there.
    taken: HashMap<String, String>,
}

impl Packed {
    /// Puts a file into the folder, once; gives its name there.
    fn file(&mut self, key: &str, like: &Path, bytes: impl FnOnce() -> Result<Vec<u8>>) -> Result<String> {
        if let Some(name) = self.taken.get(key) {
            return Ok(name.clone());
        }
        let base = like.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (stem, ext) = base.rsplit_once('.').unwrap_or((&base, ""));
        let used = |n: &String| self.taken.values().any(|t| t == n);
        let names = std::iter::once(base.clone()).chain((2..).map(|i| format!("{stem}-{i}.{ext}")));
        let name = names.into_iter().find(|n| !used(n)).expect("there are enough numbers");
        let to = self.dir.join(&name);
        std::fs::write(&to, bytes()?).map_err(|e| cannot("write", &to, e))?;
        self.taken.insert(key.to_string(), name.clone());
        Ok(name)
    }

    /// Copies the data files that a part of a case names, and gives them their new names there.
    fn data(&mut self, key: &str, value: &mut Value, case: &Path) -> Result<()> {
        match value {
            Value::String(file) if key == "npy" => {
                let from = case.parent().unwrap_or(Path::new("")).join(&*file);
                let read = || std::fs::read(&from).map_err(|e| cannot("read", &from, e).into());
                *file = self.file(&from.display().to_string(), &from, read)?;
                Ok(())
            }
            Value::Table(t) => t.iter_mut().try_for_each(|(key, v)| self.data(key, v, case)),
            Value::Array(list) => list.iter_mut().try_for_each(|v| self.data("", v, case)),
            _ => Ok(()),
        }
    }

    /// Writes a case under its own name, or one like it.
    fn case(&mut self, path: &Path, table: &Table) -> Result<()> {
        let text = toml::to_string(table)
            .map_err(|e| Diagnostic::new(Code::Bug, format!("a case cannot be written: {e}")))?;
        self.file(&path.display().to_string(), path, || Ok(text.into_bytes())).map(|_| ())
    }
}
