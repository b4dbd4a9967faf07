//! The sum of values that the lanes of a warp send to each other, as a function of the module. Three roads, chosen by votes
//! while it runs: lanes that exchange in pairs (or each with itself), all lanes to one, and everything else, lane after lane.

use crate::emit::lower::Lower;
use crate::emit::text::{ModuleText, Operand};

type Say<'a> = Box<dyn Fn(&str, &str, &str) -> String + 'a>;

/// How a target says what differs. Names come without `%`.
struct Words<'a> {
    /// Type of a set of lanes.
    mask: &'static str,
    /// Statements that give `%group` and `%me`.
    start: String,
    /// (to, float, from): the float of the lane `from`, which is equal for all lanes.
    float: Say<'a>,
    /// The same for an i32.
    word: Say<'a>,
    /// (to, float, from): every lane reads the float of a lane of its own choice.
    pull_float: Say<'a>,
    /// The same for an i32.
    pull_word: Say<'a>,
    /// (to, what): whether the i1 `what` holds for all lanes.
    all: Box<dyn Fn(&str, &str) -> String + 'a>,
}

/// Calls the function for NVPTX.
pub(super) fn nvptx(cx: &mut Lower<'_>, args: &[Operand]) -> Operand {
    for (ret, name, params) in [
        ("i32", "llvm.nvvm.vote.ballot.sync", &["i32", "i1"][..]),
        ("i1", "llvm.nvvm.vote.all.sync", &["i32", "i1"]),
        ("i32", "llvm.nvvm.read.ptx.sreg.laneid", &[]),
        ("i32", "llvm.nvvm.shfl.sync.idx.i32", &["i32", "i32", "i32", "i32"]),
        ("i32", "llvm.cttz.i32", &["i32", "i1"]),
    ] {
        cx.m.function(ret, name, params);
    }
    let ty = args[1].ty.clone();
    let word = |to: &str, what: &str, from: &str| {
        format!("%{to} = call i32 @llvm.nvvm.shfl.sync.idx.i32(i32 %mask, i32 %{what}, i32 %{from}, i32 31)")
    };
    let float = |to: &str, what: &str, from: &str| by_words(&ty, to, what, &|t, w| word(t, w, from));
    let start = "%group = call i32 @llvm.nvvm.vote.ballot.sync(i32 %mask, i1 true)\n  \
                 %me = call i32 @llvm.nvvm.read.ptx.sreg.laneid()";
    let words = Words {
        mask: "i32",
        start: start.into(),
        float: Box::new(float),
        word: Box::new(word),
        pull_float: Box::new(float),
        pull_word: Box::new(word),
        all: Box::new(|to, what| format!("%{to} = call i1 @llvm.nvvm.vote.all.sync(i32 %mask, i1 %{what})")),
    };
    call(cx, args, &ty, &words)
}

/// Calls the function for AMDGPU, whose operations have no mask: the lanes that are there take part.
pub(super) fn amdgpu(cx: &mut Lower<'_>, args: &[Operand], warp_size: u32) -> Operand {
    let mask = if warp_size == 64 { "i64" } else { "i32" };
    for (ret, name, params) in [
        (mask, format!("llvm.amdgcn.ballot.{mask}"), &["i1"][..]),
        ("i32", "llvm.amdgcn.mbcnt.lo".into(), &["i32", "i32"]),
        ("i32", "llvm.amdgcn.mbcnt.hi".into(), &["i32", "i32"]),
        ("i32", "llvm.amdgcn.readlane.i32".into(), &["i32", "i32"]),
        ("i32", "llvm.amdgcn.ds.bpermute".into(), &["i32", "i32"]),
        (mask, format!("llvm.cttz.{mask}"), &[mask, "i1"]),
    ] {
        cx.m.function(ret, &name, params);
    }
    let lane = match warp_size {
        64 => {
            "%low = call i32 @llvm.amdgcn.mbcnt.lo(i32 -1, i32 0)\n  \
             %me = call i32 @llvm.amdgcn.mbcnt.hi(i32 -1, i32 %low)"
        }
        _ => "%me = call i32 @llvm.amdgcn.mbcnt.lo(i32 -1, i32 0)",
    };
    let ty = args[1].ty.clone();
    let word = |to: &str, what: &str, from: &str| {
        format!("%{to} = call i32 @llvm.amdgcn.readlane.i32(i32 %{what}, i32 %{from})")
    };
    let pull = |to: &str, what: &str, from: &str| {
        format!(
            "%{to}.a = shl i32 %{from}, 2\n  \
             %{to} = call i32 @llvm.amdgcn.ds.bpermute(i32 %{to}.a, i32 %{what})"
        )
    };
    let words = Words {
        mask,
        start: format!("%group = call {mask} @llvm.amdgcn.ballot.{mask}(i1 true)\n  {lane}"),
        float: Box::new(|to, what, from| by_words(&ty, to, what, &|t, w| word(t, w, from))),
        word: Box::new(word),
        pull_float: Box::new(|to, what, from| by_words(&ty, to, what, &|t, w| pull(t, w, from))),
        pull_word: Box::new(pull),
        all: Box::new(move |to, what| {
            format!(
                "%{to}.not = xor i1 %{what}, true\n  \
                 %{to}.set = call {mask} @llvm.amdgcn.ballot.{mask}(i1 %{to}.not)\n  \
                 %{to} = icmp eq {mask} %{to}.set, 0"
            )
        }),
    };
    call(cx, args, &ty, &words)
}

/// A float moved as one word, or a double as two. `one` says how a word moves: (to, what).
fn by_words(ty: &str, to: &str, what: &str, one: &dyn Fn(&str, &str) -> String) -> String {
    let name = |s: &str| format!("{to}.{s}");
    if ty == "float" {
        let moved = one(&name("w"), &name("b"));
        return format!(
            "%{to}.b = bitcast float %{what} to i32\n  {moved}\n  %{to} = bitcast i32 %{to}.w to float"
        );
    }
    let (low, high) = (one(&name("l"), &name("bl")), one(&name("h"), &name("bh")));
    format!(
        "%{to}.v = bitcast double %{what} to <2 x i32>
  %{to}.bl = extractelement <2 x i32> %{to}.v, i32 0
  %{to}.bh = extractelement <2 x i32> %{to}.v, i32 1
  {low}
  {high}
  %{to}.half = insertelement <2 x i32> poison, i32 %{to}.l, i32 0
  %{to}.both = insertelement <2 x i32> %{to}.half, i32 %{to}.h, i32 1
  %{to} = bitcast <2 x i32> %{to}.both to double"
    )
}

fn call(cx: &mut Lower<'_>, args: &[Operand], ty: &str, w: &Words<'_>) -> Operand {
    let name = format!("@kad.scatter_add.{ty}");
    let text = function(cx.m, &name, ty, w);
    cx.m.helper(text);
    let attribute = cx.m.attribute_group("convergent nounwind");
    let mask = Operand::new(w.mask, args[0].name.clone());
    cx.f.value(ty, format_args!("call {ty} {name}({mask}, {}, {}) {attribute}", args[1], args[2]))
}

fn function(m: &mut ModuleText, name: &str, ty: &str, w: &Words<'_>) -> String {
    let attribute = m.attribute_group("convergent nounwind alwaysinline");
    let mask = w.mask;
    // The number of a lane is i32 whatever the mask's type is.
    let lowest = |to: &str, of: &str| match mask {
        "i64" => format!(
            "%{to}.wide = call i64 @llvm.cttz.i64(i64 %{of}, i1 true)\n  %{to} = trunc i64 %{to}.wide to i32"
        ),
        _ => format!("%{to} = call i32 @llvm.cttz.i32(i32 %{of}, i1 true)"),
    };
    let (target, wide) = match mask {
        "i64" => ("%to = and i32 %lane, 63", "%wide = zext i32 %to to i64"),
        _ => ("%to = and i32 %lane, 31", "%wide = add i32 %to, 0"),
    };
    let back = (w.pull_word)("back", "to", "to");
    let pairs = (w.all)("pairs", "pair");
    let swapped = (w.pull_float)("swapped", "value", "to");
    let (first, leader) = (lowest("first", "group"), (w.word)("leader", "to", "first"));
    let one_target = (w.all)("one", "same");
    let (from1, x1) = (lowest("from1", "rest1"), (w.float)("x1", "value", "from1"));
    let (from2, x2) = (lowest("from2", "rest2"), (w.float)("x2", "value", "from2"));
    let whose = (w.word)("whose", "to", "from2");
    format!(
        "define internal {ty} {name}({mask} %mask, {ty} %value, i32 %lane) {attribute} {{
entry:
  {start}
  {target}
  {wide}
  %shifted = lshr {mask} %group, %wide
  %there = trunc {mask} %shifted to i1
  {back}
  %home = icmp eq i32 %back, %me
  %pair = and i1 %there, %home
  {pairs}
  br i1 %pairs, label %swap, label %other
swap:
  {swapped}
  ret {ty} %swapped
other:
  {first}
  {leader}
  %same = icmp eq i32 %to, %leader
  {one_target}
  br i1 %one, label %collect, label %each
collect:
  %rest1 = phi {mask} [ %group, %other ], [ %next1, %collect ]
  %sum1 = phi {ty} [ 0.0, %other ], [ %added1, %collect ]
  {from1}
  {x1}
  %added1 = fadd {ty} %sum1, %x1
  %less1 = add {mask} %rest1, -1
  %next1 = and {mask} %rest1, %less1
  %go1 = icmp ne {mask} %next1, 0
  br i1 %go1, label %collect, label %collected
collected:
  %mine = icmp eq i32 %me, %leader
  %taken = select i1 %mine, {ty} %added1, {ty} 0.0
  ret {ty} %taken
each:
  %rest2 = phi {mask} [ %group, %other ], [ %next2, %each ]
  %sum2 = phi {ty} [ 0.0, %other ], [ %added2, %each ]
  {from2}
  {x2}
  {whose}
  %hit = icmp eq i32 %whose, %me
  %part = select i1 %hit, {ty} %x2, {ty} 0.0
  %added2 = fadd {ty} %sum2, %part
  %less2 = add {mask} %rest2, -1
  %next2 = and {mask} %rest2, %less2
  %go2 = icmp ne {mask} %next2, 0
  br i1 %go2, label %each, label %done
done:
  ret {ty} %added2
}}",
        start = w.start,
    )
}
