//! Symbols whose value needs itself. A choice and its members count as one: they settle together.

use rustc_hash::FxHashMap;

use crate::diagnostic::{Diagnostic, Link, Problem, Step};
use crate::expr::ExprId;
use crate::model::{Location, Model, SymbolId};

/// A tree with more has one mistake that shows in many places.
const MOST: usize = 20;

struct Edge {
    from: SymbolId,
    to: SymbolId,
    why: Link,
    location: Option<Location>,
}

/// A group that is being looked at.
struct Visit {
    group: SymbolId,
    edges: Vec<Edge>,
    next: usize,
}

pub(crate) fn find(model: &Model) -> Vec<Diagnostic> {
    let members = members(model);
    let mut done = vec![false; model.symbols.len()];
    let mut depth: Vec<Option<usize>> = vec![None; model.symbols.len()];
    let mut found = vec![];
    for start in model.all().map(|symbol| group(model, symbol)) {
        let mut path: Vec<Visit> = vec![];
        let mut open = (!done[start.index()]).then_some(start);
        loop {
            if let Some(group) = open.take() {
                depth[group.index()] = Some(path.len());
                path.push(Visit { group, edges: edges(model, group, &members), next: 0 });
            }
            let Some(visit) = path.last_mut() else { break };
            let Some(edge) = visit.edges.get(visit.next) else {
                (done[visit.group.index()], depth[visit.group.index()]) = (true, None);
                path.pop();
                continue;
            };
            visit.next += 1;
            let target = group(model, edge.to);
            if let Some(from) = depth[target.index()] {
                found.push(cycle(model, &path[from..]));
                if found.len() == MOST {
                    return found;
                }
            } else if !done[target.index()] {
                open = Some(target);
            }
        }
    }
    found
}

fn group(model: &Model, symbol: SymbolId) -> SymbolId {
    model[symbol].member_of.unwrap_or(symbol)
}

fn members(model: &Model) -> FxHashMap<SymbolId, Vec<SymbolId>> {
    let mut members: FxHashMap<SymbolId, Vec<SymbolId>> = FxHashMap::default();
    for symbol in model.all() {
        if let Some(choice) = model[symbol].member_of {
            members.entry(choice).or_default().push(symbol);
        }
    }
    members
}

fn edges(
    model: &Model,
    group: SymbolId,
    members: &FxHashMap<SymbolId, Vec<SymbolId>>,
) -> Vec<Edge> {
    let mut edges = of_symbol(model, group);
    for member in members.get(&group).into_iter().flatten() {
        let own = of_symbol(model, *member).into_iter();
        // That a member needs its choice is what makes it one.
        edges.extend(own.filter(|edge| edge.to != group));
    }
    edges
}

fn of_symbol(model: &Model, from: SymbolId) -> Vec<Edge> {
    let symbol = &model[from];
    let mut edges = vec![];
    let mut add = |why, expr: ExprId, location| {
        let needed = model.symbols_in(expr).into_iter();
        edges.extend(needed.map(|to| Edge { from, to, why, location }));
    };
    if let Some(depends) = symbol.depends {
        let location = symbol.entries.first().map(|entry| model[*entry].location);
        add(Link::DependsOn, depends, location);
    }
    for prompt in &symbol.prompts {
        add(Link::PromptVisibleIf, prompt.condition, Some(prompt.location));
    }
    for default in &symbol.defaults {
        add(Link::DefaultIf, default.condition, Some(default.location));
        if symbol.choice.is_none() {
            add(Link::Default, default.value, Some(default.location));
        }
    }
    for range in &symbol.ranges {
        add(Link::RangeIf, range.condition, Some(range.location));
    }
    for (why, all) in
        [(Link::SelectedBy, &symbol.selected_by), (Link::ImpliedBy, &symbol.implied_by)]
    {
        for reverse in all {
            let location = Some(reverse.location);
            edges.push(Edge { from, to: reverse.by, why, location });
            let needed = model.symbols_in(reverse.condition).into_iter();
            edges.extend(needed.map(|to| Edge { from, to, why, location }));
        }
    }
    edges.retain(|edge| edge.to > SymbolId::Y);
    edges
}

/// The last edge of the path leads back to its start.
fn cycle(model: &Model, path: &[Visit]) -> Diagnostic {
    let taken = path.iter().filter_map(|visit| visit.edges.get(visit.next.checked_sub(1)?));
    let steps: Vec<Step> = taken
        .map(|edge| Step {
            symbol: model[edge.from].name.clone(),
            why: edge.why,
            location: edge.location,
        })
        .collect();
    let location = steps.iter().find_map(|step| step.location);
    let nowhere = Location { file: crate::FileId(0), line: 0 };
    let problem = Problem::Recursive { steps };
    Diagnostic::new(problem, location.unwrap_or(nowhere), model.dialect)
}
