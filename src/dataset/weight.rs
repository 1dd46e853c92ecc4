//! Estimates the size of a row as JSON. A dictionary column can repeat one text a million times; as JSON each repetition takes memory.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, RecordBatch, downcast_dictionary_array};
use arrow_schema::DataType;

/// The least that a value takes.
const LEAST: u64 = 4;
/// What a number takes at most, about.
const NUMBER: u64 = 24;

/// About how many bytes row `row` has as JSON; none where they are more than `most`, or a column is of a type that is not read.
pub fn of_row(batch: &RecordBatch, row: usize, most: u64) -> Option<u64> {
    let mut left = most;
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        spend(&mut left, field.name().len() as u64)?;
        of_value(column.as_ref(), row, &mut left)?;
    }
    Some(most - left)
}

fn spend(left: &mut u64, bytes: u64) -> Option<()> {
    *left = left.checked_sub(bytes)?;
    Some(())
}

/// Takes a value's bytes from what is left. Each look at a value takes some, so that the time is bounded as well.
fn of_value(array: &dyn Array, row: usize, left: &mut u64) -> Option<()> {
    spend(left, LEAST)?;
    if array.is_null(row) {
        return Some(());
    }
    let bytes = match array.data_type() {
        DataType::Utf8 => array.as_string_opt::<i32>()?.value(row).len() as u64,
        DataType::LargeUtf8 => array.as_string_opt::<i64>()?.value(row).len() as u64,
        DataType::Utf8View => array.as_string_view_opt()?.value(row).len() as u64,
        // As two digits a byte.
        DataType::Binary => 2 * array.as_binary_opt::<i32>()?.value(row).len() as u64,
        DataType::LargeBinary => 2 * array.as_binary_opt::<i64>()?.value(row).len() as u64,
        DataType::BinaryView => 2 * array.as_binary_view_opt()?.value(row).len() as u64,
        DataType::FixedSizeBinary(width) => 2 * u64::try_from(*width).ok()?,
        DataType::List(_) => {
            let list = array.as_list_opt::<i32>()?;
            let offsets = list.value_offsets();
            return of_values(list.values().as_ref(), offsets[row] as usize..offsets[row + 1] as usize, left);
        }
        DataType::LargeList(_) => {
            let list = array.as_list_opt::<i64>()?;
            let offsets = list.value_offsets();
            return of_values(list.values().as_ref(), offsets[row] as usize..offsets[row + 1] as usize, left);
        }
        DataType::ListView(_) => {
            let list = array.as_list_view_opt::<i32>()?;
            let start = list.value_offset(row) as usize;
            return of_values(list.values().as_ref(), start..start + list.value_size(row) as usize, left);
        }
        DataType::LargeListView(_) => {
            let list = array.as_list_view_opt::<i64>()?;
            let start = list.value_offset(row) as usize;
            return of_values(list.values().as_ref(), start..start + list.value_size(row) as usize, left);
        }
        DataType::FixedSizeList(_, _) => {
            let list = array.as_fixed_size_list_opt()?;
            let (start, len) = (list.value_offset_at(row), list.value_length() as usize);
            return of_values(list.values().as_ref(), start..start + len, left);
        }
        DataType::Map(_, _) => {
            let map = array.as_map_opt()?;
            let offsets = map.value_offsets();
            return of_values(map.entries(), offsets[row] as usize..offsets[row + 1] as usize, left);
        }
        DataType::Struct(fields) => {
            let columns = array.as_struct_opt()?.columns();
            return fields.iter().zip(columns).try_for_each(|(field, column)| {
                spend(left, field.name().len() as u64)?;
                of_value(column.as_ref(), row, left)
            });
        }
        DataType::Dictionary(_, _) => {
            let (values, at) = downcast_dictionary_array! {
                array => (array.values(), array.key(row)?),
                _ => return None
            };
            return of_value(values.as_ref(), at, left);
        }
        DataType::RunEndEncoded(ends, _) => {
            let (values, at) = match ends.data_type() {
                DataType::Int16 => array.as_run_opt::<Int16Type>().map(|run| (run.values(), run.get_physical_index(row)))?,
                DataType::Int32 => array.as_run_opt::<Int32Type>().map(|run| (run.values(), run.get_physical_index(row)))?,
                DataType::Int64 => array.as_run_opt::<Int64Type>().map(|run| (run.values(), run.get_physical_index(row)))?,
                _ => return None,
            };
            return of_value(values.as_ref(), at, left);
        }
        DataType::Union(_, _) => return None,
        _ => NUMBER,
    };
    spend(left, bytes)
}

fn of_values(values: &dyn Array, range: std::ops::Range<usize>, left: &mut u64) -> Option<()> {
    // Vectors are the usual case.
    if values.data_type().is_primitive() {
        return spend(left, (range.len() as u64).checked_mul(NUMBER)?);
    }
    range.into_iter().try_for_each(|row| of_value(values, row, left))
}
