//! Derivatives that a kernel's own code asks for.

use super::folder;
use kernel_ad::compile::CompileOptions;
use kernel_ad::diag::{Code, Diagnostic};
use kernel_ad::interp::{self, Arg, Launch, Memory};
use kernel_ad::kernel::FloatTy::F64;
use kernel_ad::kernel::Kernel;
use kernel_ad::read::{self, ReadOptions};

fn load(kernel: &str) -> Kernel {
    read::load(&folder().join("marks/marks.cu"), &ReadOptions::default()).unwrap().kernel(kernel).unwrap()
}

/// Forces and total energy of six beads, from the kernel.
fn forces(k: &Kernel, x: &[f64; 12]) -> (Vec<f64>, f64) {
    let mut memory = Memory::new();
    let [at, force, total] = [12, 12, 1].map(|n| memory.alloc("buffer", &vec![0; 8 * n]));
    let partner: Vec<u8> =
        [1, 3, 2, 5, 0, 4, 2, 1, 5, 0, 3, 4i32].iter().flat_map(|p| p.to_le_bytes()).collect();
    let partner = memory.alloc("partner", &partner);
    let stiffness = memory.alloc("k", &[0; 16]);
    for (i, s) in [1.5, 0.7].into_iter().enumerate() {
        memory.set_float(stiffness, F64, i, s);
    }
    for (i, x) in x.iter().enumerate() {
        memory.set_float(at, F64, i, *x);
    }
    let args = vec![
        Arg::Pointer(at),
        Arg::Pointer(force),
        Arg::Pointer(partner),
        Arg::Pointer(stiffness),
        Arg::Float(0.4),
        Arg::Pointer(total),
        Arg::Int(2),
        Arg::Int(6),
    ];
    let launch = Launch { grid: [2, 1, 1], block: [4, 1, 1], shared: 0, args };
    interp::run(k, &launch, &mut memory, &interp::Options::sanitize()).unwrap();
    let read = |b, i| memory.float(b, F64, i).unwrap();
    ((0..12).map(|i| read(force, i)).collect(), read(total, 0))
}

// Catches: a derivative in the place of the call that is not that of the function: wrong order of arguments, wrong roles, a seed not taken.
#[test]
fn what_is_asked_for_is_the_derivative() {
    let k = load("forces");
    let x = [0.1, 0.9, -0.7, 0.3, 0.5, -0.4, 1.2, -1.1, -0.2, 0.6, 0.8, 0.25];
    let (force, _) = forces(&k, &x);
    for i in 0..12 {
        let (mut more, mut less) = (x, x);
        more[i] += 1e-5;
        less[i] -= 1e-5;
        let want = -(forces(&k, &more).1 - forces(&k, &less).1) / 2e-5;
        assert!((force[i] - want).abs() < 1e-7, "{i}: {} instead of {want}", force[i]);
    }
}

// Catches: buffers that the derivative takes for distinct, and that nobody compares at the launch.
#[test]
fn what_it_assumes_of_buffers_is_asked_of_launches() {
    let k = load("forces");
    assert!(k.bounds.distinct.contains(&(0, 1)), "{:?}", k.bounds.distinct);
    let e = kernel_ad::emit::emit(&k, &kernel_ad::emit::Target::HOST, kernel_ad::emit::Format::Obj).unwrap();
    let distinct = shadow_mem::Assumption::Distinct { a: 0, b: 1 };
    assert!(e.manifest.assumptions.contains(&distinct), "{:?}", e.manifest.assumptions);
}

fn refusal(body: &str) -> Diagnostic {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wrong.cu");
    let text = format!(
        "#include <kernel_ad.h>
         struct Pair {{ float a, b; }};
         __device__ float f(const float *x, float a, int n) {{ return x[n] * x[n] * a; }}
         __device__ float sum(const float *x, int n) {{ float s = 0; for (int i = 0; i < n; i++) s += x[i] * x[i]; return s; }}
         __device__ float of_pair(Pair p) {{ return p.a * p.b; }}
         __device__ void itself(float *x);
         __device__ __noinline__ void again(float *x) {{ float d = 1; __kernel_ad_reverse(itself, kad_dup, x, &d); }}
         __device__ void itself(float *x) {{ x[0] *= x[1]; again(x); }}
         extern \"C\" __global__ void k(float *x, float *dx, float a, int n) {{ float y = 0, one = 1, da = 0; {body} }}"
    );
    std::fs::write(&path, text).unwrap();
    let options = ReadOptions { compile: CompileOptions::default(), ..ReadOptions::default() };
    read::load(&path, &options).unwrap().kernel("k").unwrap_err().0.remove(0)
}

// Catches: arguments that are taken for others, and mistakes without what to do about them.
#[test]
fn mistakes_are_told() {
    let call = |args: &str| format!("__kernel_ad_reverse({args});");
    let result = "kad_dup, &y, &one";
    for (args, because) in [
        (
            "f, kad_dup, x, dx, kad_active, a, &da, kad_const, n".to_string(),
            "the role of its result is missing",
        ),
        (format!("f, kad_dup, x, dx, kad_active, a, &da, kad_const, n, {result}, 3"), "1 arguments too many"),
        (
            format!("f, kad_dup, x, kad_active, a, &da, kad_const, n, {result}"),
            "the shadow of `x` is not a pointer",
        ),
        (
            format!("f, x, dx, kad_active, a, &da, kad_const, n, {result}"),
            "the role of `x` is not a constant",
        ),
        (
            format!("f, kad_dup, x, dx, kad_active, 0.5, &da, kad_const, n, {result}"),
            "`a` is f32, and f64 is given",
        ),
        (
            format!("f, kad_dup, x, dx, kad_dup, a, &da, kad_const, n, {result}"),
            "a number is kad_const or kad_active",
        ),
        (format!("f, kad_dup, x, dx, kad_const, a, kad_active, n, &da, {result}"), "an integer is kad_const"),
        (format!("f, kad_active, x, dx, kad_const, a, kad_const, n, {result}"), "a pointer is"),
        (format!("sum, kad_dup, x, x + 8, kad_const, 8, {result}"), "lie in one buffer"),
        (format!("of_pair, kad_const, Pair{{a, a}}, {result}"), "passed by value"),
    ] {
        let d = refusal(&call(&args));
        assert_eq!(d.code, Code::Usage, "{args}: {d}");
        assert!(d.because.iter().any(|b| b.contains(because)), "{args}: {d}");
        assert!(d.place.is_some(), "{args}: {d}");
    }
    let d = refusal("__kernel_ad_reverse((float (*)(float))x, kad_const, a, kad_dup, &y, &one);");
    assert!(d.message.contains("does not name a device function"), "{d}");
    let d = refusal("__kernel_ad_reverse(itself, kad_dup, x, dx);");
    assert!(d.message.contains("asks for the derivative of `itself"), "{d}");
}
