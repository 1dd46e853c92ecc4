//! AdamW (arXiv 1711.05101) with a moving average of the weights, its state open to be saved.
//!
//! `m ← β₁ m + (1 - β₁) g`, `v ← β₂ v + (1 - β₂) g²`, `w ← w - lr (m̂ / (√v̂ + eps) + weight_decay w)` with the bias-corrected
//! `m̂ = m / (1 - β₁ᵗ)`, `v̂ = v / (1 - β₂ᵗ)`. Decay applies to matrices alone, not to biases and layer-norms.

use candle_core::{CpuStorage, InplaceOp2, InplaceOp3, Layout, Tensor, Var};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorCode, Result};

const CHUNK: usize = 1 << 15;

/// AdamW's constants.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdamW {
    pub beta1: f64,
    pub beta2: f64,
    pub eps: f64,
    pub weight_decay: f64,
}

impl Default for AdamW {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.01 }
    }
}

/// A variable with its moments.
pub struct Slot {
    pub name: String,
    pub weight: Var,
    pub first_moment: Var,
    pub second_moment: Var,
    /// The moving average of the weight, where one is kept.
    pub average: Option<Var>,
}

/// The optimiser with its state.
pub struct Optimiser {
    pub slots: Vec<Slot>,
    settings: AdamW,
    /// The share of the past that the moving average keeps in a step.
    average_decay: Option<f64>,
}

/// The gradients of a step, one per slot; `None` where the loss does not depend on it.
pub type Gradients = Vec<Option<Tensor>>;

impl Optimiser {
    /// With moments of 0, and averages that begin at the weights.
    ///
    /// # Errors
    /// [`ErrorCode::Internal`] when memory cannot be had on the device.
    pub fn new(variables: &[(String, Var)], settings: AdamW, average_decay: Option<f64>) -> Result<Self> {
        let slots = variables.iter().map(|(name, weight)| {
            Ok(Slot {
                name: name.clone(),
                weight: weight.clone(),
                first_moment: Var::from_tensor(&weight.zeros_like()?)?,
                second_moment: Var::from_tensor(&weight.zeros_like()?)?,
                // A variable is never made of another's memory.
                average: average_decay.map(|_| Var::from_tensor(&weight.as_detached_tensor())).transpose()?,
            })
        });
        Ok(Self { slots: slots.collect::<Result<_>>()?, settings, average_decay })
    }

    /// The length of all gradients as one vector.
    ///
    /// # Errors
    /// [`ErrorCode::Internal`] when the device cannot be read.
    pub fn norm(&self, gradients: &Gradients) -> Result<f64> {
        let mut sum = 0.0;
        for gradient in gradients.iter().flatten() {
            sum += if gradient.device().is_cpu() {
                let gradient = gradient.flatten_all()?;
                let (storage, layout) = gradient.storage_and_layout();
                match (&*storage, layout.contiguous_offsets()) {
                    (candle_core::Storage::Cpu(storage), Some((from, to))) => sum_of_squares(&storage.as_slice::<f32>()?[from..to]),
                    _ => return Err(Error::new(ErrorCode::Internal, "a gradient is not contiguous")),
                }
            } else {
                f64::from(gradient.sqr()?.sum_all()?.to_scalar::<f32>()?)
            };
        }
        Ok(sum.sqrt())
    }

    /// Step number `step` (from 0) at this learning rate, with the gradients multiplied by `scale`.
    ///
    /// # Errors
    /// [`ErrorCode::Internal`] when the device fails.
    pub fn step(&mut self, gradients: &Gradients, scale: f64, rate: f64, step: u64) -> Result<()> {
        let AdamW { beta1, beta2, eps, weight_decay } = self.settings;
        let t = i32::try_from(step + 1).unwrap_or(i32::MAX);
        let (correction1, correction2) = (1.0 - beta1.powi(t), 1.0 - beta2.powi(t));
        for (slot, gradient) in self.slots.iter().zip(gradients) {
            if let Some(gradient) = gradient {
                let gradient = gradient.contiguous()?;
                blend(&slot.first_moment, &gradient, Blend { old: beta1, new: (1.0 - beta1) * scale, squared: false })?;
                blend(&slot.second_moment, &gradient, Blend { old: beta2, new: (1.0 - beta2) * scale * scale, squared: true })?;
                let decay = if slot.weight.rank() > 1 { weight_decay } else { 0.0 };
                let (rate_scaled, root_scale) = (rate / correction1, 1.0 / correction2.sqrt());
                update(slot, Update { keep: 1.0 - rate * decay, rate: rate_scaled, root_scale, eps })?;
            }
            if let (Some(average), Some(decay)) = (&slot.average, self.average_decay) {
                blend(average, &slot.weight, Blend { old: decay, new: 1.0 - decay, squared: false })?;
            }
        }
        Ok(())
    }
}

fn sum_of_squares(x: &[f32]) -> f64 {
    let chunks: Vec<f64> = x.par_chunks(CHUNK).map(|x| x.iter().map(|&x| f64::from(x) * f64::from(x)).sum()).collect();
    chunks.iter().sum()
}

fn slice_mut<'s>(storage: &'s mut CpuStorage, layout: &Layout) -> candle_core::Result<&'s mut [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(values), Some((from, to))) => Ok(&mut values[from..to]),
        _ => candle_core::bail!("the optimiser's state is not contiguous f32"),
    }
}

fn slice<'s>(storage: &'s CpuStorage, layout: &Layout) -> candle_core::Result<&'s [f32]> {
    match layout.contiguous_offsets() {
        Some((from, to)) => Ok(&storage.as_slice::<f32>()?[from..to]),
        None => candle_core::bail!("a gradient is not contiguous"),
    }
}

/// `x ← old x + new g`, or `old x + new g²`.
struct Blend {
    old: f64,
    new: f64,
    squared: bool,
}

fn blend(x: &Var, g: &Tensor, op: Blend) -> candle_core::Result<()> {
    if x.device().is_cpu() {
        return x.inplace_op2(g, &op);
    }
    let g = if op.squared { g.sqr()? } else { g.clone() };
    x.set(&((x.as_detached_tensor() * op.old)? + (g.detach() * op.new)?)?)
}

impl InplaceOp2 for Blend {
    fn name(&self) -> &'static str {
        "blend"
    }

    fn cpu_fwd(&self, x: &mut CpuStorage, x_layout: &Layout, g: &CpuStorage, g_layout: &Layout) -> candle_core::Result<()> {
        let (x, g) = (slice_mut(x, x_layout)?, slice(g, g_layout)?);
        let (old, new) = (self.old as f32, self.new as f32);
        x.par_chunks_mut(CHUNK).zip(g.par_chunks(CHUNK)).for_each(|(x, g)| {
            for (x, g) in x.iter_mut().zip(g) {
                *x = old * *x + new * if self.squared { g * g } else { *g };
            }
        });
        Ok(())
    }
}

/// `w ← keep w - rate m / (root_scale √v + eps)`.
struct Update {
    keep: f64,
    rate: f64,
    root_scale: f64,
    eps: f64,
}

fn update(slot: &Slot, op: Update) -> candle_core::Result<()> {
    if slot.weight.device().is_cpu() {
        return slot.weight.inplace_op3(&slot.first_moment, &slot.second_moment, &op);
    }
    let root = ((slot.second_moment.as_detached_tensor().sqrt()? * op.root_scale)? + op.eps)?;
    let move_by = ((slot.first_moment.as_detached_tensor() / root)? * op.rate)?;
    slot.weight.set(&((slot.weight.as_detached_tensor() * op.keep)? - move_by)?)
}

impl InplaceOp3 for Update {
    fn name(&self) -> &'static str {
        "adamw"
    }

    fn cpu_fwd(
        &self,
        w: &mut CpuStorage,
        w_layout: &Layout,
        m: &CpuStorage,
        m_layout: &Layout,
        v: &CpuStorage,
        v_layout: &Layout,
    ) -> candle_core::Result<()> {
        let (w, m, v) = (slice_mut(w, w_layout)?, slice(m, m_layout)?, slice(v, v_layout)?);
        let [keep, rate, root_scale, eps] = [self.keep, self.rate, self.root_scale, self.eps].map(|x| x as f32);
        w.par_chunks_mut(CHUNK).zip(m.par_chunks(CHUNK).zip(v.par_chunks(CHUNK))).for_each(|(w, (m, v))| {
            for ((w, m), v) in w.iter_mut().zip(m).zip(v) {
                *w = keep * *w - rate * m / (root_scale * v.sqrt() + eps);
            }
        });
        Ok(())
    }
}
