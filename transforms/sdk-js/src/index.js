// What a transform is written with: declarations, verdicts, texts, times, the host's log.
export { transform } from "./transform.js";
export { drop, emit, emitAll, reject } from "./verdict.js";
export { present, trim } from "./text.js";
export { parseTimestamp } from "./time.js";
export { debug, error, info, warn } from "./log.js";
