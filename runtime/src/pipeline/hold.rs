//! The committer held still, so that another may write the cache's file meanwhile.

use std::sync::mpsc::{Receiver, RecvError, SyncSender, sync_channel};

use crate::commit::Segment;

/// What the committer is told: that it is to stand still until the other side has ended.
pub struct Hold {
    /// The table whose aggregates may be others afterwards.
    pub table: String,
    begun: SyncSender<()>,
    over: Receiver<Vec<Segment>>,
}

/// The other side: once it has begun, nobody else writes the file. When it is dropped, the committer goes on.
pub struct Held {
    begun: Receiver<()>,
    over: SyncSender<Vec<Segment>>,
}

/// Both sides of a hold on behalf of a table.
pub fn hold(table: &str) -> (Hold, Held) {
    let ((begin, begun), (end, over)) = (sync_channel(1), sync_channel(1));
    (Hold { table: table.to_owned(), begun: begin, over }, Held { begun, over: end })
}

impl Hold {
    /// Stands still until the other side has ended; the segments that it has put into the file. None where nobody is there.
    pub fn stand(self) -> Option<Vec<Segment>> {
        self.begun.send(()).ok()?;
        // One that is gone without a word has written nothing that the shelf has to know before the next start.
        Some(self.over.recv().unwrap_or_default())
    }
}

impl Held {
    /// Waits until the committer stands still.
    ///
    /// Errors where it has ended.
    pub fn wait(&self) -> Result<(), RecvError> {
        self.begun.recv()
    }

    /// Lets the committer go on, with the segments that are in the file now.
    pub fn end(self, segments: Vec<Segment>) {
        // A committer that has ended finds them at the next start.
        let _ = self.over.send(segments);
    }
}
