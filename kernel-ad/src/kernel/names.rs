//! Names of the closed sets of the instruction set, as printer and parser write them.
//!
//! One table for each set serves both directions; a new variant without a name does not compile.

use super::*;

macro_rules! names {
    ($($(#[$doc:meta])* $ty:ty { $($variant:pat => $name:literal = $value:expr),* $(,)? })*) => {
        $(impl Named for $ty {
            fn name(self) -> &'static str { match self { $($variant => $name),* } }
            fn from_name(s: &str) -> Option<Self> {
                Some(match s { $($name => $value,)* _ => return None })
            }
            fn all() -> &'static [Self] { &[$($value),*] }
        })*
    };
}

/// A closed set whose members have names.
pub trait Named: Copy + Sized + 'static {
    /// Name in the text of a kernel.
    fn name(self) -> &'static str;
    /// Inverse of [`Named::name`].
    fn from_name(s: &str) -> Option<Self>;
    /// Every member.
    fn all() -> &'static [Self];
}

/// As `names!`, for enums without fields.
macro_rules! plain_names {
    ($($ty:ident { $($variant:ident $name:literal),* $(,)? })*) => {
        names! { $($ty { $($ty::$variant => $name = $ty::$variant),* })* }
    };
}

plain_names! {
    Arch { Nvptx "nvptx", Amdgpu "amdgpu" }
    FloatTy { F16 "f16", Bf16 "bf16", F32 "f32", F64 "f64" }
    BinOp {
        Add "add", Sub "sub", Mul "mul", UDiv "udiv", SDiv "sdiv", URem "urem", SRem "srem", Shl "shl", LShr "lshr",
        AShr "ashr", And "and", Or "or", Xor "xor", FAdd "fadd", FSub "fsub", FMul "fmul", FDiv "fdiv", FRem "frem",
    }
    IntPred {
        Eq "eq", Ne "ne", Ugt "ugt", Uge "uge", Ult "ult", Ule "ule", Sgt "sgt", Sge "sge", Slt "slt", Sle "sle",
    }
    FloatPred {
        False "false", Oeq "oeq", Ogt "ogt", Oge "oge", Olt "olt", Ole "ole", One "one", Ord "ord", Uno "uno",
        Ueq "ueq", Ugt "ugt", Uge "uge", Ult "ult", Ule "ule", Une "une", True "true",
    }
    CastOp {
        Trunc "trunc", ZExt "zext", SExt "sext", FpTrunc "fptrunc", FpExt "fpext", FpToUi "fptoui", FpToSi "fptosi",
        UiToFp "uitofp", SiToFp "sitofp", PtrToInt "ptrtoint", IntToPtr "inttoptr", Bitcast "bitcast",
        AddrSpaceCast "addrspacecast",
    }
    RmwOp {
        Xchg "xchg", Add "add", Sub "sub", And "and", Nand "nand", Or "or", Xor "xor", Max "max", Min "min",
        UMax "umax", UMin "umin", FAdd "fadd", FSub "fsub", FMax "fmax", FMin "fmin", UIncWrap "uinc_wrap",
        UDecWrap "udec_wrap",
    }
    Ordering {
        Unordered "unordered", Monotonic "monotonic", Acquire "acquire", Release "release", AcqRel "acq_rel",
        SeqCst "seq_cst",
    }
    ScopeLevel { Thread "thread", Warp "warp", Block "block", Device "device", System "system" }
    LaneMask { Eq "eq", Lt "lt", Le "le", Gt "gt", Ge "ge" }
    BarrierKind { Sync "sync", Popc "popc", And "and", Or "or", Arrive "arrive" }
    WarpOp {
        Sync "sync", ShflIdx "shfl_idx", ShflUp "shfl_up", ShflDown "shfl_down", ShflBfly "shfl_bfly",
        ShflIdxP "shfl_idx_p", ShflUpP "shfl_up_p", ShflDownP "shfl_down_p", ShflBflyP "shfl_bfly_p",
        VoteAll "vote_all", VoteAny "vote_any", VoteUni "vote_uni", Ballot "ballot", ActiveMask "activemask",
        MatchAny "match_any", MatchAll "match_all", ScatterAdd "scatter_add", ReduxAdd "redux_add", ReduxUMin "redux_umin",
        ReduxUMax "redux_umax", ReduxSMin "redux_smin", ReduxSMax "redux_smax", ReduxAnd "redux_and",
        ReduxOr "redux_or", ReduxXor "redux_xor", DsBpermute "ds_bpermute", DsPermute "ds_permute",
        DsSwizzle "ds_swizzle", ReadFirstLane "readfirstlane", ReadLane "readlane", MbcntLo "mbcnt_lo",
        MbcntHi "mbcnt_hi", UpdateDpp "update_dpp", WaveBarrier "wave_barrier",
    }
    MathFn {
        Sqrt "sqrt", Rsqrt "rsqrt", Rcp "rcp", Cbrt "cbrt", Rcbrt "rcbrt", Exp "exp", Exp2 "exp2", Exp10 "exp10",
        Expm1 "expm1", Log "log", Log2 "log2", Log10 "log10", Log1p "log1p", Logb "logb", Sin "sin", Cos "cos",
        Tan "tan", Sinpi "sinpi", Cospi "cospi", Tanpi "tanpi", Asin "asin", Acos "acos", Atan "atan", Sinh "sinh",
        Cosh "cosh", Tanh "tanh", Asinh "asinh", Acosh "acosh", Atanh "atanh", Erf "erf", Erfc "erfc",
        Erfcx "erfcx", Erfinv "erfinv", Erfcinv "erfcinv", Normcdf "normcdf", Normcdfinv "normcdfinv",
        Tgamma "tgamma", Lgamma "lgamma", J0 "j0", J1 "j1", Y0 "y0", Y1 "y1", CylBesselI0 "cyl_bessel_i0",
        CylBesselI1 "cyl_bessel_i1", Fabs "fabs", Floor "floor", Ceil "ceil", Trunc "trunc", Round "round",
        Rint "rint", Saturate "saturate", ModfFrac "modf_frac", Fract "fract", FrexpMant "frexp_mant", Add "add",
        Sub "sub", Mul "mul", Div "div", Pow "pow", Atan2 "atan2", Hypot "hypot", Rhypot "rhypot", Fmod "fmod",
        Remainder "remainder", Fdim "fdim", Fmax "fmax", Fmin "fmin", Fmaximum "fmaximum", Fminimum "fminimum",
        Copysign "copysign", Nextafter "nextafter", Powi "powi", Ldexp "ldexp", Jn "jn", Yn "yn", Fma "fma",
        Norm3d "norm3d", Rnorm3d "rnorm3d", Norm4d "norm4d", Rnorm4d "rnorm4d", Fmed3 "fmed3", Ilogb "ilogb",
        FrexpExp "frexp_exp", RemquoQuo "remquo_quo", Lround "lround", Lrint "lrint", ToInt "to_int",
        ToUint "to_uint", IsNan "is_nan", IsInf "is_inf", IsFinite "is_finite", SignBit "sign_bit",
        FromInt "from_int", FromUint "from_uint", Convert "convert", Pin "pin", Opaque "opaque",
    }
    IntFn {
        Ctpop "ctpop", Ctlz "ctlz", Cttz "cttz", Bswap "bswap", Bitreverse "bitreverse", Fshl "fshl", Fshr "fshr",
        Smin "smin", Smax "smax", Umin "umin", Umax "umax", Abs "abs", MulhiS "mulhi_s", MulhiU "mulhi_u",
        Mul24S "mul24_s", Mul24U "mul24_u", Ffs "ffs", BytePerm "byte_perm", BfeS "bfe_s", BfeU "bfe_u", Bfi "bfi",
        SadS "sad_s", SadU "sad_u", HaddS "hadd_s", HaddU "hadd_u", RhaddS "rhadd_s", RhaddU "rhadd_u",
        SaddSat "sadd_sat", UaddSat "uadd_sat", SsubSat "ssub_sat", UsubSat "usub_sat", SaddOv "sadd_ov",
        UaddOv "uadd_ov", SsubOv "ssub_ov", UsubOv "usub_ov", SmulOv "smul_ov", UmulOv "umul_ov",
    }
}

names! {
    Flavor {
        Flavor::Library => "library" = Flavor::Library,
        Flavor::Llvm => "llvm" = Flavor::Llvm,
        Flavor::Fast => "fast" = Flavor::Fast,
        Flavor::Approx { ftz: false } => "approx" = Flavor::Approx { ftz: false },
        Flavor::Approx { ftz: true } => "approx_ftz" = Flavor::Approx { ftz: true },
        Flavor::Rounded { mode: Rounding::Nearest, ftz: false } => "rn" = Flavor::Rounded { mode: Rounding::Nearest, ftz: false },
        Flavor::Rounded { mode: Rounding::Nearest, ftz: true } => "rn_ftz" = Flavor::Rounded { mode: Rounding::Nearest, ftz: true },
        Flavor::Rounded { mode: Rounding::Zero, ftz: false } => "rz" = Flavor::Rounded { mode: Rounding::Zero, ftz: false },
        Flavor::Rounded { mode: Rounding::Zero, ftz: true } => "rz_ftz" = Flavor::Rounded { mode: Rounding::Zero, ftz: true },
        Flavor::Rounded { mode: Rounding::Down, ftz: false } => "rm" = Flavor::Rounded { mode: Rounding::Down, ftz: false },
        Flavor::Rounded { mode: Rounding::Down, ftz: true } => "rm_ftz" = Flavor::Rounded { mode: Rounding::Down, ftz: true },
        Flavor::Rounded { mode: Rounding::Up, ftz: false } => "rp" = Flavor::Rounded { mode: Rounding::Up, ftz: false },
        Flavor::Rounded { mode: Rounding::Up, ftz: true } => "rp_ftz" = Flavor::Rounded { mode: Rounding::Up, ftz: true },
    }
    Special {
        Special::ThreadId(0) => "tid.x" = Special::ThreadId(0),
        Special::ThreadId(1) => "tid.y" = Special::ThreadId(1),
        Special::ThreadId(_) => "tid.z" = Special::ThreadId(2),
        Special::BlockId(0) => "bid.x" = Special::BlockId(0),
        Special::BlockId(1) => "bid.y" = Special::BlockId(1),
        Special::BlockId(_) => "bid.z" = Special::BlockId(2),
        Special::BlockDim(0) => "bdim.x" = Special::BlockDim(0),
        Special::BlockDim(1) => "bdim.y" = Special::BlockDim(1),
        Special::BlockDim(_) => "bdim.z" = Special::BlockDim(2),
        Special::GridDim(0) => "gdim.x" = Special::GridDim(0),
        Special::GridDim(1) => "gdim.y" = Special::GridDim(1),
        Special::GridDim(_) => "gdim.z" = Special::GridDim(2),
        Special::LaneId => "laneid" = Special::LaneId,
        Special::WarpId => "warpid" = Special::WarpId,
        Special::WarpSize => "warpsize" = Special::WarpSize,
        Special::DynamicSharedSize => "dynamic_shared_size" = Special::DynamicSharedSize,
        Special::TotalSharedSize => "total_shared_size" = Special::TotalSharedSize,
        Special::LaneMask(LaneMask::Eq) => "lanemask.eq" = Special::LaneMask(LaneMask::Eq),
        Special::LaneMask(LaneMask::Lt) => "lanemask.lt" = Special::LaneMask(LaneMask::Lt),
        Special::LaneMask(LaneMask::Le) => "lanemask.le" = Special::LaneMask(LaneMask::Le),
        Special::LaneMask(LaneMask::Gt) => "lanemask.gt" = Special::LaneMask(LaneMask::Gt),
        Special::LaneMask(LaneMask::Ge) => "lanemask.ge" = Special::LaneMask(LaneMask::Ge),
        Special::Clock => "clock" = Special::Clock,
        Special::SmId => "smid" = Special::SmId,
        Special::NSmId => "nsmid" = Special::NSmId,
    }
}

/// Fast-math flags by name, in order of printing.
pub(super) const FMF_NAMES: [(Fmf, &str); 7] = [
    (Fmf::NNAN, "nnan"),
    (Fmf::NINF, "ninf"),
    (Fmf::NSZ, "nsz"),
    (Fmf::ARCP, "arcp"),
    (Fmf::CONTRACT, "contract"),
    (Fmf::AFN, "afn"),
    (Fmf::REASSOC, "reassoc"),
];

/// Integer flags by name, in order of printing.
pub(super) const INT_FLAG_NAMES: [(IntFlags, &str); 5] = [
    (IntFlags::NUW, "nuw"),
    (IntFlags::NSW, "nsw"),
    (IntFlags::EXACT, "exact"),
    (IntFlags::DISJOINT, "disjoint"),
    (IntFlags::NNEG, "nneg"),
];

/// Address spaces that have a name of their own; others print as `as<N>`.
pub(super) const SPACE_NAMES: [(AddrSpace, &str); 5] = [
    (AddrSpace::Global, "global"),
    (AddrSpace::Shared, "shared"),
    (AddrSpace::Constant, "const"),
    (AddrSpace::Local, "local"),
    (AddrSpace::Param, "param"),
];
