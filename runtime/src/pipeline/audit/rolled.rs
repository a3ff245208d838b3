//! Rollups held against what the cached rows come to.

use super::Audit;
use super::report::{Fault, Report, Rollup, What};
use crate::cache::query::Reader;
use crate::cache::{Differs, Layout, Stray};
use crate::error::Result;
use crate::pipeline::rollups::Rollups;

/// Computes all rollups anew, and names each group that the cache shows otherwise.
pub(super) fn check(audit: &Audit<'_>, reader: &Reader, layout: &Layout, report: &mut Report) -> Result<()> {
    let derived = reader.derive_rollups(layout)?;
    let names = derived.names();
    for rollup in &audit.pipeline.rollups {
        if !names.contains(&rollup.name) {
            let said = "it is declared otherwise than when the pipeline last ran, and not compared";
            report.not_provable.push(format!("{:?}: {said}", rollup.name));
        }
    }
    Rollups::new(&audit.pipeline.rollups, &layout.tables)?.anew(&derived.rolled(), &names)?;
    for name in names {
        let (groups, strays) = derived.strays(&name)?;
        report.rollups.insert(name.clone(), Rollup { groups, faults: 0 });
        strays.iter().for_each(|stray| report.fault(of_group(&name, stray)));
    }
    Ok(())
}

fn of_group(rollup: &str, stray: &Stray) -> Fault {
    let values: Vec<String> = stray.key.iter().map(ToString::to_string).collect();
    let key = values.join(", ");
    let (what, said) = match stray.what {
        Differs::Altered => {
            (What::Altered, format!("the cache shows the group ({key}) otherwise than its rows come to"))
        }
        Differs::Unknown => (What::Foreign, format!("the cache shows the group ({key}), of which it has no row")),
        Differs::Missing => (What::Missing, format!("the cache does not show the group ({key}), of which it has rows")),
    };
    Fault::new(what, said).of_table(rollup)
}
