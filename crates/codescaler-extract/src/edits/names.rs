//! Names that a Python program reads before anything gives them a meaning, as pyflakes looks for
//! them: statements in the order in which they run, bodies of functions after everything else.

use std::collections::{BTreeSet, VecDeque};

use ruff_python_ast::{
    Alias, Comprehension, ExceptHandler, Expr, ExprContext, ExprLambda, ExprName, Identifier,
    ModModule, Parameters, Pattern, Stmt, StmtClassDef, StmtFunctionDef,
    visitor::{self, Visitor},
};
use ruff_text_size::Ranged as _;

/// What some code gives a meaning to.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    names: BTreeSet<String>,
    /// It imports all that a module has.
    everything: bool,
}

impl Known {
    /// What a module's own level binds.
    pub(super) fn of(module: &ModModule) -> Known {
        let nothing = Known::default();
        let (reader, _) = read(module, &nothing);
        let names = reader.scopes[0].bound.iter().map(|name| (*name).to_owned()).collect();
        Known { names, everything: reader.everything }
    }
}

/// The bytes where names stand that nothing defines, in no order.
pub(super) fn undefined(module: &ModModule, known: &Known) -> Vec<usize> {
    read(module, known).1
}

fn read<'a>(module: &'a ModModule, known: &'a Known) -> (Reader<'a>, Vec<usize>) {
    let mut reader = Reader {
        known,
        scopes: vec![Scope::default()],
        at: 0,
        later: VecDeque::new(),
        undefined: Vec::new(),
        globals: BTreeSet::new(),
        everything: known.everything,
    };
    reader.visit_body(&module.body);
    while let Some((scope, body)) = reader.later.pop_front() {
        reader.at = scope;
        match body {
            Later::Function(def) => reader.visit_body(&def.body),
            Later::Lambda(lambda) => reader.visit_expr(&lambda.body),
        }
    }
    let counts = |(name, _): &&(&str, usize)| !reader.everything && !reader.globals.contains(name);
    let undefined = reader.undefined.iter().filter(counts).map(|(_, byte)| *byte).collect();
    (reader, undefined)
}

/// A module, class, function or comprehension, and what it has bound so far.
#[derive(Default)]
struct Scope<'a> {
    bound: BTreeSet<&'a str>,
    parent: Option<usize>,
    kind: Kind,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Module,
    Class,
    Function,
    Comprehension,
}

/// A body that runs when it is called.
enum Later<'a> {
    Function(&'a StmtFunctionDef),
    Lambda(&'a ExprLambda),
}

struct Reader<'a> {
    known: &'a Known,
    scopes: Vec<Scope<'a>>,
    /// The scope that is read.
    at: usize,
    later: VecDeque<(usize, Later<'a>)>,
    undefined: Vec<(&'a str, usize)>,
    /// Names that some function binds for the module.
    globals: BTreeSet<&'a str>,
    everything: bool,
}

impl<'a> Reader<'a> {
    fn bind(&mut self, name: &'a str) {
        self.scopes[self.at].bound.insert(name);
    }

    /// Binds outside of comprehensions, as `:=` does.
    fn bind_outside(&mut self, name: &'a str) {
        let mut at = self.at;
        while let (Kind::Comprehension, Some(parent)) =
            (self.scopes[at].kind, self.scopes[at].parent)
        {
            at = parent;
        }
        self.scopes[at].bound.insert(name);
    }

    fn is_defined(&self, name: &str) -> bool {
        let mut next = Some(self.at);
        while let Some(at) = next {
            let scope = &self.scopes[at];
            // What a class binds is hidden from the functions in it.
            if (at == self.at || scope.kind != Kind::Class) && scope.bound.contains(name) {
                return true;
            }
            next = scope.parent;
        }
        self.known.names.contains(name) || BUILTINS.binary_search(&name).is_ok()
    }

    fn read(&mut self, name: &'a ExprName) {
        if !self.is_defined(&name.id) {
            self.undefined.push((name.id.as_str(), name.range().start().to_usize()));
        }
    }

    /// A scope inside the one that is read.
    fn push(&mut self, kind: Kind) -> usize {
        self.scopes.push(Scope { bound: BTreeSet::new(), parent: Some(self.at), kind });
        self.scopes.len() - 1
    }

    /// Defaults and annotations are read where a function is made, its body when it is called.
    fn callable(&mut self, parameters: Option<&'a Parameters>, body: Later<'a>) {
        let scope = self.push(Kind::Function);
        for parameter in parameters.into_iter().flatten() {
            parameter.default().into_iter().for_each(|default| self.visit_expr(default));
            parameter.annotation().into_iter().for_each(|note| self.visit_expr(note));
            self.scopes[scope].bound.insert(parameter.name().as_str());
        }
        self.later.push_back((scope, body));
    }

    fn class(&mut self, def: &'a StmtClassDef) {
        def.decorator_list.iter().for_each(|decorator| self.visit_decorator(decorator));
        def.arguments.iter().for_each(|arguments| self.visit_arguments(arguments));
        let outside = self.at;
        self.at = self.push(Kind::Class);
        ["__module__", "__qualname__"].into_iter().for_each(|name| self.bind(name));
        self.visit_body(&def.body);
        self.at = outside;
        self.bind(def.name.as_str());
    }

    /// `[part for target in iter]`: the first `iter` is read outside.
    fn comprehension(&mut self, generators: &'a [Comprehension], parts: &[Option<&'a Expr>]) {
        let outside = self.at;
        for (index, generator) in generators.iter().enumerate() {
            self.visit_expr(&generator.iter);
            if index == 0 {
                self.at = self.push(Kind::Comprehension);
            }
            self.visit_expr(&generator.target);
            generator.ifs.iter().for_each(|test| self.visit_expr(test));
        }
        parts.iter().flatten().for_each(|part| self.visit_expr(part));
        self.at = outside;
    }

    /// `nonlocal name` needs a function around that binds it.
    fn nonlocal(&mut self, name: &'a Identifier) {
        let mut next = self.scopes[self.at].parent;
        let mut found = false;
        while let Some(at) = next {
            let scope = &self.scopes[at];
            found |= scope.kind == Kind::Function && scope.bound.contains(name.as_str());
            next = scope.parent;
        }
        if !found {
            self.undefined.push((name.as_str(), name.range().start().to_usize()));
        }
    }
}

impl<'a> Visitor<'a> for Reader<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        if let Stmt::FunctionDef(def) = stmt {
            def.decorator_list.iter().for_each(|decorator| self.visit_decorator(decorator));
            def.returns.iter().for_each(|returns| self.visit_expr(returns));
            self.callable(Some(&def.parameters), Later::Function(def));
            self.bind(def.name.as_str());
        } else if let Stmt::ClassDef(def) = stmt {
            self.class(def);
        } else if let Stmt::AugAssign(assign) = stmt {
            self.visit_expr(&assign.value);
            if let Expr::Name(name) = &*assign.target {
                self.read(name);
            } else {
                self.visit_expr(&assign.target);
            }
        } else if let Stmt::AnnAssign(assign) = stmt {
            self.visit_expr(&assign.annotation);
            let assigned = assign.value.as_deref();
            assigned.into_iter().for_each(|value| self.visit_expr(value));
            // `x: int` alone binds nothing.
            if assigned.is_some() || !assign.target.is_name_expr() {
                self.visit_expr(&assign.target);
            }
        } else if let Stmt::Global(global) = stmt {
            for name in &global.names {
                self.bind(name.as_str());
                self.scopes[0].bound.insert(name.as_str());
                self.globals.insert(name.as_str());
            }
        } else if let Stmt::Nonlocal(nonlocal) = stmt {
            for name in &nonlocal.names {
                self.nonlocal(name);
                self.bind(name.as_str());
            }
        } else {
            visitor::walk_stmt(self, stmt);
        }
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        if let Expr::Name(name) = expr {
            match name.ctx {
                ExprContext::Load | ExprContext::Del => self.read(name),
                ExprContext::Store => self.bind(name.id.as_str()),
                ExprContext::Invalid => {}
            }
        } else if let Expr::Named(named) = expr {
            self.visit_expr(&named.value);
            if let Expr::Name(name) = &*named.target {
                self.bind_outside(name.id.as_str());
            }
        } else if let Expr::Lambda(lambda) = expr {
            self.callable(lambda.parameters.as_deref(), Later::Lambda(lambda));
        } else if let Expr::ListComp(made) = expr {
            self.comprehension(&made.generators, &[Some(&made.elt)]);
        } else if let Expr::SetComp(made) = expr {
            self.comprehension(&made.generators, &[Some(&made.elt)]);
        } else if let Expr::Generator(made) = expr {
            self.comprehension(&made.generators, &[Some(&made.elt)]);
        } else if let Expr::DictComp(made) = expr {
            self.comprehension(&made.generators, &[made.key.as_deref(), Some(&made.value)]);
        } else {
            visitor::walk_expr(self, expr);
        }
    }

    fn visit_except_handler(&mut self, handler: &'a ExceptHandler) {
        let ExceptHandler::ExceptHandler(own) = handler;
        own.name.iter().for_each(|name| self.bind(name.as_str()));
        visitor::walk_except_handler(self, handler);
    }

    fn visit_alias(&mut self, alias: &'a Alias) {
        let name = alias.asname.as_ref().unwrap_or(&alias.name).as_str();
        self.everything |= name == "*";
        self.bind(name.split('.').next().unwrap_or(name));
    }

    fn visit_pattern(&mut self, pattern: &'a Pattern) {
        let name = if let Pattern::MatchAs(bound) = pattern {
            bound.name.as_ref()
        } else if let Pattern::MatchStar(bound) = pattern {
            bound.name.as_ref()
        } else if let Pattern::MatchMapping(bound) = pattern {
            bound.rest.as_ref()
        } else {
            None
        };
        name.into_iter().for_each(|name| self.bind(name.as_str()));
        visitor::walk_pattern(self, pattern);
    }
}

/// What CPython 3.11 defines for every program, sorted.
#[rustfmt::skip]
const BUILTINS: [&str; 158] = [
    "ArithmeticError", "AssertionError", "AttributeError", "BaseException", "BaseExceptionGroup",
    "BlockingIOError", "BrokenPipeError", "BufferError", "BytesWarning", "ChildProcessError",
    "ConnectionAbortedError", "ConnectionError", "ConnectionRefusedError", "ConnectionResetError",
    "DeprecationWarning", "EOFError", "Ellipsis", "EncodingWarning", "EnvironmentError",
    "Exception", "ExceptionGroup", "FileExistsError", "FileNotFoundError", "FloatingPointError",
    "FutureWarning", "GeneratorExit", "IOError", "ImportError", "ImportWarning", "IndentationError",
    "IndexError", "InterruptedError", "IsADirectoryError", "KeyError", "KeyboardInterrupt",
    "LookupError", "MemoryError", "ModuleNotFoundError", "NameError", "NotADirectoryError",
    "NotImplemented", "NotImplementedError", "OSError", "OverflowError",
    "PendingDeprecationWarning", "PermissionError", "ProcessLookupError", "RecursionError",
    "ReferenceError", "ResourceWarning", "RuntimeError", "RuntimeWarning", "StopAsyncIteration",
    "StopIteration", "SyntaxError", "SyntaxWarning", "SystemError", "SystemExit", "TabError",
    "TimeoutError", "TypeError", "UnboundLocalError", "UnicodeDecodeError", "UnicodeEncodeError",
    "UnicodeError", "UnicodeTranslateError", "UnicodeWarning", "UserWarning", "ValueError",
    "Warning", "ZeroDivisionError", "__annotations__", "__build_class__", "__builtins__",
    "__class__", "__debug__", "__doc__", "__file__", "__import__", "__loader__", "__name__",
    "__package__", "__spec__", "abs", "aiter", "all", "anext", "any", "ascii", "bin", "bool",
    "breakpoint", "bytearray", "bytes", "callable", "chr", "classmethod", "compile", "complex",
    "copyright", "credits", "delattr", "dict", "dir", "divmod", "enumerate", "eval", "exec", "exit",
    "filter", "float", "format", "frozenset", "getattr", "globals", "hasattr", "hash", "help",
    "hex", "id", "input", "int", "isinstance", "issubclass", "iter", "len", "license", "list",
    "locals", "map", "max", "memoryview", "min", "next", "object", "oct", "open", "ord", "pow",
    "print", "property", "quit", "range", "repr", "reversed", "round", "set", "setattr", "slice",
    "sorted", "staticmethod", "str", "sum", "super", "tuple", "type", "vars", "zip",
];
