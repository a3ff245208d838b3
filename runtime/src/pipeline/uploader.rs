//! The uploader: sends the outbox's objects to the bucket, again and again until they are there.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use super::committer::Message;
use super::shelf::Shelf;
use crate::commit::Object;
use tokio::sync::watch;

use crate::lake::{Backoff, Bucket, retry};
use crate::metrics::Metrics;

/// Objects on their way at one time.
pub const UPLOADS_MAX: usize = 4;
/// How long an object that cannot be uploaded as things stand waits before it is tried again.
const REFUSED_PAUSE: Duration = Duration::from_secs(30);

/// All that an uploader needs.
#[derive(Clone)]
pub struct Setup {
    /// Where it takes objects from.
    pub shelf: Arc<Shelf>,
    /// The spool's folder.
    pub spool: PathBuf,
    /// Where it sends them.
    pub bucket: Arc<Bucket>,
    /// Whom it tells.
    pub committer: SyncSender<Message>,
    /// The figures.
    pub metrics: Arc<Metrics>,
    /// Turns true when nothing more is to be tried.
    pub stop: watch::Receiver<bool>,
}

/// Uploads objects one after another until the shelf ends or it has to stop; run several for several at a time.
pub async fn run(mut setup: Setup) {
    let (shelf, mut stop) = (Arc::clone(&setup.shelf), setup.stop.clone());
    loop {
        let taken = tokio::select! {
            taken = shelf.take_object() => taken,
            _ = stop.wait_for(|stop| *stop) => None,
        };
        let Some(object) = taken else { return };
        if !upload(&mut setup, &object).await {
            return;
        }
        let committer = setup.committer.clone();
        let told = tokio::task::spawn_blocking(move || committer.send(Message::Delivered(object)).is_ok());
        if !told.await.unwrap_or(false) {
            return;
        }
    }
}

/// Tries until the object is in the bucket; false when it has to stop before. A foreign object under its key is left alone, and said again and again.
async fn upload(setup: &mut Setup, object: &Object) -> bool {
    let file = setup.spool.join(&object.file);
    let table = object.table.as_str();
    let failures = setup.metrics.upload_failures.with_label_values(&[table]);
    loop {
        let put = async || setup.bucket.put(object, &file).await.inspect_err(|_| failures.inc());
        match retry(&object.key, Backoff::default(), &mut setup.stop, put).await {
            None => return false,
            Some(Ok(_)) => break,
            Some(Err(error)) => {
                tracing::error!(
                    table,
                    key = object.key,
                    error = error.message(),
                    "object refused, it waits in the outbox"
                );
            }
        }
        tokio::select! {
            () = tokio::time::sleep(REFUSED_PAUSE) => {}
            _ = setup.stop.wait_for(|stop| *stop) => return false,
        }
    }
    setup.metrics.objects.with_label_values(&[table]).inc();
    setup.metrics.object_bytes.with_label_values(&[table]).inc_by(object.bytes);
    true
}
