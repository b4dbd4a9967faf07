//! Initial contents of buffers: the `init` and `shadow` forms of a case file.

use super::data::{Data, Number};
use super::npy;
use rand::distr::{Distribution, Uniform};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::Normal;
use serde::Deserialize;
use shadow_mem::ElemType;
use std::path::{Path, PathBuf};

/// The forms as they are written; exactly one of them is given.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Init {
    fill: Option<Number>,
    iota: Option<[Number; 2]>,
    uniform: Option<[f64; 2]>,
    normal: Option<[f64; 2]>,
    values: Option<Vec<Number>>,
    npy: Option<PathBuf>,
    seed: Option<u64>,
}

const FORMS: &str = "one of fill, iota, uniform, normal, values, npy";

impl Init {
    /// Number of elements, where the form itself says it.
    pub fn own_len(&self) -> Option<usize> {
        self.values.as_ref().map(Vec::len)
    }

    /// The contents. `dir` is where relative paths start; `seed` is used when none is written.
    pub fn contents(&self, ty: ElemType, len: usize, dir: &Path, seed: u64) -> Result<Data, String> {
        let given = [
            self.fill.is_some(),
            self.iota.is_some(),
            self.uniform.is_some(),
            self.normal.is_some(),
            self.values.is_some(),
            self.npy.is_some(),
        ];
        match given.iter().filter(|&&g| g).count() {
            1 => {}
            0 => return Err(format!("an initial value needs {FORMS}")),
            _ => return Err(format!("an initial value takes only {FORMS}")),
        }
        if self.seed.is_some() && self.uniform.is_none() && self.normal.is_none() {
            return Err("seed goes with uniform and normal only".into());
        }
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed.unwrap_or(seed));
        let mut out = Data { ty, bytes: Vec::with_capacity(len * ty.bytes()) };
        if let Some(n) = self.fill {
            (0..len).for_each(|_| out.push(n));
        } else if let Some([start, step]) = self.iota {
            (0..len).for_each(|i| out.push(iota(start, step, i)));
        } else if let Some([lo, hi]) = self.uniform {
            if !(lo < hi && lo.is_finite() && hi.is_finite()) {
                return Err(format!("uniform = [{lo}, {hi}] needs two finite bounds, the lower one first"));
            }
            if ty.is_float() {
                let d = Uniform::new(lo, hi).map_err(|e| e.to_string())?;
                (0..len).for_each(|_| out.push(Number::Float(d.sample(&mut rng))));
            } else {
                let (lo, hi) = (lo.ceil() as i64, hi.ceil() as i64);
                let d = Uniform::new(lo, hi).map_err(|_| format!("no integer in [{lo}, {hi})"))?;
                (0..len).for_each(|_| out.push(Number::Int(d.sample(&mut rng))));
            }
        } else if let Some([mean, sd]) = self.normal {
            let d = Normal::new(mean, sd).map_err(|e| format!("normal = [{mean}, {sd}]: {e}"))?;
            (0..len).for_each(|_| out.push(Number::Float(d.sample(&mut rng))));
        } else if let Some(values) = &self.values {
            values.iter().for_each(|&n| out.push(n));
        } else if let Some(file) = &self.npy {
            let path = dir.join(file);
            out = npy::read(&path, ty).map_err(|e| format!("{}: {e}", path.display()))?;
        }
        if out.len() != len {
            return Err(format!("{} elements are given, len = {len}", out.len()));
        }
        Ok(out)
    }
}

fn iota(start: Number, step: Number, i: usize) -> Number {
    match (start, step) {
        (Number::Int(a), Number::Int(b)) => Number::Int(a.wrapping_add(b.wrapping_mul(i as i64))),
        (a, b) => Number::Float(a.as_f64() + b.as_f64() * i as f64),
    }
}
