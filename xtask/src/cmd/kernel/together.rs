//! Variants side by side, in one budget of jobs.
//!
//! Those of one arch come one after another, each beginning with what the one most like it left; the chains
//! of several arches run at the same time, and take turns at compiling.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::thread;

use anyhow::{Result, anyhow};

use super::variant::{Site, Variant};
use super::{Outcome, Produced};
use crate::cmd::Context;
use crate::diag::Failure;
use crate::shell::Interrupted;

/// One that fails does not keep the others from being made, but with `--fail-fast`.
///
/// # Errors
/// If the user interrupts, or the only variant fails.
pub(super) fn produce(
    ctx: &Context,
    site: Site<'_>,
    variants: &[Variant<'_>],
) -> Result<Vec<Produced>> {
    let chains = chains(variants);
    let contexts: Vec<Context> = chains.iter().map(|_| ctx.for_thread()).collect::<Result<_>>()?;
    let results = thread::scope(|scope| {
        let start = |(chain, ctx)| scope.spawn(|| produce_chain(ctx, site, chain));
        let threads: Vec<_> = chains.into_iter().zip(contexts).map(start).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| thread.join();
        threads.into_iter().map(join).collect::<Vec<_>>()
    });
    let mut results: BTreeMap<String, _> =
        results.into_iter().flat_map(Result::unwrap_or_default).collect();
    let mut all = vec![];
    for variant in variants {
        let name = variant.order.name();
        let died = || Err(anyhow!("failed to make {name}: the thread that made it died"));
        match results.remove(&name).unwrap_or_else(died) {
            Err(error) if error.is::<Interrupted>() || variants.len() == 1 => return Err(error),
            Err(error) => {
                let failure = Failure::new(&error);
                ctx.progress.complain(&failure);
                all.push(Produced::Failed { variant: name, failure });
            }
            Ok(outcomes) => all.extend(outcomes.into_iter().map(Box::new).map(Produced::Made)),
        }
    }
    Ok(all)
}

type Results = Vec<(String, Result<Vec<Outcome>>)>;

fn chains<'a, 'b>(variants: &'a [Variant<'b>]) -> Vec<Vec<&'a Variant<'b>>> {
    let arch = |variant: &Variant<'_>| variant.order.toolchain.arch;
    let mut chains: Vec<Vec<&Variant<'_>>> = vec![];
    for variant in variants {
        match chains.iter_mut().find(|chain| arch(chain[0]) == arch(variant)) {
            Some(chain) => chain.push(variant),
            None => chains.push(vec![variant]),
        }
    }
    // Those first that others can begin with.
    for chain in &mut chains {
        chain.sort_by_key(|variant| variant.object_tree().is_none());
    }
    chains
}

fn produce_chain(ctx: Context, site: Site<'_>, chain: Vec<&Variant<'_>>) -> Results {
    let mut made: Vec<&Variant<'_>> = vec![];
    let mut results = vec![];
    for variant in chain {
        let name = variant.order.name();
        let result = variant.produce(&ctx, site, &made);
        site.failed.fetch_or(result.is_err(), Ordering::SeqCst);
        // What a failed build left, kbuild would go on with; another kernel need not.
        if result.is_ok() {
            made.push(variant);
        }
        results.push((name, result));
    }
    results
}
