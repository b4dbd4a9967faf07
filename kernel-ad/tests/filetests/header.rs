//! The first lines of a file: what to do, and the launch and its data as a case.

use kernel_ad::case::Case;
use kernel_ad::interp::{Options, Order};
use kernel_ad::kernel::Kernel;
use shadow_mem::Role;
use std::path::Path;

pub type Outcome<T> = Result<T, String>;

/// What the first lines of a file ask for.
#[derive(Default)]
pub struct Header {
    pub tests: Vec<String>,
    pub roles: Vec<Role>,
    launch: Option<Launch>,
    args: Vec<(String, String)>,
    globals: Vec<(String, String)>,
}

/// The shape, and what the interpreter looks for.
struct Launch {
    grid: Vec<u32>,
    block: Vec<u32>,
    shared: u32,
    options: Options,
}

const TYPES: [&str; 8] = ["f16", "bf16", "f32", "f64", "i8", "i16", "i32", "i64"];

/// Reads the lines with directives; those that begin with `;;` or `;=` say nothing here.
pub fn header(text: &str) -> Outcome<Header> {
    let mut h = Header::default();
    for line in text.lines().take_while(|l| l.starts_with(';')) {
        if line.starts_with(";;") || line.starts_with(";=") {
            continue;
        }
        let (word, rest) = line[1..].trim().split_once(' ').unwrap_or((line[1..].trim(), ""));
        match word {
            "test" => h.tests.extend(rest.split_whitespace().map(String::from)),
            "launch" => h.launch = Some(launch(rest)?),
            "roles" => h.roles = rest.split_whitespace().map(role).collect::<Outcome<_>>()?,
            "arg" => h.args.push(table(rest)?),
            "global" => h.globals.push(table(rest)?),
            other => return Err(format!("unknown directive `{other}`")),
        }
    }
    match h.tests.is_empty() {
        true => Err("the file checks nothing: no `; test` line".into()),
        false => Ok(h),
    }
}

fn role(word: &str) -> Outcome<Role> {
    Ok(match word {
        "const" => Role::Const,
        "dup" => Role::Dup,
        "out" => Role::Out,
        "active" => Role::Active,
        _ => return Err(format!("unknown role `{word}`")),
    })
}

fn launch(text: &str) -> Outcome<Launch> {
    let mut options = Options { max_steps: 10_000_000, ..Options::default() };
    let (mut grid, mut block, mut shared) = (vec![1], vec![1], 0);
    let dims = |s: &str| -> Outcome<Vec<u32>> {
        s.split('x').map(|n| n.parse().map_err(|_| format!("`{s}` is no shape"))).collect()
    };
    for w in text.split_whitespace() {
        match w.split_once('=') {
            Some(("grid", s)) => grid = dims(s)?,
            Some(("block", s)) => block = dims(s)?,
            Some(("shared", s)) => shared = s.parse().map_err(|_| format!("`{s}` is no number"))?,
            None if w == "races" => options.races = true,
            None if w == "unwritten" => options.unwritten = true,
            None if w == "wide" => options.wide = true,
            None if w == "backward" => options.order = Order::Backward,
            _ => return Err(format!("unknown word `{w}` of a launch")),
        }
    }
    Ok(Launch { grid, block, shared, options })
}

/// An argument as the inside of a table of a case file: `x f32 [1 2]`, `n i32 3`, or `x { ... }` as it is.
fn table(text: &str) -> Outcome<(String, String)> {
    let (name, rest) = text.split_once(' ').ok_or_else(|| format!("`{text}` has no type"))?;
    let rest = rest.trim();
    if let Some(inner) = rest.strip_prefix('{').and_then(|r| r.strip_suffix('}')) {
        return Ok((name.into(), inner.trim().into()));
    }
    let (ty, value) = rest.split_once(' ').unwrap_or((rest, ""));
    if !TYPES.contains(&ty) {
        return Err(format!("unknown type `{ty}`"));
    }
    let number = |s: &str| match s.parse::<f64>() {
        Ok(_) => Ok(s.to_string()),
        Err(_) => Err(format!("`{s}` is not a number")),
    };
    let contents = match value.trim().strip_prefix('[').and_then(|r| r.strip_suffix(']')) {
        Some(list) => {
            let numbers = list.split_whitespace().map(number).collect::<Outcome<Vec<_>>>()?;
            format!("init = {{ values = [{}] }}", numbers.join(", "))
        }
        None => format!("value = {}", number(value.trim())?),
    };
    Ok((name.into(), format!("type = \"{ty}\", {contents}")))
}

impl Header {
    pub fn has_launch(&self) -> bool {
        self.launch.is_some()
    }

    /// What the interpreter looks for.
    pub fn options(&self) -> Outcome<Options> {
        Ok(self.launch.as_ref().ok_or("no `; launch` line")?.options)
    }

    /// The launch with its data. Without roles nothing is differentiated.
    pub fn case(&self, k: &Kernel) -> Outcome<Case> {
        let l = self.launch.as_ref().ok_or("no `; launch` line")?;
        let mut text = format!(
            "module = \"-\"\nkernel = \"{}\"\ngrid = {:?}\nblock = {:?}\nshared = {}\narg = [\n",
            k.name, l.grid, l.block, l.shared
        );
        for (i, (name, inner)) in self.args.iter().enumerate() {
            let role = match self.roles.get(i) {
                Some(r) if !inner.contains("role =") => format!(", role = \"{}\"", word(*r)),
                _ => String::new(),
            };
            text += &format!("  {{ name = \"{name}\", {inner}{role} }},\n");
        }
        text += "]\nglobal = [\n";
        for (name, inner) in &self.globals {
            text += &format!("  {{ name = \"{name}\", {inner} }},\n");
        }
        text += "]\n";
        let case = Case::parse(&text, Path::new("arguments")).map_err(|e| format!("{e}\n{text}"))?;
        let specs = kernel_ad::grad::primal_specs(k, &case.roles()).map_err(|e| e.to_string())?;
        let variables: Vec<_> =
            k.globals.values().filter(|g| g.external).map(|g| (g.name.as_str(), g.bytes)).collect();
        case.fits(&k.name, &specs, &variables).map_err(|e| e.to_string())?;
        Ok(case)
    }
}

fn word(role: Role) -> &'static str {
    match role {
        Role::Const => "const",
        Role::Dup => "dup",
        Role::Out => "out",
        Role::Active => "active",
    }
}
