//! Signals that end the program: Ctrl-C, a request to terminate, a terminal that was closed.

use std::sync::atomic::{AtomicI32, Ordering};

use pie_embed_wasm::{Error, ErrorCode, Result};

const SIGINT: i32 = 2;
/// The signal that came last.
static RECEIVED: AtomicI32 = AtomicI32::new(SIGINT);

fn unavailable(e: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorCode::Internal, format!("signal handler: {e}")).with_source(e)
}

/// Calls `handler` on a thread of its own at each such signal, in place of ending the program.
#[cfg(unix)]
pub fn on_termination(handler: impl Fn() + Send + 'static) -> Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(unavailable)?;
    std::thread::spawn(move || {
        for signal in signals.forever() {
            RECEIVED.store(signal, Ordering::Relaxed);
            handler();
        }
    });
    Ok(())
}

/// Calls `handler` on a thread of its own at Ctrl-C, in place of ending the program.
#[cfg(not(unix))]
pub fn on_termination(handler: impl Fn() + Send + 'static) -> Result<()> {
    ctrlc::set_handler(handler).map_err(unavailable)
}

/// The shell's exit status of a program that a signal ended: 130 of Ctrl-C, 143 of a request to terminate.
pub fn exit_status() -> u8 {
    u8::try_from(128 + RECEIVED.load(Ordering::Relaxed)).unwrap_or(u8::MAX)
}
