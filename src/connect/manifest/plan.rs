//! Compiles all paths of a source into one tree of wanted names, so that a page is read once whatever the
//! number of paths. A node stands for every path that has come as far as one value; what no path wants
//! has no node and is skipped. Driving the tree over a page is `extract`'s business.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::path::{Literal, Path, Step, Test};

/// Names in one object the reader can tell apart; it remembers which it has seen in one machine word.
const MOST_NAMES: usize = 64;

/// A path, and what it means when something else stands on the way.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) path: &'a Path,
    /// `false`: no match, as the standard says. `true`: noted as [`super::extract::Seen::Wrong`], so that
    /// a field that changed its kind never passes for one that is missing.
    pub(super) strict: bool,
}

/// The compiled paths of one source. Slots come in the order given: those of the page, then those of a row.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) nodes: Vec<Node>,
    pub(super) slots: usize,
}

/// What is wanted of one value.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// The value itself goes here.
    pub(super) takes: Vec<usize>,
    /// The value is one row.
    pub(super) row: bool,
    /// The value is a list on the way to the rows; its elements are lists' parents again, or rows.
    pub(super) list: Option<Elements>,
    /// What rows below want of the value itself: read before them, wherever in it that stands.
    pub(super) above: Option<Above>,
    /// Slots emptied where the value, a row, begins.
    pub(super) clears: Vec<usize>,
    /// Nothing below is wanted.
    pub(super) leaf: bool,
    /// Wanted members of an object.
    pub(super) names: Vec<(Box<str>, usize)>,
    /// Every other member.
    pub(super) member: Option<usize>,
    /// Wanted elements of an array, by position.
    pub(super) index: Vec<(usize, usize)>,
    /// Every other element.
    pub(super) element: Option<usize>,
    /// Asked of every member and element.
    pub(super) filters: Vec<Filter>,
    /// `[-1]`: each element's match takes the place of the one before.
    pub(super) lasts: Vec<Promote>,
    /// Strict paths that go on by name…
    pub(super) need_object: Vec<usize>,
    /// …or by position…
    pub(super) need_array: Vec<usize>,
    /// …or by either.
    pub(super) need_either: Vec<usize>,
}

/// What a list on the way to the rows holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Elements {
    Rows,
    /// Each holds a list.
    Parents,
}

/// What rows want of what they are part of.
#[derive(Debug)]
pub(super) struct Above {
    pub(super) node: usize,
    /// Its slots, emptied where another such part begins.
    pub(super) clears: Vec<usize>,
}

/// Matches wait in `from` until it is known whether they count, then move to `to`.
#[derive(Clone, Debug)]
pub(super) struct Promote {
    pub(super) from: usize,
    pub(super) to: usize,
}

/// A filter on its way over the elements.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    pub(super) test: SlotTest,
    /// Slots of the test's own fields.
    pub(super) fields: Vec<usize>,
    pub(super) promote: Promote,
}

/// A filter's test with its fields replaced by where they were put.
#[derive(Clone, Debug)]
pub(super) enum SlotTest {
    Has(usize),
    Compare { slot: usize, equal: bool, literal: Literal },
    And(Box<SlotTest>, Box<SlotTest>),
    Or(Box<SlotTest>, Box<SlotTest>),
    Not(Box<SlotTest>),
}

impl Plan {
    /// Compiles the paths of a page and, relative to each element of `each`, those of a row.
    ///
    /// # Errors
    /// A sentence when more names of one object are wanted than the reader can tell apart.
    pub(super) fn compile(page: &[Wanted<'_>], each: Option<&Path>, row: &[Wanted<'_>]) -> Result<Self, String> {
        let mut compiler = Compiler { slots: page.len() + row.len(), ..Compiler::default() };
        let mut roots = BTreeSet::new();
        for (slot, wanted) in page.iter().enumerate() {
            roots.insert((compiler.line(&wanted.path.steps, slot, wanted.strict), 0));
        }
        let lists = each.map_or(0, Path::lists);
        compiler.parents = vec![Wants::default(); lists + 1];
        for (number, wanted) in row.iter().enumerate() {
            let line = compiler.line(&wanted.path.steps, page.len() + number, wanted.strict);
            let level = lists.checked_sub(wanted.path.up);
            let level = level.ok_or_else(|| format!("`{}` leads above the whole answer", wanted.path.text))?;
            compiler.parents[level].lines.insert((line, 0));
            compiler.parents[level].slots.push(page.len() + number);
        }
        if let Some(each) = each {
            let line = compiler.line(&each.steps, usize::MAX, false);
            compiler.each = Some(line);
            roots.insert((line, 0));
        }
        compiler.node(roots)?;
        let nodes = compiler.nodes.into_iter().flatten().collect();
        Ok(Self { nodes, slots: compiler.slots })
    }
}

/// A path in compilation: where each step leads and where its matches go.
struct Line {
    steps: Vec<LineStep>,
    /// Where a match of all steps goes, and what stands in the way before each.
    takes: usize,
    before: Vec<usize>,
    strict: bool,
}

enum LineStep {
    Name(String),
    Index(usize),
    Every,
    Last(Promote),
    Filter { filter: Filter, fields: Vec<usize> },
}

/// A line, and how many of its steps are done.
type Position = (usize, usize);

/// What rows want of one level, and where it is put.
#[derive(Clone, Default)]
struct Wants {
    lines: BTreeSet<Position>,
    slots: Vec<usize>,
}

#[derive(Default)]
struct Compiler {
    lines: Vec<Line>,
    /// What rows want: of the page, of an element of the first list, and so on; last of themselves.
    parents: Vec<Wants>,
    each: Option<usize>,
    slots: usize,
    known: HashMap<BTreeSet<Position>, usize>,
    nodes: Vec<Option<Node>>,
}

impl Compiler {
    /// How many lists have been entered where `each` has just entered one, or is about to begin.
    fn level(&self, line: usize, done: usize) -> Option<usize> {
        let steps = &self.lines[line].steps[..done];
        let entered = done == 0 || matches!(steps.last(), Some(LineStep::Every));
        let lists = || steps.iter().filter(|step| matches!(step, LineStep::Every)).count();
        (Some(line) == self.each && entered).then(lists)
    }

    fn new_slot(&mut self) -> usize {
        self.slots += 1;
        self.slots - 1
    }

    /// Adds a path whose matches end in `slot`. Every `[-1]` and filter on the way gets a slot of its own
    /// for what waits there.
    fn line(&mut self, steps: &[Step], slot: usize, strict: bool) -> usize {
        let mut takes = slot;
        let (mut done, mut before) = (Vec::with_capacity(steps.len()), Vec::with_capacity(steps.len()));
        for step in steps {
            before.push(takes);
            done.push(match step {
                Step::Name(name) => LineStep::Name(name.clone()),
                // A position no page can have matches nothing, which is what the largest one does.
                Step::Index(index) => LineStep::Index(usize::try_from(*index).unwrap_or(usize::MAX)),
                Step::Every => LineStep::Every,
                Step::Last => {
                    let promote = Promote { from: self.new_slot(), to: takes };
                    takes = promote.from;
                    LineStep::Last(promote)
                }
                Step::Filter(test) => {
                    let promote = Promote { from: self.new_slot(), to: takes };
                    takes = promote.from;
                    let (mut lines, mut fields) = (Vec::new(), Vec::new());
                    let test = self.test(test, &mut lines, &mut fields);
                    LineStep::Filter { filter: Filter { test, fields, promote }, fields: lines }
                }
            });
        }
        self.lines.push(Line { steps: done, takes, before, strict });
        self.lines.len() - 1
    }

    fn test(&mut self, test: &Test, lines: &mut Vec<usize>, slots: &mut Vec<usize>) -> SlotTest {
        let mut both = |left: &Test, right: &Test| {
            (Box::new(self.test(left, lines, slots)), Box::new(self.test(right, lines, slots)))
        };
        match test {
            Test::And(left, right) => {
                let (left, right) = both(left, right);
                SlotTest::And(left, right)
            }
            Test::Or(left, right) => {
                let (left, right) = both(left, right);
                SlotTest::Or(left, right)
            }
            Test::Not(inner) => SlotTest::Not(Box::new(self.test(inner, lines, slots))),
            Test::Has(field) => SlotTest::Has(self.field(field, lines, slots)),
            Test::Compare { field, equal, literal } => {
                SlotTest::Compare { slot: self.field(field, lines, slots), equal: *equal, literal: literal.clone() }
            }
        }
    }

    fn field(&mut self, field: &[Step], lines: &mut Vec<usize>, slots: &mut Vec<usize>) -> usize {
        let slot = self.new_slot();
        lines.push(self.line(field, slot, false));
        slots.push(slot);
        slot
    }

    fn node(&mut self, mut at: BTreeSet<Position>) -> Result<usize, String> {
        let level = at.iter().find_map(|&(line, step)| self.level(line, step));
        let row = level.is_some_and(|level| level + 1 == self.parents.len());
        if let Some(wants) = self.parents.last().filter(|_| row) {
            at.extend(&wants.lines);
        }
        if let Some(&node) = self.known.get(&at) {
            return Ok(node);
        }
        let number = self.nodes.len();
        self.nodes.push(None);
        self.known.insert(at.clone(), number);

        let mut node = Node { row, ..Node::default() };
        if let Some(Wants { lines, slots }) = level.map(|level| self.parents[level].clone()) {
            if row {
                node.clears = slots;
            } else if !lines.is_empty() {
                node.above = Some(Above { node: self.node(lines)?, clears: slots });
            }
        }
        let mut names: BTreeMap<String, BTreeSet<Position>> = BTreeMap::new();
        let mut index: BTreeMap<usize, BTreeSet<Position>> = BTreeMap::new();
        let (mut any, mut elements) = (BTreeSet::new(), BTreeSet::new());
        for &(line_number, done) in &at {
            let line = &self.lines[line_number];
            let next = (line_number, done + 1);
            let Some(step) = line.steps.get(done) else {
                if Some(line_number) != self.each {
                    node.takes.push(line.takes);
                }
                continue;
            };
            if line.strict {
                // A list that is none is no match that waits for a filter's word.
                let slot = line.before[done];
                match step {
                    LineStep::Name(_) => node.need_object.push(slot),
                    LineStep::Index(_) | LineStep::Last(_) => node.need_array.push(slot),
                    LineStep::Every | LineStep::Filter { .. } => node.need_either.push(slot),
                }
            }
            match step {
                LineStep::Name(name) => {
                    names.entry(name.clone()).or_default().insert(next);
                }
                LineStep::Index(at) => {
                    index.entry(*at).or_default().insert(next);
                }
                LineStep::Every if Some(line_number) == self.each => {
                    let last = done + 1 == line.steps.len();
                    node.list = Some(if last { Elements::Rows } else { Elements::Parents });
                    elements.insert(next);
                }
                LineStep::Every => {
                    any.insert(next);
                }
                LineStep::Last(promote) => {
                    node.lasts.push(promote.clone());
                    elements.insert(next);
                }
                LineStep::Filter { filter, fields } => {
                    node.filters.push(filter.clone());
                    any.insert(next);
                    any.extend(fields.iter().map(|&field| (field, 0)));
                }
            }
        }
        elements.extend(any.iter().copied());
        if names.len() > MOST_NAMES {
            return Err(format!("{} names of one object are wanted, at most {MOST_NAMES} can be", names.len()));
        }
        for (name, mut target) in names {
            target.extend(any.iter().copied());
            node.names.push((name.into_boxed_str(), self.node(target)?));
        }
        for (at, mut target) in index {
            target.extend(elements.iter().copied());
            node.index.push((at, self.node(target)?));
        }
        node.member = if any.is_empty() { None } else { Some(self.node(any)?) };
        node.element = if elements.is_empty() { None } else { Some(self.node(elements)?) };
        node.leaf = node.names.is_empty() && node.index.is_empty() && node.member.is_none() && node.element.is_none();
        self.nodes[number] = Some(node);
        Ok(number)
    }
}
