//! What `make allnoconfig` and its kin do.

use crate::config::Config;
use crate::diagnostic::Diagnostic;
use crate::model::{Model, SymbolId};
use crate::tristate::Tristate;

/// How the symbols that nobody asked for get their values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    AllNo,
    AllYes,
    AllMod,
    AllDefault,
    /// From a `.config`, with defaults for what it does not say.
    OldDefault,
    /// From a minimal `.config`.
    Default,
}

impl Mode {
    pub const NAMES: [(&'static str, Mode); 6] = [
        ("allnoconfig", Mode::AllNo),
        ("allyesconfig", Mode::AllYes),
        ("allmodconfig", Mode::AllMod),
        ("alldefconfig", Mode::AllDefault),
        ("olddefconfig", Mode::OldDefault),
        ("defconfig", Mode::Default),
    ];

    fn unasked(self) -> Option<Tristate> {
        match self {
            Mode::AllNo => Some(Tristate::N),
            Mode::AllYes => Some(Tristate::Y),
            Mode::AllMod => Some(Tristate::M),
            Mode::AllDefault | Mode::OldDefault | Mode::Default => None,
        }
    }
}

impl<'m> Config<'m> {
    /// The configuration that `conf` makes in that mode of what `asked` says: a `.config`, or
    /// fragments one after the other.
    #[must_use]
    pub fn resolve(model: &'m Model, mode: Mode, asked: Option<&str>) -> (Self, Vec<Diagnostic>) {
        let mut config = Config::new(model);
        let from_config = matches!(mode, Mode::OldDefault | Mode::Default);
        config.changed = !from_config;
        let problems = asked.map(|asked| config.read(asked)).unwrap_or_default();
        if from_config {
            config.check_read();
        }
        if mode != Mode::OldDefault {
            config.set_unasked(mode.unasked());
        }
        (config, problems)
    }

    fn set_unasked(&mut self, value: Option<Tristate>) {
        if self.model.dialect.choices_are_bool() {
            self.set_unasked_prompts(value);
        } else {
            self.set_unasked_symbols(value);
        }
    }

    fn set_unasked_prompts(&mut self, value: Option<Tristate>) {
        for (id, symbol) in self.model.symbols.iter().enumerate() {
            let user = &mut self.users[id];
            let settable = symbol.kind.is_logic() && !symbol.prompts.is_empty();
            let of_choice = symbol.choice.is_some() || symbol.member_of.is_some();
            if let (false, true, false, Some(value)) = (user.is_set, settable, of_choice, value) {
                (user.is_set, user.tri) = (true, value);
            }
        }
        self.clear();
    }

    fn set_unasked_symbols(&mut self, value: Option<Tristate>) {
        for symbol in self.model.all().skip(3) {
            let user = &mut self.users[symbol.index()];
            let open = !user.is_set && !self.state[symbol.index()].valid;
            if let (true, true, Some(value)) = (open, self.model[symbol].kind.is_logic(), value) {
                let on = value == Tristate::N && self.model[symbol].allnoconfig_y;
                (user.is_set, user.tri) = (true, if on { Tristate::Y } else { value });
            }
        }
        self.clear();
        let choices: Vec<SymbolId> =
            self.model.all().filter(|id| self.model[*id].choice.is_some()).collect();
        for symbol in self.model.all() {
            let known = &self.model[symbol];
            let open = known.choice.is_some() && !self.users[symbol.index()].is_set;
            self.state[symbol.index()].unsettled = open || known.member_of.is_some();
        }
        for choice in choices {
            if !self.users[choice.index()].is_set {
                self.calc(choice);
                self.settle_unasked(choice);
            }
        }
    }

    /// What nobody asked for in an old choice is off.
    pub(crate) fn settle_unasked(&mut self, choice: SymbolId) {
        let Some(of) = &self.model[choice].choice else { return };
        for member in &of.members {
            let user = &mut self.users[member.index()];
            if !user.is_set {
                user.tri = Tristate::N;
            }
        }
        self.users[choice.index()].is_set = true;
        let state = &mut self.state[choice.index()];
        (state.valid, state.unsettled) = (false, false);
    }

    /// Whether a value of the symbol's own could differ from what is selected.
    pub(crate) fn is_changeable(&self, symbol: SymbolId) -> bool {
        let state = &self.state[symbol.index()];
        self.model[symbol].choice.is_none() && state.visible > state.selected
    }
}
