//! Typed arrays whose element type is known at run time only.

use half::{bf16, f16};
use shadow_mem::ElemType;

/// A number of a case file: integers keep all their bits.
#[derive(Clone, Copy, PartialEq, Debug, serde::Deserialize)]
#[serde(untagged)]
pub enum Number {
    /// Written without a point.
    Int(i64),
    /// Written with one.
    Float(f64),
}

impl Number {
    /// The nearest double.
    pub fn as_f64(self) -> f64 {
        match self {
            Number::Int(i) => i as f64,
            Number::Float(x) => x,
        }
    }
}

/// Elements of one type, as the bytes that a device sees.
#[derive(Clone, PartialEq, Debug)]
pub struct Data {
    /// Element type.
    pub ty: ElemType,
    /// Contents, little endian.
    pub bytes: Vec<u8>,
}

impl Data {
    /// `len` zeros.
    pub fn zeros(ty: ElemType, len: usize) -> Data {
        Data { ty, bytes: vec![0; len * ty.bytes()] }
    }

    /// Rounded from doubles; integer types take the value toward zero, saturating.
    pub fn from_f64(ty: ElemType, values: impl IntoIterator<Item = f64>) -> Data {
        let mut d = Data { ty, bytes: Vec::new() };
        values.into_iter().for_each(|x| d.push(Number::Float(x)));
        d
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.bytes.len() / self.ty.bytes()
    }

    /// True without elements.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Appends one element, converted to the element type.
    pub fn push(&mut self, n: Number) {
        let x = n.as_f64();
        let i = match n {
            Number::Int(i) => i,
            Number::Float(x) => x as i64,
        };
        match self.ty {
            ElemType::F16 => self.bytes.extend(f16::from_f64(x).to_le_bytes()),
            ElemType::Bf16 => self.bytes.extend(bf16::from_f64(x).to_le_bytes()),
            ElemType::F32 => self.bytes.extend((x as f32).to_le_bytes()),
            ElemType::F64 => self.bytes.extend(x.to_le_bytes()),
            ElemType::I8 => self.bytes.push(i as u8),
            ElemType::I16 => self.bytes.extend((i as i16).to_le_bytes()),
            ElemType::I32 => self.bytes.extend((i as i32).to_le_bytes()),
            ElemType::I64 => self.bytes.extend(i.to_le_bytes()),
        }
    }

    /// Element `i` as a double (64-bit integers lose low bits).
    pub fn get(&self, i: usize) -> f64 {
        let n = self.ty.bytes();
        let b = &self.bytes[i * n..][..n];
        match self.ty {
            ElemType::F16 => f16::from_le_bytes([b[0], b[1]]).to_f64(),
            ElemType::Bf16 => bf16::from_le_bytes([b[0], b[1]]).to_f64(),
            ElemType::F32 => f32::from_le_bytes(b.try_into().expect("4 bytes")).into(),
            ElemType::F64 => f64::from_le_bytes(b.try_into().expect("8 bytes")),
            ElemType::I8 => (b[0] as i8).into(),
            ElemType::I16 => i16::from_le_bytes([b[0], b[1]]).into(),
            ElemType::I32 => i32::from_le_bytes(b.try_into().expect("4 bytes")).into(),
            ElemType::I64 => i64::from_le_bytes(b.try_into().expect("8 bytes")) as f64,
        }
    }

    /// All elements as doubles.
    pub fn to_f64(&self) -> Vec<f64> {
        (0..self.len()).map(|i| self.get(i)).collect()
    }
}

/// Name of an element type as case files write it.
pub fn type_name(ty: ElemType) -> &'static str {
    match ty {
        ElemType::F16 => "f16",
        ElemType::Bf16 => "bf16",
        ElemType::F32 => "f32",
        ElemType::F64 => "f64",
        ElemType::I8 => "i8",
        ElemType::I16 => "i16",
        ElemType::I32 => "i32",
        ElemType::I64 => "i64",
    }
}
