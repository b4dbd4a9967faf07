//! Kernels as text. The form is LLVM's where LLVM has one.
//!
//! `parse(print(k))` prints as the same text. Ids are not kept: values, blocks and locations are named or numbered in
//! order of appearance, and what is not in the layout is not printed.

use super::infer::{infer, Inferred};
use super::names::{Named, FMF_NAMES, INT_FLAG_NAMES, SPACE_NAMES};
use super::*;
use cranelift_entity::SecondaryMap;
use std::fmt::Write;

/// A whole kernel as text, with its globals and source locations.
pub fn print(k: &Kernel) -> String {
    let p = Printer::new(k);
    let mut out = String::new();
    for (i, &l) in p.locs.iter().enumerate() {
        p.loc_line(&mut out, i, l);
    }
    for (g, var) in &k.globals {
        p.global_line(&mut out, g, var);
    }
    p.header(&mut out);
    for (n, &b) in k.layout.iter().enumerate() {
        let gap = if n > 0 { "\n" } else { "" };
        let _ = writeln!(out, "{gap}{}:", p.block(b));
        for &i in &k.blocks[b].insts {
            let _ = writeln!(out, "  {}", p.inst(i));
        }
    }
    out.push_str("}\n");
    out
}

/// One instruction as text, without its source location; for messages. To print many, keep a [`Printer`].
pub fn print_inst(k: &Kernel, inst: Inst) -> String {
    Printer::new(k).bare_inst(inst)
}

/// A type as text.
pub fn print_type(k: &Kernel, ty: Type) -> String {
    match ty {
        Type::Void => "void".into(),
        Type::Int(w) => format!("i{w}"),
        Type::Float(f) => f.name().into(),
        Type::Ptr(a) => print_pointer(a),
        Type::Vec(l, n) => format!("<{n} x {}>", print_type(k, l.ty())),
        Type::Agg(id) if id.as_u32() as usize >= k.aggs.len() => format!("<bad {id}>"),
        Type::Agg(id) => match &k.aggs[id] {
            t @ AggTy::Struct { fields, offsets, size, align, packed } => {
                let natural = k.natural_struct(fields.clone(), *packed) == *t;
                let fields = fields.iter().zip(offsets).map(|(&f, o)| match natural {
                    true => print_type(k, f),
                    false => format!("{} at {o}", print_type(k, f)),
                });
                let fields = fields.collect::<Vec<_>>().join(", ");
                let packed = if *packed { "packed " } else { "" };
                match natural {
                    true => format!("{packed}{{{fields}}}"),
                    false => format!("{packed}{{{fields} : size {size} align {align}}}"),
                }
            }
            t @ AggTy::Array { elem, len, stride, align } => {
                let inner = print_type(k, *elem);
                match k.natural_array(*elem, *len) == *t {
                    true => format!("[{len} x {inner}]"),
                    false => format!("[{len} x {inner} : stride {stride} align {align}]"),
                }
            }
        },
    }
}

fn print_pointer(a: AddrSpace) -> String {
    match SPACE_NAMES.iter().find(|(s, _)| *s == a) {
        Some((_, name)) => format!("ptr.{name}"),
        None if a == AddrSpace::Generic => "ptr".into(),
        None => format!("ptr.as{}", a.number()),
    }
}

/// Gives each thing its own name, or a number when it has none.
#[derive(Default)]
struct Namer {
    taken: HashMap<String, u32>,
    numbered: u32,
}

impl Namer {
    fn name(&mut self, wanted: Option<&str>) -> String {
        let base = match wanted {
            Some(n) if !n.is_empty() && !n.bytes().all(|b| b.is_ascii_digit()) => n,
            _ => {
                self.numbered += 1;
                return (self.numbered - 1).to_string();
            }
        };
        let mut name = base.to_string();
        let mut i = self.taken.get(base).copied().unwrap_or(0);
        while self.taken.contains_key(&name) {
            i += 1;
            name = format!("{base}.{i}");
        }
        self.taken.insert(base.to_string(), i);
        self.taken.entry(name.clone()).or_insert(0);
        name
    }
}

/// True for names that need no quotes behind a sigil.
fn plain_name(n: &str) -> bool {
    !n.is_empty() && n.bytes().all(|b| b.is_ascii_alphanumeric() || b"$._-".contains(&b))
}

/// True for block names that need no quotes.
fn plain_label(n: &str) -> bool {
    let digits = n.bytes().all(|b| b.is_ascii_digit());
    // These would read as the condition of a branch.
    let reserved = ["i1", "true", "false", "undef", "poison"].contains(&n);
    plain_name(n) && !reserved && !n.contains('-') && (digits || !n.as_bytes()[0].is_ascii_digit())
}

/// A string in quotes, with `\hh` for what cannot stand there.
pub(super) fn quote(s: &str) -> String {
    let mut out = String::from("\"");
    for c in s.chars() {
        if c == '"' || c == '\\' || c.is_control() {
            let mut bytes = [0; 4];
            for b in c.encode_utf8(&mut bytes).bytes() {
                let _ = write!(out, "\\{b:02x}");
            }
        } else {
            out.push(c);
        }
    }
    out.push('"');
    out
}

fn sigil(sigil: char, name: &str) -> String {
    match plain_name(name) {
        true => format!("{sigil}{name}"),
        false => format!("{sigil}{}", quote(name)),
    }
}

/// The name of a global thing, with its sigil.
pub(super) fn global_name(name: &str) -> String {
    sigil('@', name)
}

/// Names of everything in a kernel, worked out once; prints its parts.
pub struct Printer<'k> {
    pub(super) k: &'k Kernel,
    values: SecondaryMap<Value, Option<String>>,
    blocks: SecondaryMap<Block, Option<String>>,
    globals: SecondaryMap<Global, Option<String>>,
    locs: Vec<Loc>,
    loc_numbers: SecondaryMap<Loc, Option<u32>>,
}

impl<'k> Printer<'k> {
    /// Works out the names.
    pub fn new(k: &'k Kernel) -> Self {
        let mut p = Printer {
            k,
            values: SecondaryMap::new(),
            blocks: SecondaryMap::new(),
            globals: SecondaryMap::new(),
            locs: Vec::new(),
            loc_numbers: SecondaryMap::new(),
        };
        let mut namer = Namer::default();
        let mut params = vec![None; k.params.len()];
        for (v, d) in &k.values {
            if let ValueDef::Param(i) = d.def {
                if let Some(slot) = params.get_mut(i as usize) {
                    *slot = Some(v);
                }
            }
        }
        for (param, v) in k.params.iter().zip(params) {
            let name = namer.name(Some(&param.name));
            if let Some(v) = v {
                p.values[v] = Some(name);
            }
        }
        for (_, i) in k.iter_insts() {
            if let Some(r) = k.insts[i].result {
                p.values[r] = Some(namer.name(k.values[r].name.as_deref()));
            }
            p.number_loc(k.insts[i].loc);
        }
        let mut namer = Namer::default();
        for &b in &k.layout {
            p.blocks[b] = Some(namer.name(k.blocks[b].name.as_deref()));
        }
        let mut namer = Namer::default();
        for (g, var) in &k.globals {
            p.globals[g] = Some(namer.name(Some(&var.name)));
        }
        p
    }

    fn number_loc(&mut self, mut loc: Option<Loc>) {
        while let Some(l) = loc {
            if self.loc_numbers[l].is_some() {
                return;
            }
            self.loc_numbers[l] = Some(self.locs.len() as u32);
            self.locs.push(l);
            loc = self.k.locs[l].inlined_at;
        }
    }

    /// A type.
    pub fn ty(&self, ty: Type) -> String {
        print_type(self.k, ty)
    }

    /// The name of a block.
    pub fn block(&self, b: Block) -> String {
        match &self.blocks[b] {
            Some(n) if plain_label(n) => n.clone(),
            Some(n) => quote(n),
            None => format!("<{b}, not in the layout>"),
        }
    }

    /// A global variable, with its sigil.
    pub fn global(&self, g: Global) -> String {
        self.globals[g].as_ref().map_or_else(|| format!("<bad {g}>"), |n| sigil('@', n))
    }

    /// A value as an operand, without its type: `%name`, `@name` or a constant.
    pub fn value(&self, v: Value) -> String {
        if v.as_u32() as usize >= self.k.values.len() {
            return format!("<bad {v}>");
        }
        match &self.k.values[v].def {
            ValueDef::Const(c) => self.constant(self.k.ty(v), c),
            _ => {
                self.values[v].as_ref().map_or_else(|| format!("<{v}, not in the layout>"), |n| sigil('%', n))
            }
        }
    }

    /// A value as an operand, with its type.
    pub fn typed(&self, v: Value) -> String {
        if v.as_u32() as usize >= self.k.values.len() {
            return format!("<bad {v}>");
        }
        format!("{} {}", self.ty(self.k.ty(v)), self.value(v))
    }

    fn constant(&self, ty: Type, c: &Const) -> String {
        match c {
            Const::Int(bits) => match ty {
                Type::Int(1) => if *bits & 1 == 1 { "true" } else { "false" }.into(),
                Type::Int(w @ 1..=128) => {
                    let shift = 128 - u32::from(w);
                    ((*bits << shift) as i128 >> shift).to_string()
                }
                _ => format!("<int {bits:#x}>"),
            },
            Const::Float(bits) => match ty {
                Type::Float(f) => print_float(f, *bits),
                _ => format!("<float {bits:#x}>"),
            },
            Const::Null => "null".into(),
            Const::Undef => "undef".into(),
            Const::Poison => "poison".into(),
            Const::Zero => "zero".into(),
            Const::Global(g) => self.global(*g),
            Const::Elems(e) => match e.split_first() {
                Some((first, rest)) if !rest.is_empty() && rest.iter().all(|v| v == first) => {
                    format!("splat({})", self.value(*first))
                }
                _ => format!("elems({})", e.iter().map(|&v| self.value(v)).collect::<Vec<_>>().join(", ")),
            },
        }
    }

    fn loc_line(&self, out: &mut String, number: usize, l: Loc) {
        let d = &self.k.locs[l];
        let _ = write!(out, "!{number} = {}:{}:{}", quote(&d.file), d.line, d.col);
        if !d.function.is_empty() {
            let _ = write!(out, " in {}", quote(&d.function));
        }
        if let Some(n) = d.inlined_at.and_then(|at| self.loc_numbers[at]) {
            let _ = write!(out, " at !{n}");
        }
        out.push('\n');
    }

    fn global_line(&self, out: &mut String, g: Global, var: &GlobalVar) {
        let _ = write!(out, "global {} {} bytes {}", print_pointer(var.space), self.global(g), var.bytes);
        let _ = write!(out, " align {}", var.align);
        if let Some(ty) = var.ty {
            let _ = write!(out, " type {}", self.ty(ty));
        }
        for (on, word) in [(var.is_const, " constant"), (var.external, " external")] {
            out.push_str(if on { word } else { "" });
        }
        match &var.init {
            Some(init) if init.len() as u64 == var.bytes && init.iter().all(|&b| b == 0) => {
                out.push_str(" init zero")
            }
            Some(init) => {
                out.push_str(" init \"");
                for b in init {
                    let _ = write!(out, "{b:02x}");
                }
                out.push('"');
            }
            None => {}
        }
        for &(at, target, addend) in &var.relocs {
            let _ = write!(out, " reloc({at}, {}, {addend})", self.global(target));
        }
        out.push('\n');
    }

    fn header(&self, out: &mut String) {
        let k = self.k;
        let params = (0..k.params.len()).map(|i| self.param(i)).collect::<Vec<_>>();
        let _ = write!(out, "kernel {}(", sigil('@', &k.name));
        let line: usize = params.iter().map(|p| p.len() + 2).sum();
        let sep = if line > 90 { ",\n    " } else { ", " };
        let _ = write!(out, "{}) {}", params.join(sep), k.source.arch.name());
        let default = Source::of_arch(k.source.arch);
        let strings = [
            ("triple", Some(&k.source.triple), Some(&default.triple)),
            ("layout", Some(&k.source.data_layout), Some(&default.data_layout)),
            ("cpu", k.source.cpu.as_ref(), None),
            ("features", k.source.features.as_ref(), None),
            ("file", Some(&k.source.file), Some(&default.file)),
        ];
        for (word, value, default) in strings {
            if let Some(s) = value.filter(|s| Some(*s) != default) {
                let _ = write!(out, " {word}({})", quote(s));
            }
        }
        if k.source.warp_size != default.warp_size {
            let _ = write!(out, " warp({})", k.source.warp_size);
        }
        if let Some([x, y, z]) = k.bounds.required_block {
            let _ = write!(out, " block({x}, {y}, {z})");
        }
        if let Some(n) = k.bounds.max_threads {
            let _ = write!(out, " max_threads({n})");
        }
        if let Some(n) = k.bounds.min_blocks {
            let _ = write!(out, " min_blocks({n})");
        }
        for (a, b) in &k.bounds.distinct {
            let _ = write!(out, " distinct({a}, {b})");
        }
        if let Some(t) = &k.tape {
            let _ = write!(out, " tape(base {}, capacity {}, status {}", t.base, t.capacity, t.status);
            if let Some(n) = t.bounded {
                let _ = write!(out, ", bounded {n}");
            }
            let _ = write!(out, ", align {})", t.align);
        }
        out.push_str(" {\n");
    }

    fn param(&self, i: usize) -> String {
        let d = &self.k.params[i];
        let mut s = self.ty(d.ty);
        if let Some(b) = &d.by_value {
            let _ = write!(s, " byval({}, {}", b.bytes, b.align);
            if let Some(t) = b.ty {
                let _ = write!(s, ", {}", self.ty(t));
            }
            s.push(')');
        }
        for (on, word) in [(d.noalias, " noalias"), (d.readonly, " readonly"), (d.writeonly, " writeonly")] {
            s.push_str(if on { word } else { "" });
        }
        if d.align != 1 {
            let _ = write!(s, " align({})", d.align);
        }
        if d.dereferenceable != 0 {
            let _ = write!(s, " deref({})", d.dereferenceable);
        }
        let _ = write!(s, " {}", self.value(self.k.param_value(i as u32)));
        s
    }

    /// An instruction with its source location.
    pub fn inst(&self, i: Inst) -> String {
        let mut s = self.bare_inst(i);
        if let Some(n) = self.k.insts[i].loc.and_then(|l| self.loc_numbers[l]) {
            let _ = write!(s, " !{n}");
        }
        s
    }

    /// An instruction without its source location.
    pub fn bare_inst(&self, i: Inst) -> String {
        let d = &self.k.insts[i];
        let mut s = String::new();
        if let Some(r) = d.result {
            let _ = write!(s, "{} = ", self.value(r));
        }
        self.op(&mut s, &d.op, d.result.map_or(Type::Void, |r| self.k.ty(r)));
        s
    }

    /// The ` -> T` of a result that is not what the operands say.
    pub(super) fn arrow(&self, s: &mut String, op: &Op, result: Type) {
        let same = match infer(self.k, op) {
            Inferred::Ty(t) => t == result,
            Inferred::Pair(a, b) => {
                let natural = self.k.natural_struct(vec![a, b], false);
                matches!(result, Type::Agg(id) if self.k.aggs[id] == natural)
            }
            Inferred::Unknown => false,
        };
        if !same {
            let _ = write!(s, " -> {}", self.ty(result));
        }
    }
}

/// Decimal when that reads back as the same bits, else the bits.
fn print_float(f: FloatTy, bits: u64) -> String {
    let (text, back) = match f {
        FloatTy::F32 => {
            let x = f32::from_bits(bits as u32);
            (format!("{x:?}"), !x.is_nan())
        }
        FloatTy::F64 => {
            let x = f64::from_bits(bits);
            (format!("{x:?}"), !x.is_nan())
        }
        FloatTy::F16 => {
            let x = half::f16::from_bits(bits as u16);
            (format!("{:?}", x.to_f64()), !x.is_nan())
        }
        FloatTy::Bf16 => {
            let x = half::bf16::from_bits(bits as u16);
            (format!("{:?}", x.to_f64()), !x.is_nan())
        }
    };
    match back {
        true => text,
        false => format!("{bits:#x}"),
    }
}

/// Names of the flags that are set, each with a space before it.
pub(super) fn flags(fmf: Fmf, int: IntFlags) -> String {
    let f = FMF_NAMES.iter().filter(|(f, _)| fmf.contains(*f)).map(|(_, n)| *n);
    let i = INT_FLAG_NAMES.iter().filter(|(f, _)| int.contains(*f)).map(|(_, n)| *n);
    f.chain(i).flat_map(|n| [" ", n]).collect()
}
