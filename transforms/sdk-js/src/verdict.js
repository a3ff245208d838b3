// What a transform says about one record.

/** What came of a record: rows, nothing on purpose, or a reason why it cannot be a row. */
export class Verdict {
  constructor(rows, reason) {
    this.rows = rows;
    this.reason = reason;
  }
}

const DROP = new Verdict([], null);

/** The record becomes this row, an object with the columns' names. */
export function emit(row) {
  return new Verdict([row], null);
}

/** The record becomes these rows, in this order; an empty list drops it. */
export function emitAll(rows) {
  return new Verdict([...rows], null);
}

/** The record is left out on purpose; it is counted as dropped. */
export function drop() {
  return DROP;
}

/** The record cannot become a row; `reason` is a sentence without a full stop. */
export function reject(reason) {
  return new Verdict(null, String(reason));
}
