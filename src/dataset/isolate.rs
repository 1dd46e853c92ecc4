//! Calls into decoders that may panic on damaged input: the caller gets an error, and the user no backtrace.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use crate::error::{Error, ErrorCode, Result};

thread_local! {
    /// Whether this thread is inside [`isolated`], which reports a panic as an error.
    static ISOLATED: Cell<bool> = const { Cell::new(false) };
}

/// Returns what `decode` returns. A panic becomes an error that names `what`; drop the decoder after it.
pub fn isolated<T>(what: &str, decode: impl FnOnce() -> T) -> Result<T> {
    static SILENCE: Once = Once::new();
    SILENCE.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !ISOLATED.get() {
                report(info);
            }
        }));
    });
    let outer = ISOLATED.replace(true);
    let decoded = panic::catch_unwind(AssertUnwindSafe(decode));
    ISOLATED.set(outer);
    decoded.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        let text = text.unwrap_or("no reason given");
        Error::new(ErrorCode::Data, format!("{what} is damaged: the decoder gave up ({text}); make or download the file again"))
    })
}

#[cfg(test)]
mod tests {
    use super::{ErrorCode, isolated};

    #[test]
    fn a_panic_is_an_error() {
        assert_eq!(isolated("it", || 1).unwrap(), 1);
        let index = std::hint::black_box(3);
        let e = isolated("batch 2", || [1, 2][index]).unwrap_err();
        assert!(e.code() == ErrorCode::Data && e.to_string().starts_with("batch 2 is damaged: the decoder gave up (index out"), "{e}");
    }
}
