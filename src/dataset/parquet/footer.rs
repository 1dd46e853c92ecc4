//! The footer's schema against the limits, before the decoder builds a tree of it: it recurses by the nesting, takes memory for as many
//! children as a group says it has, and gives each column the names of all groups around it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use super::thrift::{Fault, Kind, Walked, Walker};
use super::{MAX_COLUMNS, MAX_NESTING, MAX_PATH_BYTES, data};
use crate::error::{Error, Result};

const MAGIC: &[u8; 4] = b"PAR1";
const TAIL_BYTES: u64 = 8;
/// Numbers of the fields in `FileMetaData` and `SchemaElement`.
const SCHEMA: i64 = 2;
const NAME: i64 = 4;
const NUM_CHILDREN: i64 = 5;

/// An error where the schema exceeds the limits, or the metadata are no metadata.
pub fn check(file: &mut File) -> Result<()> {
    let reading = |e: std::io::Error| data(format!("no Parquet: reading its footer: {e}")).with_source(e);
    let bytes = file.metadata().map_err(reading)?.len();
    let mut tail = [0; TAIL_BYTES as usize];
    let body = bytes.checked_sub(TAIL_BYTES).ok_or_else(|| data(format!("no Parquet: {bytes} bytes are too few for a footer")))?;
    file.seek(SeekFrom::Start(body)).and_then(|_| file.read_exact(&mut tail)).map_err(reading)?;
    let [a, b, c, d, magic @ ..] = tail;
    if magic != *MAGIC {
        return Err(data(format!("no Parquet: it ends with {magic:02x?}, not with \"PAR1\"")));
    }
    let len = u64::from(u32::from_le_bytes([a, b, c, d]));
    let start = body.checked_sub(len).ok_or_else(|| data(format!("no Parquet: a footer of {len} bytes in a file of {bytes}")))?;
    let mut footer = vec![0; len as usize];
    file.seek(SeekFrom::Start(start)).and_then(|_| file.read_exact(&mut footer)).map_err(reading)?;
    walk(&footer).map_err(refused)
}

fn refused(fault: Fault) -> Error {
    data(match fault {
        Fault::CutOff => "no Parquet: its footer says more than it holds".to_owned(),
        Fault::Wrong(what) => format!("no Parquet: its footer has {what}"),
    })
}

fn walk(footer: &[u8]) -> Walked<()> {
    let mut walker = Walker::new(footer);
    let mut last = 0;
    while let Some((field, kind)) = walker.field(&mut last)? {
        if (field, kind) == (SCHEMA, Kind::List) { schema(&mut walker)? } else { walker.skip(kind, 1)? }
    }
    Ok(())
}

/// The schema is its tree in depth-first order.
fn schema(walker: &mut Walker<'_>) -> Walked<()> {
    let (kind, elements) = walker.list()?;
    if kind != Kind::Struct {
        return Err(Fault::Wrong("a schema of other things than elements"));
    }
    if elements > MAX_COLUMNS {
        return Err(Fault::Wrong("a schema of more than 65,536 elements"));
    }
    // Groups around the next element: children to come, and bytes of their names.
    let mut around: Vec<(usize, usize)> = Vec::new();
    let (mut path, mut paths) = (0_usize, 0_usize);
    for element in 0..elements {
        while let Some(&(0, name)) = around.last() {
            path -= name;
            around.pop();
        }
        if let Some((children, _)) = around.last_mut() {
            *children -= 1;
        }
        let (mut name, mut children, mut last) = (0, 0, 0);
        while let Some((field, kind)) = walker.field(&mut last)? {
            match (field, kind) {
                (NAME, Kind::Binary) => name = walker.binary()?.len(),
                (NUM_CHILDREN, Kind::Int) => {
                    children = usize::try_from(walker.int()?).map_err(|_| Fault::Wrong("a group with less than no children"))?;
                }
                _ => walker.skip(kind, 2)?,
            }
        }
        let unclaimed = elements - element - 1 - around.iter().map(|(children, _)| children).sum::<usize>();
        if children > unclaimed {
            return Err(Fault::Wrong("a group with more children than the schema has elements"));
        }
        paths += path + name;
        if paths > MAX_PATH_BYTES {
            return Err(Fault::Wrong("columns whose names with those of their groups take more than 64 MiB"));
        }
        if children > 0 {
            around.push((children, name));
            path += name;
        }
        if around.len() > MAX_NESTING {
            return Err(Fault::Wrong("a schema nested deeper than 64 groups"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A footer whose schema has these elements: a name's length and a number of children each.
    fn footer(elements: &[(usize, u32)]) -> Vec<u8> {
        fn varint(bytes: &mut Vec<u8>, mut n: u64) {
            while n >= 0x80 {
                bytes.push(n as u8 | 0x80);
                n >>= 7;
            }
            bytes.push(n as u8);
        }
        let mut bytes = vec![0x15, 2, 0x19, 0xfc];
        varint(&mut bytes, elements.len() as u64);
        for &(name, children) in elements {
            bytes.push(0x48);
            varint(&mut bytes, name as u64);
            bytes.extend(vec![b'a'; name]);
            bytes.push(0x15);
            varint(&mut bytes, u64::from(children) * 2);
            bytes.push(0);
        }
        bytes.push(0);
        bytes
    }

    #[test]
    fn schemas_beyond_the_limits_are_refused() {
        let deep = |n: usize| [vec![(1, 1); n], vec![(1, 0)]].concat();
        assert_eq!(walk(&footer(&[(1, 2), (1, 1), (1, 0), (1, 0)])), Ok(()));
        assert_eq!(walk(&footer(&deep(MAX_NESTING))), Ok(()));
        for (elements, said) in [
            (deep(2000), "deeper than 64"),
            (vec![(1, i32::MAX as u32)], "more children than"),
            (vec![(1, 1), (1, 2), (1, 0)], "more children than"),
            ([vec![(1, 1), (1 << 20, 100)], vec![(1, 0); 100]].concat(), "64 MiB"),
            (vec![(1, 0); MAX_COLUMNS + 1], "65,536"),
        ] {
            let e = refused(walk(&footer(&elements)).unwrap_err()).to_string();
            assert!(e.contains(said), "{e}");
        }
    }
}
