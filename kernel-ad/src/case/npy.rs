//! Reading and writing `.npy` files. bf16 is stored as uint16 bits, since numpy has no such type.

use super::data::{type_name, Data};
use half::f16;
use npyz::{Deserialize, NpyFile, Order, Serialize, WriterBuilder};
use shadow_mem::ElemType;
use std::fs::File;
use std::io::{self, BufReader, BufWriter};
use std::path::Path;

fn elements<T: Deserialize>(
    file: NpyFile<BufReader<File>>,
    ty: ElemType,
    bytes: impl Fn(T, &mut Vec<u8>),
) -> Result<Data, String> {
    let dtype = file.dtype().descr();
    let wrong = |_| format!("it holds {dtype}, the case says type = \"{}\"", type_name(ty));
    let mut out = Data { ty, bytes: Vec::new() };
    for x in file.data::<T>().map_err(wrong)? {
        bytes(x.map_err(|e| e.to_string())?, &mut out.bytes);
    }
    Ok(out)
}

/// All elements of a file, in C order whatever their shape. The file's type must be `ty`: nothing is converted.
pub fn read(path: &Path, ty: ElemType) -> Result<Data, String> {
    let file = File::open(path).map_err(|e| e.to_string())?;
    let file = NpyFile::new(BufReader::new(file)).map_err(|e| format!("not an npy file: {e}"))?;
    let dimensions = file.shape().iter().filter(|&&n| n > 1).count();
    if file.order() == Order::Fortran && dimensions > 1 {
        return Err("it is in Fortran order; save it with numpy.ascontiguousarray".into());
    }
    match ty {
        ElemType::F16 => elements::<f16>(file, ty, |x, b| b.extend(x.to_le_bytes())),
        ElemType::Bf16 => elements::<u16>(file, ty, |x, b| b.extend(x.to_le_bytes())),
        ElemType::F32 => elements::<f32>(file, ty, |x, b| b.extend(x.to_le_bytes())),
        ElemType::F64 => elements::<f64>(file, ty, |x, b| b.extend(x.to_le_bytes())),
        ElemType::I8 => elements::<i8>(file, ty, |x, b| b.extend(x.to_le_bytes())),
        ElemType::I16 => elements::<i16>(file, ty, |x, b| b.extend(x.to_le_bytes())),
        ElemType::I32 => elements::<i32>(file, ty, |x, b| b.extend(x.to_le_bytes())),
        ElemType::I64 => elements::<i64>(file, ty, |x, b| b.extend(x.to_le_bytes())),
    }
}

fn save<const N: usize, T: Serialize + npyz::AutoSerialize>(
    path: &Path,
    bytes: &[u8],
    from: fn([u8; N]) -> T,
) -> io::Result<()> {
    let out = BufWriter::new(File::create(path)?);
    let shape = [(bytes.len() / N) as u64];
    let mut w = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(out).begin_nd()?;
    w.extend(bytes.chunks_exact(N).map(|c| from(c.try_into().expect("N bytes"))))?;
    w.finish()
}

/// Writes a one-dimensional array.
pub fn write(path: &Path, data: &Data) -> io::Result<()> {
    let b = &data.bytes;
    match data.ty {
        ElemType::F16 => save(path, b, f16::from_le_bytes),
        ElemType::Bf16 => save(path, b, u16::from_le_bytes),
        ElemType::F32 => save(path, b, f32::from_le_bytes),
        ElemType::F64 => save(path, b, f64::from_le_bytes),
        ElemType::I8 => save(path, b, i8::from_le_bytes),
        ElemType::I16 => save(path, b, i16::from_le_bytes),
        ElemType::I32 => save(path, b, i32::from_le_bytes),
        ElemType::I64 => save(path, b, i64::from_le_bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a type that is written as one format and read as another, and lost bits.
    #[test]
    fn every_type_survives_a_file() {
        let dir = tempfile::tempdir().unwrap();
        for ty in [
            ElemType::F16,
            ElemType::Bf16,
            ElemType::F32,
            ElemType::F64,
            ElemType::I8,
            ElemType::I16,
            ElemType::I32,
            ElemType::I64,
        ] {
            let path = dir.path().join("x.npy");
            let data = Data::from_f64(ty, [0.0, -1.0, 2.5, 100.0]);
            write(&path, &data).unwrap();
            assert_eq!(read(&path, ty).unwrap(), data, "{ty:?}");
        }
    }

    /// Catches silent conversion.
    #[test]
    fn another_type_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.npy");
        write(&path, &Data::from_f64(ElemType::F64, [1.0])).unwrap();
        let e = read(&path, ElemType::F32).unwrap_err();
        assert!(e.contains("f8") && e.contains("f32"), "{e}");
    }
}
