//! A loaded host object: the shared object with its table, and the kernels in it.

use super::{features, support, Inner};
use crate::artifact::elf;
use crate::device::LaunchReport;
use crate::{Error, Result};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use shadow_mem::host::{HostKernel, HostModule, RegionFn, HOST_ABI_VERSION, IMPORTS_SYMBOL, TABLE_SYMBOL};
use shadow_mem::{Arg, Launch, Manifest};
use std::collections::HashMap;
use std::ffi::{c_char, c_void, CStr};
use std::io::Write;
use std::sync::{Arc, Mutex};

/// A host artifact in memory.
#[derive(Clone, Debug)]
pub struct CpuModule {
    device: Arc<Inner>,
    object: Arc<Object>,
    functions: Arc<Mutex<HashMap<String, Arc<Code>>>>,
}

/// The shared object. Kept while anything of it is in use.
#[derive(Debug)]
pub(super) struct Object {
    loaded: Library,
    table: HostModule,
    manifests: Vec<Manifest>,
}

/// A variable of a module.
#[derive(Debug)]
pub struct Variable {
    address: u64,
    bytes: u64,
    _object: Arc<Object>,
}

impl Variable {
    pub(super) fn address(&self) -> u64 {
        self.address
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// A kernel of a loaded host artifact.
#[derive(Clone, Debug)]
pub struct CpuFunction {
    pub(super) device: Arc<Inner>,
    pub(super) code: Arc<Code>,
}

/// A kernel with the addresses of its regions.
#[derive(Debug)]
pub(super) struct Code {
    pub manifest: Manifest,
    pub kernel: HostKernel,
    pub regions: Vec<RegionFn>,
    /// Variants without atomics on private copies; complete or absent.
    pub private: Option<Vec<RegionFn>>,
    _object: Arc<Object>,
}

fn bad(why: impl Into<String>) -> Error {
    Error::BadArtifact(why.into())
}

impl CpuModule {
    pub(super) fn load(device: Arc<Inner>, artifact: &[u8], manifests: &[Manifest]) -> Result<CpuModule> {
        if !artifact.starts_with(elf::MAGIC) {
            return Err(bad("it is not an ELF shared object; compile for target `host`"));
        }
        if let Some(m) = manifests.iter().find(|m| m.target.split(':').next() != Some("host")) {
            return Err(bad(format!(
                "its manifest says target `{}`, and this device takes `host`",
                m.target
            )));
        }
        // A file that is cut off would end the process when the loader has mapped it.
        elf::check(artifact, elf::own_machine(), "the CPU device takes shared objects of this machine")
            .map_err(bad)?;
        let io =
            |e: std::io::Error| Error::Driver { call: "writing the object".into(), reason: e.to_string() };
        // A file of its own for every load: loading the same file twice would share its variables.
        let mut file = tempfile::Builder::new().prefix("kernel-ad-").suffix(".so").tempfile().map_err(io)?;
        file.write_all(artifact).and_then(|()| file.flush()).map_err(io)?;
        // SAFETY: host objects have no initialisers of their own; running what the caller asks to load is the point.
        let library = unsafe { Library::open(Some(file.path()), RTLD_NOW | RTLD_LOCAL) }
            .map_err(|e| bad(e.to_string()))?;
        let table = read_table(&library)?;
        let missing = features::missing(&table.features);
        if !missing.is_empty() {
            let target = manifests.first().map_or("host", |m| m.target.as_str());
            return Err(bad(format!(
                "it was made for `{target}` with a processor that has {}, and this one has not; make it for an older level \
                 (`host:x86-64-v2`)",
                missing.join(", ")
            )));
        }
        fill_imports(&library, &table)?;
        let object = Object { loaded: library, table, manifests: manifests.to_vec() };
        Ok(CpuModule { device, object: Arc::new(object), functions: Arc::default() })
    }

    /// The kernel with that symbol.
    pub fn function(&self, symbol: &str) -> Result<CpuFunction> {
        let mut known = self.functions.lock().unwrap_or_else(|p| p.into_inner());
        let code = match known.get(symbol) {
            Some(code) => code.clone(),
            None => {
                let code = Arc::new(self.find(symbol)?);
                known.insert(symbol.into(), code.clone());
                code
            }
        };
        Ok(CpuFunction { device: self.device.clone(), code })
    }

    fn find(&self, symbol: &str) -> Result<Code> {
        let o = &self.object;
        let none = || Error::NoSuchKernel {
            wanted: symbol.into(),
            has: o.table.kernels.iter().map(|k| format!("`{}`", k.symbol)).collect::<Vec<_>>().join(", "),
        };
        let kernel = o.table.kernels.iter().find(|k| k.symbol == symbol).ok_or_else(none)?.clone();
        let manifest = o.manifests.iter().find(|m| m.symbol == symbol).cloned();
        let manifest = manifest.ok_or_else(|| bad(format!("no manifest describes kernel `{symbol}`")))?;
        check_table(&kernel, &manifest)?;
        let address = |s: &str| {
            // SAFETY: the table says that the symbol is a region function; the object stays loaded while `Code` lives.
            unsafe { o.loaded.get::<RegionFn>(s.as_bytes()) }.map(|f| *f).map_err(|e| bad(e.to_string()))
        };
        let regions = kernel.regions.iter().map(|r| address(&r.symbol)).collect::<Result<Vec<_>>>()?;
        let private = match kernel.regions.iter().any(|r| r.private.is_some()) {
            true => Some(
                kernel
                    .regions
                    .iter()
                    .map(|r| address(r.private.as_ref().unwrap_or(&r.symbol)))
                    .collect::<Result<Vec<_>>>()?,
            ),
            false => None,
        };
        Ok(Code { manifest, kernel, regions, private, _object: o.clone() })
    }

    /// The memory of a variable that the host may reach.
    pub fn global(&self, name: &str) -> Result<super::CpuBlock> {
        let none = || Error::NoSuchGlobal(name.into());
        let g = self.object.table.globals.iter().find(|g| g.name == name).ok_or_else(none)?;
        // SAFETY: only the address is taken.
        let at = unsafe { self.object.loaded.get::<*mut c_void>(g.symbol.as_bytes()) };
        let address = at.map_err(|e| bad(e.to_string()))?.as_raw_ptr() as u64;
        Ok(super::CpuBlock::Variable(Variable { address, bytes: g.bytes, _object: self.object.clone() }))
    }
}

fn read_table(library: &Library) -> Result<HostModule> {
    // SAFETY: only the address is taken.
    let at = unsafe { library.get::<*const c_char>(TABLE_SYMBOL.as_bytes()) }
        .map_err(|_| bad(format!("it has no table `{TABLE_SYMBOL}`; it was not made by this program")))?;
    // SAFETY: the table is a NUL-terminated text in the object's constant data.
    let text = unsafe { CStr::from_ptr(at.as_raw_ptr() as *const c_char) };
    let value: serde_json::Value =
        serde_json::from_slice(text.to_bytes()).map_err(|e| bad(format!("its table is malformed: {e}")))?;
    if value["abi"] != HOST_ABI_VERSION {
        return Err(bad(format!(
            "its contract has version {}, this program has {HOST_ABI_VERSION}",
            value["abi"]
        )));
    }
    serde_json::from_value(value).map_err(|e| bad(format!("its table is malformed: {e}")))
}

fn fill_imports(library: &Library, table: &HostModule) -> Result<()> {
    if table.imports.is_empty() {
        return Ok(());
    }
    // SAFETY: only the address is taken.
    let at =
        unsafe { library.get::<*mut c_void>(IMPORTS_SYMBOL.as_bytes()) }.map_err(|e| bad(e.to_string()))?;
    let slots = at.as_raw_ptr() as *mut *const c_void;
    for (i, name) in table.imports.iter().enumerate() {
        let f = support::import(name).ok_or_else(|| {
            bad(format!("it needs the function `{name}`, which the CPU device does not have"))
        })?;
        // SAFETY: the object reserves one pointer for each name.
        unsafe { slots.add(i).write(f) };
    }
    Ok(())
}

/// What the scheduler relies on.
fn check_table(k: &HostKernel, m: &Manifest) -> Result<()> {
    let states = (k.regions.len() + k.cuts.len()) as u32;
    let fits = k.param_offsets.len() == m.params.len()
        && m.params.iter().zip(&k.param_offsets).all(|(p, &o)| o + p.bytes <= k.param_bytes)
        && !k.regions.is_empty()
        && k.regions.iter().all(|r| r.exit.is_none_or(|s| s < states || s == shadow_mem::host::EXITED))
        && k.cuts.iter().all(|c| (c.resume as usize) < k.regions.len())
        && (1..=64).contains(&k.warp_size);
    fits.then_some(()).ok_or_else(|| bad(format!("table and manifest of kernel `{}` do not fit", k.symbol)))
}

impl CpuFunction {
    /// Its manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.code.manifest
    }

    /// See [`crate::Function::tape_parts`].
    pub fn tape_parts(&self, launch: &Launch) -> u64 {
        let each = self.code.kernel.tapes_at_once(launch.threads_per_block() as u64);
        self.device.workers as u64 * each.max(1)
    }

    /// See [`crate::Function::launch`].
    ///
    /// # Safety
    /// As there.
    pub unsafe fn launch(&self, launch: &Launch, args: &[Arg]) -> Result<LaunchReport> {
        // SAFETY: as promised by the caller.
        unsafe { super::launch::launch(&self.device, &self.code, launch, args) }
    }
}
