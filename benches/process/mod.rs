//! What Linux says of a process.

use std::fs;

/// Of a second, in which Linux counts processor time.
const TICKS: f64 = 100.0;

/// Processor time so far of all threads, in user mode and in the kernel; nothing elsewhere, or once the process is gone.
pub fn processor_seconds(process: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The 12th and 13th field behind the program's name, which may hold anything.
    let fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some(fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS)
}
