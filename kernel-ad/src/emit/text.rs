//! LLVM assembly under construction.
//!
//! Emission writes assembly text and lets LLVM's parser build the module. Against the builder functions of the C
//! interface this has three advantages: a type error is a diagnostic with its line and not undefined behaviour, everything that
//! the C interface cannot say (named sync scopes, cast flags) is a word like any other, and no `unsafe` is needed. Parsing costs about a
//! millisecond for a kernel of a thousand instructions.

use std::collections::{BTreeMap, HashMap};
use std::fmt::{self, Write};

/// A typed operand: `float %t3`, `ptr addrspace(1) @g`, `i32 7`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Operand {
    /// LLVM type.
    pub ty: String,
    /// Name or constant, without the type.
    pub name: String,
}

impl Operand {
    /// An operand of that type and name.
    pub fn new(ty: impl Into<String>, name: impl Into<String>) -> Self {
        Operand { ty: ty.into(), name: name.into() }
    }

    /// An i32 constant.
    pub fn i32(n: i32) -> Self {
        Operand::new("i32", n.to_string())
    }

    /// An i64 constant.
    pub fn i64(n: i64) -> Self {
        Operand::new("i64", n.to_string())
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.ty, self.name)
    }
}

/// `@"name"` with everything escaped that LLVM wants escaped.
pub fn global_name(name: &str) -> String {
    format!("@\"{}\"", escape(name.as_bytes()))
}

/// The inside of an LLVM string literal.
pub fn escape(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for &b in bytes {
        match b {
            b'"' | b'\\' => write!(out, "\\{b:02X}").expect("writing to a string"),
            0x20..=0x7e => out.push(b as char),
            _ => write!(out, "\\{b:02X}").expect("writing to a string"),
        }
    }
    out
}

/// One LLVM module as text.
pub struct ModuleText {
    triple: String,
    data_layout: String,
    declarations: BTreeMap<String, String>,
    globals: BTreeMap<String, String>,
    functions: Vec<String>,
    attributes: Vec<String>,
    metadata: Vec<String>,
    named_metadata: BTreeMap<String, Vec<usize>>,
    helpers: Vec<String>,
}

impl ModuleText {
    /// An empty module.
    pub fn new(triple: &str, data_layout: &str) -> Self {
        ModuleText {
            triple: triple.to_string(),
            data_layout: data_layout.to_string(),
            declarations: BTreeMap::new(),
            globals: BTreeMap::new(),
            functions: Vec::new(),
            attributes: Vec::new(),
            metadata: Vec::new(),
            named_metadata: BTreeMap::new(),
            helpers: Vec::new(),
        }
    }

    /// Declares a function once. `line` is the whole declaration; a second one of the same name is dropped. Functions that are
    /// defined in this module, helpers included, must not be declared.
    pub fn declare(&mut self, name: &str, line: impl FnOnce() -> String) {
        if !self.declarations.contains_key(name) {
            self.declarations.insert(name.to_string(), line());
        }
    }

    /// Declares `ret @name(params)` once and gives the name to call.
    pub fn function(&mut self, ret: &str, name: &str, params: &[&str]) -> String {
        let symbol = global_name(name);
        self.declare(name, || format!("declare {ret} {symbol}({})", params.join(", ")));
        symbol
    }

    /// True when a global variable of that name was defined.
    pub fn has_global(&self, name: &str) -> bool {
        self.globals.contains_key(name)
    }

    /// Defines a global variable. `definition` is what stands behind `@name = `.
    pub fn global(&mut self, name: &str, definition: impl Into<String>) {
        self.globals.insert(name.to_string(), definition.into());
    }

    /// Adds a finished function definition.
    pub fn define(&mut self, text: String) {
        self.functions.push(text);
    }

    /// Adds a piece of assembly (helper functions) once.
    pub fn helper(&mut self, text: String) {
        if !self.helpers.contains(&text) {
            self.helpers.push(text);
        }
    }

    /// An attribute group; gives its name, `#n`.
    pub fn attribute_group(&mut self, attributes: &str) -> String {
        let index = self.attributes.iter().position(|a| a == attributes).unwrap_or_else(|| {
            self.attributes.push(attributes.to_string());
            self.attributes.len() - 1
        });
        format!("#{index}")
    }

    /// A metadata node, such as `{i32 1}`; gives its name, `!n`.
    pub fn metadata(&mut self, node: &str) -> String {
        format!("!{}", self.metadata_index(node))
    }

    /// A metadata node that is equal to no other; `node` is given the node's own name and gives what stands behind `distinct`.
    pub fn distinct(&mut self, node: impl FnOnce(&str) -> String) -> String {
        let name = format!("!{}", self.metadata.len());
        self.metadata.push(format!("distinct {}", node(&name)));
        name
    }

    /// Adds a node to a named list, such as `nvvm.annotations`.
    pub fn named_metadata(&mut self, list: &str, node: &str) {
        let index = self.metadata_index(node);
        self.named_metadata.entry(list.to_string()).or_default().push(index);
    }

    fn metadata_index(&mut self, node: &str) -> usize {
        self.metadata.iter().position(|n| n == node).unwrap_or_else(|| {
            self.metadata.push(node.to_string());
            self.metadata.len() - 1
        })
    }
}

impl fmt::Display for ModuleText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "target datalayout = \"{}\"", self.data_layout)?;
        writeln!(f, "target triple = \"{}\"\n", self.triple)?;
        for (name, definition) in &self.globals {
            writeln!(f, "{} = {definition}", global_name(name))?;
        }
        for text in &self.helpers {
            writeln!(f, "{text}")?;
        }
        for text in &self.functions {
            writeln!(f, "{text}")?;
        }
        for line in self.declarations.values() {
            writeln!(f, "{line}")?;
        }
        for (i, a) in self.attributes.iter().enumerate() {
            writeln!(f, "attributes #{i} = {{ {a} }}")?;
        }
        for (name, nodes) in &self.named_metadata {
            let list: Vec<String> = nodes.iter().map(|n| format!("!{n}")).collect();
            writeln!(f, "!{name} = !{{{}}}", list.join(", "))?;
        }
        for (i, node) in self.metadata.iter().enumerate() {
            let bang = if node.starts_with('{') { "!" } else { "" };
            writeln!(f, "!{i} = {bang}{node}")?;
        }
        Ok(())
    }
}

/// One basic block of a function under construction.
#[derive(Debug, Default)]
struct BlockText {
    label: String,
    phis: String,
    body: String,
}

/// The body of one function under construction: named blocks, in the order in which they were begun.
#[derive(Debug)]
pub struct FnText {
    blocks: Vec<BlockText>,
    by_label: HashMap<String, usize>,
    at: usize,
    next: u32,
    prologue: String,
    in_prologue: bool,
}

impl FnText {
    /// A function that starts with a block of that label.
    pub fn new(entry: &str) -> Self {
        let mut f = FnText {
            blocks: Vec::new(),
            by_label: HashMap::new(),
            at: 0,
            next: 0,
            prologue: String::new(),
            in_prologue: false,
        };
        f.begin(entry);
        f
    }

    /// A label that nothing else has.
    pub fn fresh_label(&mut self, hint: &str) -> String {
        self.next += 1;
        format!("{hint}.{}", self.next)
    }

    /// A name for a value that nothing else has, with its `%`.
    pub fn fresh_name(&mut self) -> String {
        self.next += 1;
        format!("%t{}", self.next)
    }

    /// Continues at the end of the block of that label, which is begun if need be.
    pub fn begin(&mut self, label: &str) {
        self.at = *self.by_label.entry(label.to_string()).or_insert_with(|| {
            self.blocks.push(BlockText { label: label.to_string(), ..BlockText::default() });
            self.blocks.len() - 1
        });
    }

    /// Label of the current block.
    pub fn label(&self) -> &str {
        &self.blocks[self.at].label
    }

    /// Appends a line: an instruction without a result, or with one that was named by the caller.
    pub fn line(&mut self, text: impl fmt::Display) {
        let out = if self.in_prologue { &mut self.prologue } else { &mut self.blocks[self.at].body };
        writeln!(out, "  {text}").expect("writing to a string");
    }

    /// Appends an instruction with a result of that type.
    pub fn value(&mut self, ty: &str, text: impl fmt::Display) -> Operand {
        let name = self.fresh_name();
        self.line(format_args!("{name} = {text}"));
        Operand::new(ty, name)
    }

    /// Puts a finished phi at the head of a block.
    pub fn phi(&mut self, label: &str, text: &str) {
        if let Some(&b) = self.by_label.get(label) {
            writeln!(self.blocks[b].phis, "  {text}").expect("writing to a string");
        }
    }

    /// Everything that `f` appends goes to the start of the entry block instead: allocas, addresses of globals. Straight-line
    /// code only.
    pub fn in_prologue<R>(&mut self, f: impl FnOnce(&mut Self) -> R) -> R {
        let was = self.enter_prologue();
        let r = f(self);
        self.leave_prologue(was);
        r
    }

    /// First half of [`FnText::in_prologue`], for code that needs more than this function's text; gives what `leave_prologue` wants.
    pub fn enter_prologue(&mut self) -> bool {
        std::mem::replace(&mut self.in_prologue, true)
    }

    /// Second half of [`FnText::in_prologue`].
    pub fn leave_prologue(&mut self, was: bool) {
        self.in_prologue = was;
    }

    /// The whole definition; `header` is everything before the opening brace.
    pub fn finish(&self, header: &str) -> String {
        let mut out = format!("{header} {{\n");
        for (i, b) in self.blocks.iter().enumerate() {
            writeln!(out, "{}:", b.label).expect("writing to a string");
            out.push_str(&b.phis);
            if i == 0 {
                out.push_str(&self.prologue);
            }
            out.push_str(&b.body);
        }
        out.push_str("}\n");
        out
    }
}
