//! The bucket's listing held against the outbox: what is missing, what is foreign, what has another size.

use std::collections::{BTreeSet, HashSet, VecDeque};

use super::Audit;
use super::report::{Fault, Report, What};
use crate::cache::Holding;
use crate::cache::query::Reader;
use crate::config::plan::is_landing;
use crate::error::Result;
use crate::lake::{BucketReader, Listed, claim_key};

/// Compares the listing with the outbox; gives the keys of delivered objects that are not there as they were written.
pub(super) fn list(
    audit: &Audit<'_>,
    reader: &Reader,
    bucket: &BucketReader,
    report: &mut Report,
) -> Result<HashSet<String>> {
    let (_, objects) = reader.extent()?;
    let mut listing = Listing::new(bucket, folders(audit, reader)?);
    let (mut faulty, mut done) = (HashSet::new(), 0);
    reader.each_object(|Holding { object, delivered }| {
        done += 1;
        (audit.progress)("listing", done, objects);
        while let Some(listed) = listing.next_if(|listed| listed.key < object.key)? {
            foreign(audit, &listed, report)?;
        }
        let listed = listing.next_if(|listed| listed.key == object.key)?;
        let fault = |what, said: String| {
            let fault = Fault::new(what, said).of(&object.table, object.partition).key(&object.key);
            if object.next_offset > 0 { fault.offsets(object.first_offset, object.next_offset) } else { fault }
        };
        match listed {
            Some(listed) if listed.bytes != object.bytes => {
                let said = format!("the bucket lists {} bytes, the outbox {}", listed.bytes, object.bytes);
                report.fault(fault(What::Altered, said));
                faulty.insert(object.key.clone());
            }
            None if delivered.is_some() => {
                report.fault(fault(What::Missing, "it was delivered, and the bucket does not list it".to_owned()));
                faulty.insert(object.key.clone());
            }
            _ => {}
        }
        Ok(())
    })?;
    while let Some(listed) = listing.next_if(|_| true)? {
        foreign(audit, &listed, report)?;
    }
    Ok(faulty)
}

/// The folders that are listed: all under the prefix, or where there is none those of tables and aggregates, as the bucket
/// may hold other things.
fn folders(audit: &Audit<'_>, reader: &Reader) -> Result<VecDeque<String>> {
    let prefix = audit.pipeline.lake.prefix.trim_matches('/');
    if !prefix.is_empty() {
        return Ok([format!("{prefix}/")].into());
    }
    let kept = reader.kept_names()?;
    let mut names: BTreeSet<String> =
        kept.iter().filter(|name| !is_landing(name)).map(|name| audit.folder(name)).collect();
    for name in kept.iter().filter(|name| is_landing(name)) {
        // Where a landing was, also if it is there no more.
        let topic = name.split_once('.').map_or("", |(_, topic)| topic);
        names.extend(reader.folders_upto(name, topic)?);
    }
    names.extend(audit.pipeline.landings.iter().map(|landing| landing.options.folder(&landing.topic)));
    for table in &audit.pipeline.tables {
        names.insert(audit.folder(&table.name));
        names.extend(table.aggregates.iter().map(|aggregate| audit.folder(&aggregate.name)));
    }
    // What lies below another of them is listed with that.
    let mut apart: VecDeque<String> = VecDeque::new();
    for name in names {
        if !apart.back().is_some_and(|before| name.starts_with(before.as_str())) {
            apart.push_back(name);
        }
    }
    Ok(apart)
}

/// An object that the outbox does not have: foreign, unless it has got it since.
fn foreign(audit: &Audit<'_>, listed: &Listed, report: &mut Report) -> Result<()> {
    let is_claim = listed.key == claim_key(&audit.pipeline.lake);
    let known = |reader: &Reader| Ok(reader.object(&listed.key)?.is_some() || reader.is_exported(&listed.key)?);
    if !is_claim && !known(&Reader::open(&audit.places.cache)?)? {
        let said = format!("its {} bytes are in the bucket, and no epoch has written it", listed.bytes);
        report.fault(Fault::new(What::Foreign, said).key(&listed.key));
    }
    Ok(())
}

/// What the bucket lists, by key, a page in memory at a time.
struct Listing<'a> {
    bucket: &'a BucketReader,
    folders: VecDeque<String>,
    after: String,
    page: VecDeque<Listed>,
}

impl<'a> Listing<'a> {
    fn new(bucket: &'a BucketReader, folders: VecDeque<String>) -> Self {
        Self { bucket, folders, after: String::new(), page: VecDeque::new() }
    }

    fn next_if(&mut self, wanted: impl Fn(&Listed) -> bool) -> Result<Option<Listed>> {
        while self.page.is_empty() {
            let Some(folder) = self.folders.front() else { return Ok(None) };
            self.page = self.bucket.page(folder, &self.after)?.into();
            match self.page.back() {
                Some(last) => self.after.clone_from(&last.key),
                None => {
                    self.folders.pop_front();
                    self.after.clear();
                }
            }
        }
        Ok(self.page.pop_front_if(|listed| wanted(listed)))
    }
}
