//! Values across the boundary.

use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::{JsCast, JsValue};

use super::js_error;
use crate::error::{Error, ErrorCode};

fn invalid(message: String) -> JsValue {
    js_error(Error::new(ErrorCode::InvalidArgument, message))
}

/// Strings as they are; half surrogate pairs become U+FFFD.
pub(super) fn strings(values: &[JsValue]) -> Result<Vec<String>, JsValue> {
    let texts = values.iter().enumerate().map(|(n, value)| {
        let string = value.dyn_ref::<js_sys::JsString>().ok_or_else(|| {
            let kind = value.js_typeof().as_string().unwrap_or_default();
            invalid(format!("text {n} is no string but {kind}"))
        })?;
        Ok(String::from(string))
    });
    texts.collect()
}

/// An options object; `undefined` and `null` are the defaults.
pub(super) fn from_options<T: DeserializeOwned + Default>(options: JsValue) -> Result<T, JsValue> {
    if options.is_undefined() || options.is_null() {
        return Ok(T::default());
    }
    serde_wasm_bindgen::from_value(options).map_err(|e| invalid(format!("options: {e}")))
}

pub(super) fn to_js<T: Serialize>(value: &T) -> Result<JsValue, JsValue> {
    let serializer = serde_wasm_bindgen::Serializer::json_compatible();
    value.serialize(&serializer).map_err(|e| js_error(Error::new(ErrorCode::Internal, e.to_string())))
}
