//! Whether the program was started with a stdout.

use std::sync::atomic::{AtomicBool, Ordering};

static STDOUT_CLOSED: AtomicBool = AtomicBool::new(false);

/// Whether the program was started without a stdout, as by `>&-`. The standard library then opens `/dev/null` in its place, before `main`
/// begins: all that is printed would be lost without an error. Told on Linux; elsewhere it is `false`.
pub fn stdout_was_closed() -> bool {
    STDOUT_CLOSED.load(Ordering::Relaxed)
}

/// Runs when the program is loaded, before the standard library looks at the streams.
#[cfg(target_os = "linux")]
extern "C" fn look() {
    // SAFETY: F_GETFD only asks, and takes any number.
    let flags = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) };
    STDOUT_CLOSED.store(flags == -1, Ordering::Relaxed);
}

#[cfg(target_os = "linux")]
#[used]
// SAFETY: the section holds pointers to functions of this kind, which the loader calls; this one needs nothing that is not there yet.
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;
