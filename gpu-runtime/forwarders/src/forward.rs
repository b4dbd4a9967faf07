//! Slots for functions, and how they are filled.

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use std::ffi::c_void;
use std::path::PathBuf;
use std::sync::atomic::{AtomicPtr, Ordering};
use thiserror::Error;

/// A driver that was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Loaded {
    /// The library, as it was opened.
    pub library: String,
}

/// Why a driver is not there.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum LoadError {
    /// No library could be opened.
    #[error("the driver is not installed: looked for {}", .tried.join(", "))]
    Missing {
        /// Every name that was tried, with the loader's answer where something was there.
        tried: Vec<String>,
    },
    /// A library was opened and lacks functions.
    #[error("{library} lacks {}: the driver is too old", .symbols.join(", "))]
    Symbols {
        /// The library.
        library: String,
        /// Functions that it lacks.
        symbols: Vec<String>,
    },
}

/// The place of one function; null until its library is open.
pub struct Slot(AtomicPtr<c_void>);

impl Slot {
    /// An empty slot.
    pub const fn new() -> Slot {
        Slot(AtomicPtr::new(std::ptr::null_mut()))
    }

    /// The function, if it is there.
    pub fn get(&self) -> Option<*mut c_void> {
        let p = self.0.load(Ordering::Acquire);
        (!p.is_null()).then_some(p)
    }
}

/// One forwarded function.
pub struct Symbol {
    /// Its name.
    pub name: &'static str,
    /// Where it goes.
    pub slot: &'static Slot,
}

/// Opens the first library that can be opened and fills the slots. The library stays open for the life of the process, since
/// drivers do not survive being closed.
pub fn load(
    variable: &str,
    names: &[PathBuf],
    symbols: &[Symbol],
    required: &[&str],
) -> Result<Loaded, LoadError> {
    let given = std::env::var_os(variable).map(PathBuf::from);
    let names: Vec<PathBuf> = given.map_or_else(|| names.to_vec(), |p| vec![p]);
    let mut tried = Vec::new();
    for name in &names {
        // SAFETY: drivers' initialisers are safe to run; it is what every program that links them does.
        let library = match unsafe { Library::open(Some(name), RTLD_NOW | RTLD_LOCAL) } {
            Ok(l) => l,
            Err(e) => {
                // That a file is not there needs no loader's words.
                let said = e.to_string();
                let absent = said.contains("No such file");
                let name = name.display();
                tried.push(if absent { name.to_string() } else { format!("{name} ({said})") });
                continue;
            }
        };
        let find = |symbol: &str| {
            // SAFETY: only the address is taken.
            unsafe { library.get::<*mut c_void>(symbol.as_bytes()) }.ok().map(|s| s.as_raw_ptr())
        };
        let library_name = name.display().to_string();
        let missing: Vec<String> =
            required.iter().filter(|s| find(s).is_none()).map(|s| format!("`{s}`")).collect();
        if !missing.is_empty() {
            return Err(LoadError::Symbols { library: library_name, symbols: missing });
        }
        for s in symbols {
            if let Some(f) = find(s.name) {
                s.slot.0.store(f, Ordering::Release);
            }
        }
        std::mem::forget(library);
        return Ok(Loaded { library: library_name });
    }
    Err(LoadError::Missing { tried })
}

/// Defines forwarders: `name(a, b) ...;` becomes `extern "C" fn name(a, b) -> i32` that calls the library's function of
/// that name, opens the library with `load` if nobody has, and gives `missing` where there is none. `SYMBOLS` lists them all.
macro_rules! forwarders {
    (load = $load:path, missing = $missing:expr, known = $known:path; $($name:ident($($arg:ident)*);)*) => {
        $(
            #[no_mangle]
            #[allow(non_snake_case, clippy::too_many_arguments)]
            unsafe extern "C" fn $name($($arg: usize),*) -> i32 {
                // Other users of the bindings in the same program do not know that there is something to open.
                match slots::$name.get().or_else(|| $load().ok().and_then(|_| slots::$name.get())) {
                    Some(f) => {
                        // SAFETY: the library's function of this name takes as many words and gives a result code.
                        let f: unsafe extern "C" fn($($crate::forward::word!($arg)),*) -> i32 =
                            unsafe { std::mem::transmute(f) };
                        // SAFETY: the caller's arguments, as they came.
                        $known(unsafe { f($($arg),*) })
                    }
                    None => $missing,
                }
            }
        )*
        #[allow(non_upper_case_globals)]
        mod slots {
            use $crate::forward::Slot;
            $(pub static $name: Slot = Slot::new();)*
        }
        static SYMBOLS: &[$crate::forward::Symbol] = &[
            $($crate::forward::Symbol { name: stringify!($name), slot: &slots::$name },)*
        ];
    };
}

/// One argument.
macro_rules! word {
    ($arg:ident) => {
        usize
    };
}

pub(crate) use {forwarders, word};
