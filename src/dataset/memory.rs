//! Whether there is memory for what is to come: a data set that does not fit is refused, before the system ends the program for it.

use std::fmt::Display;

use crate::error::{Error, ErrorCode, Result};
use sysinfo::System;

/// Left to all else.
const RESERVE: u64 = 1 << 28;

/// An error where so many bytes more are not free. `what` is what they are for.
pub fn check(bytes: u64, what: impl Display) -> Result<()> {
    // Some systems do not say.
    let Ok(mut system) = System::new() else { return Ok(()) };
    system.refresh_memory();
    let group = system.cgroup_limits().map_or(u64::MAX, |limits| limits.free_memory);
    let free = system.available_memory().min(group);
    let wanted = bytes.saturating_add(RESERVE);
    if system.total_memory() == 0 || wanted <= free {
        return Ok(());
    }
    let [wanted, free] = [wanted, free].map(|bytes| bytes as f64 / 1e9);
    let message = format!("{what}: {wanted:.1} GB of memory are wanted, and {free:.1} GB are free; take a part of the data at a time");
    Err(Error::new(ErrorCode::Data, message))
}

#[cfg(test)]
mod tests {
    use super::{ErrorCode, check};

    #[test]
    fn what_does_not_fit_is_refused() {
        check(0, "nothing").unwrap();
        let e = check(1 << 60, "a data set").unwrap_err();
        assert!(e.code() == ErrorCode::Data && e.to_string().contains("a data set: 1152921504."), "{e}");
    }
}
