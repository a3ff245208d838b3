//! The uploader: sends a table's objects to the bucket, again and again until they are there.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use tokio::sync::watch;

use super::committer::Message;
use super::shelf::Shelf;
use crate::commit::Object;
use crate::error::Error;
use crate::lake::{Backoff, Bucket, retry};
use crate::metrics::Metrics;
use crate::sabotage::{self, Fault, Place};

/// Objects of a table, with those of its aggregates, on their way at one time.
pub const UPLOADS_MAX: usize = 4;

/// All that an uploader needs.
#[derive(Clone)]
pub struct Setup {
    /// Whose objects it takes.
    pub table: Arc<str>,
    /// Where it takes them from.
    pub shelf: Arc<Shelf>,
    /// The spool's folder.
    pub spool: PathBuf,
    /// Where it sends them.
    pub bucket: Arc<Bucket>,
    /// How long it waits between two tries.
    pub backoff: Backoff,
    /// Whom it tells.
    pub committer: SyncSender<Message>,
    /// The figures.
    pub metrics: Arc<Metrics>,
    /// Turns true when nothing more is to be tried.
    pub stop: watch::Receiver<bool>,
}

/// Uploads objects, those of one file together, until the shelf ends or it has to stop; run several for several at a time.
pub async fn run(mut setup: Setup) {
    let (shelf, mut stop) = (Arc::clone(&setup.shelf), setup.stop.clone());
    let table = Arc::clone(&setup.table);
    loop {
        let taken = tokio::select! {
            taken = shelf.take_objects(&table) => taken,
            _ = stop.wait_for(|stop| *stop) => None,
        };
        let Some(objects) = taken else { return };
        sabotage::pass(Place::Uploader, &table);
        if !sabotage::is(Fault::DeliveredEarly) && !upload_all(&mut setup, &objects).await {
            return;
        }
        objects.iter().for_each(|object| shelf.arrived(object));
        let committer = setup.committer.clone();
        let told = tokio::task::spawn_blocking(move || committer.send(Message::Delivered(objects)).is_ok());
        if !told.await.unwrap_or(false) {
            return;
        }
    }
}

/// Tries until all of them are in the bucket; false when it has to stop before.
async fn upload_all(setup: &mut Setup, objects: &[Object]) -> bool {
    let mut left: Vec<&Object> = objects.iter().collect();
    if objects.len() > 1 {
        let together = setup.bucket.put_all(objects, &setup.spool);
        let arrived = tokio::select! {
            arrived = together => arrived,
            _ = setup.stop.wait_for(|stop| *stop) => return false,
        };
        // Of those that did not arrive each is tried alone, and says why.
        left.retain(|object| !arrived.contains(object.key.as_str()));
        objects.iter().filter(|object| arrived.contains(object.key.as_str())).for_each(|object| setup.count(object));
    }
    for object in left {
        if !upload(setup, object).await {
            return false;
        }
        setup.count(object);
    }
    true
}

/// Tries until the object is in the bucket; false when it has to stop before. What cannot pass by itself, such as a foreign object
/// under its key, is left alone, and looked at again after the longest pause: once a person has helped, it goes on.
async fn upload(setup: &mut Setup, object: &Object) -> bool {
    let file = setup.spool.join(&object.file);
    let (table, key) = (object.table.as_str(), object.key.as_str());
    let failures = setup.metrics.upload_failures.with_label_values(&[table]);
    let failed = |error: &Error| {
        failures.inc();
        setup.shelf.failed(object, error);
    };
    loop {
        let put = async || setup.bucket.put(object, &file).await.inspect_err(failed);
        match retry(key, setup.backoff, &mut setup.stop, put).await {
            None => return false,
            Some(Ok(_)) => break,
            Some(Err(error)) => {
                tracing::error!(table, key, error = error.line(), "object refused, it waits in the outbox");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(setup.backoff.longest) => {}
            _ = setup.stop.wait_for(|stop| *stop) => return false,
        }
    }
    true
}

impl Setup {
    fn count(&self, object: &Object) {
        let table = &[object.table.as_str()];
        self.metrics.objects.with_label_values(table).inc();
        self.metrics.object_bytes.with_label_values(table).inc_by(object.bytes);
    }
}
