//! What a Kconfig tree says: symbols, and the entries that define them in the order of the menus.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::Dialect;
use crate::expr::{Expr, ExprId, Exprs};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SymbolId(pub(crate) u32);

impl SymbolId {
    pub const N: SymbolId = SymbolId(0);
    pub const M: SymbolId = SymbolId(1);
    pub const Y: SymbolId = SymbolId(2);

    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// A place in the menus. Entries are numbered as they are written: a menu comes before its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EntryId(pub(crate) u32);

impl EntryId {
    pub const ROOT: EntryId = EntryId(0);

    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileId(pub(crate) u32);

/// A line of a Kconfig file, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Location {
    pub file: FileId,
    pub line: u32,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Type {
    /// Named somewhere, defined nowhere: it stands for its own name, and for `n` in logic.
    #[default]
    Unknown,
    Bool,
    Tristate,
    Int,
    Hex,
    String,
}

impl Type {
    #[must_use]
    pub fn is_logic(self) -> bool {
        matches!(self, Type::Bool | Type::Tristate)
    }

    /// Of the number it holds, if it holds one.
    pub(crate) fn base(self) -> Option<u32> {
        match self {
            Type::Int => Some(10),
            Type::Hex => Some(16),
            _ => None,
        }
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Symbol {
    /// Empty for a choice.
    pub name: Arc<str>,
    pub kind: Type,
    /// Written in quotes, or one of `n`, `m`, `y`.
    pub is_const: bool,
    /// A choice is a symbol too, without a name.
    pub choice: Option<Choice>,
    /// The choice that it is a member of.
    pub member_of: Option<SymbolId>,
    /// Read from old `.config` files, never written.
    pub transitional: bool,
    /// `option allnoconfig_y`: what `allnoconfig` sets to `y`.
    pub allnoconfig_y: bool,
    /// `option defconfig_list`: it names files, and stands in no `.config`.
    pub never_written: bool,
    /// Where it is defined.
    pub entries: Vec<EntryId>,
    pub prompts: Vec<Prompt>,
    pub defaults: Vec<DefaultValue>,
    pub ranges: Vec<Range>,
    pub selects: Vec<Select>,
    pub implies: Vec<Select>,
    /// Who selects it: the other end of `selects`.
    pub selected_by: Vec<Reverse>,
    /// Who implies it: the other end of `implies`.
    pub implied_by: Vec<Reverse>,
    /// What its entries depend on: one of them is enough.
    pub depends: Option<ExprId>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Choice {
    pub optional: bool,
    pub members: Vec<SymbolId>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Prompt {
    pub text: Arc<str>,
    /// What stands after its own `if`.
    pub own_condition: ExprId,
    /// With all that its entry depends on, and `visible if` of the menus around it.
    pub condition: ExprId,
    pub entry: EntryId,
    pub location: Location,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DefaultValue {
    pub value: ExprId,
    /// What stands after its own `if`.
    pub own_condition: ExprId,
    pub condition: ExprId,
    pub entry: EntryId,
    pub location: Location,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Range {
    pub low: SymbolId,
    pub high: SymbolId,
    pub condition: ExprId,
    pub entry: EntryId,
    pub location: Location,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Select {
    pub target: SymbolId,
    pub condition: ExprId,
    pub entry: EntryId,
    pub location: Location,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Reverse {
    pub by: SymbolId,
    pub condition: ExprId,
    pub location: Location,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntryKind {
    Root,
    Config(SymbolId),
    Choice(SymbolId),
    Menu,
    If,
    Comment,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Entry {
    pub kind: EntryKind,
    pub parent: EntryId,
    /// A symbol's that is a menu, too: `menuconfig`.
    pub is_menuconfig: bool,
    /// The first entry after its content.
    pub end: EntryId,
    /// Of a menu or a comment; those of symbols are with the symbol.
    pub prompt: Option<Prompt>,
    /// What it says that it depends on, line by line.
    pub conditions: Vec<(ExprId, Location)>,
    /// All that it depends on, with what it inherits.
    pub depends: ExprId,
    pub visible_if: ExprId,
    /// Lines of its help text, from the first to before the second.
    pub help: Option<(u32, u32)>,
    pub location: Location,
}

impl Entry {
    #[must_use]
    pub fn symbol(&self) -> Option<SymbolId> {
        match self.kind {
            EntryKind::Config(symbol) | EntryKind::Choice(symbol) => Some(symbol),
            _ => None,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Model {
    pub(crate) dialect: Dialect,
    pub(crate) symbols: Vec<Symbol>,
    #[serde(skip)]
    pub(crate) names: FxHashMap<Arc<str>, SymbolId>,
    #[serde(skip)]
    constants: FxHashMap<Arc<str>, SymbolId>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) exprs: Exprs,
    pub(crate) files: Vec<Arc<str>>,
    /// The symbol that says whether there are modules; `n` if there is none.
    pub(crate) modules: SymbolId,
}

impl Model {
    pub(crate) fn new(dialect: Dialect) -> Self {
        let constant = |name: &str| Symbol {
            name: name.into(),
            kind: Type::Tristate,
            is_const: true,
            ..Symbol::default()
        };
        Model {
            dialect,
            symbols: ["n", "m", "y"].map(constant).into(),
            names: FxHashMap::default(),
            constants: FxHashMap::default(),
            entries: vec![],
            exprs: Exprs::new(),
            files: vec![],
            modules: SymbolId::N,
        }
    }

    /// The symbol of that name, if it is named anywhere in the tree.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<SymbolId> {
        constant_of(name).or_else(|| self.names.get(name).copied())
    }

    /// The symbol of that name, if it is defined.
    #[must_use]
    pub fn defined(&self, name: &str) -> Option<SymbolId> {
        self.names.get(name).copied().filter(|id| !self[*id].entries.is_empty())
    }

    /// Every symbol that has a name and is defined.
    pub fn defined_symbols(&self) -> impl Iterator<Item = (SymbolId, &Symbol)> {
        let all = (0u32..).map(SymbolId).zip(&self.symbols);
        all.filter(|(_, symbol)| !symbol.name.is_empty() && !symbol.entries.is_empty())
    }

    #[must_use]
    pub fn expr(&self, id: ExprId) -> Expr {
        self.exprs.get(id)
    }

    /// The operands of the `&&` at the top, in the order in which they are written.
    #[must_use]
    pub fn conjuncts(&self, expr: ExprId) -> Vec<ExprId> {
        self.exprs.conjuncts(expr)
    }

    /// Every symbol in an expression, constants too; one may come more than once.
    #[must_use]
    pub fn symbols_in(&self, expr: ExprId) -> Vec<SymbolId> {
        self.exprs.symbols(expr)
    }

    /// The path of a file, as the tree's `source` statement has it.
    #[must_use]
    pub fn path(&self, file: FileId) -> &str {
        self.files.get(file.0 as usize).map_or("", |path| path)
    }

    #[must_use]
    pub fn modules(&self) -> SymbolId {
        self.modules
    }

    /// The titles of the menus and choices that an entry is in, from the outermost; a symbol with an
    /// `if` of its own after it is a menu, too.
    #[must_use]
    pub fn menus_of(&self, entry: EntryId) -> Vec<Arc<str>> {
        let (mut at, mut found) = (self[entry].parent, vec![]);
        while at != EntryId::ROOT {
            let titled =
                if self[at].kind == EntryKind::If { self.menu_before(at) } else { Some(at) };
            found.extend(titled.and_then(|at| self.prompt_of(at)).map(|p| p.text.clone()));
            at = self[at].parent;
        }
        found.reverse();
        found
    }

    /// The entry of the symbol that a block is the content of.
    fn menu_before(&self, block: EntryId) -> Option<EntryId> {
        let (condition, _) = self[block].conditions.first()?;
        let Expr::Symbol(symbol) = self.expr(*condition) else { return None };
        let before = |entry: &EntryId| {
            *entry < block && self[*entry].parent == self[block].parent && !self[symbol].is_const
        };
        self[symbol].entries.iter().copied().find(before)
    }

    /// The symbol of that name, which is made if it is not there yet.
    pub(crate) fn name(&mut self, name: &str) -> SymbolId {
        if let Some(known) = self.find(name) {
            return known;
        }
        let id = self.add(Symbol { name: name.into(), ..Symbol::default() });
        self.names.insert(self[id].name.clone(), id);
        id
    }

    /// The constant of that text.
    pub(crate) fn constant(&mut self, text: &str) -> SymbolId {
        if let Some(known) = constant_of(text).or_else(|| self.constants.get(text).copied()) {
            return known;
        }
        let id = self.add(Symbol { name: text.into(), is_const: true, ..Symbol::default() });
        self.constants.insert(self[id].name.clone(), id);
        id
    }

    /// The model as bytes, for a program that is built of the same source.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        postcard::to_stdvec(self).unwrap_or_default()
    }

    /// The model that gave these bytes; `None` for what are no such bytes. That they were not changed
    /// since is the caller's to see to.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut model: Model = postcard::from_bytes(bytes).ok()?;
        let names = model.all().filter(|symbol| {
            let known = &model[*symbol];
            !known.is_const && known.choice.is_none()
        });
        model.names = names.map(|symbol| (model[symbol].name.clone(), symbol)).collect();
        Some(model)
    }

    pub(crate) fn add(&mut self, symbol: Symbol) -> SymbolId {
        let id = SymbolId(u32::try_from(self.symbols.len()).unwrap_or(u32::MAX));
        self.symbols.push(symbol);
        id
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = SymbolId> + use<> {
        (0..u32::try_from(self.symbols.len()).unwrap_or(u32::MAX)).map(SymbolId)
    }

    pub(crate) fn all_entries(&self) -> impl Iterator<Item = EntryId> + use<> {
        (0..u32::try_from(self.entries.len()).unwrap_or(u32::MAX)).map(EntryId)
    }

    pub(crate) fn prompt_of(&self, id: EntryId) -> Option<&Prompt> {
        let entry = &self[id];
        match entry.symbol() {
            // The last one counts where an entry has two.
            Some(symbol) => self[symbol].prompts.iter().rfind(|prompt| prompt.entry == id),
            None => entry.prompt.as_ref(),
        }
    }
}

/// `n`, `m` and `y` are the same with and without quotes.
fn constant_of(name: &str) -> Option<SymbolId> {
    match name {
        "n" => Some(SymbolId::N),
        "m" => Some(SymbolId::M),
        "y" => Some(SymbolId::Y),
        _ => None,
    }
}

impl std::ops::Index<SymbolId> for Model {
    type Output = Symbol;

    fn index(&self, id: SymbolId) -> &Symbol {
        &self.symbols[id.index()]
    }
}

impl std::ops::IndexMut<SymbolId> for Model {
    fn index_mut(&mut self, id: SymbolId) -> &mut Symbol {
        &mut self.symbols[id.index()]
    }
}

impl std::ops::Index<EntryId> for Model {
    type Output = Entry;

    fn index(&self, id: EntryId) -> &Entry {
        &self.entries[id.index()]
    }
}

impl std::ops::IndexMut<EntryId> for Model {
    fn index_mut(&mut self, id: EntryId) -> &mut Entry {
        &mut self.entries[id.index()]
    }
}
