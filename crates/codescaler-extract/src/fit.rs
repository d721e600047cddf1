//! How well a valid program fits what the problem asks for.

use codescaler::{language::Language, problem::Entry};
use memchr::memmem;
use ruff_python_ast::{Expr, ModModule, Stmt};
use tree_sitter::{Node, Tree};

use crate::{
    grammar::{self, Grammar},
    python,
    syntax::{SyntaxError, check_size},
};

/// How well a valid program fits; more is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fit {
    /// Does nothing: a printed result, a word of prose, comments.
    Inert,
    /// Does something but defines nothing: a usage example, a shell of imports.
    Acts,
    /// Defines functions or classes, but not what the tests will call.
    Defines,
    /// Has what the tests will call or, for standard input and output, reads and writes.
    Entry,
}

/// Checks the syntax of a program and, if it is valid, how well it fits.
pub(crate) fn fit(program: &str, language: Language, entry: &Entry) -> Result<Fit, SyntaxError> {
    if language == Language::Python {
        return python::with_module(program, |module| fit_python(module, program, entry));
    }
    match Grammar::of(language) {
        Some(grammar) => {
            grammar::with_tree(program, grammar, |tree| fit_tree(tree, program, language, entry))
        }
        // Without a parser nothing is known but that there is text.
        None => check_size(program).map(|()| Fit::Acts),
    }
}

fn fit_python(module: &ModModule, program: &str, entry: &Entry) -> Fit {
    let body = &module.body;
    if body.iter().any(|stmt| matches!(stmt, Stmt::Return(_))) {
        // `ast.parse` takes it, but it is the rest of a function, not a program.
        return Fit::Inert;
    }
    let has_entry = match entry {
        Entry::Stdio => reads(program, Language::Python) && writes_python(program),
        Entry::Function { name } => body.iter().any(|stmt| binds(stmt, name)),
        Entry::Method { class, name } => body.iter().any(|stmt| {
            matches!(stmt, Stmt::ClassDef(def)
                if def.name.as_str() == class && def.body.iter().any(|stmt| binds(stmt, name)))
        }),
        Entry::Script => body.iter().any(|stmt| {
            definition(stmt).is_some_and(|name| !name.to_ascii_lowercase().starts_with("test"))
        }),
    };
    if has_entry {
        return Fit::Entry;
    }
    if body.iter().any(|stmt| definition(stmt).is_some()) {
        return Fit::Defines;
    }
    if body.iter().any(acts) { Fit::Acts } else { Fit::Inert }
}

/// The name of a function or class that the statement defines.
fn definition(stmt: &Stmt) -> Option<&str> {
    if let Stmt::FunctionDef(def) = stmt {
        return Some(def.name.as_str());
    }
    if let Stmt::ClassDef(def) = stmt {
        return Some(def.name.as_str());
    }
    if let Stmt::Assign(assign) = stmt
        && let ([Expr::Name(name)], Expr::Lambda(_)) = (assign.targets.as_slice(), &*assign.value)
    {
        return Some(name.id.as_str());
    }
    None
}

/// Whether the statement gives `name` a meaning: a definition with a body, an assignment, an
/// import. A signature without a body is a sketch.
fn binds(stmt: &Stmt, name: &str) -> bool {
    if let Stmt::FunctionDef(def) = stmt {
        return def.name.as_str() == name && !def.body.iter().all(is_placeholder);
    }
    if let Stmt::Assign(assign) = stmt {
        let is_name = |target: &Expr| matches!(target, Expr::Name(id) if id.id.as_str() == name);
        return assign.targets.iter().any(is_name);
    }
    if let Stmt::ImportFrom(import) = stmt {
        let bound = |alias: &ruff_python_ast::Alias| {
            alias.asname.as_ref().unwrap_or(&alias.name).as_str() == name
        };
        return import.names.iter().any(bound);
    }
    matches!(stmt, Stmt::ClassDef(def) if def.name.as_str() == name)
}

/// `pass`, `...` or a docstring.
fn is_placeholder(stmt: &Stmt) -> bool {
    matches!(stmt, Stmt::Pass(_))
        || matches!(stmt, Stmt::Expr(expr)
            if matches!(&*expr.value, Expr::EllipsisLiteral(_) | Expr::StringLiteral(_)))
}

/// Whether running the statement can have an effect.
fn acts(stmt: &Stmt) -> bool {
    match stmt {
        Stmt::Pass(_) => false,
        Stmt::Expr(expr) => matches!(&*expr.value, Expr::Call(_) | Expr::Await(_)),
        Stmt::FunctionDef(_)
        | Stmt::ClassDef(_)
        | Stmt::Return(_)
        | Stmt::Delete(_)
        | Stmt::TypeAlias(_)
        | Stmt::Assign(_)
        | Stmt::AugAssign(_)
        | Stmt::AnnAssign(_)
        | Stmt::For(_)
        | Stmt::While(_)
        | Stmt::If(_)
        | Stmt::With(_)
        | Stmt::Match(_)
        | Stmt::Raise(_)
        | Stmt::Try(_)
        | Stmt::Assert(_)
        | Stmt::Import(_)
        | Stmt::ImportFrom(_)
        | Stmt::Global(_)
        | Stmt::Nonlocal(_)
        | Stmt::Break(_)
        | Stmt::Continue(_)
        | Stmt::IpyEscapeCommand(_) => true,
    }
}

fn fit_tree(tree: &Tree, program: &str, language: Language, entry: &Entry) -> Fit {
    let mut has_entry = false;
    let mut defines = false;
    let mut acts = false;
    let wanted = match entry {
        Entry::Stdio => "main",
        Entry::Function { name } | Entry::Method { class: _, name } => name.as_str(),
        Entry::Script => "",
    };
    grammar::walk(tree, |node, depth| {
        acts |= depth == 1 && node.is_named() && !is_inert(node);
        if let Some(name) = defined_name(node, program) {
            defines = true;
            has_entry |= wanted.is_empty() || name == wanted;
        }
    });
    if *entry == Entry::Stdio {
        let is_script = matches!(language, Language::JavaScript | Language::TypeScript);
        has_entry = (has_entry || is_script) && reads(program, language);
    }
    if has_entry {
        Fit::Entry
    } else if defines {
        Fit::Defines
    } else if acts {
        Fit::Acts
    } else {
        Fit::Inert
    }
}

/// A comment, or an expression without effect (JavaScript reads `42` as a program).
fn is_inert(node: Node<'_>) -> bool {
    let is_flat = |node: Node<'_>| {
        let inner = node.named_child(0).map_or("", |child| child.kind());
        !matches!(inner, "call_expression" | "assignment_expression" | "await_expression")
    };
    node.kind().ends_with("comment") || node.kind() == "expression_statement" && is_flat(node)
}

/// The name that a node defines as a function, method or class, in any of the grammars.
fn defined_name<'a>(node: Node<'_>, program: &'a str) -> Option<&'a str> {
    let name = match node.kind() {
        "function_definition" => innermost_declarator(node)?,
        "class_specifier" | "struct_specifier" if node.child_by_field_name("body").is_none() => {
            return None;
        }
        "class_specifier"
        | "struct_specifier"
        | "class_declaration"
        | "interface_declaration"
        | "record_declaration"
        | "enum_declaration"
        | "method_declaration"
        | "function_declaration"
        | "generator_function_declaration"
        | "method_definition"
        | "type_spec"
        | "function_item"
        | "struct_item"
        | "enum_item"
        | "trait_item" => node.child_by_field_name("name")?,
        "variable_declarator" if is_function(node.child_by_field_name("value")) => {
            node.child_by_field_name("name")?
        }
        "assignment_expression" if is_function(node.child_by_field_name("right")) => {
            let left = node.child_by_field_name("left")?;
            left.child_by_field_name("property").unwrap_or(left)
        }
        _ => return None,
    };
    program.get(name.byte_range())
}

/// The name inside C's nested declarators: pointer, reference, function, qualified name.
fn innermost_declarator(definition: Node<'_>) -> Option<Node<'_>> {
    let mut node = definition.child_by_field_name("declarator")?;
    loop {
        let inner = node
            .child_by_field_name("declarator")
            .or_else(|| node.child_by_field_name("name"))
            .or_else(|| {
                let is_wrapper = node.kind() == "reference_declarator";
                node.named_child(0).filter(|_| is_wrapper)
            });
        match inner {
            Some(inner) => node = inner,
            None => return Some(node),
        }
    }
}

fn is_function(value: Option<Node<'_>>) -> bool {
    let kind = value.map_or("", |value| value.kind());
    matches!(kind, "arrow_function" | "function_expression" | "function" | "class")
}

/// Whether the text names a way to read standard input.
fn reads(program: &str, language: Language) -> bool {
    let ways: &[&str] = match language {
        Language::Python => &["input", "stdin", "open(0", "os.read("],
        Language::C | Language::Cpp => &["cin", "scanf", "getline", "getchar", "gets", "read("],
        Language::Java => &["System.in"],
        Language::Go => &["Stdin", "fmt.Scan"],
        Language::Rust => &["stdin"],
        Language::JavaScript | Language::TypeScript => &["stdin", "readline", "readFileSync"],
        Language::CSharp
        | Language::Kotlin
        | Language::Php
        | Language::Ruby
        | Language::Scala
        | Language::Swift => &[],
    };
    ways.iter().any(|way| memmem::find(program.as_bytes(), way.as_bytes()).is_some())
}

fn writes_python(program: &str) -> bool {
    ["print", "stdout"].iter().any(|way| memmem::find(program.as_bytes(), way.as_bytes()).is_some())
}
