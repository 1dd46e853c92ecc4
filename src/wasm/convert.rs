//! Values across the boundary.

use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::{JsCast, JsValue};

use super::js_error;
use crate::error::{Error, ErrorCode};
use crate::tasks::{Chat, Read};

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

/// Strings, and of chats what they ask.
pub(super) fn texts(values: &[JsValue]) -> Result<Vec<String>, JsValue> {
    let text = |(n, value): (usize, &JsValue)| {
        if !value.is_array() {
            return strings(std::slice::from_ref(value)).map(|mut texts| texts.remove(0));
        }
        let chat = serde_wasm_bindgen::from_value(value.clone()).map_err(|e| invalid(format!("chat {n}: {e}")))?;
        Chat::from_json(&chat).and_then(|chat| chat.request()).map_err(|e| js_error(e.context(format!("chat {n}"))))
    };
    values.iter().enumerate().map(text).collect()
}

/// Each text's vector with those of its requests, which stand behind the texts', `parts` being the rows of their texts. All of a text is
/// read where `unread` does not say.
pub(super) fn read<'a>(vectors: &'a [f32], dimensions: usize, unread: &'a [f32], parts: &[u32]) -> Vec<(Read<'a>, Vec<Read<'a>>)> {
    let shares = unread.iter().copied().chain(std::iter::repeat(0.0));
    let mut texts: Vec<_> = vectors.chunks(dimensions).zip(shares).map(|(vector, unread)| (Read { vector, unread }, Vec::new())).collect();
    for (&row, (part, _)) in parts.iter().zip(texts.split_off(texts.len().saturating_sub(parts.len()))) {
        if let Some((_, parts)) = texts.get_mut(row as usize) {
            parts.push(part);
        }
    }
    texts
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
