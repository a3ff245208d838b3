//! What comes of a commit: the rest of the house is told, the figures grow, files that no transaction names go.

use std::time::Duration;

use super::{Batch, Setup};
use crate::commit::Epoch;
use crate::disk;
use crate::pipeline::prune::Prune;
use crate::sabotage::{self, Place};
use crate::time::Timestamp;

impl Setup {
    /// Tells the rest of the house what is committed now.
    pub(crate) fn publish(&self, batch: Batch) {
        sabotage::pass(Place::Committed, &self.pipeline);
        self.count(&batch);
        self.health.advance(batch.epochs.iter().map(|(epoch, _)| epoch));
        let mut segments = batch.segments;
        let mut ended: Vec<(String, u32, Timestamp)> = Vec::new();
        for change in batch.changes {
            ended.extend(
                change.segments.iter().map(|s| (s.table.clone(), s.partition, s.window.plus(Duration::from_micros(1)))),
            );
            segments.extend(change.segments);
        }
        self.shelf.add(segments);
        self.aggregates.weigh(&self.shelf);
        for (table, partition, watermark) in batch.settled {
            let Some(size) = self.tables.iter().find(|t| t.plan.name == table).map(|t| t.plan.window) else { continue };
            self.shelf.close(&table, partition, watermark.floor(size));
        }
        for (aggregate, partition, before) in ended {
            self.shelf.close(&aggregate, partition, before);
        }
        for (segments, object) in batch.landed {
            segments.iter().for_each(|file| self.forget(file));
            self.shelf.landed(segments.len(), object);
        }
        self.shelf.add_objects(batch.objects);
        for object in batch.delivered {
            if self.shelf.is_last_of_file(&object) {
                self.forget(&object.file);
            }
            self.shelf.delivered(&object);
        }
        batch.prunes.iter().for_each(Prune::told);
        for recorded in batch.recorded {
            // Who waited may have gone.
            let _ = recorded.done.send(());
        }
        for redriven in batch.redrives {
            let _ = redriven.done.send(Ok(redriven.late));
        }
    }

    fn count(&self, batch: &Batch) {
        for (epoch, _) in &batch.epochs {
            let table = &[epoch.table.as_str()];
            self.metrics.records_in.with_label_values(table).inc_by(epoch.records_in);
            self.metrics.records_out.with_label_values(table).inc_by(epoch.out);
            self.metrics.records_dropped.with_label_values(table).inc_by(epoch.dropped);
            self.metrics.records_rejected.with_label_values(table).inc_by(epoch.rejected);
            self.metrics.commits.with_label_values(table).inc();
            let Epoch { table, partition, epoch, next, records_in, rejected, .. } = epoch;
            tracing::debug!(table, partition, epoch, next, records_in, rejected, "committed");
        }
        for change in &batch.changes {
            self.metrics.late.with_label_values(&[&change.aggregate]).inc_by(change.late);
        }
    }

    /// Removes a file of the spool that no transaction names any more; what stays is swept at the next start.
    pub(super) fn forget(&self, file: &str) {
        if let Err(error) = disk::remove_file(self.spool.join(file)) {
            tracing::warn!(file, %error, "spool file not removed");
        }
    }
}
