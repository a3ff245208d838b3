//! Guests in a few lines: a core module in text, with its answers laid out in memory beforehand.

use std::sync::OnceLock;
use std::time::Duration;

use arrow_array::{ArrayRef, RecordBatch};

use crate::component::limits::Limits;
use crate::component::{Component, Host, build};
use crate::error::Result;
use crate::schema::{self, Field, Type};

/// The contract.
pub(crate) const WIT: &str = include_str!("../../../../transforms/wit/transform.wit");
/// Where a guest's data begins.
const BASE: u32 = 1024;
/// Returns the input's columns as they came, each row from itself.
pub(crate) const IDENTITY: &str = "
    (i32.store (global.get $answer) (i32.const 0))
    (i32.store offset=4 (global.get $answer) (local.get $rows))
    (i32.store offset=8 (global.get $answer) (local.get $columns))
    (i32.store offset=12 (global.get $answer) (local.get $count))
    (i32.store offset=16 (global.get $answer) (global.get $rising))
    (i32.store offset=20 (global.get $answer) (local.get $rows))
    (i32.store offset=24 (global.get $answer) (i32.const 0))
    (i32.store offset=28 (global.get $answer) (i32.const 0))
    (global.get $answer)";
/// Returns the answer that was laid out.
pub(crate) const ANSWER: &str = "(global.get $answer)";

/// A guest to be.
pub(crate) struct Guest {
    pub(crate) wit: String,
    pub(crate) inputs: Vec<Field>,
    pub(crate) outputs: Vec<Field>,
    pub(crate) parameters: String,
    /// The bodies of its functions, and whatever else stands in its module.
    pub(crate) describe: String,
    pub(crate) configure: String,
    pub(crate) apply: String,
    pub(crate) realloc: String,
    pub(crate) imports: String,
    pub(crate) more: String,
    /// What `apply` returns with [`ANSWER`].
    pub(crate) answer: Answer,
}

/// An answer, as wrong as one likes.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) rows: u32,
    pub(crate) columns: Vec<Column>,
    pub(crate) sources: Vec<u32>,
    pub(crate) rejected: Vec<(u32, Vec<u8>)>,
    pub(crate) refusal: Option<&'static str>,
}

/// A column: validity, the case of `values`, and that case's lists as (bytes, count).
#[derive(Clone)]
pub(crate) struct Column {
    pub(crate) validity: Option<Vec<u8>>,
    pub(crate) case: u32,
    pub(crate) lists: Vec<(Vec<u8>, u32)>,
}

impl Column {
    pub(crate) fn texts(offsets: &[u32], bytes: &[u8]) -> Self {
        Self { validity: None, case: 4, lists: vec![u32s(offsets), (bytes.to_vec(), bytes.len() as u32)] }
    }

    pub(crate) fn of(case: u32, lists: Vec<(Vec<u8>, u32)>) -> Self {
        Self { validity: None, case, lists }
    }

    pub(crate) fn valid(mut self, bits: &[u8]) -> Self {
        self.validity = Some(bits.to_vec());
        self
    }
}

pub(crate) fn u32s(values: &[u32]) -> (Vec<u8>, u32) {
    (values.iter().flat_map(|value| value.to_le_bytes()).collect(), values.len() as u32)
}

pub(crate) fn i64s(values: &[i64]) -> (Vec<u8>, u32) {
    (values.iter().flat_map(|value| value.to_le_bytes()).collect(), values.len() as u32)
}

pub(crate) fn field(name: &str, kind: Type, nullable: bool) -> Field {
    Field { name: name.into(), aliases: Vec::new(), kind, nullable }
}

impl Guest {
    /// One that returns its only input, a text.
    pub(crate) fn honest() -> Self {
        Self {
            wit: WIT.into(),
            inputs: vec![field("title", Type::Text, true)],
            outputs: vec![field("title", Type::Text, true)],
            parameters: "{}".into(),
            describe: "(global.get $description)".into(),
            configure: "(global.get $fine)".into(),
            apply: IDENTITY.into(),
            realloc: "(call $bump (local.get $align) (local.get $size))".into(),
            imports: String::new(),
            more: String::new(),
            answer: Answer { rows: 0, columns: Vec::new(), sources: Vec::new(), rejected: Vec::new(), refusal: None },
        }
    }

    /// One that returns `answer` whatever it is given, for outputs of these `fields`.
    pub(crate) fn answering(fields: Vec<Field>, answer: Answer) -> Self {
        Self { outputs: fields, apply: ANSWER.into(), answer, ..Self::honest() }
    }

    /// The component's bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut module = wat::parse_str(self.module()).unwrap();
        let mut contract = wit_parser::Resolve::default();
        let package = contract.push_str("transform.wit", &self.wit).unwrap();
        let world = contract.select_world(&[package], Some("transform")).unwrap();
        let encoding = wit_component::StringEncoding::UTF8;
        wit_component::embed_component_metadata(&mut module, &contract, world, encoding, false).unwrap();
        build::encode(&module).unwrap()
    }

    pub(crate) fn load(&self, limits: &Limits) -> Result<Component> {
        host().load(&self.bytes(), limits)
    }

    fn module(&self) -> String {
        let mut memory = Memory::default();
        let description = self.put_description(&mut memory);
        let fine = memory.words(&[0, 0, 0]);
        let refusal = memory.text(b"no such parameter: colour");
        let unfit = memory.words(&[1, refusal[0], refusal[1]]);
        let answer = self.answer.put(&mut memory);
        let (rising, _) = memory.list(&u32s(&(0..2_000).collect::<Vec<_>>()));
        let heap = BASE + memory.0.len() as u32 + 64;
        let data: String = memory.0.iter().map(|byte| format!("\\{byte:02x}")).collect();
        format!(
            r#"(module
  (import "$root" "log" (func $log (param i32 i32 i32)))
  {}
  (memory (export "memory") 16)
  (global $description i32 (i32.const {description})) (global $fine i32 (i32.const {fine}))
  (global $unfit i32 (i32.const {unfit})) (global $refusal i32 (i32.const {}))
  (global $answer i32 (i32.const {answer})) (global $rising i32 (i32.const {rising}))
  (global $heap (mut i32) (i32.const {heap})) (global $calls (mut i32) (i32.const 0))
  (data (i32.const {BASE}) "{data}")
  (func $bump (param $align i32) (param $size i32) (result i32) (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.sub (local.get $align) (i32.const 1)))
      (i32.sub (i32.const 0) (local.get $align))))
    (global.set $heap (i32.add (local.get $at) (local.get $size)))
    (local.get $at))
  (func (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
    {})
  (func (export "describe") (result i32) {})
  (func (export "configure") (param $at i32) (param $length i32) (result i32) {})
  (func (export "apply") (param $rows i32) (param $columns i32) (param $count i32) (result i32)
    {})
  (func (export "cabi_post_apply") (param i32) (global.set $heap (i32.const {heap})))
  {})"#,
            self.imports, refusal[0], self.realloc, self.describe, self.configure, self.apply, self.more
        )
    }

    fn put_description(&self, memory: &mut Memory) -> u32 {
        let name = memory.text(b"guest");
        let version = memory.text(b"1.0.0");
        let summary = memory.text(b"Does as it was told.");
        let inputs = memory.fields(&self.inputs);
        let outputs = memory.fields(&self.outputs);
        let parameters = memory.text(self.parameters.as_bytes());
        memory.words(&[name, version, summary, inputs, outputs, parameters].concat())
    }
}

impl Answer {
    fn put(&self, memory: &mut Memory) -> u32 {
        if let Some(refusal) = self.refusal {
            let text = memory.text(refusal.as_bytes());
            return memory.words(&[1, text[0], text[1], 0, 0, 0, 0, 0]);
        }
        let mut columns = Vec::new();
        for column in &self.columns {
            let validity = column.validity.as_ref().map(|bits| memory.text(bits));
            let mut words = vec![u32::from(validity.is_some())];
            words.extend(validity.unwrap_or([0, 0]));
            words.push(column.case);
            words.extend(column.lists.iter().flat_map(|list| <[u32; 2]>::from(memory.list(list))));
            words.resize(10, 0);
            columns.extend(words);
        }
        let columns = memory.words(&columns);
        let (sources, count) = memory.list(&u32s(&self.sources));
        let mut rejected = Vec::new();
        for (row, reason) in &self.rejected {
            let reason = memory.text(reason);
            rejected.extend([*row, reason[0], reason[1]]);
        }
        let rejected_count = self.rejected.len() as u32;
        let rejected = memory.words(&rejected);
        memory.words(&[0, self.rows, columns, self.columns.len() as u32, sources, count, rejected, rejected_count])
    }
}

/// The guest's data, from [`BASE`] on.
#[derive(Default)]
struct Memory(Vec<u8>);

impl Memory {
    /// Puts bytes at a multiple of 8.
    fn list(&mut self, (bytes, count): &(Vec<u8>, u32)) -> (u32, u32) {
        self.0.resize(self.0.len().next_multiple_of(8), 0);
        let at = BASE + self.0.len() as u32;
        self.0.extend_from_slice(bytes);
        (at, *count)
    }

    fn text(&mut self, text: &[u8]) -> [u32; 2] {
        self.list(&(text.to_vec(), text.len() as u32)).into()
    }

    fn words(&mut self, words: &[u32]) -> u32 {
        self.list(&u32s(words)).0
    }

    fn fields(&mut self, fields: &[Field]) -> [u32; 2] {
        let mut words = Vec::new();
        for field in fields {
            let name = self.text(field.name.as_bytes());
            let aliases: Vec<_> = field.aliases.iter().flat_map(|alias| self.text(alias.as_bytes())).collect();
            let place = self.words(&aliases);
            let kind = KINDS.iter().position(|kind| *kind == field.kind).unwrap() as u32;
            let kind = kind | u32::from(field.nullable) << 8;
            words.extend([name[0], name[1], place, field.aliases.len() as u32, kind]);
        }
        [self.words(&words), fields.len() as u32]
    }
}

/// In the contract's order of `field-type`.
const KINDS: [Type; 9] = [
    Type::Boolean,
    Type::Int64,
    Type::Float64,
    Type::Timestamp,
    Type::Text,
    Type::Bytes,
    Type::Json,
    Type::Float64List,
    Type::TextList,
];

/// The engine of all these tests.
pub(crate) fn host() -> &'static Host {
    static HOST: OnceLock<Host> = OnceLock::new();
    HOST.get_or_init(|| Host::new(None).unwrap())
}

/// Limits with a deadline that a machine under load keeps as well.
pub(crate) fn limits() -> Limits {
    Limits { deadline: Duration::from_secs(20), ..Limits::default() }
}

pub(crate) fn batch(fields: &[Field], columns: Vec<ArrayRef>) -> RecordBatch {
    RecordBatch::try_new(schema::arrow_schema(fields), columns).unwrap()
}
