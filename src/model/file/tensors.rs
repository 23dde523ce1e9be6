//! Parameters as the tensors of a safetensors file: eight bytes of header length, a JSON header, the data.

use crate::model::{Dtype, Parameter};
use crate::order::sort_rows;
use crate::room;
use crate::{Error, Result};
use safetensors::tensor::{self, Dtype as Element, TensorInfo};
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// No header may be longer: bounds what its JSON can make us allocate.
pub(super) const MAX_HEADER: usize = 1 << 24;

fn element(dtype: Dtype) -> Element {
    match dtype {
        Dtype::Float32 => Element::F32,
        Dtype::Float64 => Element::F64,
    }
}

fn element_size(dtype: Dtype) -> usize {
    match dtype {
        Dtype::Float32 => 4,
        Dtype::Float64 => 8,
    }
}

/// Tensors on their way into a file.
pub(crate) struct TensorWriter<'a> {
    dtype: Dtype,
    tensors: Vec<(String, Tensor<'a>)>,
}

struct Tensor<'a> {
    shape: Vec<usize>,
    values: Values<'a>,
}

enum Values<'a> {
    Numbers(Dtype, &'a [f64]),
    Bytes(&'a [u8]),
}

impl Tensor<'_> {
    fn dtype(&self) -> Element {
        match self.values {
            Values::Numbers(dtype, _) => element(dtype),
            Values::Bytes(_) => Element::U8,
        }
    }

    /// Bytes of its data.
    fn length(&self) -> usize {
        match self.values {
            Values::Numbers(dtype, values) => values.len() * element_size(dtype),
            Values::Bytes(bytes) => bytes.len(),
        }
    }

    /// Gives its data to `write`, piece by piece.
    fn each(&self, mut write: impl FnMut(&[u8])) {
        const AT_ONCE: usize = 256;
        let (dtype, values) = match self.values {
            Values::Numbers(dtype, values) => (dtype, values),
            Values::Bytes(bytes) => return write(bytes),
        };
        let size = element_size(dtype);
        let mut bytes = [0; 8 * AT_ONCE];
        for values in values.chunks(AT_ONCE) {
            let bytes = &mut bytes[..values.len() * size];
            for (to, &v) in bytes.chunks_exact_mut(size).zip(values) {
                match dtype {
                    Dtype::Float32 => to.copy_from_slice(&(v as f32).to_le_bytes()),
                    Dtype::Float64 => to.copy_from_slice(&v.to_le_bytes()),
                }
            }
            write(bytes);
        }
    }
}

impl<'a> TensorWriter<'a> {
    pub(crate) fn new(dtype: Dtype) -> Self {
        TensorWriter {
            dtype,
            tensors: Vec::new(),
        }
    }

    /// Adds the tensors of one network, whose values lie one after the other in `parameters`.
    pub(crate) fn add(&mut self, tensors: Vec<Parameter>, parameters: &'a [f64]) -> Result<()> {
        let needed: usize = tensors.iter().map(Parameter::len).sum();
        if parameters.len() != needed {
            let name = tensors.first().map_or("", |tensor| tensor.name.as_str());
            return Err(invalid(format!(
                "the network of `{name}` has {needed} parameters, but {} are given",
                parameters.len()
            )));
        }
        let mut rest = parameters;
        for tensor in tensors {
            let (values, after) = rest.split_at(tensor.len());
            rest = after;
            let stored = Tensor {
                shape: tensor.shape,
                values: Values::Numbers(self.dtype, values),
            };
            self.tensors.push((tensor.name, stored));
        }
        Ok(())
    }

    /// Adds bytes that are no numbers.
    pub(crate) fn add_bytes(&mut self, name: &str, bytes: &'a [u8]) {
        let stored = Tensor {
            shape: vec![bytes.len()],
            values: Values::Bytes(bytes),
        };
        self.tensors.push((name.into(), stored));
    }

    /// The tensors in the order in which the file has them: that of the library `safetensors`, by falling width of their elements, then by
    /// name.
    fn in_order(&self) -> Vec<&(String, Tensor<'a>)> {
        let mut rows: Vec<usize> = (0..self.tensors.len()).collect();
        sort_rows(&mut rows, &|a, b| {
            let ((name, tensor), (other, right)) = (&self.tensors[a], &self.tensors[b]);
            right.dtype().cmp(&tensor.dtype()).then(name.cmp(other))
        });
        rows.iter().map(|&row| &self.tensors[row]).collect()
    }

    /// The SHA-256 of a text followed by the data of the file, in lowercase hexadecimal digits.
    fn sha256(&self, text: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(text);
        for (_, tensor) in self.in_order() {
            tensor.each(|bytes| hash.update(bytes));
        }
        format!("{:x}", hash.finalize())
    }

    /// The bytes of the file, whose description, as JSON, holds the checksum that it is made with: the SHA-256 of itself, with
    /// [`NO_SHA256`] in the checksum's place, followed by all data.
    pub(crate) fn sealed<D: Serialize>(self, description: impl Fn(String) -> D) -> Result<Vec<u8>> {
        let json = |sha256: String| serde_json::to_string(&description(sha256)).map_err(invalid);
        let sha256 = self.sha256(&json(NO_SHA256.into())?);
        self.finish(json(sha256)?)
    }

    /// The bytes of the file, with its description.
    fn finish(self, description: String) -> Result<Vec<u8>> {
        self.serialize(Some(HashMap::from([(METADATA_KEY.into(), description)])))
    }

    fn serialize(&self, metadata: Option<HashMap<String, String>>) -> Result<Vec<u8>> {
        let tensors = self.in_order();
        let mut end = 0;
        let infos = tensors.iter().map(|(name, tensor)| {
            let begin = end;
            end += tensor.length();
            let info = TensorInfo {
                dtype: tensor.dtype(),
                shape: tensor.shape.clone(),
                data_offsets: (begin, end),
            };
            (name.clone(), info)
        });
        let infos = infos.collect();
        let metadata = tensor::Metadata::new(metadata, infos).map_err(invalid)?;
        let mut header = serde_json::to_string(&metadata).map_err(invalid)?;
        // The data begin at a multiple of eight bytes.
        while header.len() % 8 != 0 {
            header.push(' ');
        }
        let mut file = room::empty(8 + header.len() + end)?;
        file.extend((header.len() as u64).to_le_bytes());
        file.extend(header.bytes());
        for (_, tensor) in tensors {
            tensor.each(|bytes| file.extend(bytes));
        }
        Ok(file)
    }
}

/// What stands in place of the checksum while it is computed.
const NO_SHA256: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The metadata entry that holds the description.
pub(super) const METADATA_KEY: &str = "laser";

/// The header of a safetensors file.
#[derive(Default)]
pub(crate) struct Header {
    /// The metadata's entry [`METADATA_KEY`], the only one that is kept.
    description: Option<String>,
    tensors: BTreeMap<String, TensorInfo>,
}

impl Header {
    /// From its text, for a file that has so many bytes of data: the tensors cover them without gap or overlap.
    pub(super) fn parse(text: &[u8], data: u64) -> Result<Self> {
        room::for_text(text.len())?;
        let broken =
            |error: &dyn std::fmt::Display| invalid(format!("its safetensors header: {error}"));
        let text = std::str::from_utf8(text).map_err(|error| broken(&error))?;
        let header: Header = serde_json::from_str(text).map_err(|error| broken(&error))?;
        header.check_layout(data)?;
        Ok(header)
    }

    fn check_layout(&self, data: u64) -> Result<()> {
        let ranges: Vec<_> = self
            .tensors
            .iter()
            .map(|(n, t)| (t.data_offsets, n))
            .collect();
        let mut rising: Vec<usize> = (0..ranges.len()).collect();
        sort_rows(&mut rising, &|a, b| ranges[a].cmp(&ranges[b]));
        let mut end = 0;
        for ((begin, next), name) in rising.into_iter().map(|row| ranges[row]) {
            if begin != end || next < begin {
                return Err(invalid(format!(
                    "tensor `{name}` lies at bytes {begin} to {next} of the data, but should begin at {end}"
                )));
            }
            end = next;
        }
        if end as u64 != data {
            return Err(invalid(format!(
                "its tensors need {end} bytes of data, but it holds {data}: it is truncated or damaged"
            )));
        }
        Ok(())
    }
}

/// Where the header ends in a file of `length` bytes that begins with `start`: eight bytes of it, or all.
pub(super) fn header_end(start: &[u8], length: u64) -> Result<usize> {
    if start.is_empty() {
        return Err(invalid("it is empty"));
    }
    let Some(header) = start.first_chunk() else {
        return Err(invalid(alien(start).unwrap_or(
            "it has less than the 8 bytes that begin a safetensors file",
        )));
    };
    let header = u64::from_le_bytes(*header);
    if header > MAX_HEADER as u64 {
        // As a length, what other kinds of files begin with is far above the limit.
        return Err(alien(start).map_or_else(
            || invalid(format!(
                "it does not begin like a safetensors file: a header of {header} bytes exceeds the limit of {MAX_HEADER}"
            )),
            invalid,
        ));
    }
    if header > length - 8 {
        return Err(invalid(format!(
            "its header of {header} bytes does not fit into its {length} bytes: it is truncated or no safetensors file"
        )));
    }
    Ok(8 + header as usize)
}

/// The value of [`METADATA_KEY`]; others are read over, and cost nothing but that.
struct Metadata(Option<String>);

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_map(MetadataVisitor)
    }
}

struct MetadataVisitor;

impl<'de> Visitor<'de> for MetadataVisitor {
    type Value = Metadata;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Metadata, A::Error> {
        let mut description = None;
        while let Some(key) = map.next_key::<Cow<str>>()? {
            if key != METADATA_KEY {
                map.next_value::<IgnoredAny>()?;
            } else if description.replace(map.next_value()?).is_some() {
                return Err(de::Error::custom(format!(
                    "metadata `{METADATA_KEY}` is given twice"
                )));
            }
        }
        Ok(Metadata(description))
    }
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

/// Stricter than the library's own reader and without its intermediate tree: a tensor that is listed twice is an error, and errors name the
/// tensor.
struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Header;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Header, A::Error> {
        let mut header = Header::default();
        while let Some(name) = map.next_key::<String>()? {
            if name == "__metadata__" {
                let Metadata(description) = map.next_value()?;
                if description.is_some() && header.description.is_some() {
                    return Err(de::Error::custom("`__metadata__` is listed twice"));
                }
                header.description = header.description.or(description);
                continue;
            }
            let info = map
                .next_value()
                .map_err(|error| de::Error::custom(format!("tensor `{name}`: {error}")))?;
            if header.tensors.contains_key(&name) {
                return Err(de::Error::custom(format!(
                    "tensor `{name}` is listed twice"
                )));
            }
            header.tensors.insert(name, info);
        }
        Ok(header)
    }
}

/// What a file is that was taken for a model, and where it belongs; None if that is not known.
fn alien(bytes: &[u8]) -> Option<&'static str> {
    let start = &bytes[..bytes.len().min(256)];
    if start.starts_with(b"\x93NUMPY") {
        Some("it is an array of NumPy; events are for `laser refine`, as `events` of its configuration, or for `laser_source_from_array`")
    } else if start.starts_with(b"PK\x03\x04") {
        Some("it is a ZIP archive; if it is a TorchScript module (`torch.jit.save`), it can be refined: `laser_generator_load`, or `generator` in the configuration of `laser refine`, takes it")
    } else if start.trim_ascii_start().starts_with(b"{") {
        Some("it is JSON text; if it is a configuration, `laser refine` takes it and makes a model")
    } else {
        None
    }
}

/// The tensors of a file, until networks take them.
pub(crate) struct StoredTensors<'a> {
    header: Header,
    data: &'a [u8],
}

impl<'a> StoredTensors<'a> {
    /// Of a file that has this header and this data.
    pub(crate) fn new(header: Header, data: &'a [u8]) -> Self {
        StoredTensors { header, data }
    }

    /// Of a whole file.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self> {
        let (start, data) = bytes.split_at(header_end(bytes, bytes.len() as u64)?);
        let header = Header::parse(&start[8..], data.len() as u64)?;
        Ok(StoredTensors::new(header, data))
    }
    /// The description.
    pub(crate) fn description(&self) -> Result<&str> {
        self.header.description.as_deref().ok_or_else(|| {
            invalid(format!(
                "it is a safetensors file, but has no `{METADATA_KEY}` in its metadata: it was not written by liblaser"
            ))
        })
    }

    /// Compares description and data with the checksum that [`TensorWriter::sealed`] gave the description.
    pub(crate) fn unseal(&self, expected: &str) -> Result<()> {
        let text = self.description()?.replacen(expected, NO_SHA256, 1);
        let actual = sha256(&text, self.data);
        if actual != expected {
            return Err(invalid(format!(
                "it is damaged: the SHA-256 of its description and data is {actual}, but the description says {expected}"
            )));
        }
        Ok(())
    }

    /// The parameters of one network, whose `tensors` are removed.
    pub(crate) fn take(&mut self, tensors: &[Parameter], dtype: Dtype) -> Result<Vec<f64>> {
        // Every tensor is compared with the file before memory is taken for any.
        let bytes = tensors
            .iter()
            .map(|tensor| self.claim(tensor, element(dtype), element_size(dtype)))
            .collect::<Result<Vec<_>>>()?;
        let mut parameters = room::empty(tensors.iter().map(Parameter::len).sum())?;
        for (tensor, bytes) in tensors.iter().zip(bytes) {
            let start = parameters.len();
            decode(bytes, dtype, &mut parameters);
            if let Some(i) = parameters[start..].iter().position(|v| !v.is_finite()) {
                return Err(invalid(format!(
                    "element {i} of tensor `{}` is {}; parameters must be finite numbers of its dtype",
                    tensor.name,
                    parameters[start + i]
                )));
            }
        }
        Ok(parameters)
    }

    /// A tensor of `length` bytes that are no numbers; it is removed.
    pub(crate) fn take_bytes(&mut self, name: &str, length: usize) -> Result<Vec<u8>> {
        let tensor = Parameter {
            name: name.into(),
            shape: vec![length],
        };
        room::copied(self.claim(&tensor, Element::U8, 1)?)
    }

    /// Removes one tensor, which must be as the description says, of elements of `size` bytes, and returns its data.
    fn claim(&mut self, tensor: &Parameter, element: Element, size: usize) -> Result<&'a [u8]> {
        let name = &tensor.name;
        let Some(info) = self.header.tensors.remove(name) else {
            return Err(invalid(format!("tensor `{name}` is missing")));
        };
        if info.dtype != element || info.shape != tensor.shape {
            return Err(invalid(format!(
                "tensor `{name}` is {} of shape {:?}, but its description says {} of shape {:?}",
                info.dtype, info.shape, element, tensor.shape
            )));
        }
        let needed = tensor.len() * size;
        let (begin, end) = info.data_offsets;
        match self.data.get(begin..end) {
            Some(bytes) if bytes.len() == needed => Ok(bytes),
            _ => Err(invalid(format!(
                "tensor `{name}` lies at bytes {begin} to {end} of the data, but needs {needed} bytes"
            ))),
        }
    }

    /// The end of reading: a tensor that no network has taken is an error.
    pub(crate) fn finish(self) -> Result<()> {
        let mut unknown = self.header.tensors.keys();
        match unknown.next() {
            Some(name) => Err(invalid(format!(
                "tensor `{name}` belongs to no network of its description ({} more do not either)",
                unknown.count()
            ))),
            None => Ok(()),
        }
    }
}

fn sha256(text: &str, data: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(text);
    hash.update(data);
    format!("{:x}", hash.finalize())
}

fn decode(bytes: &[u8], dtype: Dtype, into: &mut Vec<f64>) {
    match dtype {
        Dtype::Float32 => into.extend(
            bytes
                .as_chunks()
                .0
                .iter()
                .map(|&v| f64::from(f32::from_le_bytes(v))),
        ),
        Dtype::Float64 => into.extend(bytes.as_chunks().0.iter().map(|&v| f64::from_le_bytes(v))),
    }
}

/// The error for a wrong file. What names and words it quotes were chosen by the file: long ones are cut, control characters escaped.
pub(crate) fn invalid(what: impl ToString) -> Error {
    const LONGEST: usize = 400;
    let what = what.to_string();
    let mut message = String::new();
    for c in what.chars().take(LONGEST) {
        if c.is_control() {
            message.extend(c.escape_default());
        } else {
            message.push(c);
        }
    }
    if what.chars().nth(LONGEST).is_some() {
        message.push('…');
    }
    Error::Format(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(header: &str, data: usize) -> Vec<u8> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.bytes());
        bytes.resize(bytes.len() + data, 0);
        bytes
    }

    fn refused(header: &str, data: usize) -> String {
        match StoredTensors::parse(&container(header, data)) {
            Ok(_) => panic!("accepted {header}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn layouts_that_do_not_cover_the_data_are_refused() {
        let two = |a: &str, b: &str| {
            format!(
                r#"{{"a":{{"dtype":"F32","shape":[1],"data_offsets":{a}}},"b":{{"dtype":"F32","shape":[1],"data_offsets":{b}}}}}"#
            )
        };
        assert!(StoredTensors::parse(&container(&two("[4,8]", "[0,4]"), 8)).is_ok());
        assert!(
            refused(&two("[0,4]", "[5,9]"), 9).contains("`b` lies at bytes 5 to 9"),
            "gap"
        );
        assert!(
            refused(&two("[0,4]", "[3,7]"), 7).contains("should begin at 4"),
            "overlap"
        );
        assert!(
            refused(&two("[0,4]", "[4,3]"), 8).contains("`b`"),
            "negative"
        );
        assert!(refused(&two("[0,4]", "[4,8]"), 7).contains("truncated"));
        assert!(refused(&two("[0,4]", "[4,8]"), 9).contains("need 8 bytes of data, but it holds 9"));
        assert!(refused(&two("[0,4]", "[4,18446744073709551615]"), 8).contains("it holds 8"));
        assert!(refused(&two("[0,4]", "[4,18446744073709551616]"), 8).contains("tensor `b`"));
    }

    #[test]
    fn headers_that_are_no_tensor_list_are_refused() {
        let a = r#""a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}"#;
        assert!(refused(&format!("{{{a},{a}}}"), 4).contains("tensor `a` is listed twice"));
        assert!(refused(r#"{"a":{"dtype":"F32"}}"#, 0).contains("tensor `a`: missing field"));
        assert!(
            refused(r#"{"a":{"dtype":"Q9","shape":[],"data_offsets":[0,0]}}"#, 0).contains("`Q9`")
        );
        assert!(refused("[]", 0).contains("a map of tensors"));
        assert!(refused("{} x", 0).contains("trailing characters"));
        assert!(refused("", 0).contains("EOF"));
        assert!(refused(&"[".repeat(1 << 20), 0).contains("header"));
        let deep = format!(r#"{{"a":{{"dtype":"F32","x":{}"#, "[".repeat(1 << 20));
        assert!(refused(&deep, 0).contains("tensor `a`"));
    }

    #[test]
    fn other_kinds_of_files_are_told_where_they_belong() {
        for (bytes, kind, place) in [
            (
                &b"\x93NUMPY\x01\x00v\x00{'descr'"[..],
                "NumPy",
                "laser_source_from_array",
            ),
            (
                b"PK\x03\x04\x00\x00\x00\x00\x00\x00",
                "TorchScript",
                "laser_generator_load",
            ),
            (b"PK\x03\x04\x14\x00\x08\x08", "ZIP", "`generator`"),
            (b"{\"events\": \"truth.npy\"}", "JSON", "laser refine"),
            (b" \n{}", "JSON", "laser refine"),
        ] {
            let error = StoredTensors::parse(bytes).err().unwrap().to_string();
            assert!(error.contains(kind) && error.contains(place), "{error}");
        }
    }

    #[test]
    fn the_header_length_is_held_against_the_file() {
        let mut bytes = container("{}", 0);
        assert!(StoredTensors::parse(&bytes).is_ok());
        bytes[0] = 3;
        let error = StoredTensors::parse(&bytes).err().unwrap().to_string();
        assert!(
            error.contains("3 bytes does not fit into its 10 bytes"),
            "{error}"
        );
        // A length, not a brace that begins a text.
        let mut header = b"{}".to_vec();
        header.resize(b'{'.into(), b' ');
        let bytes_of_123 = container(&String::from_utf8(header).unwrap(), 0);
        assert!(StoredTensors::parse(&bytes_of_123).is_ok());
        bytes[..8].fill(0xff);
        let error = StoredTensors::parse(&bytes).err().unwrap().to_string();
        assert!(error.contains("exceeds the limit"), "{error}");
    }
}
