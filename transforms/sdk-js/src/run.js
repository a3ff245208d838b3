// A batch through a transform: columns in, each record through its function, columns out.
import { Unfit, readColumn, writeColumn } from "./columns.js";
import { Verdict } from "./verdict.js";

/**
 * Cleans a batch of the contract. A record on which the function throws, or whose row does not fit the declared
 * columns, is rejected with what was thrown as its reason: nothing is lost of its neighbours, nor of the instance.
 */
export function run(transform, parameters, batch) {
  const made = { rows: [], sources: [], rejected: [] };
  const records = read(transform.inputs, batch);
  for (let place = 0; place < records.length; place++) {
    clean(transform, parameters, records[place], place, made);
  }
  const { columns, sources, rejected } = fitting(transform.outputs, made);
  return { rows: { rows: sources.length, columns }, sources: Uint32Array.from(sources), rejected };
}

function read(inputs, { rows, columns }) {
  const names = inputs.map((field) => field.name);
  const values = inputs.map((field, nth) => readColumn(field, columns[nth]));
  const records = new Array(rows);
  for (let row = 0; row < rows; row++) {
    const record = {};
    for (let nth = 0; nth < names.length; nth++) record[names[nth]] = values[nth][row];
    records[row] = record;
  }
  return records;
}

function clean(transform, parameters, record, place, made) {
  let verdict;
  try {
    verdict = transform.clean(record, parameters);
  } catch (cause) {
    return made.rejected.push({ row: place, reason: `the transform threw ${cause}` });
  }
  if (!(verdict instanceof Verdict)) {
    const reason = "the transform gave no verdict: it has to return emit, emitAll, drop or reject";
    return made.rejected.push({ row: place, reason });
  }
  if (verdict.reason !== null) {
    return made.rejected.push({ row: place, reason: verdict.reason });
  }
  const rows = verdict.rows;
  for (let nth = 0; nth < rows.length; nth++) {
    made.rows.push(rows[nth]);
    made.sources.push(place);
  }
}

/** The columns of what was made; records with a row that does not fit are rejected, which only writing tells. */
function fitting(outputs, { rows, sources, rejected }) {
  try {
    return { columns: write(outputs, rows), sources, rejected };
  } catch (cause) {
    if (!(cause instanceof Unfit)) throw cause;
  }
  const unfit = new Map();
  rows.forEach((row, nth) => {
    const fault = unfit.has(sources[nth]) ? null : check(outputs, row);
    if (fault !== null) unfit.set(sources[nth], fault);
  });
  const fits = (_, nth) => !unfit.has(sources[nth]);
  const found = Array.from(unfit, ([row, reason]) => ({ row, reason }));
  return {
    columns: write(outputs, rows.filter(fits)),
    sources: sources.filter(fits),
    rejected: [...rejected, ...found].sort((one, other) => one.row - other.row),
  };
}

function write(outputs, rows) {
  return outputs.map((field) => {
    const name = field.name;
    const values = new Array(rows.length);
    for (let nth = 0; nth < values.length; nth++) {
      const row = rows[nth];
      if (row === null || typeof row !== "object") throw new Unfit("the row is not an object");
      const value = Object.hasOwn(row, name) ? row[name] : undefined;
      values[nth] = value === undefined ? null : value;
    }
    return writeColumn(field, values);
  });
}

/** What is wrong with a row, or null. */
function check(outputs, row) {
  try {
    write(outputs, [row]);
    return null;
  } catch (cause) {
    return cause.message;
  }
}
