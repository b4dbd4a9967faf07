//! Device functions: those that the caller names derivatives of, and those that are differentiated themselves.

use super::{names, ModuleSource, Root};
use crate::cfg::Cfg;
use crate::diag::{Code, Diagnostic, Result};
use crate::facts::provenance::holds_pointer;
use crate::facts::{Base, Provenance};
use crate::grad::Roles;
use crate::kernel::*;
use crate::llvm::Ir;
use shadow_mem::Role;
use std::collections::HashSet;
use std::sync::Arc;

/// What the caller says of device functions, by their symbols or their names in the source language.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Functions {
    /// Derivatives.
    pub derivatives: Vec<Registered>,
    /// Functions without a derivative: what they compute counts as constant.
    pub inactive: Vec<String>,
}

/// A device function with the functions that compute its derivative; docs/derivatives.md says which signatures they have.
#[derive(Clone, PartialEq, Eq, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registered {
    /// The function.
    pub function: String,
    /// Computes the tangent of its result.
    pub forward: Option<String>,
    /// Computes the adjoints of its parameters.
    pub reverse: Option<String>,
}

impl Functions {
    /// True when nothing is said.
    pub fn is_empty(&self) -> bool {
        self.derivatives.is_empty() && self.inactive.is_empty()
    }

    /// Adds what another says.
    pub fn extend(&mut self, other: &Functions) {
        self.derivatives.extend(other.derivatives.iter().cloned());
        self.inactive.extend(other.inactive.iter().cloned());
    }
}

/// The same with symbols.
pub(super) struct Known {
    pub symbol: String,
    kind: Kind,
}

enum Kind {
    Inactive,
    Given { forward: Option<String>, reverse: Option<String> },
}

/// Finds the functions in the module.
pub(super) fn resolve(ir: &Ir<'_>, file: &str, said: &Functions) -> Result<Vec<Known>> {
    let find = |name: &str| symbol(ir, file, name);
    let some = |name: &Option<String>| name.as_deref().map(find).transpose();
    let mut out: Vec<Known> = Vec::new();
    for r in &said.derivatives {
        if r.forward.is_none() && r.reverse.is_none() {
            let d = Diagnostic::new(Code::Usage, format!("no derivative of `{}` is named", r.function));
            return Err(d.help("name a forward or a reverse function, or declare it inactive").into());
        }
        let kind = Kind::Given { forward: some(&r.forward)?, reverse: some(&r.reverse)? };
        out.push(Known { symbol: find(&r.function)?, kind });
    }
    for name in &said.inactive {
        out.push(Known { symbol: find(name)?, kind: Kind::Inactive });
    }
    let mut seen = HashSet::new();
    match out.iter().find(|k| !seen.insert(&k.symbol)) {
        Some(twice) => {
            let name = names::source_name(&twice.symbol);
            Err(Diagnostic::new(Code::Usage, format!("two things are said of the function `{name}`")).into())
        }
        None => Ok(out),
    }
}

/// The symbol of a device function with a body.
fn symbol(ir: &Ir<'_>, file: &str, name: &str) -> Result<String> {
    let defined: Vec<String> = ir.functions().filter(|f| !f.is_declaration()).map(|f| f.name()).collect();
    if defined.iter().any(|f| f == name) {
        return Ok(name.to_string());
    }
    let sources: Vec<String> = defined.iter().map(|f| names::source_name(f)).collect();
    for fits in [(|s, n| s == n) as fn(&str, &str) -> bool, |s, n| names::base_name(s) == n] {
        let found: Vec<&String> =
            defined.iter().zip(&sources).filter(|(_, s)| fits(s, name)).map(|(f, _)| f).collect();
        match found[..] {
            [] => {}
            [one] => return Ok(one.clone()),
            _ => {
                let all: Vec<&str> = found.iter().map(|s| s.as_str()).collect();
                let d = Diagnostic::new(Code::Usage, format!("`{name}` names {} functions", found.len()));
                return Err(d.help(format!("give the symbol: {}", all.join(", "))).into());
            }
        }
    }
    let declared = ir.functions().any(|f| f.is_declaration() && f.name() == name);
    let message = match declared {
        true => format!("the function `{name}` has no body in `{file}`"),
        false => format!("no function `{name}` in `{file}`"),
    };
    let near = names::similar(name, sources.iter().map(String::as_str));
    let help = match near[..] {
        [] => {
            "a function that nothing calls is dropped by the compiler when it is static or inline".to_string()
        }
        _ => format!("did you mean {}? (unused static and inline functions are dropped)", near.join(" or ")),
    };
    Err(Diagnostic::new(Code::Usage, message).help(help).into())
}

impl ModuleSource {
    /// Gives `k` the functions that it calls, with their bodies.
    pub(super) fn attach(&self, k: &mut Kernel, known: &[Known]) -> Result<()> {
        let mut work = called(k);
        let mut done: HashSet<String> = HashSet::new();
        while let Some(symbol) = work.pop() {
            let Some(this) = known.iter().find(|f| f.symbol == symbol) else { continue };
            if !done.insert(symbol.clone()) {
                continue;
            }
            let f = self.function(this, known)?;
            work.extend(called(&f.body.code));
            k.functions.push(Arc::new(f));
        }
        let entry = k.name.clone();
        match known.iter().find(|f| !done.contains(&f.symbol) && f.symbol != entry) {
            None => Ok(()),
            Some(f) => {
                let (name, k) = (names::source_name(&f.symbol), &k.name);
                let d = Diagnostic::new(Code::Usage, format!("`{k}` does not call the function `{name}`"));
                Err(d
                    .help("if it does in the source, the compiler inlined it: declare it __noinline__")
                    .into())
            }
        }
    }

    fn function(&self, this: &Known, known: &[Known]) -> Result<Function> {
        let keep: Vec<String> =
            known.iter().map(|k| k.symbol.clone()).filter(|s| *s != this.symbol).collect();
        let (body, result) = self.body(&this.symbol, &keep)?;
        let own: Vec<Param> = match result {
            Type::Void => body.code.params.clone(),
            _ => body.code.params[..body.code.params.len() - 1].to_vec(),
        };
        if let (Some(p), Kind::Given { .. }) = (own.iter().find(|p| is_flattened(&body.code, p)), &this.kind)
        {
            let d = refused(&body.code, format!("parameter `{}` is a struct passed by value", p.name));
            return Err(d.help("pass its members one by one, or a pointer to it").into());
        }
        let kind = match &this.kind {
            Kind::Inactive => Derivative::Inactive,
            Kind::Given { forward, reverse } => {
                let derivative = |name: &Option<String>, want: Signature| -> Result<Option<Body>> {
                    let Some(name) = name else { return Ok(None) };
                    let (body, result) = self.body(name, &[])?;
                    fits(&body, result, &want)?;
                    let writes = |(i, a): (usize, &Access)| a.writes && want.primal.contains(&i);
                    if let Some(i) = body.access.iter().enumerate().position(writes) {
                        let why = format!("it writes what `{}` points to", body.code.params[i].name);
                        let d = refused(&body.code, why);
                        return Err(d.help("a derivative writes into shadows only").into());
                    }
                    Ok(Some(body))
                };
                Derivative::Given {
                    forward: derivative(forward, tangent_of(&own, result))?,
                    reverse: derivative(reverse, adjoint_of(&own, result))?,
                }
            }
        };
        Ok(Function { name: this.symbol.clone(), body, result, kind })
    }

    /// The code of a function, and the type of its result.
    fn body(&self, symbol: &str, keep: &[String]) -> Result<(Body, Type)> {
        let (code, result) = self.root(symbol, Root::Body, keep)?;
        let returns = code.iter_insts().any(|(_, i)| code.insts[i].op == Op::Ret);
        if !returns {
            return Err(refused(&code, "it never returns".into()).into());
        }
        if matches!(result, Type::Agg(_) | Type::Ptr(_)) {
            let d = refused(&code, "its result is a pointer or a struct".into());
            return Err(d.help("let it return a number, or write results through pointers").into());
        }
        let access = access(&code)?;
        let mut used = vec![false; code.params.len()];
        for (_, i) in code.iter_insts() {
            code.insts[i].op.for_each_operand(|v| {
                if let ValueDef::Param(p) = code.values[v].def {
                    used[p as usize] = true;
                }
            });
        }
        Ok((Body { name: symbol.to_string(), code, used, access }, result))
    }
}

fn called(k: &Kernel) -> Vec<String> {
    let callee = |(_, i)| match &k.insts[i].op {
        Op::Call { callee, .. } => Some(callee.clone()),
        _ => None,
    };
    k.iter_insts().filter_map(callee).collect()
}

/// On AMDGPU structs by value arrive in pieces: their order among the parameters of a derivative could not be told.
fn is_flattened(k: &Kernel, p: &Param) -> bool {
    let unnamed = |n: &str| {
        n.strip_prefix("arg").is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    let pieces = k.source.arch == Arch::Amdgpu && (p.name.contains(".coerce") || unnamed(&p.name));
    p.by_value.is_some() || pieces || matches!(p.ty, Type::Agg(_))
}

fn refused(k: &Kernel, why: String) -> Diagnostic {
    let name = names::source_name(&k.name);
    let d =
        Diagnostic::new(Code::UnsupportedCall, format!("the function `{name}` cannot be registered: {why}"));
    let at = k.iter_insts().find_map(|(_, i)| k.insts[i].loc);
    d.at(k, at)
}

/// What the function does with memory. Anything but its pointer parameters, local memory and constants is refused: the
/// kernel around it would not know of it.
fn access(k: &Kernel) -> Result<Vec<Access>> {
    let cfg = Cfg::new(k);
    let roles = Roles::of(&vec![Role::Const; k.params.len()]);
    let prov = Provenance::new(k, &cfg, &roles);
    let mut out = vec![Access::default(); k.params.len()];
    for &b in cfg.rpo() {
        for &i in &k.blocks[b].insts {
            let data = &k.insts[i];
            let error = |why: &str| refused(k, why.to_string()).at(k, data.loc).ir(print_inst(k, i));
            let (reads, writes): (Option<Value>, Option<Value>) = match &data.op {
                Op::Load { ptr, .. } => (Some(*ptr), None),
                Op::Store { ptr, val, .. } => {
                    if holds_pointer(k, k.ty(*val)) && !is_local(&prov, *ptr) {
                        return Err(error("it stores pointers").into());
                    }
                    (None, Some(*ptr))
                }
                Op::AtomicRmw { ptr, .. } | Op::CmpXchg { ptr, .. } => (Some(*ptr), Some(*ptr)),
                Op::MemCopy { dst, src, .. } => (Some(*src), Some(*dst)),
                Op::MemSet { dst, .. } => (None, Some(*dst)),
                Op::Barrier { .. } | Op::Warp { .. } | Op::Fence { .. } => {
                    return Err(error("it communicates with other threads").into());
                }
                Op::Call { callee, .. } if crate::facts::alias::writes_nothing(callee) => (None, None),
                Op::Call { .. } => return Err(error("it calls an unknown function").into()),
                Op::Asm { side_effects: true, .. } => {
                    return Err(error("it holds inline assembly with side effects").into());
                }
                _ => (None, None),
            };
            for (ptr, write) in
                [(reads, false), (writes, true)].into_iter().filter_map(|(p, w)| Some((p?, w)))
            {
                for base in prov.of(ptr).bases {
                    match base {
                        Base::Alloca(_) => {}
                        Base::Global(g) if !write && k.globals[g].is_const => {}
                        Base::Param(p) if write => out[p as usize].writes = true,
                        Base::Param(p) => out[p as usize].reads = true,
                        _ => return Err(error("it accesses memory that is not behind its parameters").into()),
                    }
                }
            }
        }
    }
    Ok(out)
}

fn is_local(prov: &Provenance, ptr: Value) -> bool {
    prov.of(ptr).bases.iter().all(|b| matches!(b, Base::Alloca(_)))
}

/// Parameters with their names, and a result.
struct Signature {
    params: Vec<(Type, String)>,
    /// Which of them are the function's own.
    primal: Vec<usize>,
    result: Type,
}

fn float_or_void(result: Type) -> Type {
    match result.is_float() {
        true => result,
        false => Type::Void,
    }
}

/// Every float followed by its tangent, every pointer by the pointer to its shadow.
fn tangent_of(params: &[Param], result: Type) -> Signature {
    let (mut out, mut primal) = (Vec::new(), Vec::new());
    for p in params {
        primal.push(out.len());
        out.push((p.ty, p.name.clone()));
        if p.ty.is_float() || p.ty.is_ptr() {
            out.push((p.ty, format!("d_{}", p.name)));
        }
    }
    Signature { params: out, primal, result: float_or_void(result) }
}

/// Every pointer followed by the pointer to its shadow; then the adjoint of the result; then a pointer for each float.
fn adjoint_of(params: &[Param], result: Type) -> Signature {
    let (mut out, mut primal) = (Vec::new(), Vec::new());
    for p in params {
        primal.push(out.len());
        out.push((p.ty, p.name.clone()));
        if p.ty.is_ptr() {
            out.push((p.ty, format!("d_{}", p.name)));
        }
    }
    if result.is_float() {
        out.push((result, "seed".into()));
    }
    for p in params.iter().filter(|p| p.ty.is_float()) {
        out.push((Type::Ptr(AddrSpace::Generic), format!("d_{}", p.name)));
    }
    Signature { params: out, primal, result: Type::Void }
}

fn fits(body: &Body, result: Type, want: &Signature) -> Result<()> {
    let params = &body.code.params[..body.code.params.len() - usize::from(result != Type::Void)];
    let same = params.len() == want.params.len()
        && params.iter().zip(&want.params).all(|(p, (ty, _))| p.ty == *ty && p.by_value.is_none())
        && result == want.result;
    if same {
        return Ok(());
    }
    let spell = |ty: Type| match ty {
        Type::Void => "void".to_string(),
        Type::F32 => "float".into(),
        Type::F64 => "double".into(),
        Type::Int(32) => "int".into(),
        Type::Int(64) => "long".into(),
        Type::Ptr(_) => "T *".into(),
        ty => print_type(&body.code, ty),
    };
    let list = |all: Vec<(Type, String)>| {
        let each = |(ty, name): &(Type, String)| format!("{} {name}", spell(*ty)).replace("* ", "*");
        all.iter().map(each).collect::<Vec<_>>().join(", ")
    };
    let name = names::source_name(&body.name);
    let have = list(params.iter().map(|p| (p.ty, p.name.clone())).collect());
    let d = Diagnostic::new(Code::Usage, format!("the derivative function `{name}` has the wrong signature"));
    Err(d
        .because(format!("it is {} {name}({have})", spell(result)))
        .help(format!("it must be {} {name}({})", spell(want.result), list(want.params.clone())))
        .into())
}
