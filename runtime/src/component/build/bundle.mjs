// A package in JavaScript with all that it imports, as one module that exports what the contract names.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";

const [folder, modules, bundle] = process.argv.slice(2);
const manifest = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
const { name, version = "0.0.0", description, main = "index.js" } = manifest;
const contents = `
import transform from ${JSON.stringify("./" + main)};
import { guest } from "tidemill-sdk/guest";
import log from "log";
export const { describe, configure, apply } = guest(transform, ${JSON.stringify({ name, version, description })}, log);
`;
try {
  await build({
    // As if it stood in the package, so that both find the same SDK.
    stdin: { contents, resolveDir: folder, sourcefile: "component.js" },
    absWorkingDir: folder,
    nodePaths: [modules],
    outfile: bundle,
    bundle: true,
    external: ["log"],
    format: "esm",
    platform: "neutral",
    mainFields: ["module", "main"],
    target: "es2022",
    logLevel: "error",
  });
} catch {
  // It has said why.
  process.exit(1);
}
