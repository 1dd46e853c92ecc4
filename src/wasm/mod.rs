//! The wasm-bindgen surface that the npm package wraps: conversion of arguments, results and errors, and nothing else. It is internal;
//! the public API is the package's TypeScript.

#[cfg(feature = "engine")]
mod convert;
#[cfg(feature = "engine")]
mod engine;
#[cfg(feature = "webgpu")]
mod gpu;

use js_sys::Reflect;
use wasm_bindgen::prelude::*;

use crate::error::Error;

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
