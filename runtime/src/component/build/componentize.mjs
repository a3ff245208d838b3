// A module in JavaScript as a component: put into an engine, which has read it before it is kept.
import { writeFile } from "node:fs/promises";
import { componentize } from "@bytecodealliance/componentize-js";

const [bundle, wit, component] = process.argv.slice(2);
try {
  const made = await componentize({
    sourcePath: bundle,
    witPath: wit,
    worldName: "transform",
    // Nothing outside is offered to a transform, so nothing may be asked for.
    disableFeatures: ["random", "stdio", "clocks", "http", "fetch-event"],
  });
  await writeFile(component, made.component);
} catch (cause) {
  console.error(cause.message);
  process.exit(1);
}
