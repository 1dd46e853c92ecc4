//! NumPy's files of numbers.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use npyz::{NpyFile, Order};
use pie_embed_wasm::{Error, ErrorCode, Result};

use crate::memory;

/// The header of an array `[rows, dimensions]` of float32: format 1.0, padded to 128 bytes so that the number of rows can be filled in
/// at the end.
pub fn header(rows: u64, dimensions: usize) -> [u8; 128] {
    let mut header = [b' '; 128];
    header[..10].copy_from_slice(b"\x93NUMPY\x01\x00\x76\x00");
    let dict = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {dimensions}), }}");
    header[10..10 + dict.len()].copy_from_slice(dict.as_bytes());
    header[127] = b'\n';
    header
}

/// Reads an array `[rows, dimensions]` of float32 or float64 to the end of `data`.
pub fn read(path: &Path, dimensions: usize, data: &mut Vec<f32>) -> Result<()> {
    let faulty = |what: String| Error::new(ErrorCode::Data, format!("{}: {what}", path.display()));
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let bytes = file.metadata().map_err(|e| Error::io(path, e))?.len();
    let array = NpyFile::new(BufReader::with_capacity(1 << 20, file)).map_err(|e| faulty(format!("no NumPy array: {e}")))?;
    let (shape, order, kind) = (array.shape().to_vec(), array.order(), array.dtype().descr());
    if shape.get(1..) != Some(&[dimensions as u64][..]) || order != Order::C {
        return Err(faulty(format!("an array {shape:?} in {order:?} order; [rows, {dimensions}] in C order is wanted")));
    }
    // What the header says is held against the file before memory is taken for it.
    let numbers = shape[0].saturating_mul(shape[1]);
    let width = array.dtype().num_bytes().unwrap_or(0) as u64;
    if numbers.saturating_mul(width) > bytes {
        return Err(faulty(format!("an array {shape:?} of {kind}, but {bytes} bytes: the file is cut off")));
    }
    memory::check(numbers * size_of::<f32>() as u64, format_args!("{}: {shape:?} vectors", path.display()))?;
    let numbers = numbers as usize;
    let read = match array.try_data::<f32>() {
        Ok(single) => collect(single, numbers, data),
        Err(array) => match array.try_data::<f64>() {
            Ok(double) => collect(double.map(|x| x.map(|x| x as f32)), numbers, data),
            Err(_) => return Err(faulty(format!("an array of {kind}; float32 and float64 are read"))),
        },
    };
    read.map_err(|e| faulty(format!("reading {numbers} numbers: {e}")))
}

fn collect(numbers: impl Iterator<Item = io::Result<f32>>, count: usize, data: &mut Vec<f32>) -> io::Result<()> {
    data.reserve_exact(count);
    for number in numbers {
        data.push(number?);
    }
    Ok(())
}
