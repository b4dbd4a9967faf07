//! The TOML of a case file, and its errors.

use super::{memory, Arg, ArgKind, Case, Data, Number};
use crate::case::init::Init;
use crate::diag::{Code, Diagnostic, Diagnostics, Place, Result};
use crate::read::{Functions, Registered};
use serde::de::IntoDeserializer;
use serde::Deserialize;
use shadow_mem::{ElemType, Role};
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCase {
    module: PathBuf,
    kernel: String,
    grid: Spanned<Vec<u32>>,
    block: Spanned<Vec<u32>>,
    #[serde(default)]
    shared: u32,
    arch: Option<String>,
    #[serde(default)]
    derivative: Vec<Registered>,
    #[serde(default)]
    inactive: Vec<String>,
    #[serde(default)]
    arg: Vec<Spanned<RawArg>>,
    #[serde(default)]
    global: Vec<Spanned<RawArg>>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawArg {
    pub name: Option<String>,
    #[serde(rename = "type")]
    pub ty: Option<RawType>,
    pub len: Option<usize>,
    pub init: Option<Init>,
    pub value: Option<Value>,
    /// In an array of structs: one number for each of them.
    pub each: Option<Init>,
    pub role: Option<Role>,
    pub shadow: Option<Init>,
    pub fields: Option<Vec<Spanned<RawArg>>>,
    /// What the pointers in memory point to.
    pub targets: Option<Vec<Spanned<RawArg>>>,
    /// A null pointer.
    #[serde(default)]
    pub null: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum RawType {
    Elem(ElemType),
    Pointer,
}

impl<'de> Deserialize<'de> for RawType {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> std::result::Result<RawType, D::Error> {
        let word = String::deserialize(d)?;
        match word.as_str() {
            "ptr" => Ok(RawType::Pointer),
            _ => ElemType::deserialize(word.into_deserializer()).map(RawType::Elem),
        }
    }
}

#[derive(Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Value {
    One(Number),
    Many(Vec<Number>),
}

/// What the errors of one file have in common, and what they are gathered in.
pub(super) struct Reader<'t> {
    text: &'t str,
    path: &'t Path,
    pub dir: &'t Path,
    errors: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn error(&mut self, span: &Range<usize>, message: impl Into<String>) {
        self.errors.push(at(self.text, self.path, Some(span.clone()), message.into()));
    }
}

fn at(text: &str, path: &Path, span: Option<Range<usize>>, message: String) -> Diagnostic {
    let mut d = Diagnostic::new(Code::BadCase, message);
    let before = &text[..span.map_or(0, |s| s.start).min(text.len())];
    let line = before.matches('\n').count() as u32 + 1;
    let col = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) as u32 + 1;
    let file = path.display().to_string();
    d.place = Some(Place { file, line, col, function: None, inlined_at: Vec::new() });
    d
}

pub(super) fn load(path: &Path) -> Result<Case> {
    let mut text = String::new();
    let read = match path.to_str() {
        Some("-") => std::io::stdin().read_to_string(&mut text).map(|_| ()),
        _ => std::fs::read_to_string(path).map(|t| text = t),
    };
    read.map_err(|e| {
        Diagnostic::new(Code::FileUnreadable, format!("cannot read case file {}: {e}", path.display()))
    })?;
    parse(&text, path)
}

pub(super) fn parse(text: &str, path: &Path) -> Result<Case> {
    let raw: RawCase = toml::from_str(text).map_err(|e| {
        let message = e.message().trim().replace('\n', "; ");
        at(text, path, e.span(), message)
    })?;
    let dir = path.parent().unwrap_or(Path::new(""));
    let mut r = Reader { text, path, dir, errors: Vec::new() };
    let grid = dims(&mut r, "grid", &raw.grid);
    let block = dims(&mut r, "block", &raw.block);
    let args = args(&mut r, raw.arg, "arg", None);
    let globals = args_of_globals(&mut r, raw.global);
    if !r.errors.is_empty() {
        return Err(Diagnostics(r.errors));
    }
    let (module, kernel, shared, arch) = (dir.join(raw.module), raw.kernel, raw.shared, raw.arch);
    let functions = Functions { derivatives: raw.derivative, inactive: raw.inactive };
    Ok(Case { file: path.into(), module, kernel, grid, block, shared, arch, functions, args, globals })
}

fn dims(r: &mut Reader, what: &str, given: &Spanned<Vec<u32>>) -> [u32; 3] {
    let n = given.get_ref();
    if n.is_empty() || n.len() > 3 || n.contains(&0) {
        r.error(&given.span(), format!("{what} needs 1 to 3 numbers, each at least 1"));
    }
    std::array::from_fn(|i| n.get(i).copied().unwrap_or(1))
}

pub(super) fn args(r: &mut Reader, raw: Vec<Spanned<RawArg>>, what: &str, role: Option<Role>) -> Vec<Arg> {
    let mut out: Vec<Arg> = Vec::new();
    for (i, a) in raw.into_iter().enumerate() {
        let span = a.span();
        let name = a.get_ref().name.clone().unwrap_or_else(|| format!("{what}{i}"));
        if name.is_empty() || name.contains(['/', '\\', '.']) {
            r.error(&span, format!("name `{name}` cannot name an output file"));
        }
        if out.iter().any(|o| o.name == name) {
            r.error(&span, format!("two {what}s are named `{name}`"));
        }
        match arg(r, a.into_inner(), &span, i, role, what == "global") {
            Ok((role, kind)) => out.push(Arg { name, role, kind }),
            Err(message) => r.error(&span, format!("{what} `{name}`: {message}")),
        }
    }
    out
}

fn args_of_globals(r: &mut Reader, raw: Vec<Spanned<RawArg>>) -> Vec<Arg> {
    let spans: Vec<_> = raw.iter().map(Spanned::span).collect();
    let out = args(r, raw, "global", None);
    for (g, span) in out.iter().zip(&spans) {
        if !matches!(g.kind, ArgKind::Buffer { .. } | ArgKind::Memory { .. }) {
            let want = "a module-level variable is memory: give type and len, or fields";
            r.error(span, format!("global `{}`: {want}", g.name));
        }
    }
    out
}

fn arg(
    r: &mut Reader,
    a: RawArg,
    span: &Range<usize>,
    index: usize,
    inherited: Option<Role>,
    global: bool,
) -> std::result::Result<(Role, ArgKind), String> {
    if memory::is_memory(&a) || global && a.fields.is_some() {
        return memory::arg(r, a, span, inherited, global);
    }
    if a.each.is_some() || a.targets.is_some() || a.null {
        return Err("each, targets and null belong to pointers in memory and to arrays of structs".into());
    }
    if let Some(fields) = a.fields {
        if a.ty.is_some() || a.len.is_some() || a.value.is_some() || a.init.is_some() || a.shadow.is_some() {
            return Err("a struct has fields only; type, len, value, init and shadow belong to them".into());
        }
        let role = a.role.or(inherited).unwrap_or(Role::Const);
        let fields = args(r, fields, "field", Some(role));
        return Ok((role, ArgKind::Struct { fields }));
    }
    let Some(RawType::Elem(ty)) = a.ty else {
        return Err("type is missing (f16 bf16 f32 f64 i8 i16 i32 i64, or ptr with targets)".into());
    };
    let fits = |role: Role| ty.is_float() || role == Role::Const;
    let role = match a.role {
        Some(role) if !fits(role) => return Err("an integer has no derivative: its role is const".into()),
        Some(role) => role,
        None => inherited.filter(|&role| fits(role)).unwrap_or(Role::Const),
    };
    let seed = index as u64 + 1;
    let len = a.len.or_else(|| a.init.as_ref()?.own_len().filter(|_| a.value.is_none()));
    match (len, a.value) {
        (Some(_), Some(_)) => Err("len makes it a buffer, value a scalar: give one of them".into()),
        (None, None) => Err("give len (a buffer), value (a scalar) or fields (a struct)".into()),
        (Some(len), None) => {
            if role == Role::Active {
                return Err("active is for scalars; a buffer is dup, out or const".into());
            }
            if len.checked_mul(ty.bytes()).is_none_or(|b| b > isize::MAX as usize) {
                return Err(format!("len = {len} is too large"));
            }
            let contents = |init: &Option<Init>, seed| match init {
                Some(i) => i.contents(ty, len, r.dir, seed),
                None => Ok(Data::zeros(ty, len)),
            };
            let data = contents(&a.init, seed).map_err(|e| format!("init: {e}"))?;
            if a.shadow.is_some() && role == Role::Const {
                return Err("a const argument has no shadow".into());
            }
            let shadow = match role {
                Role::Const => Data::zeros(ty, 0),
                _ => contents(&a.shadow, seed + 1000).map_err(|e| format!("shadow: {e}"))?,
            };
            Ok((role, ArgKind::Buffer { data, shadow }))
        }
        (None, Some(value)) => {
            if a.init.is_some() {
                return Err("a scalar has value, not init".into());
            }
            // In a struct that is `dup` a float field is differentiated as a scalar.
            let role = match role {
                Role::Dup if inherited.is_some() => Role::Active,
                Role::Dup | Role::Out => return Err("a scalar is const or active".into()),
                role => role,
            };
            let mut data = Data::zeros(ty, 0);
            match value {
                Value::One(n) => data.push(n),
                Value::Many(n) => n.into_iter().for_each(|n| data.push(n)),
            }
            let shadow = match (&a.shadow, role) {
                (Some(_), Role::Const) => return Err("a const argument has no shadow".into()),
                (Some(s), _) => {
                    s.contents(ty, data.len(), r.dir, seed).map_err(|e| format!("shadow: {e}"))?
                }
                (None, Role::Const) => Data::zeros(ty, 0),
                (None, _) => Data::zeros(ty, data.len()),
            };
            Ok((role, ArgKind::Scalar { data, shadow }))
        }
    }
    .inspect_err(|_| tracing::debug!(?span, "argument refused"))
}
