//! The wasm-bindgen surface that the npm package wraps: conversion of arguments, results and errors, and nothing else. It is internal;
//! the public API is the package's TypeScript.

#[cfg(feature = "engine")]
mod convert;
#[cfg(feature = "dataset")]
mod dataset;
#[cfg(feature = "engine")]
mod engine;
#[cfg(any(feature = "engine", feature = "webgpu"))]
mod file;
#[cfg(feature = "webgpu")]
mod gpu;
#[cfg(feature = "engine")]
mod tagger;
#[cfg(feature = "engine")]
mod vectors;

use js_sys::Reflect;
use wasm_bindgen::prelude::*;

use crate::error::Error;
#[cfg(feature = "engine")]
use crate::error::ErrorCode;

/// Labels a text where the caller does not say.
#[cfg(feature = "engine")]
const DEFAULT_TOP_K: usize = 3;

/// Puts panics on the console with their place, instead of a bare trap.
#[wasm_bindgen(start)]
pub fn start() {
    console_error_panic_hook::set_once();
}

/// A JavaScript `Error` named `PieError` with the stable `code`.
fn js_error(error: Error) -> JsValue {
    let js = js_sys::Error::new(&error.to_string());
    js.set_name("PieError");
    // Setting a property of an Error object that was just made cannot fail.
    let _ = Reflect::set(&js, &"code".into(), &error.code().as_str().into());
    js.into()
}

/// A whole number that JavaScript gave, or an error with it.
#[cfg(feature = "engine")]
fn whole(name: &str, value: Option<f64>) -> Result<Option<usize>, Error> {
    match value {
        None => Ok(None),
        // Larger than any list: what is meant is "all".
        Some(f64::INFINITY) => Ok(Some(usize::MAX)),
        Some(n) if n >= 0.0 && n.fract() == 0.0 => Ok(Some(n as usize)),
        Some(n) => Err(Error::new(ErrorCode::InvalidArgument, format!("{name} is {n}; it must be a whole number"))),
    }
}
