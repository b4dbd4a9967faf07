//! The functions around a region's body: the entry that the device calls, and the loop over the block's threads.

use super::ops::BODY_ARGS;
use crate::emit::text::{global_name, ModuleText};
use crate::kernel::{Kernel, Type};
use shadow_mem::host::BlockContext;
use std::fmt::Write;
use std::mem::offset_of;

/// One parameter of the kernel, as the functions pass it on.
pub(super) struct Passed {
    /// LLVM type and attributes.
    pub ty: String,
    /// LLVM attributes of the argument in the loop and the body.
    pub attrs: String,
    /// Name, without `%`.
    pub name: String,
    /// Offset in the parameter area.
    pub offset: u64,
    /// A struct by value: its address in the parameter area is passed.
    pub by_value: bool,
}

/// The kernel's own parameters.
pub(super) fn passed(k: &Kernel, own: usize, offsets: &[u64], noalias: &[bool]) -> Vec<Passed> {
    k.params[..own]
        .iter()
        .enumerate()
        .map(|(i, p)| {
            let mut attrs = String::new();
            if p.ty.is_ptr() {
                if noalias[i] {
                    attrs += " noalias";
                }
                if p.readonly && p.by_value.is_none() {
                    attrs += " readonly";
                }
                if p.align > 1 {
                    write!(attrs, " align {}", p.align).expect("writing to a string");
                }
            }
            Passed {
                ty: scalar_type(p.ty),
                attrs,
                name: format!("p{i}"),
                offset: offsets[i],
                by_value: p.by_value.is_some(),
            }
        })
        .collect()
}

/// LLVM type of a parameter: scalars, pointers and vectors of them.
fn scalar_type(ty: Type) -> String {
    use crate::kernel::FloatTy::*;
    match ty {
        Type::Int(w) => format!("i{w}"),
        Type::Float(F16) => "half".into(),
        Type::Float(Bf16) => "bfloat".into(),
        Type::Float(F32) => "float".into(),
        Type::Float(F64) => "double".into(),
        Type::Vec(l, n) => format!("<{n} x {}>", scalar_type(l.ty())),
        _ => "ptr".into(),
    }
}

/// Header of a body's definition.
pub(super) fn body_header(symbol: &str, params: &[Passed], attributes: &str) -> String {
    let name = global_name(&format!("{symbol}.body"));
    format!(
        "define internal void {name}({}{HIDDEN_PARAMS}, {BODY_ARGS}) alwaysinline {attributes}",
        list(params, true)
    )
}

/// Parameters behind the kernel's own, in the order of [`super::region::Hidden`].
const HIDDEN_PARAMS: &str = "ptr %kad.slots, i64 %kad.stride, i64 %kad.thread, ptr %kad.next, ptr %kad.local";

fn list(params: &[Passed], attrs: bool) -> String {
    params.iter().fold(String::new(), |mut out, p| {
        let a = if attrs { p.attrs.as_str() } else { "" };
        write!(out, "{}{a} %{}, ", p.ty, p.name).expect("writing to a string");
        out
    })
}

/// What the loop needs of the block, beside parameters: (type, name, offset in the context).
const BLOCK_VALUES: &[(&str, &str, usize)] = &[
    ("ptr", "kad.slots", offset_of!(BlockContext, slots)),
    ("i64", "kad.stride", offset_of!(BlockContext, stride)),
    ("ptr", "kad.next", offset_of!(BlockContext, next)),
    ("ptr", "kad.locals", offset_of!(BlockContext, locals)),
    ("ptr", "kad.shared", offset_of!(BlockContext, shared)),
    ("i32", "kad.bid0", offset_of!(BlockContext, block_id)),
    ("i32", "kad.bid1", offset_of!(BlockContext, block_id) + 4),
    ("i32", "kad.bid2", offset_of!(BlockContext, block_id) + 8),
    ("i32", "kad.bdim0", offset_of!(BlockContext, block_dim)),
    ("i32", "kad.bdim1", offset_of!(BlockContext, block_dim) + 4),
    ("i32", "kad.bdim2", offset_of!(BlockContext, block_dim) + 8),
    ("i32", "kad.gdim0", offset_of!(BlockContext, grid_dim)),
    ("i32", "kad.gdim1", offset_of!(BlockContext, grid_dim) + 4),
    ("i32", "kad.gdim2", offset_of!(BlockContext, grid_dim) + 8),
];

/// Defines the region's entry and its thread loop. `local_bytes` is the size of a thread's local memory.
pub(super) fn define(
    m: &mut ModuleText,
    symbol: &str,
    params: &[Passed],
    local_bytes: u64,
    group: &str,
    attributes: &str,
    lanes: Option<u16>,
) {
    m.define(entry(symbol, params, attributes));
    let parallel = m.metadata(&format!("{{!\"llvm.loop.parallel_accesses\", {group}}}"));
    let loop_id = m.distinct(|me| format!("!{{{me}, {parallel}}}"));
    let block: Vec<String> = BLOCK_VALUES.iter().map(|(ty, name, _)| format!("{ty} %{name}")).collect();
    let (name, body) = (global_name(&format!("{symbol}.loop")), global_name(&format!("{symbol}.body")));
    let args = list(params, true);
    let passed = list(params, false);
    let block = block.join(", ");
    let (first, start, together) = match lanes {
        None => ("thread", "0, %row", String::new()),
        Some(n) => ("lanes", "%l, %rest.of.row", lanes_loop(symbol, n, &passed, local_bytes)),
    };
    // Rows of threads along x, so that the thread's x is an induction variable. The first and the last row may be incomplete.
    m.define(format!(
        "define internal void {name}({args}ptr %kad.ctx, {block}, i32 %first, i32 %last) noinline {attributes} {{
entry:
  %none = icmp uge i32 %first, %last
  br i1 %none, label %done, label %row
row:
  %t = phi i32 [ %first, %entry ], [ %t.next, %row.end ]
  %x0 = urem i32 %t, %kad.bdim0
  %yz = udiv i32 %t, %kad.bdim0
  %kad.tid1 = urem i32 %yz, %kad.bdim1
  %kad.tid2 = udiv i32 %yz, %kad.bdim1
  %rest = sub nuw nsw i32 %last, %t
  %room = sub nuw nsw i32 %kad.bdim0, %x0
  %short = icmp ult i32 %rest, %room
  %len = select i1 %short, i32 %rest, i32 %room
  %t.next = add nuw nsw i32 %t, %len
  br label %{first}
{together}thread:
  %i = phi i32 [ {start} ], [ %i.next, %thread ]
  %kad.tid0 = add nuw nsw i32 %x0, %i
  %kad.lin = add nuw nsw i32 %t, %i
  %kad.thread = zext nneg i32 %kad.lin to i64
  %local.offset = mul nuw nsw i64 %kad.thread, {local_bytes}
  %kad.local = getelementptr inbounds i8, ptr %kad.locals, i64 %local.offset
  call void {body}({passed}{HIDDEN_PARAMS}, {BODY_ARGS})
  %i.next = add nuw nsw i32 %i, 1
  %row.done = icmp eq i32 %i.next, %len
  br i1 %row.done, label %row.end, label %thread, !llvm.loop {loop_id}
row.end:
  %more = icmp ult i32 %t.next, %last
  br i1 %more, label %row, label %done
done:
  ret void
}}
"
    ));
}

/// The loop over as many threads at a time as the body's lanes are; the rest of the row is left.
fn lanes_loop(symbol: &str, lanes: u16, passed: &str, local_bytes: u64) -> String {
    let body = global_name(&format!("{symbol}.wide.body"));
    let mut args = format!("{passed}{HIDDEN_PARAMS}, {BODY_ARGS}");
    for own in ["%kad.tid0", "%kad.lin", "%kad.thread", "%kad.local"] {
        for end in [",", ")"] {
            args = args.replace(&format!("{own}{end}"), &format!("{own}.lanes{end}"));
        }
        if args.ends_with(own) {
            args += ".lanes";
        }
    }
    format!(
        "lanes:
  %l = phi i32 [ 0, %row ], [ %l.next, %lanes.body ]
  %l.next = add nuw nsw i32 %l, {lanes}
  %l.fits = icmp ule i32 %l.next, %len
  br i1 %l.fits, label %lanes.body, label %rest.of.row
lanes.body:
  %kad.tid0.lanes = add nuw nsw i32 %x0, %l
  %kad.lin.lanes = add nuw nsw i32 %t, %l
  %kad.thread.lanes = zext nneg i32 %kad.lin.lanes to i64
  %local.offset.lanes = mul nuw nsw i64 %kad.thread.lanes, {local_bytes}
  %kad.local.lanes = getelementptr inbounds i8, ptr %kad.locals, i64 %local.offset.lanes
  call void {body}({args})
  br label %lanes
rest.of.row:
  %l.left = icmp ult i32 %l, %len
  br i1 %l.left, label %thread, label %row.end
"
    )
}

fn entry(symbol: &str, params: &[Passed], attributes: &str) -> String {
    let mut out = format!(
        "define void {}(ptr %kad.ctx, i32 %first, i32 %last) {attributes} {{\nentry:\n  %area = load ptr, ptr %kad.ctx, align 8\n",
        global_name(symbol)
    );
    let mut line = |text: String| writeln!(out, "  {text}").expect("writing to a string");
    for p in params {
        let (name, ty, offset) = (&p.name, &p.ty, p.offset);
        if p.by_value {
            line(format!("%{name} = getelementptr inbounds i8, ptr %area, i64 {offset}"));
        } else {
            line(format!("%{name}.at = getelementptr inbounds i8, ptr %area, i64 {offset}"));
            line(format!("%{name} = load {ty}, ptr %{name}.at, align 1"));
        }
    }
    for (ty, name, offset) in BLOCK_VALUES {
        line(format!("%{name}.at = getelementptr inbounds i8, ptr %kad.ctx, i64 {offset}"));
        line(format!("%{name} = load {ty}, ptr %{name}.at, align 4"));
    }
    let block: Vec<String> = BLOCK_VALUES.iter().map(|(ty, name, _)| format!("{ty} %{name}")).collect();
    let loop_name = global_name(&format!("{symbol}.loop"));
    line(format!(
        "call void {loop_name}({}ptr %kad.ctx, {}, i32 %first, i32 %last)",
        list(params, false),
        block.join(", ")
    ));
    line("ret void".into());
    out + "}\n"
}
