// A transform as the exports of the contract's world; `tidemill transform build` writes the module that calls this.
import { logTo } from "./log.js";
import { configured } from "./parameters.js";
import { run } from "./run.js";

/** `manifest` is the package's name, version and description, `log` the host's function. */
export function guest(transform, { name, version, description = "" }, log) {
  logTo(log);
  let parameters = null;
  return {
    describe() {
      const { inputs, outputs, schema } = transform;
      return { name, version, summary: description, inputs, outputs, parameters: JSON.stringify(schema) };
    },
    configure(given) {
      try {
        parameters = configured(transform.schema, given);
      } catch (cause) {
        // What is thrown is the error of the contract, which is a text.
        throw cause.message;
      }
    },
    apply(batch) {
      if (parameters === null) throw "the transform has no parameters yet: configure comes before apply";
      return run(transform, parameters, batch);
    },
  };
}
