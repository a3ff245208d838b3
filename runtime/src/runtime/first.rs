//! The chain that a table begins with: what was in service before, or what its files hold.

use std::path::Path;

use super::Options;
use crate::component::Host;
use crate::config;
use crate::config::plan::{self, Query};
use crate::error::{Kind, Result};
use crate::pipeline::change::changes;
use crate::pipeline::generation::{Chain, load_component, read_component};
use crate::pipeline::kept::{self, kept_chain};

/// What a table's first chain is found with.
pub(super) struct First<'a> {
    pub(super) host: &'a Host,
    pub(super) plan: &'a plan::Table,
    pub(super) queries: &'a [Query],
    pub(super) components: &'a Path,
}

impl First<'_> {
    /// What was in service, or else what the files hold; a file that cannot be had is no trouble while there is the former. The
    /// files come first where what was in service does not write what the pipeline file names now, and where a person accepts
    /// that fields go or become others.
    pub(super) fn chain(&self, in_service: Option<&str>, options: Options) -> Result<Chain> {
        let Some(kept) = in_service.map(|digest| kept_chain(self.host, self.plan, self.components, digest)) else {
            return self.of_files();
        };
        let unfit = match &kept {
            Ok(kept) => config::unfit(self.plan, kept.outputs()).first().map(|(_, error)| error.to_string()),
            Err(error) if error.kind() == Kind::Missing => Some(error.to_string()),
            Err(_) => None,
        };
        if let Some(reason) = unfit {
            let table = &self.plan.name;
            tracing::warn!(table, reason, "what was in service is not taken, the component's file is");
            return self.of_files();
        }
        let kept = kept?;
        if options.accept_breaking
            && let Ok(new) = self.of_files()
        {
            let told = |accept| changes(self.plan, self.queries, kept.outputs(), new.outputs(), accept);
            if let Err(reason) = told(false) {
                let table = &self.plan.name;
                tracing::warn!(
                    table,
                    changes = reason.message(),
                    "the component's file is taken although fields change"
                );
                return Ok(new);
            }
        }
        Ok(kept)
    }

    fn of_files(&self) -> Result<Chain> {
        let mut components = Vec::new();
        for transform in &self.plan.transforms {
            let bytes = read_component(transform).map_err(|error| {
                if transform.source.is_some() { error } else { error.hint("correct the path in the pipeline file") }
            })?;
            let component = load_component(self.host, transform, &bytes)?;
            kept::keep(self.components, component.digest(), &bytes)?;
            components.push((component, transform.parameters.clone()));
        }
        Ok(Chain::new(components)?.unwrapping(&self.plan.unwrap))
    }
}
