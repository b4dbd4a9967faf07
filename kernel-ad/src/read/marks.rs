//! Marked calls: `__kernel_ad_reverse(f, ...)` in device code asks for the derivative of the device function `f` in its place.
//!
//! The reader keeps such a call by the name of its function; here the derivative is made, and its code takes the place of the call. What
//! comes out is a kernel without anything unusual, which is emitted, run and differentiated as any other.

use super::{names, ModuleSource};
use crate::cfg::Cfg;
use crate::diag::{Code, Diagnostic, Result};
use crate::facts::alias::{may_overlap, Overlap};
use crate::facts::{Base, Provenance};
use crate::grad::{self, clean, inline, Gradient, Roles};
use crate::kernel::*;
use crate::plan::PlanOptions;
use shadow_mem::{Assumption, Mode, Role};
use std::sync::Arc;

const REVERSE: &str = "__kernel_ad_reverse";
const FORWARD: &str = "__kernel_ad_forward";

/// The name that a marked call has in a kernel, from the callee's symbol and the function that it names.
pub(super) fn callee(symbol: &str, function: &str) -> String {
    let mark = if is(symbol, REVERSE) { REVERSE } else { FORWARD };
    format!("{mark} {function}")
}

/// True for the declarations of `kernel_ad.h`, by their symbol.
pub(super) fn is_mark(symbol: &str) -> bool {
    is(symbol, REVERSE) || is(symbol, FORWARD)
}

fn is(symbol: &str, mark: &str) -> bool {
    symbol.contains(mark) && {
        let source = names::source_name(symbol);
        // A template's name begins with its result.
        names::base_name(source.strip_prefix("void ").unwrap_or(&source)) == mark
    }
}

impl ModuleSource {
    /// Puts derivatives in the place of the marked calls of `k`. `within`: the functions whose derivatives are being made.
    ///
    /// # Errors
    /// `KAD0011` for arguments that do not fit the function, and whatever the derivative itself is refused with.
    pub(super) fn weave(&self, k: &mut Kernel, within: &[&str]) -> Result<()> {
        let marked: Vec<Inst> = k.iter_insts().map(|(_, i)| i).filter(|&i| mark(k, i).is_some()).collect();
        if marked.is_empty() {
            return Ok(());
        }
        let mut made: Vec<String> = Vec::new();
        for (n, i) in marked.into_iter().enumerate() {
            let Some((mode, symbol)) = mark(k, i) else { continue };
            if within.contains(&symbol.as_str()) {
                let name = names::source_name(&symbol);
                let message = format!("the derivative of `{name}` asks for the derivative of `{name}`");
                return Err(Diagnostic::new(Code::UnsupportedCall, message).at(k, k.insts[i].loc).into());
            }
            let call = Call { at: i, function: &symbol };
            let (mut f, returns) = self.function_to_mark(&symbol)?;
            let arguments = call.arguments(k, &f, returns)?;
            let inner: Vec<&str> = within.iter().copied().chain([symbol.as_str()]).collect();
            self.weave(&mut f, &inner)?;
            specialise(k, &mut f, &arguments.values);
            let code = call.derivative(k, mode, &f, &arguments)?;
            let name = format!("{} {n}", code.name);
            let (used, access) = (vec![true; code.params.len()], Vec::new());
            let body = Body { name: name.clone(), code, used, access };
            let kind = Derivative::Given { forward: None, reverse: None };
            k.functions.push(Arc::new(Function { name: name.clone(), body, result: Type::Void, kind }));
            k.insts[i].op = Op::Call { callee: name.clone(), args: arguments.all().collect() };
            made.push(name);
        }
        inline::expand(k, &|f| made.contains(&f.name));
        own_adds(k);
        Ok(())
    }
}

/// Mode and function of a marked call.
fn mark(k: &Kernel, i: Inst) -> Option<(&'static str, String)> {
    let Op::Call { callee, .. } = &k.insts[i].op else { return None };
    [REVERSE, FORWARD].into_iter().find_map(|m| {
        let f = callee.strip_prefix(m)?.strip_prefix(' ')?;
        Some((m, f.to_string()))
    })
}

/// Adds to local variables need not be atomic, and must not be: only global and shared memory have atomics.
fn own_adds(k: &mut Kernel) {
    let cfg = Cfg::new(k);
    let prov = Provenance::new(k, &cfg, &Roles::of(&vec![Role::Const; k.params.len()]));
    let own = |ptr: Value| {
        let bases = prov.of(ptr).bases;
        !bases.is_empty() && bases.iter().all(|b| matches!(b, Base::Alloca(_)))
    };
    let adds: Vec<Inst> = k
        .iter_insts()
        .map(|(_, i)| i)
        .filter(|&i| matches!(k.insts[i].op, Op::Accumulate { ptr, atomic: true, .. } if own(ptr)))
        .collect();
    for i in adds {
        if let Op::Accumulate { atomic, .. } = &mut k.insts[i].op {
            *atomic = false;
        }
    }
}

/// A marked call.
struct Call<'a> {
    at: Inst,
    function: &'a str,
}

/// Its arguments, taken apart.
struct Arguments {
    roles: Vec<Role>,
    values: Vec<Value>,
    shadows: Vec<Value>,
}

impl Arguments {
    /// In the order of the derivative's parameters.
    fn all(&self) -> impl Iterator<Item = Value> + '_ {
        self.values.iter().chain(&self.shadows).copied()
    }
}

/// Puts constants in the place of the parameters that they are passed for: trip counts become known.
fn specialise(k: &Kernel, f: &mut Kernel, values: &[Value]) {
    for (n, &v) in values.iter().enumerate() {
        let Some(c @ Const::Int(_)) = k.as_const(v) else { continue };
        let (param, ty) = (f.param_value(n as u32), f.params[n].ty);
        let c = f.constant(ty, c.clone());
        let insts: Vec<Inst> = f.iter_insts().map(|(_, i)| i).collect();
        for i in insts {
            f.insts[i].op.map_operands(|x| if x == param { c } else { x });
        }
    }
    clean::simplify(f);
}

impl Call<'_> {
    fn error(&self, k: &Kernel, why: String) -> Diagnostic {
        let name = names::source_name(self.function);
        let what = format!("the arguments do not fit the derivative of `{name}`");
        Diagnostic::new(Code::Usage, what).at(k, k.insts[self.at].loc).because(why)
    }

    /// Role, value and shadow for each parameter of `f`, whose last one takes its result if it `returns` one.
    fn arguments(&self, k: &Kernel, f: &Kernel, returns: bool) -> Result<Arguments> {
        let Op::Call { args, .. } = &k.insts[self.at].op else { unreachable!("a call") };
        let mut given = args.iter().copied();
        let mut out = Arguments { roles: Vec::new(), values: Vec::new(), shadows: Vec::new() };
        for (n, p) in f.params.iter().enumerate() {
            let is_result = returns && n + 1 == f.params.len();
            let what = if is_result { "its result".to_string() } else { format!("`{}`", p.name) };
            if p.by_value.is_some() || matches!(p.ty, Type::Agg(_)) {
                let d = self.error(k, format!("parameter {what} is a struct passed by value"));
                return Err(d.help("pass its members one by one, or a pointer to it").into());
            }
            let missing = |part: &str| {
                self.error(k, format!("{part} of {what} is missing"))
                    .help("each parameter has a role, its value, and the pointer to its shadow unless it is kad_const")
            };
            let role = given.next().ok_or_else(|| missing("the role"))?;
            let role = match k.as_int(role) {
                Some(0) => Role::Const,
                Some(1) => Role::Dup,
                Some(2) => Role::Out,
                Some(3) => Role::Active,
                _ => {
                    let d = self.error(k, format!("the role of {what} is not a constant of `kad_role`"));
                    return Err(d.help("the arguments before it may be too many or too few").into());
                }
            };
            let fits = match role {
                Role::Const => !is_result,
                Role::Dup | Role::Out => p.ty.is_ptr(),
                Role::Active => p.ty.is_float(),
            };
            if !fits {
                let why = match (is_result, p.ty.is_ptr()) {
                    (true, _) => "the result is kad_dup or kad_out",
                    (_, true) => "a pointer is kad_const, kad_dup or kad_out",
                    (_, false) if p.ty.is_float() => "a number is kad_const or kad_active",
                    _ => "an integer is kad_const",
                };
                return Err(self.error(k, format!("{what}: {why}")).into());
            }
            let value = given.next().ok_or_else(|| missing("the value"))?;
            if !same_kind(k.ty(value), p.ty) {
                let (is, want) = (print_type(k, k.ty(value)), print_type(f, p.ty));
                let d = self.error(k, format!("{what} is {want}, and {is} is given"));
                return Err(d.help("templates convert nothing: write the cast, as in (float)x").into());
            }
            out.roles.push(role);
            out.values.push(value);
            if role != Role::Const {
                let shadow = given.next().ok_or_else(|| missing("the shadow"))?;
                if !k.ty(shadow).is_ptr() {
                    return Err(self.error(k, format!("the shadow of {what} is not a pointer")).into());
                }
                out.shadows.push(shadow);
            }
        }
        match given.count() {
            0 => Ok(out),
            n => Err(self.error(k, format!("{n} arguments too many")).into()),
        }
    }

    /// The derivative's code. What it assumes of its arguments is proved here, or becomes a condition of the kernel's launches.
    fn derivative(&self, k: &mut Kernel, mode: &str, f: &Kernel, arguments: &Arguments) -> Result<Kernel> {
        let roles = Roles::of(&arguments.roles);
        if mode == FORWARD {
            let g = grad::tangent(f, &roles)?;
            let at_launch = self.conditions(k, &g, arguments)?.to_ask;
            k.bounds.distinct.extend(at_launch);
            return Ok(g.kernel);
        }
        let reverse = |assume_distinct| {
            grad::reverse_for_caller(f, &roles, &PlanOptions { assume_distinct, ..Default::default() })
        };
        let mut g = reverse(true)?;
        let mut conditions = self.conditions(k, &g, arguments)?;
        if conditions.open {
            // Of buffers of the primal nothing has to be assumed.
            g = reverse(false)?;
            conditions = self.conditions(k, &g, arguments)?;
        }
        k.bounds.distinct.extend(conditions.to_ask);
        Ok(g.kernel)
    }

    /// What has to hold so that a derivative may be called with these arguments.
    fn conditions(&self, k: &Kernel, g: &Gradient, arguments: &Arguments) -> Result<Conditions> {
        let args: Vec<Value> = arguments.all().collect();
        let fits = g.tape.is_none() && g.kernel.params.len() == args.len();
        let pairs: Option<Vec<(u32, u32)>> = g.assumptions.iter().map(pair).collect();
        let (true, Some(pairs)) = (fits, pairs) else {
            let d = self.error(k, "its derivative needs what only a launch can give".into());
            return Err(d.help("differentiate the kernel instead").into());
        };
        let cfg = Cfg::new(k);
        let prov = Provenance::new(k, &cfg, &Roles::of(&vec![Role::Const; k.params.len()]));
        let mut out = Conditions::default();
        for (a, b) in pairs {
            let of_primal = (b as usize) < arguments.values.len();
            let bases = [a, b].map(|n| prov.of(args[n as usize]).bases);
            for (&x, &y) in bases[0].iter().flat_map(|x| bases[1].iter().map(move |y| (x, y))) {
                match may_overlap(k, x, y) {
                    Overlap::No => {}
                    Overlap::UnlessDistinct(p, q) => out.to_ask.push((p, q)),
                    Overlap::Yes if of_primal && g.mode == Mode::Reverse => out.open = true,
                    Overlap::Yes if matches!(x, Base::Param(_)) && x == y => {
                        let [a, b] = [a, b].map(|n| &g.params[n as usize].name);
                        let d = self.error(k, format!("`{a}` and `{b}` lie in one buffer"));
                        return Err(d.help("pass them as two parameters of the kernel").into());
                    }
                    // As for all pointers that are found in memory: shadows are the caller's to keep apart.
                    Overlap::Yes => {}
                }
            }
        }
        Ok(out)
    }
}

/// Conditions on the arguments of a derivative.
#[derive(Default)]
struct Conditions {
    /// Pairs of the kernel's parameters that must not overlap.
    to_ask: Vec<(u32, u32)>,
    /// Something is assumed of primal memory that can be neither proved nor asked of a launch.
    open: bool,
}

/// The two parameters of an assumption that they do not overlap.
fn pair(a: &Assumption) -> Option<(u32, u32)> {
    match *a {
        Assumption::Distinct { a, b } => Some((a.min(b), a.max(b))),
        _ => None,
    }
}

fn same_kind(a: Type, b: Type) -> bool {
    a == b || (a.is_ptr() && b.is_ptr())
}
