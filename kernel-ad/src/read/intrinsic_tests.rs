//! What each intrinsic, library function and assembly text becomes.

use super::tests::{amd, nvptx, shown};

/// The operation that a call becomes: its result is stored so that it stays.
fn lowered(arch: &str, ret: &str, call: &str) -> String {
    let (name, args) = call.split_once('(').expect("a call");
    let types: Vec<String> = split_args(args.trim_end_matches(')'))
        .iter()
        .map(|a| a.rsplit_once(' ').map_or(a.to_string(), |(t, _)| t.to_string()))
        .collect();
    let keep = if ret == "void" {
        String::new()
    } else {
        format!("store volatile {ret} %r, ptr addrspace(1) %out\n")
    };
    let result = if ret == "void" { "" } else { "%r = " };
    let convention = if arch == "nv" { "ptx_kernel" } else { "amdgpu_kernel" };
    let text = format!(
        "declare {ret} @{name}({})\n@s = addrspace(3) global [64 x i32] undef\n\
         define {convention} void @k(ptr addrspace(1) %out, i32 %a, i32 %b, float %f, double %d, i1 %c, ptr %p, i64 %l) {{\n\
         {result}call {ret} @{name}({args}\n{keep}ret void\n}}\n",
        types.join(", ")
    );
    let k = shown(if arch == "nv" { nvptx(&text) } else { amd(&text) });
    let body = k.split("entry:").nth(1).or_else(|| k.split("0:\n").nth(1)).unwrap_or(&k);
    body.lines()
        .map(str::trim)
        .filter(|l| !l.is_empty() && !l.starts_with("ret") && *l != "}")
        .collect::<Vec<_>>()
        .join("; ")
}

fn split_args(args: &str) -> Vec<String> {
    args.split(',').map(|a| a.trim().to_string()).filter(|a| !a.is_empty()).collect()
}

/// Catches: an intrinsic of NVVM mapped to the wrong operation, or with its operands in the wrong order.
#[test]
fn nvvm_intrinsics() {
    let cases = [
        ("i32", "llvm.nvvm.read.ptx.sreg.tid.y()", "tid.y"),
        ("i32", "llvm.nvvm.read.ptx.sreg.ctaid.z()", "bid.z"),
        ("i32", "llvm.nvvm.read.ptx.sreg.ntid.x()", "bdim.x"),
        ("i32", "llvm.nvvm.read.ptx.sreg.nctaid.y()", "gdim.y"),
        ("i32", "llvm.nvvm.read.ptx.sreg.laneid()", "laneid"),
        ("i32", "llvm.nvvm.read.ptx.sreg.lanemask.lt()", "lanemask.lt"),
        ("void", "llvm.nvvm.barrier0()", "barrier.sync"),
        ("i32", "llvm.nvvm.barrier0.popc(i32 %a)", "barrier.popc"),
        ("i32", "llvm.nvvm.barrier0.or(i32 %a)", "barrier.or"),
        ("void", "llvm.nvvm.bar.warp.sync(i32 %a)", "warp.sync i32 %a"),
        (
            "float",
            "llvm.nvvm.shfl.sync.down.f32(i32 -1, float %f, i32 4, i32 31)",
            "warp.shfl_down i32 -1, f32 %f, i32 4, 31",
        ),
        (
            "i32",
            "llvm.nvvm.shfl.sync.idx.i32(i32 %a, i32 %b, i32 4, i32 31)",
            "warp.shfl_idx i32 %a, %b, 4, 31",
        ),
        (
            "float",
            "llvm.nvvm.shfl.bfly.f32(float %f, i32 1, i32 31)",
            "warp.shfl_bfly i32 -1, f32 %f, i32 1, 31",
        ),
        ("i1", "llvm.nvvm.vote.any.sync(i32 %a, i1 %c)", "warp.vote_any i32 %a, i1 %c"),
        ("i32", "llvm.nvvm.vote.ballot.sync(i32 %a, i1 %c)", "warp.ballot i32 %a, i1 %c"),
        ("i32", "llvm.nvvm.match.any.sync.i64(i32 %a, i64 %l)", "warp.match_any i32 %a, i64 %l"),
        ("i32", "llvm.nvvm.redux.sync.umax(i32 %a, i32 %b)", "warp.redux_umax i32 %b, %a"),
        (
            "float",
            "llvm.nvvm.ldg.global.f.f32.p1(ptr addrspace(1) %out, i32 4)",
            "load f32, ptr.global %out, align 4 invariant",
        ),
        ("void", "llvm.nvvm.membar.gl()", "fence seq_cst scope(device)"),
        ("void", "llvm.nvvm.membar.cta()", "fence seq_cst scope(block)"),
        (
            "i32",
            "llvm.nvvm.atomic.load.dec.32.p1(ptr addrspace(1) %out, i32 %a)",
            "atomicrmw udec_wrap ptr.global %out, i32 %a",
        ),
        ("float", "llvm.nvvm.ex2.approx.ftz.f(float %f)", "math.exp2 approx_ftz f32 %f"),
        ("float", "llvm.nvvm.fma.rn.f(float %f, float %f, float 1.0)", "math.fma llvm f32 %f, %f, 1.0"),
        ("double", "__nv_exp(double %d)", "math.exp f64 %d"),
        ("float", "__nv_fast_powf(float %f, float 3.5)", "math.pow fast f32 %f, 3.5"),
        ("i32", "__nv_mulhi(i32 %a, i32 %b)", "int.mulhi_s i32 %a, %b"),
        ("i32", "__nv_ffs(i32 %a)", "int.ffs i32 %a"),
        ("i32", "llvm.ctlz.i32(i32 %a, i1 false)", "int.ctlz i32 %a"),
        ("void", "llvm.trap()", "trap"),
        ("i32", "something_external(i32 %a)", "call @something_external(i32 %a) -> i32"),
    ];
    for (ret, call, want) in cases {
        let got = lowered("nv", ret, call);
        assert!(got.contains(want), "`{call}` became `{got}`, not `{want}`");
    }
}

/// Catches: an intrinsic or library function of AMDGPU mapped to the wrong operation.
#[test]
fn amdgpu_intrinsics() {
    let cases = [
        ("i32", "llvm.amdgcn.workitem.id.x()", "tid.x"),
        ("i32", "llvm.amdgcn.workgroup.id.y()", "bid.y"),
        ("i64", "__ockl_get_local_id(i32 2)", "tid.z"),
        ("i64", "__ockl_get_num_groups(i32 0)", "gdim.x"),
        ("i64", "__ockl_get_global_id(i32 1)", "bid.y"),
        ("void", "llvm.amdgcn.s.barrier()", "barrier.sync"),
        ("i32", "llvm.amdgcn.ds.bpermute(i32 %a, i32 %b)", "warp.ds_bpermute i32 %a, %b"),
        ("i32", "llvm.amdgcn.readfirstlane.i32(i32 %a)", "warp.readfirstlane i32 %a"),
        ("i64", "llvm.amdgcn.ballot.i64(i1 %c)", "warp.ballot i64 -1, i1 %c"),
        ("void", "__atomic_work_item_fence(i32 1, i32 3, i32 1)", "fence release scope(block)"),
        ("float", "__ocml_exp_f32(float %f)", "math.exp f32 %f"),
        ("double", "__ocml_native_sqrt_f64(double %d)", "math.sqrt fast f64 %d"),
        ("float", "llvm.amdgcn.rcp.f32(float %f)", "math.rcp approx f32 %f"),
    ];
    for (ret, call, want) in cases {
        let got = lowered("amd", ret, call);
        assert!(got.contains(want), "`{call}` became `{got}`, not `{want}`");
    }
}

/// Catches: hidden launch data read as memory, or the sizes of the launch mixed up.
#[test]
fn hidden_launch_data_are_coordinates() {
    let text = "declare ptr addrspace(4) @llvm.amdgcn.implicitarg.ptr()\ndeclare ptr addrspace(4) @llvm.amdgcn.dispatch.ptr()\n\
        declare i32 @llvm.amdgcn.workgroup.id.x()\n\
        define amdgpu_kernel void @k(ptr addrspace(1) %out) {\n\
        %p = call ptr addrspace(4) @llvm.amdgcn.implicitarg.ptr()\n %n = load i32, ptr addrspace(4) %p\n\
        %g = call i32 @llvm.amdgcn.workgroup.id.x()\n %full = icmp ult i32 %g, %n\n\
        %o = select i1 %full, i64 12, i64 18\n %q = getelementptr i8, ptr addrspace(4) %p, i64 %o\n\
        %size = load i16, ptr addrspace(4) %q\n store volatile i16 %size, ptr addrspace(1) %out\n\
        %y = getelementptr i8, ptr addrspace(4) %p, i64 8\n %ny = load i32, ptr addrspace(4) %y\n\
        store volatile i32 %ny, ptr addrspace(1) %out\n\
        %d = call ptr addrspace(4) @llvm.amdgcn.dispatch.ptr()\n %dx = getelementptr i8, ptr addrspace(4) %d, i64 6\n\
        %by = load i16, ptr addrspace(4) %dx\n store volatile i16 %by, ptr addrspace(1) %out\n ret void }\n";
    let k = shown(amd(text));
    for want in ["bdim.x", "gdim.z", "bdim.y"] {
        assert!(k.contains(want), "no {want} in\n{k}");
    }
    assert!(!k.contains("load"), "{k}");
    let other = text.replace("i64 8", "i64 72");
    let e = amd(&other).expect_err("an unknown hidden argument");
    assert!(e.to_string().contains("hidden arguments"), "{e}");
}

/// Catches: pointer results of math functions kept in local memory, or swapped.
#[test]
fn pointer_results_are_split() {
    let k = shown(nvptx(
        "declare void @__nv_sincosf(float, ptr, ptr)\ndeclare double @__nv_modf(double, ptr)\n\
         declare double @__nv_remquo(double, double, ptr)\n\
         define ptx_kernel void @k(ptr %out, float %x, double %d) {\n\
         %s = alloca float\n %c = alloca float\n %i = alloca double\n %q = alloca i32\n\
         call void @__nv_sincosf(float %x, ptr %s, ptr %c)\n\
         %vs = load float, ptr %s\n store volatile float %vs, ptr %out\n\
         %vc = load float, ptr %c\n store volatile float %vc, ptr %out\n\
         %f = call double @__nv_modf(double %d, ptr %i)\n store volatile double %f, ptr %out\n\
         %w = load double, ptr %i\n store volatile double %w, ptr %out\n\
         %r = call double @__nv_remquo(double %d, double 3.0, ptr %q)\n store volatile double %r, ptr %out\n\
         %vq = load i32, ptr %q\n store volatile i32 %vq, ptr %out\n ret void }\n",
    ));
    assert!(!k.contains("alloca") && !k.contains("call"), "{k}");
    let order =
        ["math.sin ", "math.cos ", "math.modf_frac", "math.trunc", "math.remainder", "math.remquo_quo"];
    let stores: Vec<&str> = k.lines().filter(|l| l.contains("store ") && l.contains("volatile")).collect();
    assert_eq!(stores.len(), 6);
    for (store, op) in stores.iter().zip(order) {
        let value =
            store.split_whitespace().find(|w| w.starts_with('%')).expect("a value").trim_end_matches(',');
        let def = k.lines().find(|l| l.trim().starts_with(&format!("{value} ="))).expect("its definition");
        assert!(def.contains(op), "stored `{def}` where {op} belongs");
    }
}

/// Catches: a body of the device library being read instead of its name.
#[test]
fn library_bodies_are_not_read() {
    let k = shown(nvptx(
        "define float @__nv_expf(float %x) {\n %y = fmul float %x, 42.0\n ret float %y\n}\n\
         define ptx_kernel void @k(ptr %out, float %x) {\n %y = call float @__nv_expf(float %x)\n store float %y, ptr %out\n ret void }\n",
    ));
    assert!(k.contains("math.exp f32 %x") && !k.contains("42"), "{k}");
}

/// Catches: constant expressions, initial contents and pointers between variables getting lost.
#[test]
fn variables_keep_their_contents() {
    let k = nvptx(
        "@t = addrspace(4) constant [2 x { i16, float, ptr addrspace(1) }] [{ i16, float, ptr addrspace(1) } { i16 258, float 1.5, \
         ptr addrspace(1) getelementptr (i8, ptr addrspace(1) @g, i64 8) }, { i16, float, ptr addrspace(1) } zeroinitializer]\n\
         @g = addrspace(1) global [4 x double] [double 1.0, double 2.0, double 3.0, double 4.0]\n\
         define ptx_kernel void @k(i32 %i, ptr %out) {\n\
         %p = getelementptr [2 x { i16, float, ptr addrspace(1) }], ptr addrspace(4) @t, i32 0, i32 %i, i32 1\n\
         %v = load float, ptr addrspace(4) %p\n store float %v, ptr %out\n\
         store volatile double 5.0, ptr addrspacecast (ptr addrspace(1) getelementptr (i8, ptr addrspace(1) @g, i64 16) to ptr)\n\
         ret void }\n",
    )
    .expect("a kernel");
    let t = k.globals.values().find(|g| g.name == "t").expect("t");
    let init = t.init.as_ref().expect("contents");
    assert_eq!((init.len(), &init[..2], &init[4..8]), (32, &[2u8, 1][..], &1.5f32.to_le_bytes()[..]));
    let g = k.globals.keys().find(|&g| k.globals[g].name == "g").expect("g");
    assert_eq!(t.relocs, [(8, g, 8)]);
    assert_eq!(k.globals[g].init.as_ref().expect("contents")[16..24], 3.0f64.to_le_bytes());
}

/// Catches: a switch or branch with several edges between two blocks giving a phi several entries for one block.
#[test]
fn parallel_edges_are_one_phi_entry() {
    let k = shown(nvptx(
        "define ptx_kernel void @k(i32 %i, ptr %out) {\nentry:\n\
         switch i32 %i, label %other [ i32 0, label %join\n i32 -7, label %join\n i32 9, label %far ]\n\
         other:\n store volatile i32 1, ptr %out\n br label %join\nfar:\n store volatile i32 2, ptr %out\n br label %join\n\
         join:\n %v = phi i32 [ 5, %entry ], [ 5, %entry ], [ 6, %other ], [ 8, %far ]\n store i32 %v, ptr %out\n ret void }\n",
    ));
    let phi = k.lines().find(|l| l.contains("phi")).expect("a phi");
    assert_eq!(phi.matches("entry").count(), 1, "{k}");
    assert!(k.contains("-7"), "{k}");
}

/// The body of a kernel that stores what one assembly text gives.
fn assembled(ret: &str, text: &str, constraints: &str, args: &str) -> Result<String, String> {
    let k = nvptx(&format!(
        "define ptx_kernel void @k(ptr addrspace(1) %out, i16 %h, i32 %w, float %f, i32 %v) {{\n\
         %r = call {ret} asm \"{text}\", \"{constraints}\"({args})\n store volatile {ret} %r, ptr addrspace(1) %out\n ret void }}\n"
    ));
    k.map(|k| shown(Ok(k))).map_err(|e| e.to_string())
}

/// Catches: assembly of CUDA's headers and of libdevice that stays opaque, or whose operands are exchanged.
#[test]
fn arithmetic_assembly_is_understood() {
    let cases: &[(&str, &str, &str, &str, &[&str])] = &[
        ("i16", "{ sub.f16 $0,$1,$2; }", "=h,h,h", "i16 %h, i16 15360", &["fsub f16 %", ", 1.0"]),
        ("float", "{  cvt.f32.f16 $0, $1;}\\0A", "=f,h", "i16 %h", &["bitcast i16 %h to f16", "fpext"]),
        ("i16", "{.reg.b32 f;\\0A .reg.b16 r; mov.b16 r,$1; cvt.f32.f16 f,r; sqrt.approx.ftz.f32 f,f; cvt.rn.f16.f32 r,f; mov.b16 $0,r;}",
         "=h,h", "i16 %h", &["fpext", "math.sqrt approx_ftz f32", "fptrunc"]),
        ("i32", "{.reg .f16 low;\\0A cvt.rn.f16.f32 low, $1;\\0A mov.b32 $0, {low,low};}\\0A", "=r,f", "float %f",
         &["fptrunc f32 %f to f16", "insertelement", "bitcast <2 x f16>"]),
        ("float", "{.reg .f16 low,high;\\0A mov.b32 {low,high},$1;\\0A cvt.f32.f16 $0, high;}", "=f,r", "i32 %w",
         &["bitcast i32 %w to <2 x f16>", "extractelement", "fpext"]),
        ("i32", "{ mov.b32 $0, {0,$1};}", "=r,h", "i16 %h", &["bitcast i16 %h to bf16", "fpext"]),
        ("i32", "{ .reg .pred p; setp.lt.and.s32 p|q, $1, $2, p0; }", "=r,r,r", "i32 %w, i32 %v", &["asm"]),
        ("i32", "{ .reg .pred p, q; setp.lt.s32 p|q, $1, $2; @q mov.u32 $0, 5; @p add.u32 $0, $1, 1; }", "=r,r,r", "i32 %w, i32 %v",
         &["icmp slt i32 %w, %v", "xor", "select", "add i32 %w, 1"]),
        ("i32", "shl.b32 $0, $1, $2;", "=r,r,r", "i32 %w, i32 %v", &["icmp ult i32 %v, 32", "shl", "select"]),
        ("i32", "bfe.s32 $0, $1, 4, 8;", "=r,r", "i32 %w", &["int.bfe_s i32 %w, 4, 8"]),
        ("i32", "lop3.b32 $0, $1, $2, 0, 192;", "=r,r,r", "i32 %w, i32 %v", &["and", "or"]),
        ("i32", "{ .reg .pred p; shfl.sync.down.b32 $0|p, $1, 4, 31, -1; @!p mov.b32 $0, 0; }", "=r,r", "i32 %w",
         &["warp.shfl_down_p i32 -1, %w, 4, 31", "select"]),
        ("i32", "{ .reg .pred p; setp.ne.u32 p, $1, 0; vote.sync.ballot.b32 $0, p, -1; }", "=r,r", "i32 %w", &["warp.ballot i32 -1"]),
        ("i32", "match.any.sync.b32 $0, $1, -1;", "=r,r", "i32 %w", &["warp.match_any i32 -1, %w"]),
        ("i32", "redux.sync.max.s32 $0, $1, -1;", "=r,r", "i32 %w", &["warp.redux_smax i32 -1, %w"]),
        ("float", "ld.global.nc.L1::no_allocate.f32 $0, [$1+8];", "=f,l", "ptr addrspace(1) %out", &["ptradd", "load f32", "invariant"]),
        ("i32", "atom.global.add.release.gpu.u32 $0,[$1],1;", "=r,l", "ptr addrspace(1) %out",
         &["fence release scope(device)", "atomicrmw add ptr.global %out, i32 1", "monotonic"]),
        ("float", "red.global.add.f32 [$1], $2; mov.f32 $0, 0f3F800000;", "=f,l,f", "ptr addrspace(1) %out, float %f",
         &["atomicrmw fadd ptr.global %out, f32 %f", "1.0"]),
        ("float", "{ ex2.approx.f32 $0, $0; }", "=f,0", "float %f", &["math.exp2 approx f32 %f"]),
        ("{ i32, i32 }", "{ mad.lo.cc.u32 $0, $2, $3, $4; madc.hi.u32 $1, $2, $3, 0; }", "=r,=r,r,r,r", "i32 %w, i32 %v, i32 7",
         &["mul i32 %w, %v", "icmp ult", "int.mulhi_u i32 %w, %v"]),
        ("i32", "bfind.shiftamt.u32 $0, $1;", "=r,r", "i32 %w", &["int.ctlz i32 %w", "icmp eq i32 %w, 0", "select"]),
        ("i32", "mov.u32 $0, %laneid;", "=r", "", &["laneid"]),
        ("i32", "mov.u32 $0, %clusterid.x;", "=r", "", &["asm"]),
    ];
    for (ret, text, constraints, args, wants) in cases {
        let got = assembled(ret, text, constraints, args).unwrap_or_else(|e| panic!("`{text}`: {e}"));
        for want in *wants {
            assert!(got.contains(want), "`{text}` has no `{want}`:\n{got}");
        }
        assert_eq!(got.contains("asm"), wants.contains(&"asm"), "`{text}`:\n{got}");
    }
}

/// Catches: assembly that touches memory, other threads or the flow of control carried through as if it were arithmetic.
#[test]
fn assembly_that_acts_is_refused() {
    for text in [
        "atom.add.noftz.f16x2 $0,[$1],$1;",
        "mbarrier.arrive.shared.b64 _,[$1];",
        "{ cp.async.ca.shared.global [$1], [$1], 16; mov.u32 $0, 0; }",
        "{ .reg .pred p; setp.eq.u32 p, $1, 0; @p ld.global.u32 $0, [$1]; }",
        "{ .reg .pred p; setp.eq.u32 p, $1, 0; @p bra done; mov.u32 $0, 1; done: }",
        "red.async.relaxed.cluster.u32 [$1], $0;",
    ] {
        let e = assembled("i32", text, "=r,r", "i32 %w").expect_err(text);
        assert!(e.contains("KAD0100"), "`{text}`: {e}");
    }
}
