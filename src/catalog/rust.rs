//! QOM types of Rust sources (`rust/hw/…`): `impl ObjectType` with its `TYPE_NAME` and `ParentType`.
//!
//! Pure. A crate is linked whole when `meson.build` adds it, so all its types share the condition of its `lib.rs`.

use std::collections::BTreeMap;

use super::condition::Condition;
use super::macros::Macros;
use super::qom::TypeDef;
use crate::tree::Tree;

/// Reads the types of all Rust crates below `rust/`.
pub(super) fn types(
    tree: &Tree,
    files: &BTreeMap<String, Condition>,
    macros: &Macros<'_>,
) -> Vec<TypeDef> {
    let mut found = Vec::new();
    // Rust struct → type name, over all crates: a device's parent is a struct of another crate.
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for (path, _) in tree.under("rust").filter(|(path, _)| is_crate_source(path)) {
        let text = tree.text(path).unwrap_or_default();
        for (at, _) in text.match_indices("impl ObjectType for ") {
            let Some(object) = object(tree, path, &text, at, macros) else { continue };
            names.insert(object.structure.clone(), object.name.clone());
            found.push((path, object));
        }
    }
    found
        .into_iter()
        .filter_map(|(path, object)| {
            // Bindings of types that C registers have no crate of their own in a source set.
            let condition = files.get(&format!("{}/lib.rs", directory(path)))?.clone();
            Some(TypeDef {
                parent: object.parent.and_then(|parent| names.get(&parent).cloned()),
                name: object.name,
                is_abstract: object.is_abstract,
                condition,
                file: path.to_owned(),
                line: object.line,
                creatable: None,
                initialiser: None,
                flags: Vec::new(),
                interfaces: Vec::new(),
                internal: false,
                at_start: false,
                versioned: None,
            })
        })
        .collect()
}

struct Object {
    structure: String,
    name: String,
    parent: Option<String>,
    is_abstract: bool,
    line: u32,
}

fn is_crate_source(path: &str) -> bool {
    path.strip_suffix(".rs").is_some() && path.contains("/src/") && !path.contains("/tests/")
}

fn directory(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

fn object(tree: &Tree, path: &str, text: &str, at: usize, macros: &Macros<'_>) -> Option<Object> {
    let rest = &text[at + "impl ObjectType for ".len()..];
    let structure = rest.split([' ', '{']).next()?.to_owned();
    let value = rest.split_once("const TYPE_NAME")?.1.split_once('=')?.1;
    let value = value.split(';').next()?;
    // `crate::TYPE_HPET`, or `CStr::from_bytes_with_nul_unchecked(bindings::TYPE_DEVICE)`.
    let constant = value
        .rsplit("::")
        .next()?
        .trim()
        .trim_end_matches(|c: char| !c.is_alphanumeric() && c != '_');
    let name = constant_of(tree, path, text, constant)
        .or_else(|| macros.evaluate(constant, None))
        .or_else(|| c_string(value))?;
    let implementation = text.split_once(&format!("impl ObjectImpl for {structure} "));
    let body = implementation.map(|(_, body)| body.split("\n}").next().unwrap_or(body));
    let parent = body.and_then(|body| {
        let value = body.split_once("type ParentType = ")?.1.split(';').next()?;
        Some(value.rsplit("::").next().unwrap_or(value).trim().to_owned())
    });
    let line = memchr::memchr_iter(b'\n', &text.as_bytes()[..at]).count();
    Some(Object {
        structure,
        name,
        parent,
        is_abstract: body.is_some_and(|body| body.contains("const ABSTRACT: bool = true")),
        line: u32::try_from(line).unwrap_or(u32::MAX - 1) + 1,
    })
}

/// The value of a constant `pub const TYPE_X: &CStr = c"x";` in the same file or the crate's
/// `lib.rs`.
fn constant_of(tree: &Tree, path: &str, text: &str, constant: &str) -> Option<String> {
    let find = |text: &str| c_string(text.split_once(&format!("const {constant}:"))?.1);
    find(text).or_else(|| find(&tree.text(&format!("{}/lib.rs", directory(path)))?))
}

/// The first C string (`c"…"`) of a statement.
fn c_string(text: &str) -> Option<String> {
    let statement = text.split(';').next()?;
    Some(statement.split_once("c\"")?.1.split('"').next()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rust_device_has_the_condition_of_its_crate() {
        let tree: Tree = [
            ("rust/hw/x/src/lib.rs", "pub const TYPE_X: &::std::ffi::CStr = c\"x-rust\";\n"),
            (
                "rust/hw/x/src/device.rs",
                "unsafe impl ObjectType for X {\n    type Class = C;\n    const TYPE_NAME: &'static CStr = crate::TYPE_X;\n}\n\
                 impl ObjectImpl for X {\n    type ParentType = SysBusDevice;\n}\n",
            ),
            (
                "rust/hw/core/src/sysbus.rs",
                "unsafe impl ObjectType for SysBusDevice {\n    const TYPE_NAME: &'static CStr =\n        \
                 unsafe { CStr::from_bytes_with_nul_unchecked(bindings::TYPE_SYS_BUS_DEVICE) };\n}\n",
            ),
        ]
        .into_iter()
        .collect();
        let mut macros = Macros::default();
        macros.add("#define TYPE_SYS_BUS_DEVICE \"sys-bus-device\"\n");
        let condition = Condition::Symbol("X_RUST".to_owned());
        let files = [("rust/hw/x/src/lib.rs".to_owned(), condition.clone())].into_iter().collect();
        let types = types(&tree, &files, &macros);
        assert_eq!(types.len(), 1);
        assert_eq!(types[0].name, "x-rust");
        assert_eq!(types[0].parent.as_deref(), Some("sys-bus-device"));
        assert_eq!(types[0].condition, condition);
    }
}
