//! Formulas in the features of events, as `hypot(px, py)` or `x[0] >= 2 and abs(eta) < 2.5`.
//!
//! The language is that of Python's expressions, as far as it goes: numbers; features, by name, as `x[3]` or `x3`, or `{in braces}` where the
//! name is no word or means something else too; `+ - * /`, `**` or `^`; functions of one number and of two, and `pi`; comparisons; `and`, `or`, `not` (also `&&`, `||`, `!`). A
//! comparison is a condition and no number. All functions give the same bits on every machine.

mod grammar;

use crate::{room, Error, Result, Rows};
use grammar::{Grammar, Rule};
use pest::iterators::{Pair, Pairs};
use pest::pratt_parser::{Assoc, Op, PrattParser};
use pest::Parser;

/// Longest text.
const LONGEST: usize = 4096;
/// Deepest parentheses, and most powers.
const DEEPEST: usize = 24;
/// Bytes of stack that these need, and what the parser wants to have left. The caller's may be smaller.
const STACK: usize = 512 << 10;
/// Events evaluated at once.
const BLOCK: usize = 64;

type Function1 = fn(f64) -> f64;
type Function2 = fn(f64, f64) -> f64;

/// Functions of one number.
const OF_ONE: [(&str, Function1); 18] = [
    ("abs", f64::abs),
    ("acos", libm::acos),
    ("acosh", libm::acosh),
    ("asin", libm::asin),
    ("asinh", libm::asinh),
    ("atan", libm::atan),
    ("atanh", libm::atanh),
    ("cos", libm::cos),
    ("cosh", libm::cosh),
    ("exp", libm::exp),
    ("floor", f64::floor),
    ("log", libm::log),
    ("log10", libm::log10),
    ("sin", libm::sin),
    ("sinh", libm::sinh),
    ("sqrt", f64::sqrt),
    ("tan", libm::tan),
    ("tanh", libm::tanh),
];

/// Functions of two numbers.
const OF_TWO: [(&str, Function2); 5] = [
    ("atan2", libm::atan2),
    ("hypot", libm::hypot),
    ("max", |a, b| known([a, b], a.max(b))),
    ("min", |a, b| known([a, b], a.min(b))),
    ("pow", libm::pow),
];

/// The constant.
const PI: &str = "pi";

/// What a formula gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number.
    Number,
    /// 1 where it holds, 0 where it does not, NaN where that is not known: a comparison with NaN is not, nor is its negation.
    Condition,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Number => "a number",
            Kind::Condition => "a condition",
        }
    }
}

/// One step of a machine with a stack.
#[derive(Clone, Copy, Debug)]
enum Step {
    Number(f64),
    Column(usize),
    One(Function1),
    Two(Function2),
}

/// A formula that has been parsed for rows of so many columns.
#[derive(Clone, Debug)]
pub struct Formula {
    text: String,
    kind: Kind,
    columns: usize,
    steps: Vec<Step>,
    /// Numbers that the stack has to hold.
    depth: usize,
    margins: Vec<Formula>,
    equalities: Vec<String>,
}

impl Formula {
    /// Parses `text` for rows of `columns` values, of which `names` are called so, if there are any.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] that shows the place in the text, what is wrong and what would be right.
    pub fn parse(text: &str, columns: usize, names: &[String]) -> Result<Self> {
        let scope = Scope {
            text,
            columns,
            names,
        };
        scope.small()?;
        std::thread::scope(|threads| {
            let thread = std::thread::Builder::new().stack_size(STACK);
            let compiled = thread.spawn_scoped(threads, || scope.formula());
            let compiled = compiled.map_err(|e| {
                Error::Unsupported(format!(
                    "a thread that parses a formula cannot be started: {e}"
                ))
            })?;
            compiled
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Parses the condition that a support is, as [`Formula::parse`].
    ///
    /// # Errors
    /// Also for what is a number.
    pub fn condition(text: &str, columns: usize, names: &[String]) -> Result<Self> {
        let formula = Self::parse(text, columns, names)?;
        match formula.kind {
            Kind::Condition => Ok(formula),
            Kind::Number => Err(Error::InvalidArgument(format!(
                "the support `{text}` is a number; a condition is needed, as `x0 > 0`"
            ))),
        }
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }
    /// What it gives.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether its value depends on a column, counted from 0.
    pub fn uses(&self, column: usize) -> bool {
        let is = |step: &Step| matches!(step, Step::Column(own) if *own == column);
        self.steps.iter().any(is)
    }

    /// How far an event is within each inequality of a condition, in the order in which they are written: the greater side less the
    /// smaller one, negative beyond. Under `not` it is the other way round. Their text is the inequality.
    pub fn margins(&self) -> &[Formula] {
        &self.margins
    }

    /// The parts of a condition that are `==` or `!=`, as they are written: they have no margin.
    pub fn equalities(&self) -> &[String] {
        &self.equalities
    }

    /// The values of the formula for `rows`: one each, to `out`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for rows of other columns than it was parsed for, or another number of values.
    pub fn evaluate(&self, rows: Rows<'_, f64>, out: &mut [f64]) -> Result<()> {
        if rows.dim() != self.columns || rows.rows() != out.len() {
            return Err(Error::InvalidArgument(format!(
                "the formula `{}` is one of {} columns, for which {} values are asked of {} rows of {}",
                self.text,
                self.columns,
                out.len(),
                rows.rows(),
                rows.dim()
            )));
        }
        let mut stack = room::filled(self.depth, [0.0; BLOCK])?;
        for (first, out) in (0..).step_by(BLOCK).zip(out.chunks_mut(BLOCK)) {
            let mut top = 0;
            for step in &self.steps {
                match *step {
                    Step::Number(value) => {
                        stack[top].fill(value);
                        top += 1;
                    }
                    Step::Column(column) => {
                        let events = first..first + out.len();
                        let values = stack[top].iter_mut().zip(events);
                        values.for_each(|(to, row)| *to = rows.row(row)[column]);
                        top += 1;
                    }
                    Step::One(function) => {
                        let values = &mut stack[top - 1][..out.len()];
                        values.iter_mut().for_each(|v| *v = function(*v));
                    }
                    Step::Two(function) => {
                        top -= 1;
                        let (left, right) = stack.split_at_mut(top);
                        let pairs = left[top - 1].iter_mut().zip(&right[0]);
                        pairs
                            .take(out.len())
                            .for_each(|(a, &b)| *a = function(*a, b));
                    }
                }
            }
            out.copy_from_slice(&stack[0][..out.len()]);
        }
        Ok(())
    }
}

/// What a formula is written about.
#[derive(Clone, Copy)]
struct Scope<'a> {
    text: &'a str,
    columns: usize,
    names: &'a [String],
}

impl Scope<'_> {
    fn formula(&self) -> Result<Formula> {
        let parsed = Grammar::parse(Rule::formula, self.text).map_err(|e| self.unparsed(&e))?;
        let expression = parsed.flat_map(Pair::into_inner).next();
        let tokens = expression.map(Pair::into_inner);
        let tokens = tokens.ok_or_else(|| Error::Internal("a formula has an expression".into()))?;
        let part = self.compile(tokens, &precedence())?;
        let whole = Part {
            at: 0,
            end: self.text.len(),
            negated: false,
            ..part
        };
        Ok(self.finished(whole))
    }

    fn finished(&self, part: Part) -> Formula {
        Formula {
            text: match part.negated {
                true => format!("not ({})", self.text[part.at..part.end].trim()),
                false => self.text[part.at..part.end].trim().into(),
            },
            kind: part.kind,
            columns: self.columns,
            steps: part.steps,
            depth: part.depth,
            margins: part.margins.into_iter().map(|m| self.finished(m)).collect(),
            equalities: part.equalities,
        }
    }

    /// Refuses what would need much of the stack.
    fn small(&self) -> Result<()> {
        let (mut depth, mut deepest, mut powers) = (0_usize, 0, 0);
        for (i, c) in self.text.bytes().enumerate() {
            match c {
                b'(' => depth += 1,
                b')' => depth = depth.saturating_sub(1),
                b'^' => powers += 1,
                b'*' if self.text.as_bytes().get(i + 1) == Some(&b'*') => powers += 1,
                _ => {}
            }
            deepest = deepest.max(depth);
        }
        if self.text.len() <= LONGEST && deepest <= DEEPEST && powers <= DEEPEST {
            return Ok(());
        }
        Err(Error::InvalidArgument(format!(
            "a formula may have {LONGEST} bytes, parentheses {DEEPEST} deep and {DEEPEST} powers; this one has {} bytes, is {deepest} deep and has {powers} powers",
            self.text.len()
        )))
    }

    /// An error at byte `at` of the text.
    fn error(&self, at: usize, what: impl std::fmt::Display) -> Error {
        let shown = |part: &mut dyn Iterator<Item = char>| part.take(30).collect::<String>();
        let (before, after) = self.text.split_at(at);
        let before: String = shown(&mut before.chars().rev()).chars().rev().collect();
        Error::InvalidArgument(format!(
            "the formula, at `{before}` >>> `{}`: {what}",
            shown(&mut after.chars())
        ))
    }

    fn unparsed(&self, error: &pest::error::Error<Rule>) -> Error {
        use pest::error::{ErrorVariant, InputLocation};
        let at = match error.location {
            InputLocation::Pos(at) | InputLocation::Span((at, _)) => at,
        };
        let wanted = match &error.variant {
            ErrorVariant::ParsingError { positives, .. } => positives,
            ErrorVariant::CustomError { message } => return self.error(at, message),
        };
        // What begins an operand, what follows one.
        let operand = |rule: &Rule| {
            use Rule::{column, expression, formula, index, inside, name, number};
            matches!(
                rule,
                formula | expression | number | name | column | index | inside
            )
        };
        let operand = wanted.iter().any(operand);
        let rest = self.text[at..].chars().next();
        let what = match (operand, rest) {
            (_, Some('=')) => "equality is written `==`",
            (true, _) => "a number, a feature, a function or `(` is missing here",
            (false, None) => "it ends too early: an operator or `)` is missing",
            (false, Some(_)) => "an operator, `)` or the end is wanted here",
        };
        self.error(at, what)
    }

    /// The column of a name.
    fn column(&self, at: usize, name: &str) -> Result<usize> {
        let mut named = (0..self.names.len()).filter(|&i| self.names[i] == name);
        match (named.next(), named.next()) {
            (Some(column), None) => return Ok(column),
            (Some(_), Some(_)) => {
                return Err(self.error(
                    at,
                    format!("there are several features `{name}`: take `x[i]`"),
                ))
            }
            _ => {}
        }
        match place(name) {
            Some(index) => self.index(at, index),
            None => Err(self.error(
                at,
                format!("there is no feature `{name}`{}", self.nearest(name)),
            )),
        }
    }

    /// What a name without braces means: one thing.
    fn bare(&self, at: usize, name: &str) -> Result<Step> {
        let twofold = |other: &str| {
            let what = format!(
                "`{name}` is the name of a feature and also {other}: rename the feature, or write `{{{name}}}` for it"
            );
            Err(self.error(at, what))
        };
        if name == PI {
            return match self.names.iter().any(|own| own == PI) {
                true => twofold("the number"),
                false => Ok(Step::Number(std::f64::consts::PI)),
            };
        }
        let column = self.column(at, name)?;
        match place(name) {
            Some(i) if i != column && i < self.columns => {
                twofold(&format!("feature {i}, `x[{i}]`"))
            }
            _ => Ok(Step::Column(column)),
        }
    }

    fn index(&self, at: usize, column: usize) -> Result<usize> {
        if column < self.columns {
            return Ok(column);
        }
        Err(self.error(
            at,
            format!(
                "there is no feature {column}; they are x[0] to x[{}]",
                self.columns.saturating_sub(1)
            ),
        ))
    }

    /// The names most like this one, for a message.
    fn nearest(&self, name: &str) -> String {
        let functions = OF_ONE.iter().map(|f| f.0).chain(OF_TWO.iter().map(|f| f.0));
        // Of equal ones the last, features before functions.
        let features = self.names.iter().map(String::as_str).rev();
        let names = [PI].into_iter().chain(functions).chain(features);
        let likeness = |other: &&str| strsim::normalized_damerau_levenshtein(name, other);
        let best = names.max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        match best.filter(|best| likeness(best) >= 0.5) {
            Some(best) => format!("; did you mean `{best}`?"),
            None => format!(
                "; features are x[0] to x[{}], or called by name",
                self.columns.saturating_sub(1)
            ),
        }
    }
}

/// The column that x0, x1, … stand for.
fn place(name: &str) -> Option<usize> {
    name.strip_prefix('x')?.parse().ok()
}

/// A part of a formula, compiled.
#[derive(Clone)]
struct Part {
    kind: Kind,
    steps: Vec<Step>,
    /// Numbers that the stack has to hold.
    depth: usize,
    /// Where it begins and ends in the text.
    at: usize,
    end: usize,
    /// Whether it stands under `not`.
    negated: bool,
    /// Of its inequalities.
    margins: Vec<Part>,
    /// Texts of its equalities.
    equalities: Vec<String>,
}

impl Scope<'_> {
    fn compile(&self, tokens: Pairs<Rule>, precedence: &PrattParser<Rule>) -> Result<Part> {
        precedence
            .map_primary(|token| self.operand(token, precedence))
            .map_prefix(|sign, part| self.signed(&sign, part?))
            .map_infix(|left, operator, right| self.joined(left?, &operator, right?))
            .parse(tokens)
    }

    fn operand(&self, token: Pair<Rule>, precedence: &PrattParser<Rule>) -> Result<Part> {
        let (at, end) = (token.as_span().start(), token.as_span().end());
        let step = match token.as_rule() {
            Rule::expression => return self.compile(token.into_inner(), precedence),
            Rule::call => return self.call(token, precedence),
            Rule::number => Step::Number(self.number(at, token.as_str())?),
            Rule::column => {
                let index = token.into_inner().as_str();
                Step::Column(self.index(at, index.parse().unwrap_or(usize::MAX))?)
            }
            Rule::quoted => Step::Column(self.column(at, token.into_inner().as_str().trim())?),
            _ => self.bare(at, token.as_str())?,
        };
        Ok(Part {
            kind: Kind::Number,
            steps: vec![step],
            depth: 1,
            at,
            end,
            negated: false,
            margins: Vec::new(),
            equalities: Vec::new(),
        })
    }

    fn number(&self, at: usize, text: &str) -> Result<f64> {
        let value = text.parse().ok().filter(|v: &f64| v.is_finite());
        value.ok_or_else(|| self.error(at, "the number is too large"))
    }

    fn call(&self, token: Pair<Rule>, precedence: &PrattParser<Rule>) -> Result<Part> {
        let (at, end) = (token.as_span().start(), token.as_span().end());
        let mut inner = token.into_inner();
        let name = inner.next().map_or("", |name| name.as_str());
        let arguments = inner.map(|argument| {
            let part = self.compile(argument.into_inner(), precedence)?;
            self.wants(Kind::Number, &part, &format!("`{name}`"))?;
            Ok(part)
        });
        let mut arguments: Vec<Part> = arguments.collect::<Result<_>>()?;
        let one = OF_ONE.iter().find(|f| f.0 == name).map(|f| Step::One(f.1));
        let two = OF_TWO.iter().find(|f| f.0 == name).map(|f| Step::Two(f.1));
        let Some((step, takes)) = one.map(|f| (f, 1)).or(two.map(|f| (f, 2))) else {
            let nearest = self.nearest(name);
            return Err(self.error(at, format!("there is no function `{name}`{nearest}")));
        };
        match (arguments.pop(), arguments.pop(), arguments.len()) {
            (Some(argument), None, 0) if takes == 1 => Ok(Part {
                at,
                end,
                ..after(argument, step, Kind::Number)
            }),
            (Some(second), Some(first), 0) if takes == 2 => Ok(Part {
                at,
                end,
                ..both(first, second, step, Kind::Number)
            }),
            (last, before, more) => {
                let given = usize::from(last.is_some()) + usize::from(before.is_some()) + more;
                Err(self.error(at, format!("`{name}` takes {takes} numbers, not {given}")))
            }
        }
    }

    fn signed(&self, sign: &Pair<Rule>, part: Part) -> Result<Part> {
        let kind = match sign.as_rule() {
            Rule::not => Kind::Condition,
            _ => Kind::Number,
        };
        self.wants(kind, &part, &format!("`{}`", sign.as_str()))?;
        let minus: Function1 = |a| -a;
        let step: Function1 = match sign.as_rule() {
            Rule::not => |a| 1.0 - a,
            Rule::negative => minus,
            _ => return Ok(part),
        };
        let mut part = after(part, Step::One(step), kind);
        for margin in &mut part.margins {
            margin.negated ^= true;
            margin.steps.push(Step::One(minus));
        }
        part.at = sign.as_span().start();
        Ok(part)
    }

    fn joined(&self, left: Part, operator: &Pair<Rule>, right: Part) -> Result<Part> {
        use Kind::{Condition, Number};
        let (of, gives, step): (_, _, Function2) = match operator.as_rule() {
            // What settles it does so whatever the other is.
            Rule::or => (Condition, Condition, |a, b| match (a, b) {
                (1.0, _) | (_, 1.0) => 1.0,
                _ => a + b,
            }),
            Rule::and => (Condition, Condition, |a, b| match (a, b) {
                (0.0, _) | (_, 0.0) => 0.0,
                _ => a * b,
            }),
            Rule::equal => (Number, Condition, |a, b| known([a, b], f64::from(a == b))),
            Rule::unequal => (Number, Condition, |a, b| known([a, b], f64::from(a != b))),
            Rule::at_most => (Number, Condition, |a, b| known([a, b], f64::from(a <= b))),
            Rule::at_least => (Number, Condition, |a, b| known([a, b], f64::from(a >= b))),
            Rule::below => (Number, Condition, |a, b| known([a, b], f64::from(a < b))),
            Rule::above => (Number, Condition, |a, b| known([a, b], f64::from(a > b))),
            Rule::plus => (Number, Number, |a, b| a + b),
            Rule::minus => (Number, Number, |a, b| a - b),
            Rule::times => (Number, Number, |a, b| a * b),
            Rule::over => (Number, Number, |a, b| a / b),
            _ => (Number, Number, power),
        };
        let name = format!("`{}`", operator.as_str());
        self.wants(of, &left, &name)?;
        self.wants(of, &right, &name)?;
        let less: Option<Function2> = match operator.as_rule() {
            Rule::at_least | Rule::above => Some(|a, b| a - b),
            Rule::at_most | Rule::below => Some(|a, b| b - a),
            _ => None,
        };
        let margin =
            less.map(|less| both(left.clone(), right.clone(), Step::Two(less), Kind::Number));
        let mut joined = both(left, right, Step::Two(step), gives);
        joined.margins.extend(margin);
        if matches!(operator.as_rule(), Rule::equal | Rule::unequal) {
            let text = self.text[joined.at..joined.end].trim();
            joined.equalities.push(text.into());
        }
        Ok(joined)
    }

    /// Checks the kind of an operand of what is called `name`.
    fn wants(&self, kind: Kind, part: &Part, name: &str) -> Result<()> {
        if part.kind == kind {
            return Ok(());
        }
        let hint = match kind {
            Kind::Number => "; `a < b < c` is written `a < b and b < c`",
            Kind::Condition => ", as `x > 0` is",
        };
        Err(self.error(
            part.at,
            format!(
                "{name} takes {}, and this is {}{hint}",
                kind.name(),
                part.kind.name()
            ),
        ))
    }
}

/// NaN where one of two numbers is.
fn known(of: [f64; 2], value: f64) -> f64 {
    match of.iter().any(|v| v.is_nan()) {
        true => f64::NAN,
        false => value,
    }
}

/// A square is a product, and rounded as one.
fn power(base: f64, exponent: f64) -> f64 {
    match exponent {
        2.0 => base * base,
        _ => libm::pow(base, exponent),
    }
}

fn after(mut part: Part, step: Step, kind: Kind) -> Part {
    part.steps.push(step);
    Part { kind, ..part }
}

fn both(mut left: Part, right: Part, step: Step, kind: Kind) -> Part {
    left.steps.extend(right.steps);
    left.steps.push(step);
    left.margins.extend(right.margins);
    left.equalities.extend(right.equalities);
    Part {
        kind,
        depth: left.depth.max(1 + right.depth),
        end: right.end,
        ..left
    }
}

/// Precedence, from the loosest: as Python has it.
fn precedence() -> PrattParser<Rule> {
    let left = |rule| Op::infix(rule, Assoc::Left);
    PrattParser::new()
        .op(left(Rule::or))
        .op(left(Rule::and))
        .op(Op::prefix(Rule::not))
        .op(left(Rule::equal)
            | left(Rule::unequal)
            | left(Rule::at_most)
            | left(Rule::at_least)
            | left(Rule::below)
            | left(Rule::above))
        .op(left(Rule::plus) | left(Rule::minus))
        .op(left(Rule::times) | left(Rule::over))
        .op(Op::prefix(Rule::negative) | Op::prefix(Rule::positive))
        .op(Op::infix(Rule::power, Assoc::Right))
}

#[cfg(test)]
mod tests;
