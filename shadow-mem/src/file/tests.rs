use super::*;
use crate::manifest::{ElemType, Role, TapeLayout};

fn param(name: &str, purpose: Purpose) -> ParamSpec {
    ParamSpec {
        name: name.into(),
        passing: Passing::Pointer { space: 1 },
        bytes: 8,
        align: 8,
        purpose,
        accumulate_only: Some(ElemType::F32),
        written: true,
    }
}

fn manifest() -> Manifest {
    let mut n = param("n", Purpose::Primal { index: 1, role: Role::Const });
    n.passing = Passing::Scalar { ty: Some(ElemType::I32) };
    n.bytes = 4;
    let mut capacity = param("capacity", Purpose::TapeCapacity);
    capacity.passing = Passing::Scalar { ty: Some(ElemType::I64) };
    Manifest {
        version: MANIFEST_VERSION,
        symbol: "k_reverse".into(),
        kernel: "k".into(),
        mode: Mode::Reverse,
        target: "host".into(),
        warp_size: 32,
        params: vec![
            param("x", Purpose::Primal { index: 0, role: Role::Dup }),
            n,
            param("x.shadow", Purpose::Shadow { of: 0 }),
            param("tape", Purpose::TapeBase),
            capacity,
            param("status", Purpose::TapeStatus),
        ],
        shared_bytes: 0,
        dynamic_shared: false,
        local_bytes: 0,
        max_threads: None,
        tape: Some(TapeSpec {
            layout: TapeLayout::Reused,
            bytes_per_thread: Some(Expr::Mul(vec![Expr::Param(1), Expr::Const(4)])),
            align: 4,
            counter: None,
            varies: false,
        }),
        form: None,
        reverse: None,
        assumptions: vec![Assumption::Distinct { a: 0, b: 2 }],
        stats: Default::default(),
    }
}

fn reason(change: impl Fn(&mut Manifest)) -> String {
    let mut m = manifest();
    change(&mut m);
    match Manifest::from_json(&m.to_json()) {
        Err(e) => e.to_string(),
        Ok(_) => "accepted".into(),
    }
}

// Catches: a field that is lost on the way through a file.
#[test]
fn files_keep_everything() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("k.json");
    manifest().save(&path).unwrap();
    assert_eq!(Manifest::load(&path).unwrap(), manifest());
    let missing = Manifest::load(dir.path().join("none.json")).unwrap_err();
    assert!(missing.to_string().contains("none.json"), "{missing}");
}

// Catches: a manifest that contradicts itself and is taken for good.
#[test]
fn contradictions_are_refused() {
    assert_eq!(reason(|_| ()), "accepted");
    type Change = fn(&mut Manifest);
    let cases: [(&str, Change); 13] = [
        ("has version 2", |m| m.version = 2),
        ("no symbol", |m| m.symbol.clear()),
        ("a warp of 48", |m| m.warp_size = 48),
        ("alignment 3", |m| m.params[0].align = 3),
        ("a pointer of 4 bytes", |m| m.params[0].bytes = 4),
        ("I32 with 8 bytes", |m| m.params[1].bytes = 8),
        ("shadow of parameter 7", |m| m.params[2].purpose = Purpose::Shadow { of: 7 }),
        ("same purpose", |m| m.params[2].purpose = Purpose::Primal { index: 0, role: Role::Const }),
        ("names parameter 6 of 6", |m| m.assumptions = vec![Assumption::Distinct { a: 0, b: 6 }]),
        ("and no tape", |m| m.tape = None),
        ("lacks a parameter", |m| {
            m.params.remove(3);
            m.assumptions.clear();
        }),
        ("nothing tells the size", |m| m.tape.as_mut().unwrap().bytes_per_thread = None),
        ("parameter 0, which is no scalar", |m| {
            m.tape.as_mut().unwrap().bytes_per_thread = Some(Expr::Param(0));
        }),
    ];
    for (want, change) in cases {
        let got = reason(change);
        assert!(got.contains(want), "wanted `{want}`, got `{got}`");
    }
}

// Catches: text that is no manifest and panics or passes.
#[test]
fn other_text_is_refused() {
    for text in ["", "{}", "[1]", "{\"version\": 1}", "{\"version\": \"x\"}"] {
        assert!(matches!(Manifest::from_json(text), Err(ManifestError::Json(_))), "{text}");
    }
    assert!(matches!(Manifest::from_json("{\"version\": 9}"), Err(ManifestError::Version { got: 9 })));
}
