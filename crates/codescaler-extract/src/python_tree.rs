//! Shape and digest of Python's syntax trees.

use std::collections::{BTreeMap, BTreeSet};

use ruff_python_ast::{
    AnyNodeRef, Expr, ExprContext, Identifier, ModModule, Number, Parameters, Stmt,
    visitor::source_order::{self, SourceOrderVisitor, TraversalSignal},
};

use crate::tree::{Fnv, Shape};

/// Features of the tree; see [`tree_shape`](crate::tree_shape).
pub(crate) fn shape(module: &ModModule) -> Vec<u64> {
    let mut visitor = ShapeVisitor { shape: Shape::default(), depth: 0 };
    source_order::walk_body(&mut visitor, &module.body);
    visitor.shape.hashes
}

struct ShapeVisitor {
    shape: Shape,
    depth: usize,
}

impl<'a> SourceOrderVisitor<'a> for ShapeVisitor {
    fn enter_node(&mut self, node: AnyNodeRef<'a>) -> TraversalSignal {
        let mut kind = Fnv::default();
        kind.debug(&node.kind());
        operators(node, &mut kind);
        self.shape.enter(self.depth, kind.0);
        self.depth += 1;
        TraversalSignal::Traverse
    }

    fn leave_node(&mut self, _node: AnyNodeRef<'a>) {
        self.depth -= 1;
    }
}

/// Hashes the operators of a node, which are not nodes themselves.
fn operators(node: AnyNodeRef<'_>, hash: &mut Fnv) {
    if let AnyNodeRef::ExprBinOp(binary) = node {
        hash.text(binary.op.as_str());
    } else if let AnyNodeRef::ExprBoolOp(boolean) = node {
        hash.text(boolean.op.as_str());
    } else if let AnyNodeRef::ExprUnaryOp(unary) = node {
        hash.text(unary.op.as_str());
    } else if let AnyNodeRef::ExprCompare(compare) = node {
        compare.ops.iter().for_each(|op| hash.text(op.as_str()));
    } else if let AnyNodeRef::StmtAugAssign(assign) = node {
        hash.text(assign.op.as_str());
    }
}

/// Digest of the tree; see [`tree_digest`](crate::tree_digest).
pub(crate) fn digest(module: &ModModule) -> u64 {
    let mut fixed = FixedNames::default();
    source_order::walk_body(&mut fixed, &module.body);
    let mut visitor = DigestVisitor {
        hash: Fnv::default(),
        fixed,
        scopes: Vec::new(),
        n_locals: 0,
        parents: Vec::new(),
    };
    visitor.visit_body(&module.body);
    visitor.hash.0
}

/// Names that must not be renamed, because the program uses them as text or shares them with other
/// scopes.
#[derive(Default)]
pub(crate) struct FixedNames<'a> {
    /// Keywords of calls, which name parameters; `global` and imported names.
    pub(crate) names: BTreeSet<&'a str>,
    /// The program asks for names at run time.
    pub(crate) all: bool,
}

impl<'a> SourceOrderVisitor<'a> for FixedNames<'a> {
    fn visit_keyword(&mut self, keyword: &'a ruff_python_ast::Keyword) {
        self.names.extend(keyword.arg.as_ref().map(Identifier::as_str));
        source_order::walk_keyword(self, keyword);
    }

    fn visit_alias(&mut self, alias: &'a ruff_python_ast::Alias) {
        let name = alias.asname.as_ref().unwrap_or(&alias.name).as_str();
        self.names.insert(name.split('.').next().unwrap_or(name));
    }

    fn enter_node(&mut self, node: AnyNodeRef<'a>) -> TraversalSignal {
        if let AnyNodeRef::ExprName(name) = node {
            let asks = ["eval", "exec", "locals", "globals", "vars", "dir"];
            self.all |= asks.contains(&name.id.as_str());
        }
        if let AnyNodeRef::InterpolatedElement(element) = node {
            // `f"{x=}"` prints the name.
            self.all |= element.debug_text.is_some();
        }
        if let AnyNodeRef::StmtGlobal(global) = node {
            self.names.extend(global.names.iter().map(Identifier::as_str));
        }
        TraversalSignal::Traverse
    }
}

/// What a scope knows about a name.
enum Scope<'a> {
    /// A function: its local names, each with the number that stands for it once it was seen.
    Function(BTreeMap<&'a str, Option<u64>>),
    /// A class: the names of its body are attributes, and hidden from the functions inside.
    Class(BTreeSet<&'a str>),
}

/// Names that a function or class body binds, not looking into functions and classes inside it.
#[derive(Default)]
struct Bindings<'a> {
    bound: BTreeSet<&'a str>,
    /// Declared `nonlocal`: names of a scope around.
    foreign: BTreeSet<&'a str>,
}

impl<'a> Bindings<'a> {
    fn of(body: &'a [Stmt]) -> BTreeSet<&'a str> {
        let mut bindings = Bindings::default();
        bindings.visit_body(body);
        bindings.bound.difference(&bindings.foreign).copied().collect()
    }
}

impl<'a> SourceOrderVisitor<'a> for Bindings<'a> {
    fn enter_node(&mut self, node: AnyNodeRef<'a>) -> TraversalSignal {
        let bound = &mut self.bound;
        if let AnyNodeRef::ExprName(name) = node {
            if name.ctx != ExprContext::Load {
                bound.insert(name.id.as_str());
            }
        } else if let AnyNodeRef::StmtFunctionDef(def) = node {
            bound.insert(def.name.as_str());
            return TraversalSignal::Skip;
        } else if let AnyNodeRef::StmtClassDef(def) = node {
            bound.insert(def.name.as_str());
            return TraversalSignal::Skip;
        } else if let AnyNodeRef::ExprLambda(_) = node {
            return TraversalSignal::Skip;
        } else if let AnyNodeRef::ExceptHandlerExceptHandler(handler) = node {
            bound.extend(handler.name.as_ref().map(Identifier::as_str));
        } else if let AnyNodeRef::PatternMatchAs(pattern) = node {
            bound.extend(pattern.name.as_ref().map(Identifier::as_str));
        } else if let AnyNodeRef::PatternMatchStar(pattern) = node {
            bound.extend(pattern.name.as_ref().map(Identifier::as_str));
        } else if let AnyNodeRef::PatternMatchMapping(pattern) = node {
            bound.extend(pattern.rest.as_ref().map(Identifier::as_str));
        } else if let AnyNodeRef::StmtNonlocal(nonlocal) = node {
            self.foreign.extend(nonlocal.names.iter().map(Identifier::as_str));
        }
        TraversalSignal::Traverse
    }
}

struct DigestVisitor<'a> {
    hash: Fnv,
    fixed: FixedNames<'a>,
    scopes: Vec<Scope<'a>>,
    n_locals: u64,
    parents: Vec<AnyNodeRef<'a>>,
}

impl<'a> DigestVisitor<'a> {
    /// Hashes a name: by number where it is local to a function, else by its text.
    fn name(&mut self, name: &'a str) {
        let innermost = self.scopes.len().saturating_sub(1);
        for (depth, scope) in self.scopes.iter_mut().enumerate().rev() {
            match scope {
                Scope::Class(names) if depth == innermost && names.contains(name) => break,
                Scope::Class(_) => {}
                Scope::Function(locals) => {
                    let Some(number) = locals.get_mut(name) else { continue };
                    let number = *number.get_or_insert_with(|| {
                        self.n_locals += 1;
                        self.n_locals
                    });
                    self.hash.text("local");
                    self.hash.number(number);
                    return;
                }
            }
        }
        self.hash.text("name");
        self.hash.text(name);
    }

    fn function_scope(&self, parameters: Option<&'a Parameters>, body: &'a [Stmt]) -> Scope<'a> {
        let mut names = Bindings::of(body);
        let parameters = parameters.into_iter().flatten();
        names.extend(parameters.map(|parameter| parameter.name().as_str()));
        names.retain(|name| !self.fixed.all && !self.fixed.names.contains(name));
        Scope::Function(names.into_iter().map(|name| (name, None)).collect())
    }

    /// Annotations and defaults belong to the scope around the function; names and their places
    /// to the scope inside.
    fn signature_outside(&mut self, parameters: &'a Parameters) {
        for parameter in parameters {
            self.hash.text("parameter");
            parameter.annotation().into_iter().for_each(|annotation| self.visit_expr(annotation));
            self.hash.text("default");
            parameter.default().into_iter().for_each(|default| self.visit_expr(default));
        }
    }

    fn signature_inside(&mut self, parameters: &'a Parameters) {
        let n_positional = parameters.posonlyargs.len();
        let flags = [
            n_positional,
            parameters.args.len(),
            usize::from(parameters.vararg.is_some()),
            parameters.kwonlyargs.len(),
            usize::from(parameters.kwarg.is_some()),
        ];
        flags.iter().for_each(|&flag| self.hash.number(flag as u64));
        for parameter in parameters {
            self.name(parameter.name().as_str());
        }
    }

    fn function(&mut self, def: &'a ruff_python_ast::StmtFunctionDef) {
        self.hash.text(if def.is_async { "async def" } else { "def" });
        def.decorator_list.iter().for_each(|decorator| self.visit_decorator(decorator));
        self.name(def.name.as_str());
        self.signature_outside(&def.parameters);
        self.hash.text("returns");
        def.returns.iter().for_each(|returns| self.visit_expr(returns));
        let scope = self.function_scope(Some(&def.parameters), &def.body);
        self.scopes.push(scope);
        self.signature_inside(&def.parameters);
        self.visit_body(&def.body);
        self.scopes.pop();
    }

    fn lambda(&mut self, lambda: &'a ruff_python_ast::ExprLambda) {
        self.hash.text("lambda");
        let parameters = lambda.parameters.as_deref();
        parameters.into_iter().for_each(|parameters| self.signature_outside(parameters));
        let scope = self.function_scope(parameters, &[]);
        self.scopes.push(scope);
        parameters.into_iter().for_each(|parameters| self.signature_inside(parameters));
        self.visit_expr(&lambda.body);
        self.scopes.pop();
        self.hash.text("end");
    }

    /// What a node says besides its kind and its children.
    fn leaf(&mut self, node: AnyNodeRef<'a>) {
        operators(node, &mut self.hash);
        if let AnyNodeRef::ExprName(name) = node {
            self.name(name.id.as_str());
        } else if let AnyNodeRef::ExprStringLiteral(string) = node {
            self.hash.text(string.value.to_str());
        } else if let AnyNodeRef::ExprBytesLiteral(bytes) = node {
            bytes.value.bytes().for_each(|byte| self.hash.bytes(&[byte]));
        } else if let AnyNodeRef::InterpolatedStringLiteralElement(literal) = node {
            self.hash.text(&literal.value);
        } else if let AnyNodeRef::InterpolatedElement(element) = node {
            self.hash.debug(&element.conversion);
            self.hash.debug(&element.debug_text);
        } else if let AnyNodeRef::ExprNumberLiteral(number) = node {
            match &number.value {
                Number::Int(int) => self.hash.debug(int),
                Number::Float(float) => self.hash.number(float.to_bits()),
                Number::Complex { real: _, imag } => self.hash.number(!imag.to_bits()),
            }
        } else if let AnyNodeRef::ExprBooleanLiteral(boolean) = node {
            self.hash.number(u64::from(boolean.value));
        } else if let AnyNodeRef::PatternMatchSingleton(singleton) = node {
            self.hash.debug(&singleton.value);
        } else if let AnyNodeRef::StmtImportFrom(import) = node {
            self.hash.number(u64::from(import.level));
        } else if let AnyNodeRef::ExprSlice(slice) = node {
            let parts = [&slice.lower, &slice.upper, &slice.step];
            parts.iter().for_each(|part| self.hash.number(u64::from(part.is_some())));
        } else if let AnyNodeRef::ExprDict(dict) = node {
            dict.items.iter().for_each(|item| self.hash.number(u64::from(item.key.is_some())));
        } else if let AnyNodeRef::StmtFor(stmt) = node {
            self.hash.number(u64::from(stmt.is_async));
        } else if let AnyNodeRef::StmtWith(stmt) = node {
            self.hash.number(u64::from(stmt.is_async));
        } else if let AnyNodeRef::Comprehension(comprehension) = node {
            self.hash.number(u64::from(comprehension.is_async));
        } else if let AnyNodeRef::StmtTry(stmt) = node {
            self.hash.number(u64::from(stmt.is_star));
        }
    }
}

impl<'a> SourceOrderVisitor<'a> for DigestVisitor<'a> {
    fn enter_node(&mut self, node: AnyNodeRef<'a>) -> TraversalSignal {
        self.parents.push(node);
        self.hash.debug(&node.kind());
        self.leaf(node);
        let is_joined =
            matches!(node, AnyNodeRef::ExprStringLiteral(_) | AnyNodeRef::ExprBytesLiteral(_));
        if is_joined { TraversalSignal::Skip } else { TraversalSignal::Traverse }
    }

    fn leave_node(&mut self, _node: AnyNodeRef<'a>) {
        self.parents.pop();
        self.hash.text("end");
    }

    fn visit_body(&mut self, body: &'a [Stmt]) {
        self.hash.text("body");
        body.iter().filter(|stmt| !is_idle(stmt)).for_each(|stmt| self.visit_stmt(stmt));
        self.hash.text("end");
    }

    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        if let Stmt::FunctionDef(def) = stmt {
            self.function(def);
        } else if let Stmt::ClassDef(def) = stmt {
            self.hash.text("class");
            def.decorator_list.iter().for_each(|decorator| self.visit_decorator(decorator));
            self.name(def.name.as_str());
            def.arguments.iter().for_each(|arguments| self.visit_arguments(arguments));
            self.scopes.push(Scope::Class(Bindings::of(&def.body)));
            self.visit_body(&def.body);
            self.scopes.pop();
        } else {
            source_order::walk_stmt(self, stmt);
        }
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        if let Expr::Lambda(lambda) = expr {
            self.lambda(lambda);
        } else {
            source_order::walk_expr(self, expr);
        }
    }

    fn visit_identifier(&mut self, identifier: &'a Identifier) {
        // Names of variables in handlers, patterns and `nonlocal` follow their scope; attributes,
        // keywords, imports and `global` names are what they say.
        let is_variable = self.parents.last().is_some_and(|parent| {
            matches!(
                parent,
                AnyNodeRef::ExceptHandlerExceptHandler(_)
                    | AnyNodeRef::PatternMatchAs(_)
                    | AnyNodeRef::PatternMatchStar(_)
                    | AnyNodeRef::PatternMatchMapping(_)
                    | AnyNodeRef::StmtNonlocal(_)
            )
        });
        if is_variable {
            self.name(identifier.as_str());
        } else {
            self.hash.text(identifier.as_str());
        }
    }
}

/// A statement without effect: `pass`, a docstring or another bare constant.
pub(crate) fn is_idle(stmt: &Stmt) -> bool {
    matches!(stmt, Stmt::Pass(_))
        || matches!(stmt, Stmt::Expr(expr)
            if matches!(&*expr.value, Expr::StringLiteral(_) | Expr::EllipsisLiteral(_)))
}
